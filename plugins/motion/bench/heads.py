"""Fit the maps into the shared space to more captioned recordings, and leave every other weight as it is.

    python plugins/motion/bench/heads.py --bandai DIR --cmu DIR --humanml DIR --cmu-index FILE \\
        --weights mmkit_motion/weights --cache FILE.npz --out DIR [--without 49,127]

Only ``motion_out``, ``text_out`` and ``pooled_out`` of the query transformer are learned, from its frozen outputs, so
captions and generated motions stay what they were. CMU subjects 01-03 are never looked at; ``--without`` leaves out
more subjects and prints the retrieval over them before and after, to choose settings by.

N pairs, Q queries, D width, E embedding.
"""

from __future__ import annotations

import argparse
import copy
import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import sources
import torch
import torch.nn.functional as F
from mmkit_motion.lamp import Lamp
from mmkit_motion.model.weights import save_networks
from mmkit_motion.reading import read_clip
from mmkit_motion.skeleton import mirror
from mmkit_motion.training.captions import caption, mirrored, style_of
from numpy.typing import NDArray
from torch import Tensor, nn

BANDAI_TAKES = 500
#: Pairs of a step: captioned, described by CMU's index, Bandai-Namco's.
PAIRS = (58, 12, 27)
#: Sentences nearer than this in the text tower are no negatives of each other.
ALIKE = 0.8
HEADS = ("motion_out", "text_out", "pooled_out")

Take = tuple[str, str, str, NDArray[np.float32], list[str], bool]


@dataclass(slots=True)
class Frozen:
    """What the frozen transformer makes of takes and sentences.

    Attributes:
        outputs: (N, Q, D) of the takes; states: (S, D) first states and pooled: (S, W) of the sentences.
        takes: kind, subject, name, sentences, whether mirrored and length of each take.
    """

    outputs: Tensor
    states: Tensor
    pooled: Tensor
    takes: list[tuple[str, str, str, list[int], bool, int]]

    def rows(self, kinds: tuple[str, ...], *, without: frozenset[str]) -> list[int]:
        return [n for n, take in enumerate(self.takes) if take[0] in kinds and take[1] not in without]


def gather(given: argparse.Namespace) -> list[Take]:
    """Recordings and their mirror images, and some of Bandai-Namco's."""
    takes: list[Take] = []

    def add(kind: str, clip: sources.Recording, joints: NDArray[np.float32], texts: list[str]) -> None:
        takes.append((kind, clip.subject, clip.name, joints, texts, False))
        flipped = mirror(joints).astype(np.float32)
        takes.append((kind, clip.subject, clip.name, flipped, [mirrored(text) for text in texts], True))

    for clip in sources.captioned_cmu(given.cmu, given.humanml):
        if clip.part != "test":
            add("cmu", clip, clip.joints, clip.whole)
            for _, piece, text in clip.pieces():
                add("piece", clip, piece, [text])
    for clip in sources.described_cmu(given.cmu, given.humanml, given.cmu_index):
        add("described", clip, clip.joints, clip.whole)
    draw = random.Random(0)
    parts = [row for row in sources.bandai_parts(given.bandai) if row[3] != "test"]
    for file, content, style, _ in draw.sample(parts, BANDAI_TAKES):
        joints, flipped = read_clip(file).joints, draw.random() < 0.5
        shown = mirrored(content) if flipped else content
        texts = [caption(shown, style, draw) for _ in range(4)]
        joints = mirror(joints).astype(np.float32) if flipped else joints
        takes.append(("bandai", f"{shown} {style_of(style)}", file.stem, joints, texts, flipped))
    return takes


