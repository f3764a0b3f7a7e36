"""``separate eval``: mixtures made from pairs of files, separated by words or pictures, scored, beside controls.

Protocol: both sounds mono at the target's rate; of each the loudest window of ``seconds`` (shorter ones are followed
by silence); the interference scaled to the wanted ratio over the window; scores of BSS Eval with both as references;
an improvement is the estimate's score less the mixture's own.

Legend: T samples, D dims.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmkit.config import Settings
from mmkit.errors import BadInput, MmkitError, UsageError
from mmkit.types import Failure
from mmkit_separate.asking import Query, query_vectors
from mmkit_separate.metrics import BssEval
from mmkit_separate.separator import Separator

__all__ = ["Pair", "evaluate", "loudest_window", "read_pairs"]

_PICTURES: Final = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif"})
_CONTROLS: Final = ("random", "wrong", "absent")


@dataclass(frozen=True, slots=True)
class Pair:
    """A line of the list: what to ask for, and the files (relative to the root) of target and interference."""

    query: Query
    target: str
    interference: str
    label: str = ""


def read_pairs(file: Path) -> list[Pair]:
    """Lines ``query, target, interference`` with tabs between; a query that ends like a picture's file is one.

    A fourth column names the class under which the line is counted; without it that is the query.

    Raises:
        UsageError: the file cannot be read, is empty, or a line has another form.
    """
    try:
        lines = file.read_text("utf-8").splitlines()
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror or error}", where=str(file)) from error
    except UnicodeDecodeError as error:
        raise UsageError("is not text in UTF-8", where=str(file)) from error
    pairs = []
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        cells = [cell.strip() for cell in line.split("\t")]
        if len(cells) not in (3, 4) or not all(cells[:3]):
            raise UsageError(
                f"Expected query, target and interference with tabs between, but received {len(cells)} cells",
                where=f"{file}:{number}",
            )
        if [cell.lower() for cell in cells[:3]] == ["query", "target", "interference"]:
            continue
        picture = Path(cells[0]).suffix.lower() in _PICTURES
        query = Query(cells[0], "image" if picture else "text")
        pairs.append(Pair(query, cells[1], cells[2], cells[3] if len(cells) == 4 else query.name))
    if not pairs:
        raise UsageError("holds no pairs", where=str(file))
    return pairs


def loudest_window(samples: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """The ``size`` neighbouring samples of (T,) with the most energy; a shorter sound is followed by silence."""
    if len(samples) <= size:
        return np.pad(samples, (0, size - len(samples)))
    energy = np.concatenate([[0.0], np.cumsum(np.square(samples, dtype=np.float64))])
    start = int(np.argmax(energy[size:] - energy[:-size]))
    return samples[start : start + size]


def evaluate(
    pairs: Sequence[Pair],
    root: Path,
    separator: Separator,
    *,
    chosen: Settings,
    encoder: str | None = None,
    snr: float = 0.0,
    seconds: float = 4.0,
    controls: bool = True,
    seed: int = 0,
    failures: list[Failure] | None = None,
    on_pair: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Means and medians over the pairs, per class, and for each control the improvement it reaches.

    Args:
        snr: dB of target above interference.
        failures: where pairs that cannot be used are noted; None stops at the first.
        controls: also ask with a random vector, with the interference's own query, and for a sound that is in
            neither file (both as far as the list tells them).
    """
    vectors = _vectors_of({pair.query for pair in pairs}, root, separator, encoder, chosen)
    asked_for = {pair.target: pair for pair in pairs}
    chance = np.random.default_rng(seed)
    rows: list[dict[str, float]] = []
    labels: list[str] = []
    for pair in pairs:
        try:
            target, interference, rate = _sources(pair, root, snr, seconds)
        except MmkitError as error:
            if failures is None:
                raise
            failures.append(Failure(f"{pair.target} + {pair.interference}", f"{error}"))
            on_pair()
            continue
        asked = {"": vectors[pair.query]}
        if controls:
            asked["random"] = _random_row(len(asked[""]), chance)
            other = asked_for.get(pair.interference)
            if other is not None:
                asked["wrong"] = vectors[other.query]
            strangers = [p for p in pairs if p.label not in (pair.label, other.label if other else "")]
            if strangers:
                asked["absent"] = vectors[strangers[int(chance.integers(len(strangers)))].query]
        rows.append(_scored(separator, target, interference, rate, asked))
        labels.append(pair.label)
        on_pair()
    if not rows:
        raise BadInput("no pair could be used", where=str(root), mend="the reasons are in the list of failures")
    return {
        **_summary(rows, labels),
        "model": separator.name,
        "gap": separator.gap.kind,
        "snr": snr,
        "seconds": seconds,
    }


