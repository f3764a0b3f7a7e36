"""Files in, files out: rates, channels, encodings, sums, and what cannot be read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from mmkit_separate.asking import Query, file_names, query_vectors
from mmkit_separate.job import Asked, separate_file
from mmkit_separate.separator import Separator

from mmkit.config import settings
from mmkit.errors import MmkitError, SpaceMismatch


@pytest.fixture
def asked(tiny: Path) -> tuple[Separator, Asked]:
    separator = Separator(tiny, device="cpu")
    queries = (Query("a violin"), Query("a dog"))
    return separator, Asked(queries, query_vectors(queries, separator, chosen=settings(device="cpu")))


@pytest.mark.parametrize(
    ("name", "rate", "channels", "subtype"),
    [
        ("mono.wav", 8000, 1, "PCM_16"),
        ("stereo.flac", 44100, 2, "PCM_24"),
        ("surround.wav", 48000, 6, "FLOAT"),
        ("fast.wav", 192000, 1, "PCM_24"),
    ],
)
def test_stems_keep_rate_channels_and_encoding_and_add_up(
    asked: tuple[Separator, Asked],
    wav: Callable[..., Path],
    tmp_path: Path,
    name: str,
    rate: int,
    channels: int,
    subtype: str,
) -> None:
    path = wav(name, rate=rate, channels=channels, subtype=subtype, seconds=0.5)
    done = separate_file(path, *asked, tmp_path / "out")
    total = np.zeros((round(0.5 * rate), channels))
    for file in (*done.stems, done.residual):
        info = soundfile.info(file)
        assert (info.samplerate, info.channels, info.subtype) == (rate, channels, subtype)
        assert Path(file).suffix == path.suffix
        total += soundfile.read(file, always_2d=True)[0]
    assert np.abs(total - soundfile.read(path, always_2d=True)[0]).max() < 1e-4


def test_long_sound_is_joined_from_chunks_and_adds_up(
    asked: tuple[Separator, Asked], wav: Callable[..., Path], tmp_path: Path
) -> None:
    path = wav(rate=2000, seconds=50)
    seen: list[float] = []
    done = separate_file(path, *asked, tmp_path / "out", on_seconds=seen.append)
    total = sum(soundfile.read(file)[0] for file in (*done.stems, done.residual))
    assert np.abs(total - soundfile.read(path)[0]).max() < 1e-4
    assert len(seen) > 2 and sum(seen) == pytest.approx(50)


def test_a_lossy_mixture_gives_flac(asked: tuple[Separator, Asked], wav: Callable[..., Path], tmp_path: Path) -> None:
    path = wav("mix.ogg", subtype="VORBIS", rate=22050)
    done = separate_file(path, *asked, tmp_path / "out")
    assert {Path(file).suffix for file in (*done.stems, done.residual)} == {".flac"}


@pytest.mark.parametrize(("free", "told"), [(0, "the disk is full"), (1 << 40, "System error")])
def test_what_cannot_be_written_is_told_and_leaves_nothing(
    asked: tuple[Separator, Asked],
    wav: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    free: int,
    told: str,
) -> None:
    def refuse(*_: object) -> None:
        raise soundfile.LibsndfileError(2)

    path = wav()
    monkeypatch.setattr(soundfile.SoundFile, "write", refuse)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=free))
    with pytest.raises(MmkitError, match=f"cannot be written: {told}"):
        separate_file(path, *asked, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_full_scale_does_not_break_the_sum(asked: tuple[Separator, Asked], tmp_path: Path) -> None:
    samples = np.sign(np.sin(np.arange(8000) / 7))
    soundfile.write(tmp_path / "loud.wav", samples, 8000)
    done = separate_file(tmp_path / "loud.wav", *asked, tmp_path / "out")
    total = sum(soundfile.read(file)[0] for file in (*done.stems, done.residual))
    assert np.abs(total - soundfile.read(tmp_path / "loud.wav")[0]).max() < 1e-4


def test_silence_stays_silence(asked: tuple[Separator, Asked], tmp_path: Path) -> None:
    soundfile.write(tmp_path / "silent.wav", np.zeros(8000), 8000)
    done = separate_file(tmp_path / "silent.wav", *asked, tmp_path / "out")
    assert all(not soundfile.read(file)[0].any() for file in (*done.stems, done.residual))


def test_negatives_alone_give_the_mixture_without_them(tiny: Path, wav: Callable[..., Path], tmp_path: Path) -> None:
    separator = Separator(tiny, device="cpu")
    against = (Query("rain"),)
    vectors = query_vectors(against, separator, chosen=settings(device="cpu"))
    path = wav()
    done = separate_file(path, separator, Asked((), vectors[:0], against, vectors), tmp_path / "out")
    assert done.stems == ()
    kept, whole = soundfile.read(done.residual)[0], soundfile.read(path)[0]
    assert 0 < np.square(kept).sum() < np.square(whole).sum()


def test_a_negative_takes_away_from_a_stem(tiny: Path, tone: Callable[..., np.ndarray]) -> None:  # type: ignore[type-arg]
    separator = Separator(tiny, device="cpu")
    rows = query_vectors((Query("rain"), Query("dog")), separator, chosen=settings(device="cpu"))
    plain = separator.separate(tone(), 16000, rows[:1])
    less = separator.separate(tone(), 16000, rows[:1], negatives=rows[1:])
    assert np.square(less).sum() < np.square(plain).sum()


def test_pictures_are_moved_to_where_texts_lie(tiny: Path) -> None:
    separator = Separator(tiny, device="cpu")
    rows = np.eye(384, dtype=np.float32)[:2]
    moved = separator.adapted(rows, "image")
    assert np.allclose(np.linalg.norm(moved, axis=1), 1, atol=1e-5)
    assert np.allclose(moved[0] / moved[0, 1], (rows[0] + 0.1) / 0.1, rtol=1e-2)
    assert separator.adapted(rows, "text") is rows


def test_an_encoder_of_another_space_is_refused(tiny: Path) -> None:
    with pytest.raises(SpaceMismatch, match="trained on vectors of mini"):
        Separator(tiny, device="cpu").check_space("openclip:ViT-B-32", "00")


def damaged(tmp_path: Path, kind: str) -> Path:
    samples = 0.1 * np.random.default_rng(0).standard_normal(48000)
    path = tmp_path / "bad.wav"
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "no samples":
        soundfile.write(path, samples[:0], 16000)
    elif kind == "text":
        path.write_text("no sound at all\n" * 50)
    elif kind == "video":
        path = tmp_path / "film.mp4"
        path.write_bytes(b"\0\0\0\x20ftypisom" + bytes(200))
    elif kind == "folder":
        path.mkdir()
    elif kind == "not a number":
        samples[30000] = np.nan
        soundfile.write(path, samples, 16000, subtype="FLOAT")
    elif kind == "truncated":
        path = tmp_path / "cut.flac"
        soundfile.write(path, samples, 16000)
        path.write_bytes(path.read_bytes()[:20000])
    return path


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("missing", "no such file"),
        ("empty", "is empty"),
        ("no samples", "holds no samples"),
        ("text", "is not sound that can be read"),
        ("video", "is a video; take its sound out first: ffmpeg"),
        ("folder", "is a folder"),
        ("not a number", "not finite numbers, the first at 1.875 s"),
        ("truncated", "is damaged between 0.0 and"),
    ],
)
def test_what_cannot_be_read_is_told_in_one_line_and_leaves_no_file(
    asked: tuple[Separator, Asked], tmp_path: Path, kind: str, told: str
) -> None:
    path = damaged(tmp_path, kind)
    with pytest.raises(MmkitError, match=told) as caught:
        separate_file(path, *asked, tmp_path / "out")
    assert "\n" not in str(caught.value) and path.name in str(caught.value)
    assert not list((tmp_path / "out").glob("*"))


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_that_cannot_be_written_is_told(
    asked: tuple[Separator, Asked], wav: Callable[..., Path], tmp_path: Path
) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    with pytest.raises(MmkitError, match="cannot be written"):
        separate_file(wav(), *asked, locked)


def test_a_file_in_place_of_the_folder_is_told(
    asked: tuple[Separator, Asked], wav: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(MmkitError, match="cannot be written"):
        separate_file(wav(), *asked, tmp_path / "taken")


def test_names_of_files_are_all_different_and_plain() -> None:
    queries = [Query("a/b: dog!"), Query("A b dog"), Query("residual"), Query("…"), Query("pics/cat.jpg", "image")]
    names = file_names("mix", queries)
    assert names[0] == "mix-a-b-dog"
    assert len(set(names)) == len(names) and "mix-residual" not in names
    assert all("/" not in name for name in names)
    assert names[-1] == "mix-cat"