@torch.inference_mode()
def freeze(lamp: Lamp, takes: list[Take], cache: Path) -> None:
    """Pass takes and sentences through the frozen networks and keep what comes out."""
    query = lamp.networks.query
    texts = sorted({text for take in takes for text in take[4]})
    place = {text: number for number, text in enumerate(texts)}
    pieces = []
    for take in takes:
        own = lamp.motion_input(take[3])
        pieces.append(own[(len(own) - 1) // 2])
    outputs = np.zeros((len(pieces), lamp.networks.sizes.queries, lamp.networks.sizes.width), np.float16)
    order = np.argsort([len(piece) for piece in pieces])
    for start in range(0, len(order), 32):
        some = order[start : start + 32]
        outputs[some] = query.read_motion(*lamp.motion_memory([pieces[number] for number in some])).numpy()
    states, pooled = [], []
    for start in range(0, len(texts), 64):
        words, mask, vectors = lamp.texts.words(lamp.text_inputs(texts[start : start + 64]))
        states.append(query.read_text(words, vectors, mask)[:, 0].numpy())
        pooled.append(vectors.numpy())
    np.savez(cache, outs=outputs, states=np.concatenate(states), pooled=np.concatenate(pooled))
    items = [(k, s, n, [place[text] for text in own], flipped, len(j)) for k, s, n, j, own, flipped in takes]
    cache.with_suffix(".json").write_text(json.dumps({"texts": texts, "items": items}), "utf-8")


def load(cache: Path) -> Frozen:
    items: list[Any] = json.loads(cache.with_suffix(".json").read_text("utf-8"))["items"]
    with np.load(cache, allow_pickle=False) as arrays:
        outputs, states, pooled = (torch.from_numpy(arrays[name]).float() for name in ("outs", "states", "pooled"))
    return Frozen(outputs, states, pooled, [tuple(item) for item in items])


def fit(frozen: Frozen, query: nn.Module, *, without: frozenset[str], given: argparse.Namespace) -> list[nn.Linear]:
    """The three maps after contrastive steps on the best query and on the mean of the queries, drawn to their start."""
    torch.manual_seed(given.seed)
    draw = random.Random(given.seed)
    heads = [copy.deepcopy(getattr(query, name)).requires_grad_(True) for name in HEADS]
    weights = [weight for head in heads for weight in head.parameters()]
    start = [weight.detach().clone() for weight in weights]
    optimiser = torch.optim.Adam(weights, lr=given.rate)
    away = without | sources.TEST_SUBJECTS
    kinds = (("cmu", "piece"), ("described",), ("bandai",))
    pools = [frozen.rows(kind, without=away) for kind in kinds]
    scale = query.scale.detach().clamp(max=30)
    for step in range(given.steps):
        for group in optimiser.param_groups:
            group["lr"] = given.rate * (1 - step / given.steps)
        rows = [row for pool, count in zip(pools, PAIRS, strict=True) for row in draw.sample(pool, count)]
        texts = torch.tensor([draw.choice(frozen.takes[row][3]) for row in rows])
        motions, asked = vectors(heads, frozen, rows, texts, drop=0.1)
        near = F.normalize(frozen.pooled[texts], dim=-1)
        names = [take[1] if take[0] == "bandai" else (take[2], take[4]) for take in (frozen.takes[row] for row in rows)]
        together = (near @ near.T > ALIKE) | torch.tensor([[a == b for b in names] for a in names])
        together &= ~torch.eye(len(rows), dtype=torch.bool)
        loss = given.keep * sum(((w - s) ** 2).sum() for w, s in zip(weights, start, strict=True))
        for scores in (mean_scores(motions, asked), best_scores(motions, asked)):
            logits = (scale * scores).masked_fill(together, -1e4)
            target = torch.arange(len(rows))
            for side in (logits, logits.T):
                loss = loss + 0.25 * F.cross_entropy(side, target, label_smoothing=0.1)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return [head.requires_grad_(False) for head in heads]


def vectors(
    heads: list[nn.Linear], frozen: Frozen, rows: list[int], texts: Tensor, *, drop: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Unit rows (N, Q, E) of takes and (M, E) of sentences."""
    motion_out, text_out, pooled_out = heads
    motions = F.normalize(motion_out(F.dropout(frozen.outputs[rows], drop)), dim=-1)
    return motions, F.normalize(
        text_out(F.dropout(frozen.states[texts], drop)) + pooled_out(frozen.pooled[texts]), dim=-1
    )


def mean_scores(motions: Tensor, texts: Tensor) -> Tensor:
    return texts @ F.normalize(motions.mean(1), dim=-1).T


def best_scores(motions: Tensor, texts: Tensor) -> Tensor:
    return torch.einsum("nqe,me->mnq", motions, texts).amax(-1)


@torch.inference_mode()
def retrieval(heads: list[nn.Linear], frozen: Frozen, subjects: frozenset[str]) -> dict[str, float]:
    """R@k of every caption over the clips of some subjects, by the mean of the queries."""
    rows = [n for n, take in enumerate(frozen.takes) if take[0] == "cmu" and take[1] in subjects and not take[4]]
    pairs = [(place, text) for place, row in enumerate(rows) for text in frozen.takes[row][3]]
    motions, asked = vectors(heads, frozen, rows, torch.tensor([text for _, text in pairs]))
    scores = mean_scores(motions, asked)
    right = scores.gather(1, torch.tensor([place for place, _ in pairs])[:, None])
    rank = (scores > right).sum(1)
    return {"clips": len(rows)} | {f"R@{k}": round(float((rank < k).float().mean()), 4) for k in (1, 5, 10)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("bandai", "cmu", "humanml", "cmu-index", "weights", "cache", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--without", default="", help="subjects to leave out and to measure on, as in 49,127")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--rate", type=float, default=3e-4)
    parser.add_argument("--keep", type=float, default=0.1, help="how much the maps are drawn to their start")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    lamp = Lamp(given.weights)
    if not given.cache.is_file():
        freeze(lamp, gather(given), given.cache)
    frozen, networks = load(given.cache), lamp.networks
    without = frozenset(filter(None, given.without.split(",")))
    heads = fit(frozen, networks.query, without=without, given=given)
    if without:
        before = [getattr(networks.query, name) for name in HEADS]
        print(json.dumps({"before": retrieval(before, frozen, without), "after": retrieval(heads, frozen, without)}))
        return
    for name, head in zip(HEADS, heads, strict=True):
        setattr(networks.query, name, head)
    config = json.loads((given.weights / "config.json").read_text("utf-8"))
    notes = {name: config[name] for name in config if name not in ("sizes", "mean", "std", "vocabulary")}
    notes["heads"] = {"steps": given.steps, "rate": given.rate, "keep": given.keep, "seed": given.seed}
    save_networks(networks, given.out, notes=notes)
    print(given.out)


if __name__ == "__main__":
    main()
