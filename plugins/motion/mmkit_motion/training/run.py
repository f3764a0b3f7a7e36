"""Train the bundled networks on a corpus folder within a given time, and measure them on its validation part.

python -m mmkit_motion.training.run CORPUS OUT --seconds 480 --device cuda
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import nn

from mmkit.training.checkpoint import Checkpoint
from mmkit_motion.model.generator import MaskedGenerator
from mmkit_motion.model.query_transformer import QueryTransformer
from mmkit_motion.model.sizes import Sizes
from mmkit_motion.model.vqvae import MotionVqVae
from mmkit_motion.model.weights import Networks, save_networks
from mmkit_motion.training.corpus import Corpus
from mmkit_motion.training.prepare import TEXTS, embed_texts
from mmkit_motion.training.stage import Keeper, Stage
from mmkit_motion.training.stages import (
    encode_corpus,
    train_generator,
    train_query_transformer,
    train_vqvae,
)

__all__ = ["train", "validate"]

#: Shares of the time left after loading.
SHARES: Final = {"vqvae": 0.2, "lamp": 0.52, "generator": 0.24}
#: Where a run is kept until it is over.
STATE: Final = "state.safetensors"


def train(
    folder: Path,
    out: Path,
    *,
    seconds: float,
    device: torch.device,
    seed: int = 0,
    batch: int = 256,
    sizes: Sizes | None = None,
    workers: int = 1,
    word_drop: float = 0.1,
    everything: bool = False,
    resume: bool = False,
    report: Callable[[str], None] = print,
) -> dict[str, float]:
    """Train all stages, write the weights to ``out`` and return the numbers of the validation part.

    Every minute the run is kept in ``out``, and what it has so far is written as weights.

    Args:
        word_drop: see ``train_query_transformer``.
        everything: train on the validation part too, once nothing is to be chosen by it any more.
        resume: go on with the run that was broken off in ``out``, with the same arguments.

    Raises:
        ModelUnavailable: what was kept is damaged or of another run.
    """
    began = time.monotonic()
    torch.manual_seed(seed)
    np.random.seed(seed)
    texts = folder / TEXTS if (folder / TEXTS).is_file() else embed_texts(folder, device)
    with np.load(texts, allow_pickle=False) as arrays:
        vocabulary = tuple(int(token) for token in arrays["vocabulary"])
    sizes = Sizes.from_dict((sizes or Sizes()).to_dict() | {"vocabulary": len(vocabulary) + 1})
    corpus = Corpus(folder, device, frames=sizes.frames, workers=workers, everything=everything)
    report(f"corpus: {len(corpus.clips)} clips, {len(corpus.flat)} frames, {time.monotonic() - began:.0f} s")
    # Some of the time is kept for measuring and writing; a corpus that took all of it still runs every stage.
    left = max(3.0, seconds - (time.monotonic() - began) - min(25.0, 0.15 * seconds))
    vqvae, query, generator = (
        MotionVqVae(sizes).to(device),
        QueryTransformer(sizes, dropout=0.15).to(device),
        MaskedGenerator(sizes).to(device),
    )
    networks = Networks(
        sizes, vqvae, query, generator, torch.from_numpy(corpus.mean), torch.from_numpy(corpus.std), vocabulary
    )
    notes = {"seed": seed, "seconds": seconds}

    def wrote(network: nn.Module, mean: nn.Module) -> None:
        # What the others find meanwhile.
        save_networks(networks, out, notes=notes, averaged={id(network): mean.state_dict()})

    parts = {"vqvae": vqvae, "lamp": query, "generator": generator}
    out.mkdir(parents=True, exist_ok=True)
    keeper = Keeper(Checkpoint(out / STATE), parts, facts={"left": left}, wrote=wrote)
    first = 0
    if resume and (found := keeper.checkpoint.facts()):
        first, left = list(SHARES).index(found["stage"]), found["left"]
        keeper.facts, keeper.found = {"left": left}, found
        keeper.checkpoint.load(parts, {})
        report(f"goes on with {found['stage']} after {found['step']} steps")
    for done in list(parts.values())[:first]:
        done.eval().requires_grad_(False)

    def stage(name: str, rate: float, decay: float, **more: Any) -> Stage:
        budget = SHARES[name] * left
        return Stage(name, parts[name], rate=rate, decay=decay, seconds=budget, keeper=keeper, report=report, **more)

    if first == 0:
        train_vqvae(vqvae, corpus, stage("vqvae", 4e-4, 1e-4, keep=0.995), batch=2 * batch)
        encode_corpus(vqvae, corpus)
    if first <= 1:
        with_note = stage("lamp", 5e-4, 0.05, note=lambda mean: _told(validate(replace(networks, query=mean), corpus)))
        train_query_transformer(query, vqvae, corpus, with_note, batch=batch, word_drop=word_drop)
    train_generator(generator, query, vqvae, corpus, stage("generator", 5e-4, 0.02), batch=batch)
    numbers = validate(networks, corpus)
    save_networks(networks, out, notes=notes)
    (out / "metrics.json").write_text(json.dumps(numbers, indent=1) + "\n", "utf-8")
    keeper.checkpoint.path.unlink(missing_ok=True)
    report(f"done in {time.monotonic() - began:.0f} s: {numbers}")
    return numbers


def _told(numbers: dict[str, float]) -> str:
    return " | " + " ".join(f"{name} {value:.3f}" for name, value in numbers.items())


@torch.no_grad()
def validate(networks: Networks, corpus: Corpus) -> dict[str, float]:
    """Retrieval on the validation part: human captions over their clips, and labels of labelled clips."""
    clips = corpus.part("validation")
    if not len(clips):
        return {}
    query, vqvae = networks.query, networks.vqvae
    training = query.training
    query.eval()
    features, mask = corpus.motions(clips, shake=False)
    states = vqvae.encode(features, mask)
    motions = query.motion_vectors(query.read_motion(query.motion_memory(states), mask[:, ::4]))
    codes = vqvae.codebook.codes[vqvae.codebook.nearest(states)]
    made = vqvae.decode(codes, mask[:, ::4])
    error = (made - features)[..., 4:67].unflatten(-1, (21, 3)) * torch.from_numpy(corpus.std[4:67]).to(
        made.device
    ).unflatten(-1, (21, 3))
    out = {"mpjpe_mm": float(error.norm(dim=-1)[mask].mean() * 1000)}
    labels = corpus.labels[clips]
    human = labels[:, 1] < 0
    plain = torch.tensor([not corpus.clips[n]["mirrored"] for n in clips.tolist()], device=corpus.device)
    for name, rows in (("human", human & plain), ("label", ~human)):
        if not rows.any():
            continue
        texts = torch.tensor(
            [
                (clip, text)
                for clip, n in enumerate(clips[rows].tolist())
                for text in sorted(set(corpus.clips[n]["texts"]))
            ][:4000],
            device=corpus.device,
        )
        vectors = []
        for part in texts[:, 1].split(512):
            tokens, counts = corpus.tokens[part], corpus.token_counts[part]
            words, pooled = corpus.words[tokens].float(), corpus.pooled[part].float()
            word_mask = torch.arange(tokens.shape[1], device=corpus.device) < counts[:, None]
            vectors.append(query.text_vectors(query.read_text(words, pooled, word_mask), pooled))
        gallery, asked = motions[rows], torch.cat(vectors)
        best = torch.cat([torch.einsum("gqe,ne->ngq", gallery, part).amax(-1) for part in asked.split(64)])
        mean = asked @ torch.nn.functional.normalize(gallery.mean(1), dim=-1).T
        for way, scores in (("best", best), ("mean", mean)):
            order = scores.argsort(1, descending=True)
            if name == "human":
                rank = (order == texts[:, :1]).float().argmax(1)
                out |= {f"{name}_{way}_R@{k}": float((rank < k).float().mean()) for k in (1, 5, 10)}
            else:
                found = labels[rows][order[:, 0]]
                wanted = corpus.text_labels[texts[:, 1]]
                out[f"{name}_{way}_content"] = float((found[:, 0] == wanted[:, 0]).float().mean())
                styled = wanted[:, 1] >= 0
                right = (found == wanted).all(1)[styled & (found[:, 0] == wanted[:, 0])]
                out[f"{name}_{way}_style"] = float(right.float().mean())
    query.train(training)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seconds", type=float, default=480)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--word-drop", type=float, default=0.1, help="share of a text's words that are put out")
    parser.add_argument("--resume", action="store_true", help="go on with the run that was broken off in OUT")
    parser.add_argument("--all", action="store_true", help="train on the validation part too")
    given = parser.parse_args()
    train(
        given.corpus,
        given.out,
        seconds=given.seconds,
        device=torch.device(given.device),
        seed=given.seed,
        batch=given.batch,
        workers=given.workers,
        word_drop=given.word_drop,
        everything=given.all,
        resume=given.resume,
        report=lambda line: print(line, flush=True),
    )


if __name__ == "__main__":
    main()
