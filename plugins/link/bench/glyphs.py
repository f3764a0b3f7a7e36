"""Draw every Chinese character and kana once and keep what it looks like: the file mmkit_link/glyphs.safetensors.

    apt-get install fonts-noto-cjk
    python bench/glyphs.py --font /usr/share/fonts/opentype/noto/NotoSerifCJK-Regular.ttc

Noto Serif CJK is under the SIL Open Font License 1.1; what is kept are 32 numbers a character, from which no outline
can be had again. A drawing of 64 pixels is blurred and read on a grid of 16 x 16, the mean drawing is taken away, and
the 32 directions in which characters differ most remain (principal components).
"""

from __future__ import annotations

import argparse
import json
import unicodedata
from pathlib import Path

import numpy as np
from mmkit_link import glyphs
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from safetensors.numpy import save_file

SIZE, MARGIN, GRID, DIMS = 64, 8, 16, 32
#: Punctuation and kana, fullwidth letters fold to ASCII, radicals that OCR takes for characters, CJK URO.
RANGES = ((0x21, 0x7E), (0xB7, 0xB7), (0x2E80, 0x2EF3), (0x3001, 0x30FF), (0x31C0, 0x31FF), (0x4E00, 0x9FFF))


def drawn(char: str, font: ImageFont.FreeTypeFont) -> np.ndarray:
    """(256,) the ink in each cell, 0 to 255."""
    picture = Image.new("L", (SIZE + 2 * MARGIN, SIZE + 2 * MARGIN), 0)
    ImageDraw.Draw(picture).text((MARGIN, 0), char, 255, font=font)
    blurred = picture.filter(ImageFilter.GaussianBlur(SIZE / GRID))
    return np.asarray(blurred.resize((GRID, GRID), Image.Resampling.BOX), np.float32).ravel()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--font", type=Path, required=True)
    font = ImageFont.truetype(str(parser.parse_args().font), SIZE, index=0)
    chars = [chr(code) for first, last in RANGES for code in range(first, last + 1)]
    absent = drawn("\uffff", font).tobytes()
    chars = [char for char in chars if unicodedata.category(char) not in ("Cn", "Zs", "Cc")]
    every = [(char, drawn(char, font)) for char in chars]
    kept = [(char, ink) for char, ink in every if ink.any() and ink.tobytes() != absent]
    ink = np.stack([each for _, each in kept])
    amount = ink.mean(axis=1)
    han = np.array([char >= "\u4e00" for char, _ in kept])
    plain = ink - ink[han].mean(axis=0)
    unit = plain / np.linalg.norm(plain, axis=1, keepdims=True)
    _, directions = np.linalg.eigh(unit[han].T @ unit[han])
    sketch = unit @ directions[:, ::-1][:, :DIMS]
    sketch /= np.linalg.norm(sketch, axis=1, keepdims=True)
    tensors = {
        "chars": np.array([ord(char) for char, _ in kept], np.int32),
        "sketch": np.round(127 * sketch).astype(np.int8),
        # A character of middling ink is 100.
        "ink": np.clip(np.round(100 * amount / np.median(amount[han])), 0, 255).astype(np.uint8),
    }
    about = {"font": "Noto Serif CJK JP Regular, SIL Open Font License 1.1", "made by": "bench/glyphs.py"}
    target = Path(glyphs.__file__).with_name("glyphs.safetensors")
    save_file(tensors, target, {"mmkit_link": json.dumps(about)})
    print(len(kept), "characters,", target.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
