"""BLEU and chrF as sacrebleu counts them on raw text, and how sure a difference between two systems is.

N lines, B resamples.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mmkit.errors import UsageError

__all__ = ["paired_bootstrap", "rotated", "scores"]


def scores(own: Sequence[str], wanted: Sequence[str]) -> dict[str, Any]:
    """``bleu``, ``chrf``, and the ``signature`` of each: 13a tokens, cased, one reference.

    Raises:
        UsageError: the two differ in their number of lines.
    """
    from sacrebleu.metrics import BLEU, CHRF

    _check(own, wanted)
    if not own:
        return {"bleu": 0.0, "chrf": 0.0, "signature": "", "chrf_signature": ""}
    bleu, chrf = BLEU(), CHRF()
    results = bleu.corpus_score(list(own), [list(wanted)]), chrf.corpus_score(list(own), [list(wanted)])
    return {
        "bleu": round(results[0].score, 2),
        "chrf": round(results[1].score, 2),
        "signature": str(bleu.get_signature()),
        "chrf_signature": str(chrf.get_signature()),
    }


def paired_bootstrap(
    one: Sequence[str], other: Sequence[str], wanted: Sequence[str], *, resamples: int = 1000, seed: int = 0
) -> dict[str, float]:
    """BLEU of ``one`` less that of ``other``, with its 95 % interval over B resamples of the lines (Koehn 2004).

    ``p`` is twice the smaller part of the resamples on one side of no difference, at most 1.

    Raises:
        UsageError: they differ in their number of lines.
    """
    _check(one, wanted)
    _check(other, wanted)
    if not wanted:
        return {"difference": 0.0, "low": 0.0, "high": 0.0, "p": 1.0}
    counts = np.stack([_statistics(one, wanted), _statistics(other, wanted)])
    generator = np.random.default_rng(seed)
    drawn = generator.multinomial(len(wanted), np.full(len(wanted), 1 / len(wanted)), size=resamples)
    totals = np.einsum("bn,snk->sbk", drawn, counts)
    differences = np.array([_bleu(a) - _bleu(b) for a, b in zip(*totals, strict=True)])
    low, high = np.percentile(differences, [2.5, 97.5])
    whole = counts.sum(axis=1)
    tail = min(float((differences <= 0).mean()), float((differences >= 0).mean()))
    return {
        "difference": round(_bleu(whole[0]) - _bleu(whole[1]), 2),
        "low": round(float(low), 2),
        "high": round(float(high), 2),
        "p": round(min(2 * tail, 1.0), 4),
    }


def rotated(vectors: np.ndarray, *, by: int | None = None) -> np.ndarray:
    """Each row of vectors (N, D) in the place of another: what is known of a wrong picture or sentence."""
    return np.roll(vectors, len(vectors) // 2 if by is None else by, axis=0)


def _statistics(own: Sequence[str], wanted: Sequence[str]) -> np.ndarray:
    """(N, 10): matches and totals of 1- to 4-grams, and both lengths, of each line."""
    from sacrebleu.metrics import BLEU

    metric = BLEU()
    rows = []
    for text, reference in zip(own, wanted, strict=True):
        score = metric.corpus_score([text], [[reference]])
        rows.append([*score.counts, *score.totals, score.sys_len, score.ref_len])
    return np.array(rows, dtype=np.int64)


def _bleu(counts: np.ndarray) -> float:
    from sacrebleu.metrics import BLEU

    numbers = [int(count) for count in counts]
    return float(
        BLEU.compute_bleu(correct=numbers[:4], total=numbers[4:8], sys_len=numbers[8], ref_len=numbers[9]).score
    )


def _check(own: Sequence[str], wanted: Sequence[str]) -> None:
    if len(own) != len(wanted):
        raise UsageError(f"Expected {len(wanted)} lines, as in the reference, but received {len(own)}")
