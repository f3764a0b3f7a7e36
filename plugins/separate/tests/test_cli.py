"""The command as people type it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from mmkit_separate import live

from mmkit.cli.entry import run as mmkit

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> tuple[int, str, str]:
        code = mmkit([str(argument) for argument in arguments])
        out = capsys.readouterr()
        return code, out.out, out.err

    return call


def test_without_a_verb_it_mixes(run: Run, wav: Callable[..., Path], tiny: Path) -> None:
    code, out, err = run("separate", wav(), "-q", "a violin", "-o", "out", "--model", tiny, "--json")
    assert code == 0, err
    told = json.loads(out)
    assert [row["query"] for row in told["stems"]] == ["a violin"]
    assert Path(told["residual"]).is_file() and Path("out/mix-a-violin.wav").is_file()


def test_help_lists_the_verbs_under_the_options_of_a_separation(run: Run) -> None:
    code, out, _ = run("separate", "--help")
    assert code == 0
    assert "--query-image" in out
    verbs = out.partition("Verbs (without one: mix):")[2]
    assert all(f"\n  {verb} " in verbs for verb in ("mix", "tag", "train", "eval"))


def test_a_bad_file_does_not_stop_the_others(run: Run, wav: Callable[..., Path], tiny: Path, tmp_path: Path) -> None:
    wav("good.wav")
    (tmp_path / "bad.wav").write_text("nothing")
    code, out, err = run("separate", "bad.wav", "good.wav", "-q", "dog", "-o", "out", "--model", tiny)
    assert code == 3
    assert "good-dog.wav" in out and "bad.wav" in err
    failed = [json.loads(line) for line in Path("out/failures.jsonl").read_text().splitlines()]
    assert [Path(row["id"]).name for row in failed] == ["bad.wav"]


def test_a_video_is_told_to_be_one(run: Run, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "holiday.mp4").write_bytes(b"\0\0\0\x20ftypisom" + bytes(200))
    code, _, err = run("separate", "holiday.mp4", "-q", "dog", "-o", "out", "--model", tiny)
    assert code == 1 and err.count("\n") == 1
    assert "holiday.mp4: is a video" in err and "ffmpeg -i holiday.mp4" in err


def test_sound_under_a_suffix_that_is_not_known_is_read(run: Run, wav: Callable[..., Path], tiny: Path) -> None:
    path = wav("mix.wav")
    path.rename(path.with_suffix(".sound"))
    code, out, err = run("separate", "mix.sound", "-q", "dog", "-o", "out", "--model", tiny)
    assert code == 0, err
    assert "mix-dog" in out


def test_a_file_alone_that_is_not_there_is_an_error(run: Run, tiny: Path) -> None:
    code, _, err = run("separate", "nothere.wav", "-q", "dog", "-o", "out", "--model", tiny)
    assert code == 1 and "nothere.wav" in err and err.count("\n") == 1
    assert not Path("out").exists()


def test_a_failure_names_its_file_once(run: Run, wav: Callable[..., Path], tiny: Path, tmp_path: Path) -> None:
    wav("good.wav")
    (tmp_path / "empty.wav").touch()
    for command in (
        ("separate", "good.wav", "empty.wav", "-q", "dog", "--model", tiny),
        ("separate", "tag", "empty.wav"),
    ):
        code, _, err = run(*command)
        assert code == 3 and err.splitlines()[0].count("empty.wav") == 1, err


def test_silence_has_next_to_nothing_of_anything(run: Run, tiny: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "silence.wav", np.zeros(8000), 8000)
    code, out, err = run("separate", "silence.wav", "-q", "dog", "-o", "out", "--model", tiny, "--json")
    assert code == 0
    assert json.loads(out)["stems"][0]["level_db"] < -80
    assert "silent" in run("separate", "silence.wav", "-q", "dog", "-o", "other", "--model", tiny)[2]
    code, _, err = run("separate", "silence.wav", "--query-audio", "silence.wav", "-o", "third", "--model", tiny)
    assert code == 1 and "silence.wav: is silent" in err
    code, out, err = run("separate", "tag", "silence.wav")
    assert code == 3 and not out and "silent" in err


def test_a_file_that_broke_off_is_separated_as_far_as_it_goes_and_told(
    run: Run, wav: Callable[..., Path], tiny: Path, tmp_path: Path
) -> None:
    whole = wav("whole.wav", seconds=2).read_bytes()
    (tmp_path / "cut.wav").write_bytes(whole[: len(whole) // 4])
    (tmp_path / "piped.wav").write_bytes(whole[:40] + b"\xff" * 4 + whole[44:])
    for name, told in (("cut", "cut.wav: breaks off after 0.5 s of the 2.0"), ("piped", ""), ("whole", "")):
        code, _, err = run("separate", f"{name}.wav", "-q", "dog", "-o", "out", "--model", tiny)
        assert code == 0 and told in err
        assert ("breaks off" in err) == bool(told)


def test_mixtures_of_one_name_do_not_write_over_each_other(
    run: Run, wav: Callable[..., Path], tiny: Path, tmp_path: Path
) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        wav(f"{folder}/mix.wav", seconds=0.5 if folder == "a" else 1.0)
    code, out, err = run("separate", "a", "b", "-q", "dog", "-o", "out", "--overwrite", "--model", tiny)
    assert code == 3 and out.count("residual") == 2
    assert "b/mix.wav" in err and "would be written over what came of a/mix.wav" in err.replace(str(tmp_path) + "/", "")
    assert soundfile.info("out/mix-residual.wav").duration == 0.5


def test_nothing_is_overwritten_unless_asked(run: Run, wav: Callable[..., Path], tiny: Path) -> None:
    command = ("separate", wav(), "-q", "dog", "-o", "out", "--model", tiny)
    assert run(*command)[0] == 0
    code, _, err = run(*command)
    assert code == 1 and "is there already" in err and err.count("\n") == 1
    assert run(*command, "--overwrite")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "nothing is asked for"),
        (("-q", "dog", "--live"), "one of them"),
        (("-q", "..."), "Expected words to ask for"),
        (("-q", "dog", "--format", "mp3"), "Expected wav or flac"),
        (("-q", "dog", "--model", "nothere"), "is no separator"),
        (("--query-image", "missing.jpg"), "missing.jpg"),
    ],
)
def test_wrong_calls_are_told_in_one_line(
    run: Run, wav: Callable[..., Path], arguments: tuple[str, ...], told: str
) -> None:
    code, _, err = run("separate", wav(), *arguments, "-o", "out")
    assert code != 0 and told in err and err.count("\n") == 1
    assert not Path("out").exists()


def test_the_spectrogram_is_a_picture_of_all_panels(run: Run, wav: Callable[..., Path], tiny: Path) -> None:
    from PIL import Image

    code, _, err = run(
        "separate", wav(), "-q", "dog", "-q", "cat", "-o", "out", "--model", tiny, "--spectrogram", "new/s.png"
    )
    assert code == 0, err
    with Image.open("new/s.png") as picture:
        assert picture.size[1] > 3 * 180
        assert len(picture.convert("RGB").resize((64, 64)).getcolors(4096) or ()) > 20


def test_pictures_and_sounds_ask_too(run: Run, wav: Callable[..., Path], tiny: Path, tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (64, 64), "red").save(tmp_path / "red.png")
    example = wav("example.wav", seconds=0.3)
    code, out, err = run(
        "separate", wav(), "--query-image", "red.png", "--query-audio", example, "-o", "out", "--model", tiny, "--json"
    )
    assert code == 0, err
    assert [row["modality"] for row in json.loads(out)["stems"]] == ["image", "audio"]


@pytest.mark.parametrize("option", [("--play",), ("--record", "1"), ("--live",)])
def test_without_a_sound_device_one_line_says_so(
    run: Run, wav: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, option: tuple[str, ...]
) -> None:
    class NoDevices:
        PortAudioError = RuntimeError

        @staticmethod
        def query_devices() -> list[object]:
            return []

    given = () if option[0] != "--play" else (wav(),)
    monkeypatch.setitem(sys.modules, "sounddevice", NoDevices)
    code, _, err = run("separate", *given, "-q", "dog", *option)
    assert code == 4 and "needs a sound device" in err and err.count("\n") == 1
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    code, _, err = run("separate", *given, "-q", "dog", *option)
    assert code == 4 and "pip install sounddevice" in err and err.count("\n") == 1


def test_a_recording_is_separated_and_played(run: Run, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    played: list[tuple[int, ...]] = []

    class Device:
        PortAudioError = RuntimeError

        @staticmethod
        def query_devices() -> list[object]:
            return ["microphone"]

        @staticmethod
        def rec(frames: int, **_: object) -> np.ndarray:  # type: ignore[type-arg]
            return 0.1 * np.random.default_rng(0).standard_normal((frames, 1))

        @staticmethod
        def play(samples: np.ndarray, rate: int, blocking: bool) -> None:  # type: ignore[type-arg]
            played.append((*samples.shape, rate))

    monkeypatch.setattr(live, "sound_device", lambda feature: Device)
    code, _, err = run("separate", "-q", "dog", "--record", "0.5", "--play", "-o", "out", "--model", tiny)
    assert code == 0, err
    assert soundfile.info("out/recording.wav").frames == 22050
    assert played == [(22050, 1, 44100)]


def test_help_imports_no_torch() -> None:
    code = (
        "import sys\nfrom mmkit.cli.entry import run\nrun(['separate', '--help'])\nrun(['separate', 'mix', '--help'])\n"
        "sys.exit(int('torch' in sys.modules or 'numpy' in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0
