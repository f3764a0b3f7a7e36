"""Training, evaluation, and the models that ship."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from mmkit_separate.evaluate import evaluate, loudest_window, read_pairs
from mmkit_separate.metrics import si_sdr
from mmkit_separate.networks.clipsep import ClipSep
from mmkit_separate.networks.film_unet import FilmUNet
from mmkit_separate.networks.spectra import Resolution
from mmkit_separate.separator import Separator
from mmkit_separate.training.data import read_data
from mmkit_separate.training.loop import Schedule, fit, separator_loss
from mmkit_separate.training.mixing import Mixer, Queries
from mmkit_separate.training.pool import Pool, Sound
from mmkit_separate.training.run import Plan, train

from mmkit.config import settings
from mmkit.errors import MmkitError, UsageError
from mmkit.training.checkpoint import Checkpoint
from mmkit.training.steps import GuardedOptimiser

SAMPLES = Path(__file__).resolve().parents[3] / "recipes" / "samples"


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    """Two labels: tones below 600 Hz and hiss above 4 kHz, three files each."""
    chance = np.random.default_rng(0)
    time = np.arange(16000) / 16000
    for number in range(3):
        hum = 0.3 * np.sin(2 * np.pi * (200 + 100 * number) * time)
        hiss = np.diff(np.diff(chance.standard_normal(16002))) * 0.03
        for label, samples in (("low_hum", hum), ("sharp_hiss", hiss)):
            (tmp_path / "sounds" / label).mkdir(parents=True, exist_ok=True)
            soundfile.write(tmp_path / "sounds" / label / f"{number}.wav", samples, 16000)
    return tmp_path / "sounds"


def pairs_of(tmp_path: Path) -> Path:
    file = tmp_path / "pairs.tsv"
    file.write_text(
        "query\ttarget\tinterference\n"
        "low hum\tlow_hum/0.wav\tsharp_hiss/1.wav\n"
        "sharp hiss\tsharp_hiss/1.wav\tlow_hum/0.wav\n"
        "low hum\tlow_hum/2.wav\tsharp_hiss/2.wav\n"
    )
    return file


def two_sounds() -> Pool:
    """Hums below 600 Hz and hisses above 2 kHz at 8 kHz."""
    chance, time = np.random.default_rng(0), np.arange(8000) / 8000
    made = [Sound("hum", 0.3 * np.sin(2 * np.pi * pitch * time)) for pitch in (200, 300, 450)]
    made += [Sound("hiss", np.diff(chance.standard_normal(8001)) * 0.1) for _ in range(3)]
    return Pool(made, 8000, labels=["hum", "hiss"])


@pytest.mark.parametrize(("kind", "least"), [("film", 4), ("clipsep", 4)])
def test_training_learns_to_tell_two_sounds_by_their_queries(kind: str, least: float) -> None:
    torch.manual_seed(0)
    resolution = Resolution(window=0.016, hop=0.008, bins=64)
    network = {
        "film": lambda: FilmUNet(query_dim=4, bins=64, widths=(6, 8, 12), depths=(1, 1, 1), condition=16),
        "clipsep": lambda: ClipSep(query_dim=4, bins=64, rows=32, maps=8, widths=(8, 12, 16)),
    }[kind]()
    queries = Queries(torch.eye(4)[:2], [[0], [1]], noise=0.1)
    mixer = Mixer(two_sounds(), queries, domains=[(1.0, [0, 1], [0, 1])], length=2000, third=0, absent=0, effects=False)
    loss = separator_loss(network, mixer, resolution, 4, low=False)
    trained, steps = fit(network, loss, Schedule(rate=8e-3, average=0.8), lambda *_: None, steps=70)
    assert steps == 70
    drawn = mixer.draw(8)
    spectra = resolution.analyse(drawn.mixture, 8000)
    seen = resolution.to_network(spectra).abs()

    def improvement(asked: torch.Tensor) -> float:
        with torch.no_grad():
            masks = resolution.from_network(trained(seen, asked), spectra.shape[-2])
        stems = resolution.synthesise((masks * spectra[:, None]).flatten(0, 1), 8000, 2000).numpy()
        targets = drawn.targets.flatten(0, 1).numpy()
        mixtures = drawn.mixture.repeat_interleave(2, dim=0).numpy()
        gains = [si_sdr(t, s) - si_sdr(t, m) for t, s, m in zip(targets, stems, mixtures, strict=True)]
        return float(np.mean(gains))

    assert improvement(drawn.queries) > least
    assert improvement(drawn.queries.flip(1)) < 0


def test_the_command_trains_and_its_result_is_asked_by_the_others(
    sounds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from mmkit.cli.entry import run

    model, out = str(tmp_path / "model"), str(tmp_path / "out")
    command = ["separate", "train", "--data", str(sounds), "--out", model, "--architecture", "clipsep-nit"]
    command += ["--steps", "2", "--batch", "2", "--length", "0.5", "--device", "cpu"]
    assert run([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["steps"] == 2
    assert run(command) == 2  # a model is there
    mixture = str(sounds / "low_hum" / "0.wav")
    assert run(["separate", mixture, "-q", "low hum", "-o", out, "--model", model, "--device", "cpu"]) == 0
    capsys.readouterr()
    asked = ["separate", "eval", "--pairs", str(pairs_of(tmp_path)), "--root", str(sounds), "--model", model]
    assert run([*asked, "--seconds", "0.5", "--json", "--device", "cpu"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"sdr", "sdri", "si_sdri", "sir", "sar", "sdri_median", "control_random", "control_wrong"} <= set(found)
    assert set(found["per_class"]) == {"low hum", "sharp hiss"}


def test_captions_are_labels_and_pictures_can_stand_for_sounds(tmp_path: Path, sounds: Path) -> None:
    from PIL import Image

    lines = []
    for number, (name, colour) in enumerate((("low_hum/0.wav", "blue"), ("sharp_hiss/1.wav", "yellow"))):
        Image.new("RGB", (64, 64), colour).save(sounds / f"{number}.png")
        lines.append({"file": name, "captions": [f"caption {number}", "said again"], "pictures": [f"{number}.png"]})
    (sounds / "sounds.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    data = read_data([sounds], failures=[])
    assert data.phrases == {f"caption {n}": [f"caption {n}", "said again"] for n in range(2)}
    small = {"widths": [4, 4, 4], "depths": [1, 1, 1], "condition": 8}
    plan = Plan(modality="image", steps=2, batch=2, length=0.5, arguments=small)
    train(data, plan, tmp_path / "model", chosen=settings(device="cpu"), report=lambda line: None)
    assert Separator(tmp_path / "model", device="cpu").config["labels"] == list(data.phrases)


def test_training_goes_on_from_the_weights_of_a_model(tmp_path: Path, sounds: Path) -> None:
    data = read_data([sounds], failures=[])
    small = {"widths": [4, 4, 4], "depths": [1, 1, 1], "condition": 8}
    quick = {"steps": 1, "batch": 2, "length": 0.5}
    chosen = settings(device="cpu")
    train(data, Plan(arguments=small, **quick), tmp_path / "first", chosen=chosen, report=lambda line: None)  # type: ignore[arg-type]
    plan = Plan(start=str(tmp_path / "first"), rate=1e-9, seed=5, **quick)  # type: ignore[arg-type]
    train(data, plan, tmp_path / "second", chosen=chosen, report=lambda line: None)
    one, other = (Separator(tmp_path / name, device="cpu").network.state_dict() for name in ("first", "second"))
    assert all(torch.allclose(one[n], other[n], atol=2e-3) for n in one if "running" not in n and "num_" not in n)
    with pytest.raises(UsageError, match="--start"):
        wrong = Plan(recipe="clipsep", start=str(tmp_path / "first"), **quick)  # type: ignore[arg-type]
        train(data, wrong, tmp_path / "third", chosen=chosen, report=lambda line: None)


@pytest.mark.parametrize("kept", [False, True])
def test_statistics_of_the_model_started_from_stay_where_that_is_asked_for(
    tmp_path: Path, sounds: Path, kept: bool
) -> None:
    data = read_data([sounds], failures=[])
    small = {"widths": [4, 4, 4], "depths": [1, 1, 1], "condition": 8, "own": [0.0, 0.2, 0.2]}
    quick = {"steps": 2, "batch": 2, "length": 0.5}
    chosen = settings(device="cpu")
    train(data, Plan(arguments=small, **quick), tmp_path / "first", chosen=chosen, report=lambda line: None)  # type: ignore[arg-type]
    plan = Plan(start=str(tmp_path / "first"), keep_statistics=kept, low=True, rate=1e-2, **quick)  # type: ignore[arg-type]
    train(data, plan, tmp_path / "second", chosen=chosen, report=lambda line: None)
    one, other = (Separator(tmp_path / name, device="cpu").network for name in ("first", "second"))
    statistics = [name for name in one.state_dict() if "running" in name]
    assert all(torch.equal(one.state_dict()[n], other.state_dict()[n]) for n in statistics) == kept
    assert not torch.equal(one.head.weight, other.head.weight)
    assert other.up[2][0].first.own == 0.2


def test_statistics_cannot_be_kept_without_a_model(
    sounds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from mmkit.cli.entry import run

    command = ["separate", "train", "--data", str(sounds), "--out", str(tmp_path / "m"), "--keep-statistics"]
    assert run(command) == 2
    assert "--keep-statistics" in capsys.readouterr().err


def test_a_training_that_is_broken_off_leaves_a_model_and_goes_on(
    tmp_path: Path, sounds: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from mmkit.cli.entry import run

    model = tmp_path / "model"
    command = ["separate", "train", "--data", str(sounds), "--out", str(model), "--architecture", "clipsep"]
    command += ["--steps", "5", "--batch", "2", "--length", "0.5", "--device", "cpu", "--json"]
    assert run([*command, "--resume"]) == 2
    assert "leave --resume out" in capsys.readouterr().err

    def stop_after_two(kept: Checkpoint) -> bool:
        if (kept.facts() or {}).get("step") == 2:
            raise KeyboardInterrupt
        return True

    with monkeypatch.context() as broken:
        broken.setattr(Checkpoint, "due", stop_after_two)
        assert run(command) == 130
    assert Separator(model, device="cpu").config["labels"] == ["low hum", "sharp hiss"]
    capsys.readouterr()
    taken = []
    step = GuardedOptimiser.step

    def counted(self: GuardedOptimiser, loss: torch.Tensor, *, factor: float = 1.0) -> bool:
        taken.append(self.inner.state_dict()["state"][0]["step"].item())
        return step(self, loss, factor=factor)

    monkeypatch.setattr(GuardedOptimiser, "step", counted)
    assert run([*command, "--resume"]) == 0
    assert json.loads(capsys.readouterr().out)["steps"] == 5
    # The optimiser's own count goes on too: its moments came back.
    assert taken == [2, 3, 4]
    assert not (model / "state.safetensors").exists()


def test_the_network_is_compiled_where_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = []

    def note_it(function: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
        compiled.append(function)
        return function

    monkeypatch.setattr(torch, "compile", note_it)
    pool = two_sounds()
    queries = Queries(torch.eye(2, 8), [[0], [1]])
    mixer = Mixer(pool, queries, domains=[(1.0, [0, 1], [0, 1])], length=4000)
    network = FilmUNet(query_dim=8, bins=64, widths=(4, 4), depths=(1, 1), condition=8)
    for wanted in (False, True):
        loss = separator_loss(network, mixer, Resolution(0.032, 0.008, 64), 2, low=False, compiled=wanted)
        assert torch.isfinite(loss())
        assert compiled == [network.parts] * wanted


def test_a_file_that_cannot_be_read_is_noted_and_left_out(sounds: Path) -> None:
    (sounds / "low_hum" / "broken.wav").write_text("nothing")
    failed: list[object] = []
    assert len(read_data([sounds], failures=failed).sounds) == 6  # type: ignore[arg-type]
    assert len(failed) == 1


@pytest.mark.parametrize("line", ['{"label": "x"}', '{"file": "a.wav"}', "[1]", "nonsense"])
def test_a_wrong_line_of_a_list_is_told_with_its_number(tmp_path: Path, line: str) -> None:
    (tmp_path / "sounds.jsonl").write_text(line)
    with pytest.raises(UsageError, match=r"sounds\.jsonl:1"):
        read_data([tmp_path], failures=[])


@pytest.mark.parametrize("text", ["", "dog only\n", "dog\ta.wav\n", "dog\t\tb.wav\n"])
def test_a_wrong_list_of_pairs_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "pairs.tsv").write_text(text)
    with pytest.raises(UsageError, match=r"pairs\.tsv"):
        read_pairs(tmp_path / "pairs.tsv")


def test_silent_sounds_are_noted_and_left_out_of_an_evaluation(sounds: Path, tmp_path: Path, tiny: Path) -> None:
    soundfile.write(sounds / "low_hum" / "2.wav", np.zeros(8000), 16000)
    failed: list[object] = []
    found = evaluate(
        read_pairs(pairs_of(tmp_path)),
        sounds,
        Separator(tiny, device="cpu"),
        chosen=settings(device="cpu"),
        seconds=0.5,
        failures=failed,  # type: ignore[arg-type]
    )
    assert found["pairs"] == 2 and len(failed) == 1


def test_the_loudest_window_is_taken_and_short_sounds_are_filled_up() -> None:
    samples = np.zeros(100, np.float32)
    samples[60:70] = 1
    assert loudest_window(samples, 10).tolist() == [1.0] * 10
    assert loudest_window(samples[55:65], 20).tolist() == [0.0] * 5 + [1.0] * 5 + [0.0] * 10


def test_damaged_weights_are_told(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((tiny / "config.json").read_bytes())
    (tmp_path / "model.safetensors").write_bytes((tiny / "model.safetensors").read_bytes()[:-20])
    with pytest.raises(MmkitError, match=r"model\.safetensors"):
        Separator(tmp_path, device="cpu")


def test_the_bundled_separator_takes_the_asked_sound_out_of_a_sample(tmp_path: Path) -> None:
    from mmkit_separate.asking import Query, query_vectors
    from mmkit_separate.encoder import load
    from mmkit_separate.tagging import label_vectors, tag

    chosen = settings(device="cpu")
    samples, rate = soundfile.read(SAMPLES / "sounds" / "dog-and-rain.ogg", dtype="float32")
    separator = Separator(device="cpu")
    rows = query_vectors([Query("a hound barking"), Query("rainfall")], separator, chosen=chosen)
    stems = separator.separate(samples[None], rate, rows)[:, 0]
    soundfile.write(tmp_path / "0.wav", stems[0], rate)
    soundfile.write(tmp_path / "1.wav", stems[1], rate)
    from mmkit.types import Item

    ears = load(None, settings=chosen)
    heard = ears.encode([ears.prepare(Item.from_path(tmp_path / f"{n}.wav", "audio")) for n in range(2)], "audio")
    shares = tag(heard.vectors, label_vectors(ears, ["dog barking", "rain", "violin"]))
    assert shares.argmax(axis=1).tolist() == [0, 1]
    assert np.allclose(shares.sum(axis=1), 1, atol=1e-5)


def test_sounds_are_indexed_and_found_by_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from mmkit.cli.entry import run

    store = str(tmp_path / "s.mm")
    assert run(["index", "add", store, str(SAMPLES / "sounds"), "-e", "sound", "--device", "cpu"]) == 0
    capsys.readouterr()
    assert run(["match", "a dog barks", "--in", store, "-k", "1", "--json", "--device", "cpu"]) == 0
    found = capsys.readouterr().out
    assert "bark.ogg" in found or "dog-and-rain.ogg" in found
