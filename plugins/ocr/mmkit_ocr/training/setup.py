"""What a training run starts from: weights, words, fonts, photos and labelled crops, from the files of a user."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np
import torch
from PIL import Image

from mmkit.errors import ModelUnavailable, UsageError
from mmkit_ocr.recogniser.network import HEIGHT, Network, Shape
from mmkit_ocr.training.crops import CropSet, crop_set
from mmkit_ocr.training.spelling import read_words, usable

__all__ = ["background_photos", "labelled_crops", "start_network", "word_lists"]

_WIDE: Final = 192
_PPOCR: Final = "PP-OCRv6_rec_small.onnx"


def start_network(start: str, *, seed: int, layers: int) -> Network:
    """A network to train.

    Args:
        start: ``ppocr`` (its convolutions and CTC head as rapidocr bundles them, the rest new), ``bundled``, a file of
            weights, or ``scratch``.

    Raises:
        ModelUnavailable: the weights cannot be had.
    """
    from mmkit_ocr.recogniser.weights import BUNDLED, load_network

    torch.manual_seed(seed)
    if start in ("ppocr", "scratch"):
        network = Network(Shape(layers=layers), dropout=0.1)
        if start == "ppocr":
            _take_ppocr(network)
        return network
    stored = load_network(BUNDLED if start == "bundled" else start)
    network = Network(stored.shape, dropout=0.1)
    network.load_state_dict(stored.state_dict())
    return network


def word_lists(paths: Sequence[Path]) -> list[list[str]]:
    """The words of each file; the system's dictionary where there is none.

    Raises:
        UsageError: a file cannot be read or holds no word.
    """
    from mmkit_ocr.rendering.words import system_words

    if not paths:
        return [[word for word in system_words() if usable(word)]]
    lists = []
    for path in paths:
        try:
            lists.append(read_words(path))
        except (OSError, ValueError) as error:
            raise UsageError(str(error), where=str(path), mend="give a UTF-8 file, one word a line") from error
    return lists


def labelled_crops(labels: Sequence[Path], *, width: int) -> list[CropSet]:
    """The crops of each file of lines ``file, tab, text``; files are named from the folder of their list.

    Crops whose words the recogniser cannot spell are left out.

    Raises:
        UsageError: a list cannot be read, or has no usable crop.
        BadInput: a picture cannot be read.
    """
    from mmkit.media.images import read_image

    sets = []
    for path in labels:
        try:
            rows = [line.split("\t") for line in path.read_text(encoding="utf-8-sig").splitlines() if line]
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"cannot be read: {error}", where=str(path)) from error
        kept = [(row[0], row[1]) for row in rows if len(row) == 2 and usable(row[1])]
        if not kept:
            raise UsageError(
                "holds no crop with a word to learn", where=str(path), mend="give lines of: file, tab, text"
            )
        pictures = (np.asarray(read_image(path.parent / name)) for name, _ in kept)
        name = path.parent.name if path.stem == "labels" else path.stem
        sets.append(crop_set(name, pictures, [text for _, text in kept], width=width))
    return sets


def background_photos(folder: Path | None, *, most: int, seed: int) -> np.ndarray:
    """(M, 3, 48, 192) uint8 strips of photos; smooth colours where no folder is given.

    Raises:
        UsageError: the folder holds no picture that can be read.
    """
    from mmkit.errors import BadInput
    from mmkit.media.images import read_image
    from mmkit.pipeline.sources import items_from
    from mmkit.types import Failure

    rng = np.random.default_rng(seed)
    if folder is None:
        coarse = torch.from_numpy(rng.uniform(0, 255, (most, 3, 2, 4)).astype(np.float32))
        smooth = torch.nn.functional.interpolate(coarse, (HEIGHT, _WIDE), mode="bilinear")
        return smooth.to(torch.uint8).numpy()
    strips = []
    for item in items_from([str(folder)], modality="image"):
        if isinstance(item, Failure):
            continue
        try:
            photo = np.asarray(read_image(item, min_side=HEIGHT))
        except BadInput:
            continue
        strips.append(_strip(photo, rng))
        if len(strips) == most:
            break
    if not strips:
        raise UsageError("holds no picture that can be read", where=str(folder))
    return np.stack(strips)


def _strip(photo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    height, width = photo.shape[:2]
    wide = min(width, height * _WIDE // HEIGHT)
    tall = max(1, wide * HEIGHT // _WIDE)
    top, left = int(rng.integers(height - tall + 1)), int(rng.integers(width - wide + 1))
    strip = Image.fromarray(np.ascontiguousarray(photo[top : top + tall, left : left + wide]))
    return np.asarray(strip.resize((_WIDE, HEIGHT))).transpose(2, 0, 1)


def _take_ppocr(network: Network) -> None:
    found = find_spec("rapidocr")
    path = Path(found.origin).parent / "models" / _PPOCR if found is not None and found.origin else None
    if path is None or not path.is_file():
        raise ModelUnavailable(
            f"{_PPOCR} is not there", where="rapidocr", mend="pip install 'rapidocr>=3.10', or give --start bundled"
        )
    from mmkit_ocr.recogniser.ppocr import load_ppocr

    backbone, neck, head = load_ppocr(path)
    network.backbone.load_state_dict(backbone.state_dict())
    network.neck.load_state_dict(neck.state_dict())
    network.ctc.load_state_dict(head.state_dict())
