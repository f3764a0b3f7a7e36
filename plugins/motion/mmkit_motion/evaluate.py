"""Measure a model on captioned motions: retrieval both ways, with shuffled pairs beside it, and generation.

N motions, C captions, E embedding.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from mmkit.errors import BadInput, MmkitError, UsageError
from mmkit.types import Failure
from mmkit_motion import metrics
from mmkit_motion.reading import SUFFIXES, Clip, read_clip

if TYPE_CHECKING:
    from mmkit_motion.lamp import Lamp

__all__ = [
    "PROTOCOLS",
    "Captioned",
    "Comparer",
    "check_protocol",
    "evaluate_generation",
    "evaluate_retrieval",
    "read_captioned",
]

PROTOCOLS: Final = ("normal", "threshold", "guo")
#: Cosine of the text tower from which two captions say the same (TMR, Petrovich et al., 2023, takes 0.95 of its own).
SAME_TEXT: Final = 0.95
_SHUFFLES: Final = 20


class Comparer(Protocol):
    """What scores motions against texts: the bundled model, or a published one."""

    name: str

    def scores(self, clips: Sequence[Clip], texts: Sequence[str]) -> NDArray[np.float32]:
        """(N, C) of N clips and C texts, higher is better."""

    def text_cosines(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(C, C) of how alike texts are."""


@dataclass(slots=True)
class Captioned:
    """Motions with their captions, and what could not be read."""

    clips: list[Clip] = field(default_factory=list)
    captions: list[list[str]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


def read_captioned(
    root: Path,
    captions: Path,
    *,
    rate: float | None = None,
    strict: bool = False,
    progress: Callable[[], None] | None = None,
) -> Captioned:
    """Lines ``{"id": ..., "captions": [...]}`` and for each the motion ``id.npy`` (or .npz, .bvh, .amc) under root.

    Raises:
        BadInput: the captions cannot be read or hold no usable line.
    """
    out = Captioned()
    try:
        lines = captions.read_text("utf-8").splitlines()
    except FileNotFoundError as error:
        raise BadInput("no such file", where=str(captions)) from error
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"cannot be read: {error}", where=str(captions)) from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{captions}:{number}"
        try:
            record = json.loads(line)
            name, texts = str(record["id"]), [str(text) for text in record["captions"] if str(text).strip()]
            if not texts:
                raise BadInput("has no captions", where=where)
            out.clips.append(read_clip(_motion_of(root, name), rate=rate))
            out.captions.append(texts)
        except (ValueError, KeyError, TypeError) as error:
            out.failures.append(
                Failure(where, f'Expected {{"id": ..., "captions": [...]}}, but received {line[:60]!r} ({error})')
            )
        except MmkitError as error:
            if strict:
                raise
            out.failures.append(Failure(where, str(error)))
        if progress is not None:
            progress()
    if not out.clips:
        raise BadInput(
            "gave no motion with captions" + (f"; the first failure: {out.failures[0].reason}" if out.failures else ""),
            where=str(captions),
        )
    return out


def _motion_of(root: Path, name: str) -> Path:
    base = (root / name).resolve()
    if not base.is_relative_to(root.resolve()):
        raise BadInput("names a motion outside the folder", where=name)
    for suffix in (".npy", *SUFFIXES):
        if (path := base.with_name(base.name + suffix)).is_file():
            return path
    if base.is_file():
        return base
    raise BadInput(f"no motion {name}{f', {name}'.join(SUFFIXES)}", where=str(root))


def check_protocol(protocol: str) -> None:
    """Raises UsageError where there is no such protocol."""
    if protocol not in PROTOCOLS:
        raise UsageError(f"Expected one of {', '.join(PROTOCOLS)}, but received {protocol!r}", where="--protocol")


