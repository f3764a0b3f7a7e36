"""``mmkit link explain``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmkit.cli.output import emit, emit_json, finish
from mmkit.errors import UsageError
from mmkit_link.cli.options import check_output, chosen_evidence, quiet_settings, read_model, read_two
from mmkit_link.cli.shared import ComparedOptions, spread


@spread
def explain(
    left: Annotated[Path, typer.Argument(metavar="LEFT", help="A table.")],
    right: Annotated[Path, typer.Argument(metavar="RIGHT", help="Another one.")],
    pair: Annotated[str, typer.Option("--pair", metavar="A,B", help="The ids of a left and a right record.")],
    *,
    options: ComparedOptions,
) -> int:
    """Say why two records have their score: how much each column moved it, and which words they share.

    \b
    Example:
      mmkit link explain shop.csv catalogue.csv --on title=name,price --pair 17,b42 --html why.html
    """
    import numpy as np

    from mmkit_link.explain import explain as explain_pair
    from mmkit_link.explain import explanation_page
    from mmkit_link.linking import compare_tables
    from mmkit_link.scoring import score_pairs

    check_output(options.html, overwrite=options.overwrite, table=False)
    loaded = read_model(options.model)
    one, other = read_two(
        left, right, on=options.on, id_column=options.id_col, image_column=options.image_col, model=loaded
    )
    names = _named(pair, one.ids, other.ids)
    also = np.array([[one.ids.index(names[0]), other.ids.index(names[1])]])
    compared = compare_tables(
        one,
        other,
        k=options.candidates,
        also=also,
        evidence=chosen_evidence(loaded, options.text_encoder, options.encoder),
        model=loaded,
        chosen=quiet_settings(options.offline, options.device),
    )
    explained = explain_pair(compared, score_pairs(compared, loaded), *names)
    if options.html is not None:
        from mmkit_link.pages import write_page

        write_page(explanation_page(compared, explained), options.html)
    moved = sorted(explained.moved.items(), key=lambda item: -abs(item[1]))
    if options.json:
        words = [{"word": word, "weight": weight, "in": kind} for word, weight, kind in explained.words]
        shown = {"score": explained.score, "threshold": explained.threshold, "moved": dict(moved), "words": words}
        emit_json({"left": names[0], "right": names[1], **shown})
    else:
        emit(f"score {explained.score:.4f}, threshold {explained.threshold:.4f}")
        for name, value in moved:
            emit(f"{value:+.4f}  {name}")
        for kind in ("same", "left", "right"):
            emit(f"{kind}: {' '.join(word for word, _, where in explained.words if where == kind)}")
    return finish(compared.failures, options.failures_file)


def _named(pair: str, lefts: tuple[str, ...], rights: tuple[str, ...]) -> tuple[str, str]:
    """The two ids of ``A,B``, wherever the comma falls when ids hold commas too."""
    known, there = set(lefts), set(rights)
    parts = pair.split(",")
    splits = [(",".join(parts[:cut]).strip(), ",".join(parts[cut:]).strip()) for cut in range(1, len(parts))]
    for one, other in splits:
        if one in known and other in there:
            return one, other
    if not splits:
        raise UsageError(f"Expected two ids with a comma between, but received {pair!r}", where="--pair")
    side, name = ("left", splits[0][0]) if splits[0][0] not in known else ("right", splits[0][1])
    raise UsageError(f"the {side} table has no id {name!r}", where="--pair")
