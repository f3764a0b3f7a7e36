"""``mmkit caption eval``: how good captions of captioned pictures are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmkit.cli.options import (
    BatchOption,
    DeviceOption,
    EncoderOption,
    FailuresOption,
    JsonOption,
    OfflineOption,
    StrictOption,
    chosen_settings,
)
from mmkit.cli.output import emit, emit_json, finish, note, table
from mmkit_caption.cli.options import BeamOption, CorpusOption, LanguageOption, ModelOption

if TYPE_CHECKING:
    from mmkit.config import Settings
    from mmkit.encoders.base import Encoder
    from mmkit_caption.evaluate import Vectors

_HEADS = ("bleu1", "bleu4", "meteor_exact_stem", "rouge_l", "cider", "clipscore", "distinct2", "mean_length")


def evaluate(
    root: Annotated[Path, typer.Option("--root", metavar="DIR", help="The folder of the pictures.")],
    captions: Annotated[
        Path, typer.Option("--captions", metavar="JSONL", help='Lines {"file": …, "captions": […]}, below --root.')
    ],
    corpus: CorpusOption = None,
    cache: Annotated[
        Path | None, typer.Option("--cache", metavar="DIR", help="Where the corpus's vectors are kept.")
    ] = None,
    images: Annotated[
        str | None,
        typer.Option("--image-vectors", metavar="NPY", help="The pictures' vectors in the order of the captions."),
    ] = None,
    texts: Annotated[
        Path | None, typer.Option("--texts", metavar="FILE", help="Also write the captions, a line of JSON each.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of the controls.")] = 0,
    beam: BeamOption = None,
    lang: LanguageOption = "en",
    model: ModelOption = "caption-mini",
    encoder: EncoderOption = None,
    strict: StrictOption = False,
    failures: FailuresOption = None,
    device: DeviceOption = None,
    batch: BatchOption = None,
    offline: OfflineOption = False,
    json: JsonOption = False,
) -> int:
    """BLEU-1 to -4, METEOR's exact and stem stages, ROUGE-L, CIDEr-D (all times 100), CLIPScore, and controls.

    The controls are captions of other pictures, and with --corpus the nearest and a random sentence of it.

    \b
    Example:
      mmkit caption eval --root photos --captions photos/captions.jsonl --corpus corpus.jsonl --json
    """
    from mmkit.cli.progress import Progress
    from mmkit.encoders import encoder as load_encoder
    from mmkit.pipeline.evaluate import read_captions
    from mmkit.types import Failure
    from mmkit_caption.evaluate import embedded_pictures
    from mmkit_caption.evaluate import evaluate as evaluate_captions
    from mmkit_caption.training.vectors import text_vectors
    from mmkit_caption.writer import CaptionWriter

    chosen = chosen_settings(encoder=encoder, device=device, batch=batch, offline=offline)
    entries = read_captions(captions)
    writer = CaptionWriter(model, device=chosen.device)
    loaded = load_encoder(encoder or str(writer.config["encoder"]), device=chosen.device, offline=chosen.offline)
    writer.check(loaded.spec)
    failed: list[Failure] = []
    kept, vectors = embedded_pictures(
        loaded, root, entries, ready=images, chosen=chosen, failures=None if strict else failed
    )
    sentences, corpus_vectors = _corpus(loaded, corpus, cache, lang, chosen)
    with Progress("captioning", total=len(kept)) as progress:
        result = evaluate_captions(
            writer,
            vectors,
            [entry.captions for entry in kept],
            lambda given: text_vectors(loaded, given, chosen=chosen),
            corpus=sentences,
            corpus_vectors=corpus_vectors,
            language=lang,
            beam=beam,
            seed=seed,
            on_pictures=progress.advance,
        )
    written = result.pop("texts")
    if texts is not None:
        from json import dumps

        lines = [dumps({"file": e.file, "caption": t}, ensure_ascii=False) for e, t in zip(kept, written, strict=True)]
        texts.write_text("\n".join(lines) + "\n", encoding="utf-8")
    if json:
        emit_json(result)
    else:
        _show(result)
    return finish(failed, failures or Path("failures.jsonl"))


def _corpus(
    encoder: Encoder, corpus: list[str] | None, cache: Path | None, lang: str, chosen: Settings
) -> tuple[list[str], Vectors | None]:
    from mmkit.cli.progress import Progress
    from mmkit_caption.training.corpus import pivot_texts, read_corpus
    from mmkit_caption.training.vectors import text_vectors

    if not corpus:
        note("without --corpus there are no controls of nearest and random sentences")
        return [], None
    sentences = read_corpus([Path(name) for name in corpus])
    if lang != "en":
        # The encoder reads English, so only a random sentence can be had in another language.
        return [sentence.text for sentence in sentences if sentence.lang == lang], None
    texts = pivot_texts(sentences)
    with Progress("reading the corpus", total=len(texts)) as progress:
        return texts, text_vectors(encoder, texts, cache=cache, chosen=chosen, on_texts=progress.advance)


def _show(result: dict[str, Any]) -> None:
    emit(f"{result['model']}: {result['pictures']} pictures, {result['language']}")
    rows = [["", *_HEADS]]
    for name, found in {"captions": result, **result["controls"]}.items():
        rows.append([name, *(f"{found[head]:g}" for head in _HEADS)])
    table(rows)
