"""Packing, batches, losses, and a run that is stopped and taken up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from mmkit_translate.model.sizes import NAMED, Sizes
from mmkit_translate.training import packing
from mmkit_translate.training.batches import Batches, caption_pairs, held_out_pairs, padded, parallel_pairs
from mmkit_translate.training.fit import Fit, Stage
from mmkit_translate.training.losses import distance, smoothed_cross_entropy
from mmkit_translate.training.packed import Packed
from mmkit_translate.training.run import Run, train
from mmkit_translate.training.stages import Recipe, caption_stage, text_vectors, tower_stage, translation_stage

from mmkit.errors import BadInput, MmkitError, UsageError
from mmkit.training.budget import Budget
from mmkit.training.checkpoint import Checkpoint
from mmkit.types import Embeddings, EncoderSpec

LANGUAGES = ("en", "de", "fr", "cs")


class Toy:
    """An encoder whose vectors come from the length of a text."""

    spec = EncoderSpec(name="toy", space="toy", modalities=("text",), dim=384)

    def prepare(self, item):  # type: ignore[no-untyped-def]
        return item.text

    def encode(self, batch, modality):  # type: ignore[no-untyped-def]
        rows = np.stack([np.random.default_rng(len(text)).normal(size=384) for text in batch])
        return Embeddings((rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32))


@pytest.fixture
def packed(corpus: Path, vocabulary) -> Packed:  # type: ignore[no-untyped-def]
    return packing.pack(packing.read_corpus(corpus, LANGUAGES), vocabulary, Toy())  # type: ignore[arg-type]


def test_packed_texts_are_those_of_the_files(packed: Packed, vocabulary, tmp_path: Path):  # type: ignore[no-untyped-def]
    packed.save(tmp_path / "packed.safetensors")
    again = Packed.load(tmp_path / "packed.safetensors")
    assert len(again.language) == 4 * 4 * 2 + 2, "an empty caption is none"
    texts = padded(again, torch.tensor([0, 4]), pad=vocabulary.pad, eos=vocabulary.eos)
    assert vocabulary.decode(texts.ids[0].tolist()) == "A dog runs through the snow."
    assert vocabulary.decode(texts.ids[1].tolist()) == "Ein Hund läuft durch den Schnee."
    assert texts.ids[1][texts.mask[1]][-1] == vocabulary.eos
    assert torch.nn.functional.cosine_similarity(again.vectors.float(), packed.vectors.float()).min() > 0.999
    (tmp_path / "packed.safetensors").write_bytes(b"no")
    with pytest.raises(BadInput, match="cannot be read"):
        Packed.load(tmp_path / "packed.safetensors")


def test_files_that_do_not_fit_are_named(corpus: Path, tmp_path: Path):
    with (corpus / "parallel/some.fr").open("a", encoding="utf-8") as file:
        file.write("Encore une.\n")
    with pytest.raises(BadInput, match=r"some\.fr: Expected 4 lines"):
        packing.read_corpus(corpus, LANGUAGES)
    with pytest.raises(UsageError, match="holds no parallel"):
        packing.read_corpus(tmp_path, LANGUAGES)


def test_pairs_are_all_pairs_of_a_unit(packed: Packed):
    sources, targets = parallel_pairs(packed)
    assert len(sources) == 4 * 12 == len({(int(a), int(b)) for a, b in zip(sources, targets, strict=True)})
    assert torch.equal(packed.unit[sources], packed.unit[targets])
    assert (packed.language[sources] != packed.language[targets]).all()
    assert len(caption_pairs(packed)) == 16 + 2
    held, wanted = held_out_pairs(packed, 0, 2, 3)
    assert len(held) == 3 and (packed.language[wanted] == 2).all() and (packed.role[held] == 2).all()


def test_an_epoch_has_every_pair_once_within_the_budget(packed: Packed):
    sources, targets = parallel_pairs(packed)
    batches = Batches(packed, sources, targets, keep=torch.ones(len(sources)), pieces=120, seed=3)
    epoch = batches.epoch(0)
    seen = [pair for a, b in epoch for pair in zip(a.tolist(), b.tolist(), strict=True)]
    assert sorted(seen) == sorted(zip(sources.tolist(), targets.tolist(), strict=True))
    for a, b in epoch:
        longest = int(torch.maximum(packed.lengths[a], packed.lengths[b]).max()) + 1
        assert len(a) == 1 or longest * len(a) <= 120
    assert all(torch.equal(a, b) for (a, _), (b, _) in zip(epoch, batches.epoch(0), strict=True))
    none = Batches(packed, sources, targets, keep=torch.zeros(len(sources)), pieces=120, seed=3)
    assert none.epoch(0) == []


def test_losses_are_what_they_say():
    logits = torch.randn(5, 7, generator=torch.Generator().manual_seed(0))
    pieces = torch.tensor([0, 1, 2, 3, 4])
    plain = -logits.log_softmax(1)[torch.arange(5), pieces].mean()
    assert smoothed_cross_entropy(logits, pieces, smoothing=0.0) == pytest.approx(float(plain), abs=1e-6)
    spread = 0.9 * plain + 0.1 * -logits.log_softmax(1).mean()
    assert smoothed_cross_entropy(logits, pieces) == pytest.approx(float(spread), abs=1e-6)
    assert smoothed_cross_entropy(logits[:0], pieces[:0]) == 0
    unit = torch.eye(3)
    assert distance(unit, unit) == 0 and distance(unit, -unit) == 2 and distance(unit[:0], unit[:0]) == 0


def test_a_prefix_carries_no_loss_and_dropping_it_is_a_zero_vector(network, packed: Packed, vocabulary):  # type: ignore[no-untyped-def]
    sources, targets = (pairs[:3] for pairs in parallel_pairs(packed))
    vectors = torch.nn.functional.normalize(torch.randn(len(packed.unit), 384), dim=1)

    def loss(no_prefix: float, given: torch.Tensor) -> float:
        recipe = Recipe(no_prefix=no_prefix)
        stage = translation_stage(network, packed, vocabulary.pad, recipe, vectors=given)
        return float(stage.loss(sources, targets).detach())

    assert loss(1.0, vectors) == loss(0.0, torch.zeros_like(vectors)) != loss(0.0, vectors)
    # One pair at a time gives the same mean over the pieces that are written.
    recipe = Recipe(no_prefix=0.0)
    stage = translation_stage(network, packed, vocabulary.pad, recipe, vectors=vectors)
    counts = (packed.lengths[targets] + 1).float()
    alone = torch.tensor([float(stage.loss(sources[n : n + 1], targets[n : n + 1]).detach()) for n in range(3)])
    assert float(stage.loss(sources, targets).detach()) == pytest.approx(
        float((alone * counts).sum() / counts.sum()), abs=1e-5
    )


def test_every_loss_can_be_taken_in_bfloat16(network, packed: Packed, vocabulary):  # type: ignore[no-untyped-def]
    network.train()
    vectors = text_vectors(network, packed, torch.arange(len(packed.unit)), vocabulary.pad)
    recipe = Recipe(no_prefix=0.0)
    stages = [
        tower_stage(network, packed, vocabulary.pad, recipe),
        caption_stage(network, packed, vocabulary.pad, recipe),
        translation_stage(network, packed, vocabulary.pad, recipe, vectors=vectors),
    ]
    for stage in stages:
        sources, targets = stage.batches.epoch(0)[0]
        wanted = float(stage.loss(sources, targets).detach())
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = stage.loss(sources, targets)
        loss.backward()
        assert loss.dtype == torch.float32 and float(loss.detach()) == pytest.approx(wanted, rel=0.03), stage.name
        assert all(value.grad.isfinite().all() for value in stage.parameters if value.grad is not None)


def fit(network, path: Path) -> Fit:  # type: ignore[no-untyped-def]
    return Fit(network, Checkpoint(path, every=0.0), lambda: None, lambda line: None, torch.device("cpu"))


def test_a_step_without_a_finite_loss_changes_nothing_and_is_counted(network, packed: Packed, vocabulary, tmp_path):  # type: ignore[no-untyped-def]
    vectors = torch.zeros(len(packed.unit), 384)
    stage = translation_stage(network, packed, vocabulary.pad, Recipe(pieces=400), vectors=vectors)
    calls = iter(range(100))

    def sometimes(sources, targets):  # type: ignore[no-untyped-def]
        loss = stage.loss(sources, targets)
        return loss * float("nan") if next(calls) % 2 else loss

    before = {name: value.clone() for name, value in network.state_dict().items()}
    broken = Stage("translation", stage.parameters, stage.batches, sometimes, 1e-3)
    position = fit(network, tmp_path / "c.safetensors").run(broken, Budget(steps=4), resume=False)
    assert (position.step, position.skipped) == (4, 2)
    assert all(value.isfinite().all() for value in network.state_dict().values())
    assert any(not torch.equal(value, before[name]) for name, value in network.state_dict().items())

    always = Stage("translation", stage.parameters, stage.batches, lambda a, b: stage.loss(a, b) * float("nan"), 1e-3)
    kept = (tmp_path / "c.safetensors").read_bytes()
    run = Fit(network, Checkpoint(tmp_path / "c.safetensors"), lambda: None, lambda line: None, torch.device("cpu"))
    with pytest.raises(MmkitError, match="50 steps in a row"):
        run.run(always, Budget(steps=100), resume=False)
    assert (tmp_path / "c.safetensors").read_bytes() == kept, "the last good checkpoint stands"


def test_a_run_that_was_stopped_ends_as_one_that_was_not(network, packed: Packed, vocabulary, tmp_path: Path):  # type: ignore[no-untyped-def]
    start = {name: value.clone() for name, value in network.state_dict().items()}
    vectors = torch.zeros(len(packed.unit), 384)

    def stage():  # type: ignore[no-untyped-def]
        return translation_stage(network, packed, vocabulary.pad, Recipe(pieces=300), vectors=vectors)

    fit(network, tmp_path / "whole.safetensors").run(stage(), Budget(steps=6), resume=False)
    whole = {name: value.clone() for name, value in network.state_dict().items()}

    class Stopped(Exception):
        pass

    def stop(count: int, done: list[int] = []) -> None:  # noqa: B006
        done.append(count)
        if len(done) == 4:  # three were stored
            raise Stopped

    network.load_state_dict(start)
    broken = fit(network, tmp_path / "parts.safetensors")
    broken.advance = stop
    with pytest.raises(Stopped):
        broken.run(stage(), Budget(steps=6), resume=False)
    network.load_state_dict(start)
    fit(network, tmp_path / "parts.safetensors").run(stage(), Budget(steps=6), resume=True)
    for name, value in network.state_dict().items():
        assert torch.allclose(value, whole[name], atol=1e-6), name


def test_all_stages_learn_a_few_sentences_by_heart(packed: Packed, vocabulary, tmp_path: Path):  # type: ignore[no-untyped-def]
    lines: list[str] = []
    run = Run(
        output=tmp_path / "own.safetensors",
        budgets={"tower": Budget(steps=25), "captions": Budget(steps=10), "translation": Budget(steps=100)},
        recipe=Recipe(pieces=1500, peak=1e-2, cross=1.0),
        sizes=NAMED["tiny"],
        device=torch.device("cpu"),
        log=lines.append,
    )
    train(run, packed, vocabulary, resume=False)
    from mmkit_translate.model.bundled import open_bundled
    from mmkit_translate.translating import Search

    translator = open_bundled(run.output)
    (found,) = translator.translate(
        ["A dog runs through the snow."], target="de", sources=["en"], search=Search(beam=2)
    )
    assert found[0].text == "Ein Hund läuft durch den Schnee."
    assert any("validation" in line for line in lines)
    with pytest.raises(UsageError, match="holds a run already"):
        train(run, packed, vocabulary, resume=False)
    before = run.output.read_bytes()
    train(run, packed, vocabulary, resume=True)  # nothing is left to do
    assert len(run.output.read_bytes()) == len(before)


def test_the_large_model_fits_thirty_megabytes():
    from mmkit_translate.model.network import Network

    for name in ("small", "large"):
        sizes = NAMED[name].for_vocabulary(8000)
        assert Sizes.from_json(sizes.to_json()) == sizes
        with torch.device("meta"):
            network = Network(sizes, eos=2, languages=[3, 4, 5, 6])
        assert 2 * sum(value.numel() for value in network.parameters()) < 30e6
