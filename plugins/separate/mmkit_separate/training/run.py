"""``separate train``: data, queries and a network brought together, and its folder written.

Legend: L labels, D dims.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import nn

from mmkit.config import Settings
from mmkit.encoders import encoder as load_encoder
from mmkit.encoders.device import resolve_device
from mmkit.errors import UsageError
from mmkit.training.checkpoint import Checkpoint
from mmkit.types import Modality
from mmkit_separate.networks.spectra import Resolution
from mmkit_separate.training.data import RATE, TrainingData, label_queries, modality_statistics
from mmkit_separate.training.loop import Schedule, fit, separator_loss, tower_loss
from mmkit_separate.training.mixing import Mixer, Queries
from mmkit_separate.training.pool import Pool
from mmkit_separate.weights import build, load_folder, locate, save_folder

__all__ = ["RECIPES", "STATE", "Plan", "train"]


@dataclass(frozen=True, slots=True)
class _Recipe:
    """How an architecture is trained unless told otherwise."""

    architecture: str
    resolution: Mapping[str, float | int]
    batch: int
    rate: float
    decay: float
    arguments: Mapping[str, Any] = field(default_factory=dict)
    mixing: Mapping[str, float] = field(default_factory=dict)


_MEMORY: Final = 700
#: Where a run is kept until it is over.
STATE: Final = "state.safetensors"
_WIDE: Final = {"window": 0.064, "hop": 0.020, "bins": 1024}
# The paper's 1024 and 256 samples at 16 kHz.
_PAPER: Final = {"window": 0.064, "hop": 0.016, "bins": 512}
_STRAY: Final = {"absent": 0.0, "third": 0.0, "stray": 0.75}
RECIPES: Final[Mapping[str, _Recipe]] = {
    "film": _Recipe("film", _WIDE, 40, 1e-3, 1e-2, mixing={"third": 0.25}),
    "clipsep": _Recipe("clipsep", _PAPER, 48, 1e-3, 1e-4, {"noise_heads": 0}, _STRAY),
    "clipsep-nit": _Recipe("clipsep", _PAPER, 48, 1e-3, 1e-4, {"noise_heads": 2}, _STRAY),
    "tower": _Recipe("tower", _WIDE, 160, 2e-3, 5e-2),
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What to train and for how long.

    Attributes:
        recipe: a name of ``RECIPES``.
        encoder: of the queries.
        modality: of the queries in training, ``text`` or ``image``.
        domains: (domain of the first source, of the others, weight), ``any`` for all labels; empty: half of the
            mixtures within a domain, half over all labels.
        clashes: sets of labels too alike to be mixed.
        gaps: a folder of captioned pictures, or a model, that tells how far the modalities lie apart; with it queries
            of the other modality are brought near to those of the training.
        seconds, steps: the budget; whichever is spent first.
        length: of a training mixture in seconds.
        start: a bundled name or a folder whose weights to go on from; its network's arguments are kept.
        rate: the highest learning rate; 0: the recipe's.
        compiled: see ``separator_loss``.
        low: run the network in bfloat16, as a GPU always does.
        keep_statistics: normalise by those of the model started from, not by those of each batch, which small batches
            of a few kinds of sound would spoil.
        arguments: of the network, over the recipe's.
    """

    recipe: str = "film"
    encoder: str = "mini"
    modality: Modality = "text"
    domains: tuple[tuple[str, str, float], ...] = ()
    clashes: tuple[tuple[str, ...], ...] = ()
    gaps: Path | str | None = None
    seconds: float = 600.0
    steps: int = 10**9
    batch: int = 0
    length: float = 4.14
    start: str | None = None
    rate: float = 0.0
    seed: int = 0
    compiled: bool = False
    low: bool = False
    keep_statistics: bool = False
    arguments: Mapping[str, Any] = field(default_factory=dict)


