"""Zero-shot accuracy and retrieval of a weights folder, with the controls beside them.

    python -m mmkit.encoders.mini.training.evaluate --weights DIR --sets SET [SET …] [--text DIR]

SET holds captions.jsonl as in `data.py`; lines with a "label" make a zero-shot classification over the set's
labels, other lines a retrieval. N pictures, M captions, C classes, D dimensions.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from mmkit.encoders.mini.model import MiniModel
from mmkit.encoders.mini.preprocessing import Preprocessing, normalise, preprocess
from mmkit.encoders.mini.tokenizer import MiniTokenizer
from mmkit.encoders.mini.training.wordnet import read_nouns

__all__ = ["class_vectors", "image_vectors", "recalls", "text_vectors", "top1", "wordnet_names"]

SINGLE_TEMPLATE = ("a photo of a {}.",)


@torch.inference_mode()
def image_vectors(model: MiniModel, pictures: Iterable[np.ndarray], *, batch: int = 32) -> Tensor:
    """Vectors (N, D) of byte pictures (3, S, S)."""
    device = model.log_scale.device
    parts: list[Tensor] = []
    rows: list[np.ndarray] = []
    settings = model.config.preprocessing

    def flush() -> None:
        if rows:
            pixels = normalise(torch.from_numpy(np.stack(rows)).to(device), settings)
            parts.append(model.image_features(pixels))
            rows.clear()

    for picture in pictures:
        rows.append(picture)
        if len(rows) == batch:
            flush()
    flush()
    return torch.cat(parts)


@torch.inference_mode()
def text_vectors(model: MiniModel, tokenizer: MiniTokenizer, texts: Sequence[str]) -> Tensor:
    """Vectors (M, D) of texts."""
    device, parts = model.log_scale.device, []
    for start in range(0, len(texts), 256):
        ids, mask = tokenizer(texts[start : start + 256])
        parts.append(model.text_features(torch.from_numpy(ids).to(device), torch.from_numpy(mask).to(device)))
    return torch.cat(parts)


def class_vectors(model: MiniModel, tokenizer: MiniTokenizer, names: Sequence[str], templates: Sequence[str]) -> Tensor:
    """Unit rows (C, D): the mean over templates of each class's vectors."""
    sets = [text_vectors(model, tokenizer, [text.format(name) for name in names]) for text in templates]
    return F.normalize(torch.stack(sets).mean(0), dim=-1)


def top1(images: Tensor, classes: Tensor, labels: Tensor) -> float:
    """Share in percent of pictures (N, D) nearest to the class (C, D) that `labels` (N) names."""
    return 100.0 * float(((images @ classes.T).argmax(1).cpu() == labels.cpu()).float().mean())


def recalls(queries: Tensor, gallery: Tensor, relevant: Tensor, ranks: Sequence[int] = (1, 5, 10)) -> dict[str, float]:
    """R@k in percent: share of queries (Q, D) with a relevant (Q, G) item among the k nearest of G."""
    scores = queries @ gallery.T
    order = scores.topk(min(max(ranks), scores.shape[1]), dim=1).indices
    hits = relevant.to(order.device).gather(1, order)
    return {f"R@{rank}": round(100.0 * float(hits[:, :rank].any(1).float().mean()), 2) for rank in ranks}


def wordnet_names(text: Path) -> dict[str, list[str]]:
    """The usual lists of names of the tower's classes, by the name of the list."""
    nouns = read_nouns(text / "data.noun")
    wnids = (text / "imagenet_wnids.txt").read_text(encoding="utf-8").split()
    return {
        "first lemma": [nouns[wnid].lemmas[0] for wnid in wnids],
        "all lemmas": [", ".join(nouns[wnid].lemmas) for wnid in wnids],
        "last lemma": [nouns[wnid].lemmas[-1] for wnid in wnids],
        "curated": (text / "imagenet_names.txt").read_text(encoding="utf-8").splitlines(),
    }


