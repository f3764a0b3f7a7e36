"""A whole training run: three stages one after another, each within its part of the budget; it can be taken up."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import torch

from mmkit.errors import UsageError
from mmkit.generation.vocabulary import Vocabulary
from mmkit.training.budget import Budget
from mmkit.training.checkpoint import Checkpoint
from mmkit_translate.model.network import Network
from mmkit_translate.model.sizes import Sizes
from mmkit_translate.model.weights import new_network, save_network
from mmkit_translate.training.fit import Fit, Stage
from mmkit_translate.training.packed import CAPTION, Packed
from mmkit_translate.training.stages import Recipe, caption_stage, text_vectors, tower_stage, translation_stage
from mmkit_translate.training.validate import validation_bleu

__all__ = ["STAGES", "Run", "train"]

STAGES: Final = ("tower", "captions", "translation")
_CHECKPOINT: Final = "checkpoint.safetensors"


@dataclass(frozen=True, slots=True)
class Run:
    """What a run is made of.

    Attributes:
        output: the file of weights; what the run keeps lies in the folder ``OUTPUT.run``.
        budgets: of the stages.
        recipe: see there.
        sizes: of the network.
        device: where it runs.
        validation_lines: of each direction.
        score_every, checkpoint_every: seconds.
        log, advance: take lines about the run, and numbers of batches done.
    """

    output: Path
    budgets: dict[str, Budget]
    recipe: Recipe
    sizes: Sizes
    device: torch.device
    validation_lines: int = 200
    score_every: float = 600.0
    checkpoint_every: float = 120.0
    log: Callable[[str], None] = lambda line: None
    advance: Callable[[int], None] = lambda count: None

    @property
    def folder(self) -> Path:
        """Where checkpoint and log lie."""
        return self.output.with_name(f"{self.output.name}.run")


def train(run: Run, packed: Packed, vocabulary: Vocabulary, *, start: Network | None = None, resume: bool) -> None:
    """Train all stages and write the weights.

    Args:
        start: weights to begin with, in place of random ones.
        resume: go on from the checkpoint, where there is one.

    Raises:
        UsageError: there is a run already, and ``resume`` is not set.
        MmkitError: the run gave losses that are no numbers.
    """
    checkpoint = Checkpoint(run.folder / _CHECKPOINT, every=run.checkpoint_every)
    reached = checkpoint.facts()
    if reached is not None and not resume:
        raise UsageError("holds a run already", where=str(run.folder), mend="give --resume, or remove the folder")
    run.folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(run.recipe.seed)
    network = (start or new_network(run.sizes, vocabulary)).to(run.device).requires_grad_(True)
    data = on_device(packed, run.device)
    first = 0
    network.picture_shift.copy_(picture_shift(data))
    if reached is not None:
        checkpoint.load({"network": network}, {})
        first = STAGES.index(reached["stage"])
        # The same lots as before would be the same dropout again.
        torch.manual_seed(run.recipe.seed + reached["step"])
    log = _logger(run)
    log(
        f"{sum(value.numel() for value in network.parameters()):,} parameters on {run.device}, {len(data.unit):,} texts"
    )
    for name in STAGES[first:]:
        fit = Fit(
            network,
            checkpoint,
            lambda: save_network(network, vocabulary, run.output),
            log,
            run.device,
            score_every=run.score_every,
            advance=run.advance,
        )
        fit.run(_stage(name, network, data, vocabulary, run, log), run.budgets[name], resume=resume)
    if not run.output.is_file():
        save_network(network, vocabulary, run.output)


def on_device(packed: Packed, device: torch.device) -> Packed:
    """Everything a step reads, on the device; a GPU holds it all."""
    if device.type == "cpu":
        return packed
    return replace(packed, **{name: getattr(packed, name).to(device) for name in Packed.__dataclass_fields__})


def picture_shift(packed: Packed) -> torch.Tensor:
    """(D,) the way from the mean of the pictures' vectors to that of their English texts; zeros without pictures."""
    pictured = (packed.vectors != packed.text_vectors).any(dim=1)
    if not bool(pictured.any()):
        return torch.zeros(packed.vectors.shape[1], device=packed.vectors.device)
    return (packed.text_vectors[pictured].float() - packed.vectors[pictured].float()).mean(dim=0)


def _stage(
    name: str, network: Network, packed: Packed, vocabulary: Vocabulary, run: Run, log: Callable[[str], None]
) -> Stage:
    if name == "tower":
        return tower_stage(network, packed, vocabulary.pad, run.recipe)
    if name == "captions":
        return caption_stage(network, packed, vocabulary.pad, run.recipe)
    # Further captions are no source of a translation, and are most of the texts.
    needed = (packed.role != CAPTION).nonzero().flatten()
    shape = (len(packed.unit), network.sizes.space)
    vectors = torch.zeros(shape, dtype=torch.float16, device=packed.unit.device)
    vectors[needed] = text_vectors(network, packed, needed, vocabulary.pad)

    def score() -> float:
        scores = validation_bleu(network, packed, vocabulary, vectors, lines=run.validation_lines)
        log(" ".join(f"{direction} {value:.1f}" for direction, value in scores.items()))
        return sum(scores.values()) / max(len(scores), 1)

    return replace(translation_stage(network, packed, vocabulary.pad, run.recipe, vectors=vectors), score=score)


def _logger(run: Run) -> Callable[[str], None]:
    def log(line: str) -> None:
        run.log(line)
        with open(run.folder / "log.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps({"line": line}, ensure_ascii=False) + "\n")

    return log
