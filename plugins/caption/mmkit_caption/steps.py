"""The step for recipes: caption.image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

    from mmkit.recipes.context import StepContext

__all__ = ["fingerprint", "image"]


def fingerprint(*, model: str, **_: object) -> str:
    """Of the captioner's files and of the encoder whose vectors it reads."""
    from mmkit.encoders import encoder
    from mmkit.models import fingerprint as fingerprint_of
    from mmkit_caption.weights import locate, read_config

    folder = locate(model)
    name = str(read_config(folder)["encoder"])
    return fingerprint_of(encoder(name).spec.fingerprint, folder / "model.safetensors", folder / "config.json")


def image(
    context: StepContext,
    *,
    inputs: Sequence[Path],
    language: str,
    n: int,
    beam: int,
    model: str,
    contact_sheet: str,
) -> pa.Table:
    """A row a caption, best first: source (the picture), language, rank (from 1), text, score."""
    import pyarrow as pa

    from mmkit.encoders import encoder as load_encoder
    from mmkit.pipeline.sources import items_from
    from mmkit_caption.describe import Described, describe
    from mmkit_caption.weights import BUNDLED
    from mmkit_caption.writer import CaptionWriter

    writer = CaptionWriter(model if model in BUNDLED else context.root / model, device=context.device)
    encoder = load_encoder(str(writer.config["encoder"]), device=context.device, offline=context.settings.offline)
    items = items_from([str(path) for path in inputs], modality="image")
    rows: list[dict[str, object]] = []
    every: list[Described] = []
    done = 0
    for described, failures in describe(
        writer, encoder, items, language=language, n=n, beam=beam or None, chosen=context.settings
    ):
        context.failures.extend(failures)
        every += described if contact_sheet else []
        for one in described:
            rows += [
                {
                    "source": one.item.id,
                    "language": language,
                    "rank": rank,
                    "text": caption.text,
                    "score": caption.score,
                }
                for rank, caption in enumerate(one.captions, start=1)
            ]
        done += len(described) + len(failures)
        context.progress(done, len(inputs))
    if contact_sheet:
        from mmkit.media import write_image
        from mmkit_caption.sheet import caption_sheet

        write_image(caption_sheet(every), context.artefact(contact_sheet))
    kinds = [("source", pa.string()), ("language", pa.string()), ("rank", pa.int32())]
    schema = pa.schema([*kinds, ("text", pa.string()), ("score", pa.float32())])
    return pa.Table.from_pylist(rows, schema=schema)