def evaluate_retrieval(
    comparer: Comparer, data: Captioned, *, protocol: str = "normal", seed: int = 0
) -> dict[str, Any]:
    """Recall and median rank of texts to motions and back, and of shuffled pairs.

    Every caption is a query of its own; a motion's query counts its best caption. ``normal`` ranks the whole gallery;
    ``threshold`` also counts items whose caption says the same as the query's; ``guo`` ranks within batches of 32.
    The control pairs motions with other motions' captions, averaged over 20 shuffles; it must be at chance.

    Raises:
        UsageError: no such protocol.
    """
    check_protocol(protocol)
    texts = [text for own in data.captions for text in own]
    owner = np.repeat(np.arange(len(data.clips)), [len(own) for own in data.captions])
    scores = np.asarray(comparer.scores(data.clips, texts), np.float64)
    own = owner[None] == np.arange(len(data.clips))[:, None]
    right = own
    if protocol == "threshold":
        alike = comparer.text_cosines(texts) >= SAME_TEXT
        right = own | (own.astype(np.int64) @ alike.astype(np.int64) > 0)
    draw = np.random.default_rng(seed)
    shuffled = []
    for _ in range(_SHUFFLES):
        order = draw.permutation(len(data.clips))
        shuffled.append(_text_to_motion(scores[order], right, owner, protocol, seed))
    back = (
        metrics.batched_recall(*_by_motion(scores, own), owner=range(len(data.clips)), seed=seed)
        if protocol == "guo"
        else metrics.recall(metrics.ranks_of(scores, right))
    )
    return {
        "evaluator": comparer.name,
        "protocol": protocol,
        "motions": len(data.clips),
        "captions": len(texts),
        "text_to_motion": _text_to_motion(scores, right, owner, protocol, seed),
        "motion_to_text": back,
        "shuffled": metrics.mean_of(shuffled),
    }


def _text_to_motion(
    scores: NDArray[np.float64], right: NDArray[np.bool_], owner: NDArray[np.int64], protocol: str, seed: int
) -> dict[str, float]:
    if protocol == "guo":
        return metrics.batched_recall(scores.T, right.T, owner, seed=seed)
    return metrics.recall(metrics.ranks_of(scores.T, right.T))


def _by_motion(scores: NDArray[np.float64], own: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """(N, N) scores of motions against the first caption of each, as batches of pairs have one text a motion."""
    first = own.argmax(axis=1)
    return scores[:, first], np.eye(len(scores), dtype=np.bool_)


def evaluate_generation(
    lamp: Lamp, comparer: Comparer, data: Captioned, *, seed: int = 0, guidance: float = 4.0, batch: int = 32
) -> dict[str, Any]:
    """Motions made from each motion's first caption, at its length, against the real ones.

    FID and diversity are of the evaluator's own motion vectors, so their values compare with no other evaluator's.
    """
    from mmkit_motion.skeleton import FPS

    texts = [own[0] for own in data.captions]
    longest = lamp.frames / FPS
    made: list[Clip] = []
    for start in range(0, len(texts), batch):
        some = slice(start, start + batch)
        seconds = [min(max(clip.seconds, 1.0), longest) for clip in data.clips[some]]
        joints = lamp.generate_many(texts[some], seconds=seconds, seed=seed + start, guidance=guidance)
        made += [Clip(f"made-{start + number}", one) for number, one in enumerate(joints)]
    real_vectors, made_vectors = (_pooled(lamp, clips) for clips in (data.clips, made))
    words = lamp.captions([lamp.motion_input(clip.joints)[0] for clip in made])
    tokens = [lamp.texts.token_states([text])[0] for text in texts]
    bert = [
        metrics.greedy_f1(lamp.texts.token_states([said])[0], wanted)
        for said, wanted in zip(words, tokens, strict=True)
    ]
    return {
        "evaluator": comparer.name,
        "motions": len(made),
        "fid": metrics.frechet_distance(made_vectors, real_vectors),
        "diversity": {"real": metrics.diversity(real_vectors), "made": metrics.diversity(made_vectors)},
        "r_precision": {
            "real": metrics.r_precision(comparer.scores(data.clips, texts), seed=seed),
            "made": metrics.r_precision(comparer.scores(made, texts), seed=seed),
            "shuffled": metrics.r_precision(np.roll(comparer.scores(made, texts), 1, axis=0), seed=seed),
        },
        "lamp_bertscore": float(np.mean(bert)),
        "foot_skate": {
            "real": float(np.mean([metrics.foot_skate(clip.joints) for clip in data.clips])),
            "made": float(np.mean([metrics.foot_skate(clip.joints) for clip in made])),
        },
        "bone_error_mm": {
            "real": float(np.mean([metrics.bone_error(clip.joints) for clip in data.clips])),
            "made": float(np.mean([metrics.bone_error(clip.joints) for clip in made])),
        },
    }


def _pooled(lamp: Lamp, clips: Sequence[Clip]) -> NDArray[np.float64]:
    """(N, E) means over queries, not of unit length."""
    return np.stack([lamp.motion_vectors(lamp.motion_input(clip.joints)).mean((0, 1)) for clip in clips]).astype(
        np.float64
    )
