"""The commands as a user runs them, with the bundled weights."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmkit_motion.encoder import load
from mmkit_motion.features import to_features
from mmkit_motion.lamp import windows
from mmkit_motion.reading import read_clip
from mmkit_motion.searching import index_motions
from mmkit_motion.writing import write_clip

from mmkit.cli.entry import run as mmkit
from mmkit.config import settings
from mmkit.store import Store
from mmkit.types import Item


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = mmkit(["motion", *map(str, arguments)])
    out = capsys.readouterr()
    return code, out.out, out.err


@pytest.fixture
def captioned(tmp_path: Path, walk: np.ndarray, kick: np.ndarray) -> Path:
    folder = tmp_path / "joints"
    folder.mkdir()
    np.save(folder / "walk.npy", walk)
    np.save(folder / "kick.npy", kick)
    lines = [
        {"id": "walk", "captions": ["a person walks forward", "someone walks"]},
        {"id": "kick", "captions": ["a person kicks"]},
    ]
    (tmp_path / "captions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def test_index_and_search(capsys: pytest.CaptureFixture[str], tmp_path: Path, takes: Path) -> None:
    store = tmp_path / "s.mm"
    code, out, err = run(capsys, "index", takes, "-o", store, "--json")
    result = json.loads(out)
    assert code == 3  # one recording is cut off
    assert (result["added"], result["failed"]) == (2, 1)
    assert "broken.bvh" in err
    assert "cut off" in (store / "failures.jsonl").read_text()
    code, out, _ = run(capsys, "index", takes / "walk.bvh", "-o", store, "--json")
    assert json.loads(out)["unchanged"] == 1
    code, out, _ = run(capsys, "search", "a person walks", "--in", store, "--json", "--strip", tmp_path / "hits.png")
    hits = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [hit["rank"] for hit in hits] == [1, 2]
    assert hits[0]["score"] >= hits[1]["score"]
    assert (tmp_path / "hits.png").stat().st_size > 1000


def test_files_of_features_are_indexed_and_other_arrays_that_are_named_fail(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, walk: np.ndarray
) -> None:
    folder = tmp_path / "new_joint_vecs"
    folder.mkdir()
    np.save(folder / "000001.npy", to_features(walk))
    np.save(folder / "names.npy", np.array(["a"]))
    code, out, _ = run(capsys, "index", folder, "-o", tmp_path / "s.mm", "--json")
    assert (code, json.loads(out)["added"]) == (0, 1)
    code, out, err = run(capsys, "index", folder / "names.npy", "-o", tmp_path / "s.mm", "--json")
    assert (code, json.loads(out)["failed"]) == (3, 1)
    assert "array of numbers" in err


def test_a_strip_that_is_no_png_is_refused_before_anything_is_searched(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, out, said = run(capsys, "search", "a person walks", "--in", tmp_path / "none", "--strip", tmp_path / "a.jpg")
    assert code == 2
    assert not out
    assert "ends in .png" in said


def test_moments_lie_within_their_recording_and_apart(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, walk: np.ndarray, kick: np.ndarray
) -> None:
    long = np.concatenate([walk, kick + (walk[-1, 0] - kick[0, 0]) * [1, 0, 1], walk])
    np.save(tmp_path / "long.npy", long)
    store = tmp_path / "s.mm"
    run(capsys, "index", tmp_path / "long.npy", "-o", store)
    code, out, _ = run(capsys, "search", "a person kicks", "--in", store, "--moments", "--json", "-k", 3)
    hits = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    spans = sorted((hit["start"], hit["end"]) for hit in hits)
    assert all(end - start == pytest.approx(4.0) for start, end in spans)
    assert all(one[1] <= other[0] for one, other in pairwise(spans))
    assert spans[-1][1] <= len(long) / 20 + 0.01


def test_a_recording_whose_indexing_broke_off_is_taken_up_again_with_all_its_moments(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, walk: np.ndarray
) -> None:
    np.save(tmp_path / "long.npy", np.resize(walk, (400, 22, 3)))
    encoder = load(None, settings=settings())
    items = [Item.from_path(tmp_path / "long.npy", "motion")]

    def stop(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mmkit_motion.searching._MOMENTS_TOGETHER", 4)
    shares: list[float] = []
    with pytest.raises(KeyboardInterrupt):
        index_motions(tmp_path / "s.mm", encoder, items, on_progress=lambda share: stop(share) if share else None)
    report = index_motions(tmp_path / "s.mm", encoder, items, on_progress=shares.append)
    assert report.clips == 1
    assert len(Store.open(tmp_path / "s.mm" / "moments")) == len(windows(np.zeros((400, 1)), 80, 20))
    assert sum(shares) == pytest.approx(1)
    assert index_motions(tmp_path / "s.mm", encoder, items).unchanged == 1


def test_sets_of_vectors_are_searched_by_max_sim(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, takes: Path
) -> None:
    store = tmp_path / "s.mm"
    run(capsys, "index", takes / "walk.bvh", takes / "kick.npy", "-o", store, "--sets", "--no-moments")
    code, out, _ = run(capsys, "search", "a person walks", "--in", store, "--json")
    assert code == 0
    assert len(out.splitlines()) == 2


def test_generate_writes_what_others_read_and_repeats_with_its_seed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name in ("one.bvh", "two.bvh"):
        code, _, _ = run(capsys, "generate", "a person walks", "--seconds", 2, "-o", tmp_path / name, "--seed", 4)
        assert code == 0
    assert (tmp_path / "one.bvh").read_bytes() == (tmp_path / "two.bvh").read_bytes()
    assert read_clip(tmp_path / "one.bvh").joints.shape == (40, 22, 3)
    code, _, err = run(capsys, "generate", "a person walks", "-o", tmp_path / "one.bvh")
    assert code == 2
    assert "--overwrite" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["", "-o", "x.bvh"], "empty"),
        (["walks", "-o", "x.fbx"], ".fbx"),
        (["walks", "-o", "x.bvh", "--seconds", "60"], "0.4 to 9.8 seconds, but received 60\n"),
        (["walks", "-o", "nowhere/x.bvh"], "folder"),
    ],
)
def test_what_cannot_be_generated_is_told_in_a_line(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, "generate", *arguments)
    assert code == 2
    assert not out
    assert words in err
    assert not list(tmp_path.iterdir())


def test_render_draws_strips_and_animations(capsys: pytest.CaptureFixture[str], tmp_path: Path, takes: Path) -> None:
    from PIL import Image

    for name in ("strip.png", "clip.gif"):
        code, _, _ = run(capsys, "render", takes / "walk.bvh", "-o", tmp_path / name, "--to", 1, "--size", 120)
        assert code == 0
    with Image.open(tmp_path / "strip.png") as strip:
        assert strip.height == 120
        assert strip.width > 4 * strip.height
        colours = {pixel for _, pixel in strip.getcolors(1 << 20) or []}
    assert any(r > 180 and b < 120 for r, _, b in colours)  # the left limbs
    with Image.open(tmp_path / "clip.gif") as clip:
        assert clip.n_frames == 10
    code, _, err = run(capsys, "render", takes / "walk.bvh", "-o", tmp_path / "x.png", "--from", 500)
    assert code == 2
    assert "leave nothing" in err


def test_caption_says_something_for_each_piece(capsys: pytest.CaptureFixture[str], takes: Path) -> None:
    code, out, _ = run(capsys, "caption", takes / "kick.npy", "--every", 1.5, "--json", "--beams", 2)
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert lines[0]["start"] == 0
    assert all(line["caption"] for line in lines)


@pytest.mark.parametrize("protocol", ["normal", "threshold", "guo"])
def test_eval_has_the_keys_of_its_contract(capsys: pytest.CaptureFixture[str], captioned: Path, protocol: str) -> None:
    captions = captioned.parent / "captions.jsonl"
    code, out, _ = run(capsys, "eval", "--root", captioned, "--captions", captions, "--protocol", protocol, "--json")
    result = json.loads(out)
    assert code == 0
    for way in ("text_to_motion", "motion_to_text", "shuffled"):
        assert set(result[way]) == {"R@1", "R@2", "R@3", "R@5", "R@10", "median_rank"}
        assert result[way]["R@5"] == 1.0  # there are two motions
    assert result["motions"] == 2
    assert result["captions"] == 3
    assert "LaMP" in result["evaluator"]


def test_eval_of_generation_names_its_numbers(capsys: pytest.CaptureFixture[str], captioned: Path) -> None:
    captions = captioned.parent / "captions.jsonl"
    code, out, _ = run(capsys, "eval", "--root", captioned, "--captions", captions, "--generation", "--json")
    made = json.loads(out)["generation"]
    assert code == 0
    assert {"fid", "diversity", "r_precision", "lamp_bertscore", "foot_skate", "bone_error_mm", "evaluator"} <= set(
        made
    )
    assert made["bone_error_mm"]["real"] < 0.1


def test_captions_that_are_not_there_are_told_in_a_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, captioned: Path
) -> None:
    code, _, err = run(capsys, "eval", "--root", captioned, "--captions", tmp_path / "none.jsonl")
    assert code == 1
    assert "none.jsonl: no such file" in err
    assert "Errno" not in err


def test_a_caption_that_fails_names_its_file_once(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.bvh").write_text("")
    code, _, err = run(capsys, "caption", "empty.bvh")
    assert code == 3
    assert err.count("empty.bvh") == 1


def test_eval_skips_bad_lines_and_says_so(capsys: pytest.CaptureFixture[str], captioned: Path) -> None:
    captions = captioned.parent / "captions.jsonl"
    with captions.open("a") as out:
        out.write('{"id": "../kick", "captions": ["x"]}\n{"id": "gone", "captions": ["x"]}\nnonsense\n')
    failures = captioned.parent / "failures.jsonl"
    code, out_text, err = run(
        capsys, "eval", "--root", captioned, "--captions", captions, "--json", "--failures", failures
    )
    assert code == 3
    assert json.loads(out_text)["motions"] == 2
    assert len(failures.read_text().splitlines()) == 3
    assert "outside the folder" in err


def test_a_tiny_training_run_gives_weights_that_work(
    capsys: pytest.CaptureFixture[str], captioned: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = captioned.parent / "weights"
    captions = captioned.parent / "captions.jsonl"
    code, text, _ = run(
        capsys, "train", "--root", captioned, "--captions", captions, "--out", out, "--minutes", 0.05, "--batch", 4,
        "--validation", 0.5, "--json",
    )  # fmt: skip
    assert code == 0
    assert "mpjpe_mm" in json.loads(text)
    code, text, _ = run(capsys, "eval", "--root", captioned, "--captions", captions, "--weights", out, "--json")
    assert code == 0
    assert json.loads(text)["motions"] == 2


def test_a_training_that_is_broken_off_is_taken_up_where_it_was(
    capsys: pytest.CaptureFixture[str], captioned: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mmkit_motion.training import run as training
    from mmkit_motion.training.stage import Stage
    from safetensors.torch import load_file

    from mmkit.training.checkpoint import Checkpoint

    out, captions = captioned.parent / "weights", captioned.parent / "captions.jsonl"
    command = ("train", "--root", captioned, "--captions", captions, "--out", out, "--minutes", 0.05, "--batch", 4)
    code, _, err = run(capsys, *command, "--resume")
    assert code == 2
    assert "leave --resume out" in err
    # The run ends as by Ctrl-C when its second stage was written twice: at its start and after its first step.
    writes = []
    save = Checkpoint.save

    def counted(self: Checkpoint, networks: Any, optimisers: Any, facts: Any) -> bool:
        done = save(self, networks, optimisers, facts)
        writes.append((facts["stage"], facts["step"]))
        if len([stage for stage, _ in writes if stage == "lamp"]) == 2:
            raise KeyboardInterrupt
        return done

    with monkeypatch.context() as broken:
        broken.setattr(Checkpoint, "save", counted)
        broken.setattr(Checkpoint, "due", lambda self: True)
        code, _, _ = run(capsys, *command)
    assert code == 130
    stage, step = writes[-1]
    assert (stage, step) == ("lamp", 1)
    before = load_file(out / training.STATE)
    stages = []
    begin = Stage.steps

    def noted(self: Stage) -> Any:
        for share in begin(self):
            stages.append((self.name, self.budget.step))
            yield share

    monkeypatch.setattr(Stage, "steps", noted)
    code, _, err = run(capsys, *command, "--resume")
    assert code == 0
    assert "goes on with lamp after 1 steps" in err
    assert {name for name, _ in stages} == {"lamp", "generator"}
    assert stages[0] == ("lamp", 1)
    assert not (out / training.STATE).exists()
    after = load_file(out / "vqvae.safetensors")
    assert all(torch.equal(value, before[f"vqvae|{name}"].half()) for name, value in after.items())


def test_a_folder_that_is_no_store_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, err = run(capsys, "search", "walks", "--in", tmp_path)
    assert code == 1
    assert "mmkit motion index" in err


def test_windows_cover_every_frame() -> None:
    for total in (5, 80, 81, 99, 400):
        spans = windows(np.zeros((total, 22, 3)), 80, 20)
        covered = {frame for start, end in spans for frame in range(start, end)}
        assert covered == set(range(total))
        assert all(end - start == min(80, total) for start, end in spans)


def test_npz_carries_its_rate(tmp_path: Path, walk: np.ndarray) -> None:
    write_clip(tmp_path / "walk.npz", walk)
    assert read_clip(tmp_path / "walk.npz").joints.shape == walk.shape