def _vectors_of(
    queries: Iterable[Query], root: Path, separator: Separator, encoder: str | None, chosen: Settings
) -> dict[Query, NDArray[np.float32]]:
    ordered = sorted(queries, key=lambda query: (query.modality, query.text))
    resolved = [q if q.modality == "text" else Query(str(root / q.text), q.modality) for q in ordered]
    rows = query_vectors(resolved, separator, encoder=encoder, chosen=chosen)
    return dict(zip(ordered, rows, strict=True))


def _sources(
    pair: Pair, root: Path, snr: float, seconds: float
) -> tuple[NDArray[np.float32], NDArray[np.float32], int]:
    from mmkit.media.audio import read_audio

    target, rate = read_audio(root / pair.target, mono=True)
    interference, _ = read_audio(root / pair.interference, rate=rate, mono=True)
    size = round(seconds * rate)
    one, other = loudest_window(target[0], size), loudest_window(interference[0], size)
    for name, sound in ((pair.target, one), (pair.interference, other)):
        if float(np.abs(sound).max()) < 1e-5:
            raise BadInput("is silent", where=name)
    gain = np.linalg.norm(one) / np.linalg.norm(other) * 10 ** (-snr / 20)
    return one, np.asarray(other * gain, np.float32), rate


def _random_row(dim: int, chance: np.random.Generator) -> NDArray[np.float32]:
    row = chance.standard_normal(dim)
    return np.asarray(row / np.linalg.norm(row), np.float32)


def _scored(
    separator: Separator,
    target: NDArray[np.float32],
    interference: NDArray[np.float32],
    rate: int,
    asked: dict[str, NDArray[np.float32]],
) -> dict[str, float]:
    mixture = target + interference
    stems = separator.separate(mixture[None], rate, np.stack(list(asked.values())))[:, 0]
    judge = BssEval(np.stack([target, interference]))
    before = judge.scores(mixture)
    row: dict[str, float] = {}
    for name, stem in zip(asked, stems, strict=True):
        # A stem of exact silence has no scores; a trace of the mixture stands for it.
        after = judge.scores(stem if stem.any() else mixture * 1e-6)
        found = {
            "sdr": after.sdr,
            "sdri": after.sdr - before.sdr,
            "si_sdr": after.si_sdr,
            "si_sdri": after.si_sdr - before.si_sdr,
            "sir": after.sir,
            "sar": after.sar,
        }
        row |= {f"{name}.{key}" if name else key: value for key, value in found.items()}
    return row


def _summary(rows: Sequence[dict[str, float]], labels: Sequence[str]) -> dict[str, Any]:
    keys = ("sdr", "sdri", "si_sdr", "si_sdri", "sir", "sar")

    def pick(chosen: Sequence[dict[str, float]], prefix: str = "") -> dict[str, float]:
        found: dict[str, float] = {}
        for key in keys:
            values = np.array([row[prefix + key] for row in chosen if prefix + key in row])
            values = values[np.isfinite(values)]
            if len(values):
                found |= {key: float(values.mean()), f"{key}_median": float(np.median(values))}
        return found

    result: dict[str, Any] = {"pairs": len(rows), **pick(rows)}
    for control in _CONTROLS:
        if found := pick(rows, f"{control}."):
            result[f"control_{control}"] = found
    result["per_class"] = {
        label: {
            "pairs": labels.count(label),
            **pick([r for r, name in zip(rows, labels, strict=True) if name == label]),
        }
        for label in sorted(set(labels))
    }
    return result
