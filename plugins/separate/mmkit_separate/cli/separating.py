"""``mmkit separate MIX``: sounds by words, pictures and examples out of mixtures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from mmkit.cli.options import DeviceOption, FailuresOption, JsonOption, OfflineOption, OverwriteOption, StrictOption
from mmkit.cli.output import emit, emit_json, finish, note, shown_path
from mmkit.errors import BadInput, MmkitError, UsageError
from mmkit_separate.cli.options import GapOption, ModelOption, QueryEncoderOption

if TYPE_CHECKING:
    from mmkit.config import Settings
    from mmkit_separate.asking import Query
    from mmkit_separate.job import Asked, Separated
    from mmkit_separate.separator import Separator

#: Seconds that may lack at the end of a file: encoders pad, and headers of lossy files count roughly.
_LOST: Final = 0.1


def mix(
    mixtures: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MIX...", help="Sound files, globs or folders: WAV, FLAC, OGG, MP3.", show_default=False
        ),
    ] = None,
    query: Annotated[
        list[str] | None, typer.Option("--query", "-q", metavar="WORDS", help="A sound to take out; may be repeated.")
    ] = None,
    query_image: Annotated[
        list[str] | None, typer.Option("--query-image", metavar="FILE", help="A picture of what makes the sound.")
    ] = None,
    query_audio: Annotated[
        list[str] | None, typer.Option("--query-audio", metavar="FILE", help="A sound like the one to take out.")
    ] = None,
    negative: Annotated[
        list[str] | None,
        typer.Option("--negative", metavar="WORDS", help="A sound to keep out; alone: the mixture without it."),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Where the files go.")] = Path(
        "separated"
    ),
    format: Annotated[
        str | None, typer.Option("--format", metavar="KIND", help="wav or flac; default: as the mixture.")
    ] = None,
    spectrogram: Annotated[
        Path | None, typer.Option("--spectrogram", metavar="PNG", help="Draw mixture, masks and results.")
    ] = None,
    play: Annotated[bool, typer.Option("--play", help="Play the first result.")] = False,
    record: Annotated[
        float | None, typer.Option("--record", metavar="SECONDS", min=0.1, help="Take the mixture from the microphone.")
    ] = None,
    live: Annotated[bool, typer.Option("--live", help="Microphone to speaker, until Ctrl-C.")] = False,
    model: ModelOption = "film",
    encoder: QueryEncoderOption = None,
    gap: GapOption = None,
    overwrite: OverwriteOption = False,
    strict: StrictOption = False,
    failures: FailuresOption = None,
    device: DeviceOption = None,
    offline: OfflineOption = False,
    json: JsonOption = False,
) -> int:
    """Write one file a query, and the residual; their sum is the mixture.

    Beside each file stands its level against the mixture's: 0 dB is all of it, -60 dB next to nothing.

    \b
    Examples:
      mmkit separate song.wav -q violin -q "dog barking" -o out
      mmkit separate street.flac --query-image siren.jpg --spectrogram street.png
      mmkit separate talk.mp3 --negative "keyboard typing" -o clean
      mmkit separate 'clips/*.wav' -q rain --json
      mmkit separate --record 5 -q speech --play
    """
    from mmkit.cli.options import chosen_settings
    from mmkit_separate.asking import Query
    from mmkit_separate.live import record as record_sound
    from mmkit_separate.live import sound_device

    queries = (
        *(Query(text) for text in query or ()),
        *(Query(path, "image") for path in query_image or ()),
        *(Query(path, "audio") for path in query_audio or ()),
    )
    negatives = tuple(Query(text) for text in negative or ())
    if not queries and not negatives:
        raise UsageError("nothing is asked for", mend='say it in words: -q "dog barking"')
    if format not in (None, "wav", "flac"):
        raise UsageError(f"Expected wav or flac, but received {format!r}", where="--format")
    given = list(mixtures or ())
    if sum([bool(given), record is not None, live]) != 1:
        raise UsageError(
            "Expected mixtures, --record or --live, and one of them", mend="see: mmkit separate mix --help"
        )
    if live or play or record is not None:
        sound_device("--live" if live else "--record" if record is not None else "--play")
    chosen = chosen_settings(device=device, offline=offline)
    separator, asked = _ask(model, queries, negatives, encoder, gap, chosen)
    if live:
        return _live(separator, asked)
    if record is not None:
        output.mkdir(parents=True, exist_ok=True)
        path = output / "recording.wav"
        if path.exists() and not overwrite:
            raise UsageError("is there already", where=str(path), mend="add --overwrite")
        note(f"recording {record:g} s")
        record_sound(path, record)
        given = [str(path)]
    return _separate_all(
        given,
        separator,
        asked,
        output,
        suffix=None if format is None else f".{format}",
        overwrite=overwrite,
        spectrogram=spectrogram,
        strict=strict,
        failures=failures,
        play=play,
        json=json,
    )


def _ask(
    model: str,
    queries: tuple[Query, ...],
    negatives: tuple[Query, ...],
    encoder: str | None,
    gap: str | None,
    chosen: Settings,
) -> tuple[Separator, Asked]:
    from mmkit_separate.asking import query_vectors
    from mmkit_separate.job import Asked
    from mmkit_separate.separator import Separator

    separator = Separator(model, device=chosen.device, gap=gap)
    vectors = query_vectors(queries, separator, encoder=encoder, chosen=chosen)
    against = query_vectors(negatives, separator, encoder=encoder, chosen=chosen)
    return separator, Asked(queries, vectors, negatives, against if negatives else None)


def _separate_all(
    given: list[str],
    separator: Separator,
    asked: Asked,
    output: Path,
    *,
    suffix: str | None,
    overwrite: bool,
    spectrogram: Path | None,
    strict: bool,
    failures: Path | None,
    play: bool,
    json: bool,
) -> int:
    from mmkit.cli.progress import Progress
    from mmkit.pipeline.sources import items_from
    from mmkit.types import Failure
    from mmkit_separate.job import separate_file
    from mmkit_separate.live import play as play_sound

    paths: list[str | Failure] = []
    for item in items_from(given, modality="audio"):
        if isinstance(item, Failure):
            # What is there but of no known suffix may still be sound; if not, opening it tells why.
            paths.append(item.id if Path(item.id).is_file() else item)
        else:
            paths.append(str(item.path or item.id))
    if spectrogram is not None:
        if len(paths) != 1:
            raise UsageError(f"draws one mixture, and there are {len(paths)}", where="--spectrogram")
        if spectrogram.exists() and not overwrite:
            raise UsageError("is there already", where=str(spectrogram), mend="add --overwrite")
        try:
            spectrogram.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadInput(f"cannot be written: {error.strerror or error}", where=str(spectrogram)) from error
    if not paths:
        note("nothing to separate was found in the inputs")
    failed: list[Failure] = []
    finished: list[Separated] = []
    with Progress("separating (s of sound)") as progress:
        counted = 0.0

        def on_seconds(seconds: float) -> None:
            nonlocal counted
            before, counted = int(counted), counted + seconds
            progress.advance(int(counted) - before)

        for path in paths:
            try:
                if isinstance(path, Failure):
                    raise BadInput(path.reason, where=path.id)
                done = separate_file(
                    path,
                    separator,
                    asked,
                    output,
                    suffix=suffix,
                    overwrite=overwrite,
                    others=finished,
                    spectrogram=spectrogram,
                    on_seconds=on_seconds,
                )
            except MmkitError as error:
                if strict or len(paths) == 1:
                    raise
                failed.append(Failure(path.id if isinstance(path, Failure) else path, _reason(error)))
                continue
            finished.append(done)
            _tell(done, asked, json=json)
    if play and finished:
        play_sound(Path((*finished[0].stems, finished[0].residual)[0]))
    return finish(failed, failures or output / "failures.jsonl")


def _reason(error: MmkitError) -> str:
    """The error without the file that it names: a failure has that already."""
    return f"{error.what}; {error.mend}" if error.mend else error.what


def _tell(done: Separated, asked: Asked, *, json: bool) -> None:
    if done.missing > _LOST:
        stated = done.seconds + done.missing
        note(f"{shown_path(done.mixture)}: breaks off after {done.seconds:.1f} s of the {stated:.1f} that it states")
    if json:
        emit_json(
            {
                "mixture": done.mixture,
                "stems": [
                    {"query": query.text, "modality": query.modality, "file": file, "level_db": level}
                    for query, file, level in zip(asked.queries, done.stems, done.levels_db, strict=False)
                ],
                "residual": done.residual,
                "rate": done.rate,
                "channels": done.channels,
                "seconds": round(done.seconds, 3),
                "elapsed": round(done.elapsed, 3),
                "times_real_time": round(done.seconds / max(done.elapsed, 1e-9), 1),
            }
        )
        return
    for file, level in zip(done.stems, done.levels_db, strict=False):
        emit(f"{shown_path(file)}\t{level:+.1f} dB")
    emit(f"{shown_path(done.residual)}\tresidual")
    if all(level < -80 for level in done.levels_db):
        note(f"{shown_path(done.mixture)}: next to nothing of it was asked for, or it is silent")


def _live(separator: Separator, asked: Asked) -> int:
    import numpy as np

    from mmkit_separate.live import run_live

    if not asked.queries:
        vectors, others = asked.negative_vectors, None
    else:
        vectors, others = asked.vectors, asked.negative_vectors

    def separate(heard: np.ndarray[tuple[int, int], np.dtype[np.float32]], rate: int) -> np.ndarray:
        assert vectors is not None
        stem = separator.separate(heard, rate, vectors, negatives=others).sum(axis=0)
        return stem if asked.queries else heard - stem

    run_live(separate, report=note)
    return 0
