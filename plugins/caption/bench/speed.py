"""Pictures a second from files to captions, and the share of it that the models themselves take.

    python bench/speed.py --pictures DIR --count 200

The models alone are the encoder on prepared pictures and the captioner on its vectors, in the same process, in slices
that alternate with the whole, so that a busy moment hits both. Targets: 10 pictures a second, 80 % in the models.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from mmkit_caption.describe import describe
from mmkit_caption.writer import CaptionWriter

from mmkit.config import settings
from mmkit.encoders import encoder as load_encoder
from mmkit.types import Item


def main() -> None:
    """Measure and print one line of JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pictures", type=Path, required=True)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--slice", type=int, default=50)
    parser.add_argument("--model", default="caption-mini")
    parser.add_argument("--beam", type=int)
    given = parser.parse_args()
    files = sorted(path for path in given.pictures.iterdir() if path.suffix.lower() in (".jpg", ".png"))[: given.count]
    chosen = settings(device="cpu")
    writer = CaptionWriter(given.model, device="cpu")
    encoder = load_encoder(str(writer.config["encoder"]), device="cpu")
    batch = 32
    items = [Item.from_path(file, "image") for file in files]
    list(describe(writer, encoder, items[:batch], beam=given.beam, chosen=chosen))
    whole = models = 0.0
    for first in range(0, len(items), given.slice):
        part = items[first : first + given.slice]
        start = time.perf_counter()
        done = sum(len(described) for described, _ in describe(writer, encoder, part, beam=given.beam, chosen=chosen))
        whole += time.perf_counter() - start
        assert done == len(part)
        prepared = [encoder.prepare(item) for item in part]
        start = time.perf_counter()
        for at in range(0, len(prepared), batch):
            writer.write(encoder.encode(prepared[at : at + batch], "image").vectors, beam=given.beam)
        models += time.perf_counter() - start
    print(
        json.dumps(
            {
                "pictures": len(items),
                "pictures_a_second": round(len(items) / whole, 2),
                "seconds": round(whole, 2),
                "models_alone_seconds": round(models, 2),
                "share_in_models": round(models / whole, 3),
            }
        )
    )


if __name__ == "__main__":
    main()
