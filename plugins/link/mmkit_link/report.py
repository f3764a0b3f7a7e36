"""A page on a whole run: how many links, the scores' histogram, and the pairs nearest to the threshold."""

from __future__ import annotations

import html
from typing import Final

import numpy as np

from mmkit_link.explain import record_rows
from mmkit_link.pages import histogram, page, row
from mmkit_link.results import Run

__all__ = ["report_page"]

_BORDERLINE: Final = 12


def report_page(run: Run, title: str) -> str:
    """The report as an HTML page; borderline pairs stand side by side with their pictures."""
    compared, scored = run.compared, run.scored
    if compared is None or scored is None:
        return page(title, ["<p>There was nothing to compare.</p>"])
    linked = np.zeros(len(compared.pairs), bool)
    linked[run.links] = True
    facts = {
        "left records": len(compared.prepared.left),
        "right records": len(compared.prepared.right),
        "pairs compared": len(compared.pairs),
        "pairs linked": int(linked.sum()),
        "threshold": f"{scored.threshold:.4f}",
        "scores learnt from": "labelled pairs" if scored.labelled else "the tables themselves, without labels",
        **{name.replace("_", " "): f"{value:.3f}" for name, value in scored.about.items()},
    }
    parts = ["<table>" + "".join(row([name, html.escape(str(value))]) for name, value in facts.items()) + "</table>"]
    parts += ["<h2>Scores</h2>", "<p>Green pairs are linked; counts are on a logarithmic scale.</p>"]
    parts.append(histogram(scored.scores, linked, scored.threshold))
    parts.append("<h2>Borderline pairs</h2>")
    # Log-odds, so that pairs near a threshold close to 0 or 1 do not crowd out those on its other side.
    distance = np.abs(_logit(scored.scores) - _logit(np.array([scored.threshold], np.float32)))
    for kind, mask in (("Linked, but only just", linked), ("Not linked, but nearly", ~linked)):
        places = np.flatnonzero(mask)
        nearest = places[np.argsort(distance[places], kind="stable")][:_BORDERLINE]
        parts.append(f"<h3>{kind}</h3>")
        for place in nearest.tolist():
            one, other = compared.pairs[place].tolist()
            rows = record_rows(compared.prepared.left, compared.prepared.right, one, other)
            parts.append(f"<p>Score {scored.scores[place]:.4f}</p><table>{''.join(rows)}</table>")
    return page(title, parts)


def _logit(scores: np.ndarray) -> np.ndarray:
    clipped = np.clip(scores.astype(np.float64), 1e-6, 1 - 1e-6)
    return np.asarray(np.log(clipped / (1 - clipped)))
