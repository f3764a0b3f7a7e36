"""Typeset and degrade the sample letters of recipes/samples/letters, for recipes/scan-to-linked-records.toml.

    python bench/letters.py --tables ../../recipes/samples/tables -o ../../recipes/samples/letters

Nine letters are from firms of companies.csv, one is from a firm that it lacks. The scans are skewed, blurred, speckled
and unevenly lit, and some print another form of the firm's name than the register does. Needs the DejaVu fonts.
"""

from __future__ import annotations

import argparse
import csv
import random
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

FONTS = ("DejaVuSerif", "DejaVuSans", "DejaVuSansCondensed", "DejaVuSansMono", "DejaVuSerifCondensed")
WIDTH, HEIGHT = 900, 620
BODIES = (
    ("Dear Sir or Madam,", "please find enclosed our invoice for the goods", "delivered to you on the third of May."),
    ("Dear Mrs Holloway,", "we thank you for your order and shall send it", "as soon as the second crate has come."),
    ("To whom it may concern:", "our shop is closed for the summer from the", "first to the fourteenth of August."),
)
ENDINGS = {"Ltd": "Limited", "Inc": "Incorporated", "Cooperative": "Co-op", "& Sons": "and Sons", "GmbH": "G.m.b.H."}


def letter(firm: dict[str, str], number: int, rng: random.Random) -> Image.Image:
    """One page; equal numbers give equal pages."""
    face = FONTS[number % len(FONTS)]
    page = Image.new("L", (WIDTH, HEIGHT), 250)
    draw = ImageDraw.Draw(page)
    name = firm["name"]
    for short, long in ENDINGS.items():
        if number % 2 and name.endswith(short):
            name = name.removesuffix(short) + long
    bold = ImageFont.truetype(f"{face}-Bold.ttf", 36)
    plain, small = ImageFont.truetype(f"{face}.ttf", 24), ImageFont.truetype(f"{face}.ttf", 20)
    left = (60, (WIDTH - draw.textlength(name, bold)) / 2)[number % 3 == 0]
    draw.text((left, 50), name, 30, bold)
    draw.text((left, 104), f"{firm['street']}, {firm['city']}", 50, small)
    draw.text((left, 134), f"Telephone {firm['phone']}", 50, small)
    draw.line((60, 180, WIDTH - 60, 180), 90, 2)
    for place, line in enumerate((*BODIES[number % len(BODIES)], "", "Yours faithfully,")):
        draw.text((60, 230 + 44 * place), line, 40, plain)
    return degraded(page, rng)


def degraded(page: Image.Image, rng: random.Random) -> Image.Image:
    """As a careless scan of a worn print."""
    page = page.rotate(rng.uniform(-1.2, 1.2), Image.Resampling.BICUBIC, fillcolor=245)
    page = page.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 1.1)))
    noise = np.random.default_rng(rng.randrange(2**32))
    pixels = np.asarray(page, np.float32)
    shade = np.linspace(rng.uniform(-25, 0), rng.uniform(-25, 0), WIDTH)[None]
    pixels = pixels + shade + noise.normal(0, rng.uniform(4, 10), pixels.shape)
    pixels[noise.random(pixels.shape) < 0.001] = 60
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tables", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    given = parser.parse_args()
    with open(given.tables / "companies.csv", newline="", encoding="utf-8") as file:
        firms = list(csv.DictReader(file))
    rng = random.Random(7)
    chosen = rng.sample(firms, 9)
    stranger = {"name": "Ottoline Piano Repairs", "street": "5 Quay Row", "city": "Westerby", "phone": "01777 120045"}
    given.output.mkdir(parents=True, exist_ok=True)
    for number, firm in enumerate([*chosen, stranger]):
        letter(firm, number, rng).save(given.output / f"letter-{number + 1:02}.jpg", quality=55)
        print(f"letter-{number + 1:02}.jpg", firm.get("id", "none"), firm["name"])


if __name__ == "__main__":
    main()