def read_set(folder: Path, settings: Preprocessing) -> tuple[list[np.ndarray], list[dict[str, Any]]]:
    """Prepared pictures of a set and the lines that describe them."""
    text = (folder / "captions.jsonl").read_text(encoding="utf-8")
    lines = [json.loads(line) for line in text.splitlines() if line.strip()]
    pictures = []
    for line in lines:
        with Image.open(folder / line["file"]) as opened:
            pictures.append(preprocess(opened, settings))
    return pictures, lines


def evaluate_set(model: MiniModel, tokenizer: MiniTokenizer, folder: Path, text: Path | None = None) -> dict[str, Any]:
    """All figures of one set."""
    pictures, lines = read_set(folder, model.config.preprocessing)
    images = image_vectors(model, pictures)
    if "label" not in lines[0]:
        return retrieval_figures(model, tokenizer, images, [line["captions"] for line in lines])
    if text is not None and "wnid" in lines[0]:
        lists = wordnet_names(text)
        order = {wnid: index for index, wnid in enumerate((text / "imagenet_wnids.txt").read_text().split())}
        wanted = sorted({line["wnid"] for line in lines})
        lists = {key: [names[order[wnid]] for wnid in wanted] for key, names in lists.items()}
        labels = torch.tensor([wanted.index(line["wnid"]) for line in lines])
    else:
        names = sorted({line["label"] for line in lines})
        lists = {"labels": names}
        labels = torch.tensor([names.index(line["label"]) for line in lines])
    return zero_shot_figures(model, tokenizer, images, labels, lists)


def zero_shot_figures(
    model: MiniModel, tokenizer: MiniTokenizer, images: Tensor, labels: Tensor, lists: dict[str, list[str]]
) -> dict[str, Any]:
    """Top-1 by list of names, for one template and for the model's own, and for shuffled labels."""
    figures: dict[str, Any] = {"pictures": len(images)}
    shuffled = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))]
    for key, names in lists.items():
        single = class_vectors(model, tokenizer, names, SINGLE_TEMPLATE)
        ensemble = class_vectors(model, tokenizer, names, model.config.templates)
        figures[key] = {
            "single": round(top1(images, single, labels), 2),
            "ensemble": round(top1(images, ensemble, labels), 2),
            "shuffled": round(top1(images, ensemble, shuffled), 2),
        }
        if len(names) <= 20:
            chosen = (images @ ensemble.T).argmax(1).cpu()
            hits = [round(100 * float((chosen[labels == c] == c).float().mean()), 1) for c in range(len(names))]
            figures[key]["each"] = dict(zip(names, hits, strict=True))
    return figures


def retrieval_figures(
    model: MiniModel, tokenizer: MiniTokenizer, images: Tensor, captions: Sequence[Sequence[str]]
) -> dict[str, Any]:
    """Recall in both directions over all captions, and with pictures and captions shuffled apart."""
    owner = torch.tensor([row for row, texts in enumerate(captions) for _ in texts])
    texts = text_vectors(model, tokenizer, [text for several in captions for text in several])
    relevant = owner[:, None] == torch.arange(len(captions))[None]
    apart = torch.randperm(len(captions), generator=torch.Generator().manual_seed(0))
    return {
        "pictures": len(images),
        "text to image": recalls(texts, images, relevant),
        "image to text": recalls(images, texts, relevant.T),
        "shuffled text to image": recalls(texts, images[apart], relevant),
    }


def main(arguments: list[str] | None = None) -> None:
    """Evaluate and print JSON."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--sets", type=Path, nargs="+", required=True)
    parser.add_argument("--text", type=Path, help="folder with data.noun and the lists of class names")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args(arguments)
    model = MiniModel.load(options.weights, device=options.device)
    tokenizer = MiniTokenizer(options.weights / "tokenizer.json", max_tokens=model.config.max_tokens)
    figures = {folder.name: evaluate_set(model, tokenizer, folder, options.text) for folder in options.sets}
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
