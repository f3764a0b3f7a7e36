"""``mmkit caption IMAGES``: captions of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmkit.cli.options import (
    BatchOption,
    DeviceOption,
    DtypeOption,
    EncoderOption,
    FailuresOption,
    InputsArgument,
    JsonOption,
    OfflineOption,
    OverwriteOption,
    StrictOption,
    WorkersOption,
    chosen_settings,
)
from mmkit.cli.output import check_free, emit, emit_json, finish, note, shown_path
from mmkit_caption.cli.options import BeamOption, LanguageOption, ModelOption

if TYPE_CHECKING:
    from mmkit.config import Settings
    from mmkit.encoders.base import Encoder
    from mmkit.types import Failure
    from mmkit_caption.describe import Described
    from mmkit_caption.writer import CaptionWriter


def describe(
    images: InputsArgument,
    n: Annotated[int, typer.Option("--n", "-n", min=1, max=64, help="Captions of each picture.")] = 1,
    beam: BeamOption = None,
    lang: LanguageOption = "en",
    style: Annotated[
        Path | None,
        typer.Option("--style", metavar="FILE|DIR", help="Sentences to lean towards, or a captioner trained on them."),
    ] = None,
    contact_sheet: Annotated[
        Path | None, typer.Option("--contact-sheet", metavar="FILE", help="Draw the pictures with their captions.")
    ] = None,
    write_xmp: Annotated[
        bool, typer.Option("--write-xmp", help="Write the captions into the JPEG and PNG files' own metadata.")
    ] = False,
    model: ModelOption = "caption-mini",
    encoder: EncoderOption = None,
    overwrite: OverwriteOption = False,
    strict: StrictOption = False,
    failures: FailuresOption = None,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    batch: BatchOption = None,
    workers: WorkersOption = None,
    offline: OfflineOption = False,
    json: JsonOption = False,
) -> int:
    """Describe each picture in a sentence, or in several.

    --style takes a file of sentences (.txt or .jsonl), which pictures are then re-expressed by, or a folder that
    mmkit caption train wrote from such sentences, which goes further.

    \b
    Examples:
      mmkit caption photos/*.jpg
      mmkit caption photos --n 5 --beam 8 --json
      mmkit caption photos --lang de --contact-sheet sheet.png
      find . -name '*.png' | mmkit caption - --write-xmp
      mmkit caption holiday.tar --style headlines.txt
    """
    from mmkit.encoders import encoder as load_encoder
    from mmkit_caption.writer import CaptionWriter

    if contact_sheet is not None:
        check_free(contact_sheet, overwrite=overwrite)
    chosen = chosen_settings(encoder=encoder, device=device, dtype=dtype, batch=batch, workers=workers, offline=offline)
    writer = CaptionWriter(str(style) if style is not None and style.is_dir() else model, device=chosen.device)
    name = encoder or str(writer.config["encoder"])
    loaded = load_encoder(name, device=chosen.device, dtype=chosen.dtype, offline=chosen.offline)
    writer.check(loaded.spec)
    if style is not None and not style.is_dir():
        _lean(writer, loaded, style, chosen)
    failed: list[Failure] = []
    every = _describe_all(
        writer,
        loaded,
        images,
        chosen,
        failed,
        lang=lang,
        n=n,
        beam=beam,
        strict=strict,
        xmp=write_xmp,
        json=json,
        keep=contact_sheet is not None,
    )
    if contact_sheet is not None:
        from mmkit.media import write_image
        from mmkit_caption.sheet import caption_sheet

        write_image(caption_sheet(every), contact_sheet)
        note(f"drew {shown_path(str(contact_sheet))}")
    return finish(failed, failures or Path("failures.jsonl"))


def _lean(writer: CaptionWriter, encoder: Encoder, style: Path, chosen: Settings) -> None:
    import torch

    from mmkit_caption.training.corpus import pivot_texts, read_corpus
    from mmkit_caption.training.vectors import text_vectors

    texts = pivot_texts(read_corpus([style]))
    writer.take_style(torch.from_numpy(text_vectors(encoder, texts, chosen=chosen)))


def _describe_all(
    writer: CaptionWriter,
    encoder: Encoder,
    images: list[str],
    chosen: Settings,
    failed: list[Failure],
    *,
    lang: str,
    n: int,
    beam: int | None,
    strict: bool,
    xmp: bool,
    json: bool,
    keep: bool,
) -> list[Described]:
    from mmkit.cli.progress import Progress
    from mmkit.pipeline.sources import items_from
    from mmkit_caption.describe import describe as describe_items

    every: list[Described] = []
    seen = 0
    with Progress("captioning", inputs=images) as progress:
        items = items_from(images, modality="image")
        for described, failures in describe_items(
            writer, encoder, items, language=lang, n=n, beam=beam, chosen=chosen, strict=strict
        ):
            failed += failures
            for one in described:
                if xmp and (problem := _into_file(one, lang, strict=strict)) is not None:
                    failed.append(problem)
                _tell(one, lang, json=json)
            every += described if keep else []
            seen += len(described) + len(failures)
            progress.advance(len(described) + len(failures))
    if not seen:
        note("no picture was found in the inputs")
    return every


def _tell(one: Described, lang: str, *, json: bool) -> None:
    if json:
        captions = [{"text": caption.text, "score": round(caption.score, 4)} for caption in one.captions]
        best = one.captions[0].text if one.captions else ""
        emit_json({"id": one.item.id, "lang": lang, "caption": best, "captions": captions})
        return
    for caption in one.captions:
        emit(f"{shown_path(one.item.id)}\t{caption.text}")


def _into_file(one: Described, lang: str, *, strict: bool) -> Failure | None:
    from mmkit.errors import BadInput
    from mmkit.types import Failure
    from mmkit_caption.xmp import write_description

    try:
        if one.item.path is None:
            raise BadInput("lies in an archive, so no caption is written into it", where=one.item.id)
        write_description(one.item.path, {lang: one.captions[0].text})
    except BadInput as error:
        if strict:
            raise
        return Failure(one.item.id, error.what)
    return None
