"""The training corpus on a device: feature rows of every clip and its variants, and the texts that fit each.

Files of a corpus folder:

    motions.npz    joints of all takes on the one skeleton, 20 fps, as differences of whole millimetres
    corpus.json    clips (take, first and last frame, variant, texts, labels, part), texts and what each speaks of
    texts.npz      token numbers, lengths, pooled vectors of the text tower, word embeddings of the tokens in use;
                   made from corpus.json where the training is

N items, T frames, F features, W width of word embeddings.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmkit_motion.features import straighten, to_features
from mmkit_motion.skeleton import mirror

__all__ = ["Batch", "Corpus", "pack_joints", "unpack_joints"]


def pack_joints(takes: Sequence[NDArray[np.floating]]) -> dict[str, NDArray[np.generic]]:
    """Takes (T, 22, 3) as arrays that compress well: second differences in time of whole millimetres."""
    rows = []
    for take in takes:
        whole = np.round(np.asarray(take, np.float64) * 1000).astype(np.int32).reshape(len(take), -1)
        whole[1:] -= whole[:-1].copy()
        whole[2:] -= whole[1:-1].copy()
        rows.append(whole)
    joined = np.concatenate(rows)
    return {
        "differences": np.ascontiguousarray(joined.T.astype(np.int16)),
        "lengths": np.array([len(take) for take in takes], np.int32),
    }


def unpack_joints(arrays: dict[str, NDArray[np.generic]]) -> list[NDArray[np.float32]]:
    """What ``pack_joints`` was given, to the millimetre."""
    joined = np.asarray(arrays["differences"]).T.astype(np.int64)
    takes, start = [], 0
    for length in np.asarray(arrays["lengths"]).tolist():
        rows = joined[start : start + length].copy()
        rows[1:] = np.cumsum(rows[1:], axis=0)
        rows = np.cumsum(rows, axis=0)
        takes.append((rows.reshape(length, 22, 3) / 1000).astype(np.float32))
        start += length
    return takes


@dataclass(frozen=True, slots=True)
class Batch:
    """N pairs of a motion and a text.

    Attributes:
        features: (N, T, F) normalised, zero behind the end; mask: (N, T).
        tokens: (N, S) token numbers; words: (N, S, W) their embeddings; word_mask: (N, S); pooled: (N, W).
        same, ignore: (N, N), as ``contrastive_loss`` takes them.
        clips: (N,) numbers of the clips.
    """

    features: Tensor
    mask: Tensor
    tokens: Tensor
    words: Tensor
    word_mask: Tensor
    pooled: Tensor
    same: Tensor
    ignore: Tensor
    clips: Tensor


class Corpus:
    """All of it in a device's memory; with ``everything`` the validation part is for training too."""

    def __init__(
        self, folder: Path, device: torch.device, *, frames: int, workers: int = 1, everything: bool = False
    ) -> None:
        raw = json.loads((folder / "corpus.json").read_text("utf-8"))
        self.device, self.frames = device, frames
        self.clips: list[dict[str, Any]] = raw["clips"]
        with np.load(folder / "motions.npz", allow_pickle=False) as arrays:
            takes = unpack_joints({name: arrays[name] for name in arrays.files})
        jobs = [
            (takes[clip["take"]][clip["first"] : clip["last"]], clip["mirrored"], clip["speed"]) for clip in self.clips
        ]
        if workers > 1:
            with ProcessPoolExecutor(workers) as pool:
                rows = list(pool.map(_features, jobs, chunksize=32))
        else:
            rows = [_features(job) for job in jobs]
        lengths = np.array([len(row) for row in rows])
        flat = np.concatenate(rows)
        self._trained = [everything or clip["part"] == "train" for clip in self.clips]
        parts = np.array(self._trained)
        self.mean, self.std = _moments(flat[np.repeat(parts, lengths)])
        self.flat = torch.from_numpy(((flat - self.mean) / self.std).astype(np.float16)).to(device)
        self.lengths = torch.from_numpy(lengths).to(device)
        self.starts = torch.from_numpy(np.concatenate([[0], np.cumsum(lengths)[:-1]])).to(device)
        self._load_texts(folder, raw)
        self._label()

    def _load_texts(self, folder: Path, raw: dict[str, Any]) -> None:
        with np.load(folder / "texts.npz", allow_pickle=False) as arrays:
            self.tokens = torch.from_numpy(arrays["tokens"].astype(np.int64)).to(self.device)
            self.token_counts = torch.from_numpy(arrays["counts"].astype(np.int64)).to(self.device)
            self.pooled = torch.from_numpy(arrays["pooled"]).to(self.device)
            self.words = torch.from_numpy(arrays["words"]).to(self.device)
        self.text_labels = torch.tensor(raw["text_labels"], device=self.device)  # content, manner or -1
        self.text_sides = torch.tensor(raw["text_sides"], device=self.device)

    def _label(self) -> None:
        self.labels = torch.tensor([clip["labels"] for clip in self.clips], device=self.device)
        longest = max(len(clip["texts"]) for clip in self.clips)
        texts = np.zeros((len(self.clips), longest), np.int64)
        for row, clip in enumerate(self.clips):
            own = clip["texts"]
            texts[row] = (own * (longest // len(own) + 1))[:longest]
        self.clip_texts = torch.from_numpy(texts).to(self.device)

    def part(self, name: str) -> Tensor:
        """Numbers of the clips of a part: train, validation or test."""
        chosen = [
            n
            for n, (clip, trained) in enumerate(zip(self.clips, self._trained, strict=True))
            if (trained if name == "train" else clip["part"] == name)
        ]
        return torch.tensor(chosen, device=self.device)

    def weights(self, clips: Tensor) -> Tensor:
        """How often each of some clips is drawn, as the corpus says."""
        return torch.tensor([self.clips[n]["weight"] for n in clips.tolist()], device=self.device)

    def windows(self, clips: Tensor, length: int) -> Tensor:
        """(N, length, F): a random window of each clip, which must be that long."""
        spare = self.lengths[clips] - length
        first = self.starts[clips] + (torch.rand(len(clips), device=self.device) * (spare + 1)).long()
        return self.flat[first[:, None] + torch.arange(length, device=self.device)].float()

    def motions(self, clips: Tensor, *, shake: bool) -> tuple[Tensor, Tensor]:
        """Features (N, T, F) and mask (N, T) of clips, T a multiple of 4; with ``shake`` the ends are cut a bit."""
        full = self.lengths[clips]
        cut = (torch.rand(len(clips), device=self.device) * (full // 8).clamp(max=12)).long() if shake else 0
        lengths = ((full - cut).clamp(min=4).clamp(max=self.frames) // 4) * 4
        spare = (full - lengths).clamp(min=0)
        if shake:
            offset = (torch.rand(len(clips), device=self.device) * (spare + 1)).long()
        else:
            offset = spare // 2 * (full > self.frames)
        steps = torch.arange(int(lengths.max()), device=self.device)
        mask = steps < lengths[:, None]
        rows = (self.starts[clips] + offset)[:, None] + steps
        features = self.flat[rows.clamp(max=len(self.flat) - 1)].float() * mask[..., None]
        return features, mask

    def batch(self, clips: Tensor, *, texts: Tensor | None = None, shake: bool = True) -> Batch:
        """Pairs of these clips with a text each, drawn from theirs if not given."""
        count = len(clips)
        if texts is None:
            column = (torch.rand(count, device=self.device) * self.clip_texts.shape[1]).long()
            texts = self.clip_texts[clips, column]
        features, mask = self.motions(clips, shake=shake)
        longest = int(self.token_counts[texts].max())
        tokens = self.tokens[texts][:, :longest]
        word_mask = torch.arange(longest, device=self.device) < self.token_counts[texts][:, None]
        pooled = self.pooled[texts].float()
        clip_labels, text_labels = self.labels[clips], self.text_labels[texts]
        same = clip_labels[:, None, 0] == text_labels[None, :, 0]
        same &= (text_labels[None, :, 1] < 0) | (clip_labels[:, None, 1] == text_labels[None, :, 1])
        same |= torch.eye(count, dtype=torch.bool, device=self.device)
        near = torch.nn.functional.normalize(pooled, dim=-1)
        alike = (near @ near.T > 0.86) & (self.text_sides[texts][:, None] == self.text_sides[texts][None])
        captioned = clip_labels[:, 1] < 0  # human captions, not labels
        ignore = alike & (captioned[:, None] | captioned[None])
        return Batch(features, mask, tokens, self.words[tokens].float(), word_mask, pooled, same, ignore & ~same, clips)


def _features(job: tuple[NDArray[np.floating], bool, float]) -> NDArray[np.float32]:
    joints, flipped, speed = job
    if speed != 1.0:
        times = np.arange(0, len(joints) - 1 + 1e-6, speed)
        before = np.minimum(times.astype(int), len(joints) - 2)
        share = (times - before)[:, None, None]
        joints = joints[before] * (1 - share) + joints[before + 1] * share
    return to_features(straighten(mirror(joints) if flipped else joints))


def _moments(rows: NDArray[np.floating]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean (F,) and spread (F,) of features, the spread shared within each kind of number as HumanML3D does."""
    mean, std = rows.mean(0, dtype=np.float64), rows.std(0, dtype=np.float64)
    for low, high in ((0, 1), (1, 3), (3, 4), (4, 67), (67, 193), (193, 259), (259, 263)):
        std[low:high] = std[low:high].mean()
    return mean.astype(np.float32), np.maximum(std, 1e-4).astype(np.float32)
