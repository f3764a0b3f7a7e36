"""Train `mini` from its pre-trained towers.

    python -m mmkit.encoders.mini.training.train --data DIR --out DIR --seed 0

DIR/base/          converted towers (`python -m mmkit.encoders.mini.convert --out DIR/base`)
DIR/text/          data.noun (WordNet 3.0), imagenet_wnids.txt, imagenet_names.txt, sentences.txt (one a line)
DIR/NAME/          collections as in `data.py`
DIR/mixture.json   {NAME: {"share": pictures a batch, "side": pixels to keep}}
DIR/validation/    captioned collections that choose between checkpoints and are never trained on

Stage 1 trains the projectors over frozen towers (Maniparambil et al., 2024), stage 2 tunes everything with small
steps, stage 3 takes the training pictures' frequencies out again (`balance.py`). After stages 2 and 3 the point
between the old and the new weights that does best on the validation sets is kept (Wortsman et al., 2022).
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from mmkit.encoders.mini.model import MiniConfig, MiniModel
from mmkit.encoders.mini.preprocessing import Preprocessing
from mmkit.encoders.mini.tokenizer import MiniTokenizer
from mmkit.encoders.mini.training.assemble import load_towers, save_weights, seed_projector
from mmkit.encoders.mini.training.balance import Balance, balance_stage
from mmkit.encoders.mini.training.batches import BatchMaker
from mmkit.encoders.mini.training.data import read_collection
from mmkit.encoders.mini.training.objective import LossWeights, Teacher, step_losses, total
from mmkit.encoders.mini.training.preparation import fit_nouns, fit_shift
from mmkit.encoders.mini.training.synthetic import ClassShift
from mmkit.encoders.mini.training.text_pool import TEMPLATES, read_name_pool
from mmkit.encoders.mini.training.validate import Validation, read_validation

__all__ = ["Stage", "interpolate", "main", "train_stage"]

State = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage: number of steps, and the peak learning rate of each part (0 freezes it).

    seconds: wall-clock limit; the schedules follow whichever of steps and seconds is nearer its end.
    """

    steps: int
    projectors: float
    image_tower: float = 0.0
    text_tower: float = 0.0
    warm_up: int = 50
    ema: float = 0.995
    weight_decay: float = 0.02
    seconds: float = math.inf


def train_stage(
    model: MiniModel,
    teacher: Teacher,
    batches: BatchMaker,
    shift: ClassShift,
    stage: Stage,
    log: Callable[[str], None] = print,
) -> State:
    """Train `model` in place and return the moving average of its weights."""
    rates = {
        "image_tower": stage.image_tower,
        "text_tower": stage.text_tower,
        "image_projector": stage.projectors,
        "text_projector": stage.projectors,
    }
    for name, rate in rates.items():
        getattr(model, name).requires_grad_(rate > 0)
    optimiser = torch.optim.AdamW(
        [
            *({"params": getattr(model, name).parameters(), "peak": rate} for name, rate in rates.items() if rate),
            {"params": [model.log_scale], "peak": stage.projectors, "weight_decay": 0.0},
        ],
        lr=0.0,
        betas=(0.9, 0.98),
        weight_decay=stage.weight_decay,
    )
    trained = [value for group in optimiser.param_groups for value in group["params"]]
    average = {name: value.detach().clone() for name, value in model.state_dict().items()}
    weights = LossWeights()
    model.train()
    started, seen = time.monotonic(), 0
    for step in range(stage.steps):
        done = max(step / stage.steps, (time.monotonic() - started) / stage.seconds)
        if done >= 1:
            break
        factor = min(1.0, (step + 1) / stage.warm_up) * 0.5 * (1 + math.cos(math.pi * done))
        for group in optimiser.param_groups:
            group["lr"] = group["peak"] * factor
        batch = batches.draw()
        parts = step_losses(model, teacher, batch, shift, batches.generator)
        loss = total(parts, weights)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        with torch.no_grad():
            model.log_scale.clamp_(max=math.log(100.0))
            decay = min(stage.ema, (step + 1) / (step + 10))
            for name, value in model.state_dict().items():
                average[name].lerp_(value, 1 - decay)
        seen += len(batch.labels)
        if step % 25 == 0 or step == stage.steps - 1:
            shown = " ".join(f"{name} {float(value.detach()):.3f}" for name, value in parts.items())
            log(f"step {step} {time.monotonic() - started:.0f}s {seen} pictures scale {model.logit_scale:.1f} {shown}")
    model.eval()
    return average


def interpolate(first: State, second: State, share: float) -> State:
    """Weights at `share` of the way from first to second (Wortsman et al., 2022, equation 1)."""
    return {name: torch.lerp(value, second[name], share) for name, value in first.items()}