def train(
    data: TrainingData,
    plan: Plan,
    out: Path,
    *,
    chosen: Settings,
    report: Callable[[str], None],
    resume: bool = False,
) -> dict[str, Any]:
    """Train and write ``out``; returns steps and the last mean loss.

    Every minute the run is kept in ``out``, and what it has so far is written as a model.

    Args:
        resume: go on with the run of the same plan that was broken off in ``out``.

    Raises:
        UsageError: a recipe, domain or label that is not known.
        ModelUnavailable: what was kept is damaged or of another run.
    """
    if plan.recipe not in RECIPES:
        raise UsageError(f"Expected one of {', '.join(RECIPES)}, but received {plan.recipe!r}", where="--architecture")
    recipe = RECIPES[plan.recipe]
    torch.manual_seed(plan.seed)
    device = resolve_device(chosen.device)
    labels = list(data.phrases)
    vectors, rows = label_queries(data, plan.modality, plan.encoder, chosen=chosen, seed=plan.seed)
    extra: dict[str, torch.Tensor] = {}
    gap: dict[str, Any] = {"kind": "none", "trained": plan.modality, "memory": 0.75}
    if plan.gaps is not None:
        gap["kind"] = "mean"
        extra = _gap_tensors(plan, chosen)
        # Queries of the other modality are drawn towards these.
        extra["memory"] = torch.from_numpy(vectors[:: max(1, len(vectors) // _MEMORY)])
    queries = Queries(torch.from_numpy(vectors).to(device), rows)
    pool = Pool(data.sounds, RATE, labels=labels, clashes=plan.clashes, device=device)
    resolution = Resolution(**recipe.resolution)  # type: ignore[arg-type]
    # A whole number of windows' steps that the deepest level of each network divides.
    hop = resolution.sizes(RATE)[1]
    length = max(hop * 15, round(plan.length * RATE / hop / 16) * 16 * hop - hop)
    mixing = {} if recipe.architecture == "tower" else dict(recipe.mixing)
    mixer = Mixer(pool, queries, domains=_domains(data, labels, plan.domains), length=length, **mixing)
    arguments = {**recipe.arguments, **plan.arguments}
    arguments["dim" if recipe.architecture == "tower" else "query_dim"] = int(vectors.shape[1])
    model = build(recipe.architecture, arguments).to(device)
    if plan.start is not None:
        config, model, known = _started(plan, recipe, device)
        arguments = dict(config["arguments"])
        if not extra:
            gap, extra = config.get("gap", {"kind": "mean"}), known
    batch = plan.batch or recipe.batch
    if device.type == "cpu":
        # Its convolutions are up to twice as fast with the channels of a place side by side.
        model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    low = plan.low or device.type == "cuda"
    if recipe.architecture == "tower":
        loss = tower_loss(model, mixer, queries, resolution, batch, low=low)  # type: ignore[arg-type]
    else:
        loss = separator_loss(model, mixer, resolution, batch, low=low, compiled=plan.compiled)
    losses: list[float] = []

    def told(step: int, spent: float, mean: float) -> None:
        losses.append(mean)
        report(f"{spent:4.0%}  step {step}  loss {mean:.3f}")

    spec = load_encoder(plan.encoder, device=chosen.device, offline=chosen.offline).spec
    config = {
        "architecture": recipe.architecture,
        "arguments": arguments,
        "resolution": dict(recipe.resolution),
        "encoder": plan.encoder,
        "space": spec.space,
        "fingerprint": spec.fingerprint,
        "labels": labels,
        "gap": gap,
    }
    out.mkdir(parents=True, exist_ok=True)
    checkpoint = Checkpoint(out / STATE)
    averaged, steps = fit(
        model,
        loss,
        Schedule(rate=plan.rate or recipe.rate, decay=recipe.decay),
        told,
        seconds=plan.seconds,
        steps=plan.steps,
        checkpoint=checkpoint,
        resume=resume,
        # What the others find meanwhile.
        wrote=lambda network: save_folder(out, config, network, extra),
        frozen=[part for part in model.modules() if isinstance(part, nn.BatchNorm2d)] if plan.keep_statistics else (),
    )
    save_folder(out, config, averaged, extra)
    checkpoint.path.unlink(missing_ok=True)
    return {"out": str(out), "steps": steps, "sounds": len(data.sounds), "labels": len(labels), "losses": losses}


def _gap_tensors(plan: Plan, chosen: Settings) -> dict[str, torch.Tensor]:
    """Statistics of the modalities by name, from captioned pictures or from a model of the same encoder."""
    if (Path(str(plan.gaps)) / "captions.jsonl").is_file():
        extra = {}
        for name, rows_of in modality_statistics(Path(str(plan.gaps)), plan.encoder, chosen=chosen).items():
            extra[f"mean.{name}"], extra[f"spread.{name}"] = torch.from_numpy(rows_of).unbind()
        return extra
    config, _, known = load_folder(locate(str(plan.gaps)), torch.device("cpu"))
    if config["encoder"] != plan.encoder:
        raise UsageError(f"was trained on vectors of {config['encoder']}, not {plan.encoder}", where="--gaps")
    return {name: value for name, value in known.items() if name.split(".")[0] in ("mean", "spread", "shift")}


def _started(
    plan: Plan, recipe: _Recipe, device: torch.device
) -> tuple[dict[str, Any], torch.nn.Module, dict[str, torch.Tensor]]:
    """Config, network and further tensors of the model to go on from."""
    config, model, kept = load_folder(locate(str(plan.start)), device)
    if config["architecture"] != recipe.architecture or config["resolution"] != dict(recipe.resolution):
        raise UsageError(
            f"Expected a model of the architecture {plan.recipe}, but received a {config['architecture']}",
            where="--start",
        )
    if config["encoder"] != plan.encoder:
        raise UsageError(f"was trained on vectors of {config['encoder']}, not {plan.encoder}", where="--start")
    return config, model.train().requires_grad_(True), kept


def _domains(
    data: TrainingData, labels: Sequence[str], asked: Sequence[tuple[str, str, float]]
) -> list[tuple[float, list[int], list[int]]]:
    number = {label: place for place, label in enumerate(labels)}
    members = {name: [number[label] for label in inside] for name, inside in data.domains.items()}
    members["any"] = list(number.values())
    if not asked:
        asked = [("any", "any", 0.5), *((name, name, 0.5 / len(data.domains)) for name in data.domains)]
    for pair in asked:
        for name in pair[:2]:
            if name not in members:
                raise UsageError(f"no domain is called {name!r}", where="--mix", mend=f"known: {', '.join(members)}")
    return [(float(np.float32(weight)), members[first], members[others]) for first, others, weight in asked]
