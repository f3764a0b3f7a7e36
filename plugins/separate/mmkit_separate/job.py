"""One mixture's file to the files of its stems and of what is left.

Legend: C channels, n samples of a piece, Q queries.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmkit.errors import BadInput
from mmkit_separate.asking import Query, file_names
from mmkit_separate.separator import Separator
from mmkit_separate.sound_files import SoundWriters, open_sound
from mmkit_separate.spectrogram import SpectrogramBoard
from mmkit_separate.streaming import separate_blocks

__all__ = ["OVERLAP_SECONDS", "Asked", "Separated", "separate_file"]

OVERLAP_SECONDS: Final = 1.0
_READ_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """What is asked of every mixture.

    Attributes:
        queries: Q of them; none of them means that only the residual is wanted, the mixture without ``negatives``.
        vectors: (Q, D) as ``query_vectors`` gives them.
        negatives, negative_vectors: of what no stem should hold.
    """

    queries: tuple[Query, ...]
    vectors: NDArray[np.float32]
    negatives: tuple[Query, ...] = ()
    negative_vectors: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True)
class Separated:
    """What became of one mixture.

    Attributes:
        stems: one file a query.
        residual: the file of what no stem holds; the sum of all is the mixture.
        levels_db: of each stem against the mixture's; 0 is all of it.
        seconds: of sound; ``elapsed`` is what it took.
        missing: seconds that the header states and the file does not hold: it broke off.
    """

    mixture: str
    stems: tuple[str, ...]
    residual: str
    levels_db: tuple[float, ...]
    seconds: float
    elapsed: float
    rate: int
    channels: int
    missing: float = 0.0


def separate_file(
    path: str | Path,
    separator: Separator,
    asked: Asked,
    out_dir: Path,
    *,
    suffix: str | None = None,
    overwrite: bool = False,
    others: Collection[Separated] = (),
    spectrogram: Path | None = None,
    on_seconds: Callable[[float], None] = lambda seconds: None,
) -> Separated:
    """Write one file a query and ``NAME-residual`` into ``out_dir``, at the rate and with the channels of ``path``.

    Args:
        suffix: ``.wav`` or ``.flac``; default: as the mixture, FLAC where that is lossy.
        others: what came of the run's other mixtures, whose files are not written over, whatever ``overwrite`` says.
        on_seconds: takes the seconds of sound done since the last call.

    Raises:
        BadInput: the mixture cannot be read, a file is there already, or ``out_dir`` cannot be written.
    """
    started = time.monotonic()
    with open_sound(path, as_suffix=suffix) as source:
        source_stem = Path(path).stem
        names = [*file_names(source_stem, asked.queries), f"{source_stem}-residual"]
        paths = [out_dir / f"{name}{source.suffix}" for name in names]
        for other in others:
            if {os.fspath(p) for p in paths} & {*other.stems, other.residual}:
                raise BadInput(
                    f"would be written over what came of {other.mixture}, which has the same name",
                    where=os.fspath(path),
                    mend="separate it by itself into another folder: -o",
                )
        _check_outputs(paths, out_dir, Path(path), overwrite=overwrite)
        board = SpectrogramBoard([query.name for query in asked.queries], source.rate, source.frames)
        # Without a query the stems are the negatives: not written, they leave a residual that is what was wanted.
        negatives_alone = not asked.queries
        vectors = asked.negative_vectors if negatives_alone and asked.negative_vectors is not None else asked.vectors
        limit = 1.0 if source.subtype.startswith("PCM") else np.inf

        def separate(samples: NDArray[np.float32]) -> NDArray[np.float32]:
            return separator.separate(
                samples, source.rate, vectors, negatives=None if negatives_alone else asked.negative_vectors
            )

        energy, total, done = np.zeros(len(vectors)), 0.0, 0
        with SoundWriters(paths, source) as writers:
            for mixture, stems in separate_blocks(
                source.blocks(max(1, int(_READ_SECONDS * source.rate))),
                separate,
                chunk=separator.chunk(source.rate),
                overlap=min(max(2, int(OVERLAP_SECONDS * source.rate)), separator.chunk(source.rate) // 4),
                workers=separator.workers,
                prepare=separator.share_threads,
            ):
                # What would clip in whole numbers is cut before the residual is taken: the sum stays the mixture.
                stems = np.clip(stems, -limit, limit)
                residual = mixture - stems.sum(axis=0)
                writers.write([*([] if negatives_alone else stems), residual])
                energy += np.square(stems, dtype=np.float64).sum(axis=(1, 2))
                total += float(np.square(mixture, dtype=np.float64).sum())
                done += mixture.shape[-1]
                if spectrogram is not None:
                    board.add(mixture, stems[: len(asked.queries)])
                on_seconds(mixture.shape[-1] / source.rate)
        if spectrogram is not None:
            board.save(spectrogram)
        # Silence has no level of its own; whatever is asked of it, next to nothing comes.
        levels = 10 * np.log10((energy + 1e-12 * max(total, 1e-12)) / max(total, 1e-12))
        return Separated(
            mixture=os.fspath(path),
            stems=tuple(os.fspath(p) for p in paths[:-1]),
            residual=os.fspath(paths[-1]),
            levels_db=tuple(float(round(level, 2)) for level in levels),
            seconds=done / source.rate,
            elapsed=time.monotonic() - started,
            rate=source.rate,
            channels=source.channels,
            missing=max(0, source.stated - done) / source.rate,
        )


def _check_outputs(paths: Sequence[Path], out_dir: Path, mixture: Path, *, overwrite: bool) -> None:
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(
            f"cannot be written: {error.strerror or error}", where=str(out_dir), mend="choose another folder: -o"
        ) from error
    if not os.access(out_dir, os.W_OK):
        raise BadInput("cannot be written", where=str(out_dir), mend="choose another folder: -o")
    for path in paths:
        if path.resolve() == mixture.resolve():
            raise BadInput("would be written over itself", where=str(mixture), mend="choose another folder: -o")
        if path.exists() and not overwrite:
            raise BadInput("is there already", where=str(path), mend="add --overwrite, or choose another folder: -o")
