"""How fast words are drawn: masks a second on one core, and pictures a second on a device.

python plugins/ocr/bench/rendering.py --device cuda --batch 2048
"""

from __future__ import annotations

import argparse
import time

import torch
from mmkit_ocr.rendering.compose import compose
from mmkit_ocr.rendering.fonts import load_fonts
from mmkit_ocr.rendering.masks import WordMasks
from mmkit_ocr.rendering.words import Words, system_words

ROUNDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, default=64)
    options = parser.parse_args()

    source = WordMasks(Words(system_words()), load_fonts(), seed=0)
    source.draw(500)
    start = time.process_time()
    source.draw(2000)
    print(f"masks: {2000 / (time.process_time() - start):.0f} a second of one core")

    masks = torch.from_numpy(source.draw(options.batch)[0]).to(options.device)
    photos = torch.randint(0, 256, (500, 3, 48, 192), dtype=torch.uint8, device=options.device)
    generator = torch.Generator(options.device).manual_seed(0)
    compose(masks, photos, generator)
    _wait(options.device)
    start = time.perf_counter()
    for _ in range(ROUNDS):
        compose(masks, photos, generator)
    _wait(options.device)
    print(f"pictures: {ROUNDS * options.batch / (time.perf_counter() - start):.0f} a second on {options.device}")


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
