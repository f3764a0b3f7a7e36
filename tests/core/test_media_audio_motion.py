from __future__ import annotations

import builtins
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmkit.errors import BadInput, MissingExtra, UsageError
from mmkit.media.audio import read_audio, write_audio
from mmkit.media.motion import read_motion, write_motion
from mmkit.types import Item

RATE = 16_000
TONE = (0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)).astype(np.float32)
WALK = np.random.default_rng(0).normal(size=(12, 22, 3)).astype(np.float32)


@pytest.fixture
def soundfile() -> object:
    return pytest.importorskip("soundfile")


@pytest.mark.usefixtures("soundfile")
class TestAudio:
    @pytest.mark.parametrize(("suffix", "error"), [("wav", 1e-4), ("flac", 1e-4), ("ogg", 0.05)])
    def test_what_is_written_is_read_back(self, suffix: str, error: float, tmp_path: Path) -> None:
        stereo = np.stack([TONE, -TONE])
        write_audio(tmp_path / f"a.{suffix}", stereo, RATE)
        samples, rate = read_audio(tmp_path / f"a.{suffix}")
        assert (samples.shape, samples.dtype, rate) == (stereo.shape, np.float32, RATE)
        assert np.abs(samples - stereo).max() < error
        assert read_audio((tmp_path / f"a.{suffix}").read_bytes())[0].tolist() == samples.tolist()

    def test_channels_are_mixed_by_their_mean(self) -> None:
        item = Item("audio", "x", array=np.stack([TONE, np.zeros_like(TONE)]), rate=RATE)
        samples, _ = read_audio(item, mono=True)
        assert samples.shape == (1, RATE)
        assert np.allclose(samples[0], TONE / 2)

    def test_resampling_keeps_the_tone_and_the_length(self) -> None:
        samples, rate = read_audio(Item("audio", "x", array=TONE, rate=RATE), rate=8000)
        expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(8000) / 8000)
        assert (samples.shape, rate) == ((1, 8000), 8000)
        assert np.abs(samples[0, 500:-500] - expected[500:-500]).max() < 1e-3

    def test_samples_that_are_none_or_not_finite_are_refused(self, tmp_path: Path) -> None:
        write_audio(tmp_path / "none.wav", np.zeros((1, 0)), RATE)
        with pytest.raises(BadInput, match="no samples"):
            read_audio(tmp_path / "none.wav")
        write_audio(tmp_path / "nan.wav", np.array([0.0, np.nan]), RATE, subtype="FLOAT")
        with pytest.raises(BadInput, match="not finite"):
            read_audio(tmp_path / "nan.wav")

    def test_corrupt_empty_and_missing_files_are_refused(self, tmp_path: Path) -> None:
        write_audio(tmp_path / "a.flac", TONE, RATE)
        (tmp_path / "cut.flac").write_bytes((tmp_path / "a.flac").read_bytes()[:30])
        (tmp_path / "empty.wav").touch()
        (tmp_path / "text.wav").write_text("no sound")
        (tmp_path / "song.m4a").write_bytes(b"\0\0\0\x20ftypM4A ")
        reasons = {
            "cut.flac": "not sound",
            "empty.wav": "is empty",
            "text.wav": "not sound",
            "no.wav": "no such file",
            "song.m4a": "convert it to FLAC",
        }
        for name, reason in reasons.items():
            with pytest.raises(BadInput, match=reason):
                read_audio(tmp_path / name)

    def test_a_wrong_suffix_or_place_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=r"'\.xyz'"):
            write_audio(tmp_path / "a.xyz", TONE, RATE)
        with pytest.raises(BadInput, match="cannot be written"):
            write_audio(tmp_path / "no" / "a.wav", TONE, RATE)

    def test_an_array_needs_its_rate(self) -> None:
        with pytest.raises(BadInput, match="with a rate"):
            read_audio(Item("audio", "x", array=TONE))

    @settings(deadline=None, max_examples=80)
    @given(
        st.sampled_from([b"", b"RIFF\x24\0\0\0WAVEfmt ", b"fLaC", b"OggS", b"ID3", b"FORM"]), st.binary(max_size=120)
    )
    def test_random_bytes_raise_nothing_but_bad_input(self, head: bytes, body: bytes) -> None:
        try:
            read_audio(head + body)
        except BadInput as error:
            assert "\n" not in str(error)


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: object, **kwargs: object) -> object:
        if name in ("soundfile", "soxr"):
            raise ImportError(name)
        return real(name, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra, match=r"mmkit\[audio\]"):
        read_audio(b"RIFF")
    with pytest.raises(MissingExtra, match="soxr"):
        read_audio(Item("audio", "x", array=TONE, rate=RATE), rate=8000)


def test_motion_is_written_and_read_back(tmp_path: Path) -> None:
    write_motion(tmp_path / "a.npy", WALK)
    write_motion(tmp_path / "b.npz", WALK, rate=20)
    for name, rate in (("a.npy", None), ("b.npz", 20.0)):
        positions, found = read_motion(tmp_path / name)
        assert (positions.dtype, positions.tolist(), found) == (np.float32, WALK.tolist(), rate)
    with pytest.raises(UsageError):
        write_motion(tmp_path / "c.npy", WALK, rate=20)


def test_of_several_arrays_the_positions_are_found_by_name_or_by_being_the_only_ones(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", poses=WALK, other=np.zeros(3))
    assert read_motion(tmp_path / "a.npz")[0].shape == WALK.shape
    np.savez(tmp_path / "b.npz", one=WALK, two=WALK)
    with pytest.raises(BadInput, match=r"one \(12, 22, 3\), two"):
        read_motion(tmp_path / "b.npz")


def test_pickles_wrong_shapes_and_damage_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "pickle.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    np.save(tmp_path / "flat.npy", np.zeros((4, 66), np.float32))
    np.save(tmp_path / "nan.npy", np.full((4, 22, 3), np.nan))
    np.save(tmp_path / "whole.npy", WALK)
    (tmp_path / "cut.npy").write_bytes((tmp_path / "whole.npy").read_bytes()[:300])
    reasons = {"pickle.npy": "pickle", "flat.npy": "Expected", "nan.npy": "not finite", "cut.npy": "not a .npy"}
    for name, reason in reasons.items():
        with pytest.raises(BadInput, match=reason):
            read_motion(tmp_path / name)


def _saved(compressed: bool) -> bytes:
    buffer = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(buffer, positions=WALK[:1])
    return buffer.getvalue()


@settings(deadline=None, max_examples=100)
@given(st.booleans(), st.data())
def test_damaged_motion_raises_nothing_but_bad_input(compressed: bool, data: st.DataObject) -> None:
    damaged = bytearray(_saved(compressed))
    for _ in range(3):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        read_motion(bytes(damaged))
    except BadInput:
        pass
