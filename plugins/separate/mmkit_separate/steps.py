"""The step for recipes: separate.query."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mmkit.errors import MmkitError, UsageError

if TYPE_CHECKING:
    import pyarrow as pa

    from mmkit.recipes.context import StepContext

__all__ = ["fingerprint", "query"]


def fingerprint(*, model: str, **_: object) -> str:
    """Of the separator's files and of the encoder that its queries go through."""
    from mmkit.encoders import encoder
    from mmkit.models import fingerprint as fingerprint_of
    from mmkit_separate.weights import locate, read_config

    folder = locate(model)
    name = str(read_config(folder).get("encoder", "mini"))
    return fingerprint_of(encoder(name).spec.fingerprint, folder / "model.safetensors", folder / "config.json")


def query(
    context: StepContext,
    *,
    inputs: Sequence[Path],
    queries: Sequence[str],
    pictures: Sequence[Path],
    negatives: Sequence[str],
    model: str,
    format: str,
    spectrogram: bool,
) -> pa.Table:
    """A row a written file: mixture, query (empty for the residual), file, level_db."""
    import pyarrow as pa

    from mmkit_separate.asking import Query, query_vectors
    from mmkit_separate.job import Asked, Separated, separate_file
    from mmkit_separate.separator import Separator

    asked_for = tuple(Query(str(text)) for text in queries)
    asked_for += tuple(Query(os.fspath(path), "image") for path in pictures)
    against = tuple(Query(str(text)) for text in negatives)
    if not asked_for and not against:
        raise UsageError("nothing is asked for: queries, pictures and negatives are empty", where=context.step)
    separator = Separator(model, device=context.device)
    vectors = query_vectors(asked_for, separator, chosen=context.settings)
    others = query_vectors(against, separator, chosen=context.settings) if against else None
    asked = Asked(asked_for, vectors, against, others)
    rows: list[dict[str, object]] = []
    finished: list[Separated] = []
    for number, path in enumerate(inputs, start=1):
        try:
            done = separate_file(
                path,
                separator,
                asked,
                context.out_dir,
                suffix=f".{format}" if format else None,
                overwrite=True,
                others=finished,
                spectrogram=context.artefact(f"{Path(path).stem}.png") if spectrogram else None,
            )
        except MmkitError as error:
            context.fail(str(path), error)
            continue
        finished.append(done)
        named = [q.name for q in asked_for]
        for name, file, level in zip(named, done.stems, done.levels_db, strict=False):
            rows.append({"mixture": done.mixture, "query": name, "file": file, "level_db": level})
        rows.append({"mixture": done.mixture, "query": "", "file": done.residual, "level_db": None})
        context.progress(number, len(inputs))
    kinds = pa.schema(
        [("mixture", pa.string()), ("query", pa.string()), ("file", pa.string()), ("level_db", pa.float64())]
    )
    return pa.Table.from_pylist(rows, schema=kinds)