def choose(model: MiniModel, validation: Validation, first: State, second: State, title: str) -> State:
    """The point between two states with the best validation score, loaded into the model."""
    best_score, best = -math.inf, second
    for share in (0.0, 0.5, 0.75, 1.0):
        state = interpolate(first, second, share)
        model.load_state_dict(state)
        figures = validation.figures(model)
        print(f"{title} {share}: {json.dumps(figures)}", flush=True)
        if figures["score"] > best_score:
            best_score, best = figures["score"], state
    model.load_state_dict(best)
    return best


def main(arguments: list[str] | None = None) -> None:
    """Train both stages and write the weights folder."""
    options = _parse(arguments)
    torch.manual_seed(options.seed)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    device = torch.device(options.device)
    base, out = options.data / "base", options.out
    tokenizer = MiniTokenizer(base / "tokenizer.json", max_tokens=77)
    pool = read_name_pool(options.data / "text", lambda text: tokenizer.ids(text)[1:-1])
    preprocessing = Preprocessing(size=options.size, crop=options.crop, squash=options.squash)
    config = MiniConfig(variant=options.variant, preprocessing=preprocessing, templates=TEMPLATES[: options.templates])
    model, classifier = load_towers(base, config)
    teacher = Teacher.of(model, classifier, device)
    model.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    seed_projector(model, classifier, pool)
    model.log_scale.data.fill_(math.log(30.0))
    mixture: dict[str, dict[str, int]] = json.loads((options.data / "mixture.json").read_text(encoding="utf-8"))
    classes = {wnid: index for index, wnid in enumerate(pool.tree.classes)}
    collections = [
        read_collection(options.data / name, classes, side=entry["side"], workers=options.workers)
        for name, entry in mixture.items()
    ]
    sentences = (options.data / "text" / "sentences.txt").read_text(encoding="utf-8").splitlines()
    counts = [max(1, round(entry["share"] * options.batch_scale)) for entry in mixture.values()]
    batches = BatchMaker(
        collections, counts, sentences, pool, tokenizer, size=options.size, device=device, seed=options.seed
    )
    validation = read_validation(options.data, pool, tokenizer, config)
    batches.relatives = fit_nouns(pool, teacher, most=options.nouns)
    shift = fit_shift(teacher, collections, preprocessing, most=options.statistics)
    stages = [
        replace(stage, steps=steps, seconds=seconds)
        for stage, steps, seconds in zip(STAGES, options.steps, options.seconds, strict=True)
    ]
    print(f"collections {[(item.name, len(item)) for item in collections]}", flush=True)
    if options.start is None:
        first = train_stage(model, teacher, batches, shift, stages[0])
        model.load_state_dict(first)
        save_weights(model, base / "tokenizer.json", out / "frozen")
        second = train_stage(model, teacher, batches, shift, stages[1])
        model.load_state_dict(choose(model, validation, first, second, "share of tuned weights"))
        save_weights(model, base / "tokenizer.json", out / "tuned")
    else:
        model.load_state_dict(MiniModel.load(options.start).state_dict())
    tuned = {name: value.detach().clone() for name, value in model.state_dict().items()}
    balanced = balance_stage(model, teacher, batches, shift, Balance(steps=options.balance, draws=options.draws))
    choose(model, validation, tuned, balanced, "share of balanced weights")
    save_weights(model, base / "tokenizer.json", out / "weights")


STAGES: Final = (
    Stage(steps=300, projectors=2e-3, ema=0.98),
    Stage(steps=700, projectors=5e-4, image_tower=2e-4, text_tower=8e-5, ema=0.99),
)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--variant", default="lite2")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--crop", type=float, default=1.0)
    parser.add_argument("--squash", type=float, default=1.25)
    parser.add_argument("--templates", type=int, default=8, help="how many templates the ensemble has")
    parser.add_argument("--steps", type=int, nargs=2, default=[stage.steps for stage in STAGES])
    parser.add_argument("--seconds", type=float, nargs=2, default=[math.inf, math.inf])
    parser.add_argument("--start", type=Path, help="a weights folder to start stage 3 from, without stages 1 and 2")
    parser.add_argument("--balance", type=int, default=Balance().steps, help="steps of stage 3")
    parser.add_argument("--draws", type=int, default=Balance().draws, help="batches whose features stage 3 keeps")
    parser.add_argument("--batch-scale", type=float, default=1.0, help="multiplies the pictures a batch")
    parser.add_argument("--nouns", type=int, help="at most so many nouns beyond the classes (default: all)")
    parser.add_argument("--statistics", type=int, default=2048, help="pictures a collection for class directions")
    parser.add_argument("--workers", type=int, default=4)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
