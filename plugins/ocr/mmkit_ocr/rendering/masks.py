"""Words as anti-aliased glyph masks, drawn on the CPU; `compose` turns them into pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final, Protocol

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFont

from mmkit.errors import UsageError
from mmkit_ocr.rendering.fonts import Font

__all__ = ["HEIGHT", "WIDTH", "WordMasks", "WordSource"]

HEIGHT: Final = 64
WIDTH: Final = 256
# Long words are squeezed sideways only so far that their letters keep this height.
_MIN_HEIGHT: Final = 40
_SIZES: Final = (64, 40)
_LONG_WORD: Final = 7
_RETRIES: Final = 200


class WordSource(Protocol):
    """Anything that names words to draw; `rendering.words.Words` is one."""

    def sample(self, count: int, rng: np.random.Generator) -> list[str]: ...


@lru_cache(maxsize=4096)
def _open(path: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)


class WordMasks:
    """Draws words in random fonts, weights, spacings and baselines.

    The same words, fonts and seed give the same masks. An instance belongs to one process: give each worker its own
    seed. Raises UsageError without fonts.
    """

    def __init__(self, words: WordSource, fonts: Sequence[Font], seed: int) -> None:
        if not fonts:
            raise UsageError(
                "there is no font that has all letters and digits",
                mend="name a folder of fonts with --fonts, or install some (Debian: apt install fonts-dejavu)",
            )
        self._words = words
        self._fonts = fonts
        self._rng = np.random.default_rng(seed)

    def draw(self, count: int) -> tuple[np.ndarray, list[str]]:
        """`count` masks (N, 64, 256) uint8, 255 where ink is full, and their texts.

        The ink touches the top and bottom, or the left and right, of its own box, which is centred; `compose` finds
        the box again. A text is what is drawn: upper case for a font that has only capitals. Raises UsageError when
        the fonts lack the characters of nearly all words.
        """
        masks = np.zeros((count, HEIGHT, WIDTH), np.uint8)
        texts: list[str] = []
        for words in self._batches(count):
            for word in words:
                drawn = self._draw_word(word)
                if drawn is not None and len(texts) < count:
                    mask, text = drawn
                    _place(mask, masks[len(texts)])
                    texts.append(text)
            if len(texts) == count:
                return masks, texts
        raise UsageError("the fonts lack the characters of nearly all words", mend="give other --fonts or --words")

    def _batches(self, count: int) -> Iterator[list[str]]:
        """Words to draw, and some more to stand in for those that no font can draw; an end, when hardly any can be."""
        yield self._words.sample(count, self._rng)
        for _ in range(_RETRIES):
            yield self._words.sample(max(16, count // 8), self._rng)

    def _draw_word(self, word: str) -> tuple[Image.Image, str] | None:
        rng = self._rng
        for _ in range(8):
            font = self._fonts[int(rng.integers(len(self._fonts)))]
            text = word.upper() if font.capitals else word
            if font.covers(text):
                break
        else:
            return None
        size = _SIZES[len(text) > _LONG_WORD]
        face = _open(str(font.path), size)
        style = rng.random(2)
        if style[0] < 0.04:
            image = _hollow(face, text, width=max(1, size // 24))
        elif style[0] < 0.45:
            image = self._spaced(face, text, size)
        else:
            image = _line(face, text, stroke=int(style[1] < 0.12) * int(rng.integers(1, 3)))
        box = image.getbbox()
        # Some fonts hold glyphs of no ink, or of a size that no picture can hold.
        if box is None or box[3] - box[1] < 3 or box[2] - box[0] < 2:
            return None
        return image.crop(box), text

    def _spaced(self, face: ImageFont.FreeTypeFont, text: str, size: int) -> Image.Image:
        """Letter by letter: wider or tighter spacing, and at times a dancing baseline or a second size for the rest."""
        rng = self._rng
        gap = float(rng.choice([rng.uniform(-0.04, 0.12), rng.uniform(0.1, 0.5)], p=[0.75, 0.25])) * size
        bounce = rng.random() < 0.12
        advances = [face.getlength(character) + gap for character in text]
        canvas = Image.new("L", (int(sum(max(a, 1) for a in advances)) + 2 * size, 3 * size))
        pen = ImageDraw.Draw(canvas)
        x = float(size)
        for character, advance in zip(text, advances, strict=True):
            y = size + (rng.normal(0, 0.06) * size if bounce else 0.0)
            if gap < 0:
                # Overlapping letters add up instead of cutting holes into each other.
                layer = Image.new("L", canvas.size)
                ImageDraw.Draw(layer).text((x, y), character, fill=255, font=face)
                canvas = ImageChops.lighter(canvas, layer)
            else:
                pen.text((x, y), character, fill=255, font=face)
            x += max(advance, 1.0)
        return canvas


def _line(face: ImageFont.FreeTypeFont, text: str, *, stroke: int = 0) -> Image.Image:
    left, top, right, bottom = face.getbbox(text, stroke_width=stroke)
    canvas = Image.new("L", (max(1, int(right - left) + 2), max(1, int(bottom - top) + 2)))
    ImageDraw.Draw(canvas).text((1 - left, 1 - top), text, fill=255, font=face, stroke_width=stroke)
    return canvas


def _hollow(face: ImageFont.FreeTypeFont, text: str, *, width: int) -> Image.Image:
    """The outline of the letters alone."""
    left, top, right, bottom = face.getbbox(text, stroke_width=width)
    canvas = Image.new("L", (max(1, int(right - left) + 2), max(1, int(bottom - top) + 2)))
    pen = ImageDraw.Draw(canvas)
    pen.text((1 - left, 1 - top), text, fill=255, font=face, stroke_width=width)
    pen.text((1 - left, 1 - top), text, fill=0, font=face)
    return canvas


def _place(ink: Image.Image, mask: np.ndarray) -> None:
    """Scale the ink to fill the mask in one direction, keep its shape where that is possible, and centre it."""
    width, height = ink.size
    scale = min(HEIGHT / height, WIDTH / width)
    new_width = max(1, round(width * scale))
    new_height = max(1, round(height * scale))
    if new_width >= WIDTH:
        new_height = max(new_height, _MIN_HEIGHT)
    scaled = ink.resize((new_width, new_height), Image.Resampling.BILINEAR)
    top, left = (HEIGHT - new_height) // 2, (WIDTH - new_width) // 2
    mask[top : top + new_height, left : left + new_width] = np.asarray(scaled)
