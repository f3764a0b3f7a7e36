"""Train the bundled networks on a corpus folder within a given time, and measure them on its validation part.

python -m mmkit_motion.training.run CORPUS OUT --seconds 480 --device cuda
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from mmkit_motion.model.generator import MaskedGenerator
from mmkit_motion.model.query_transformer import QueryTransformer
from mmkit_motion.model.sizes import Sizes
from mmkit_motion.model.vqvae import MotionVqVae
from mmkit_motion.model.weights import Networks, save_networks
from mmkit_motion.training.clock import Clock
from mmkit_motion.training.corpus import Corpus
from mmkit_motion.training.prepare import TEXTS, embed_texts
from mmkit_motion.training.stages import (
    encode_corpus,
    train_generator,
    train_query_transformer,
    train_vqvae,
)

__all__ = ["train", "validate"]

#: Shares of the time left after loading: VQ-VAE, query transformer, generator.
SHARES = (0.2, 0.52, 0.24)


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
    report: Callable[[str], None] = print,
) -> dict[str, float]:
    """Train all stages, write the weights to ``out`` and return the numbers of the validation part.

    Args:
        word_drop: see ``train_query_transformer``.
        everything: train on the validation part too, once nothing is to be chosen by it any more.
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
    train_vqvae(vqvae, corpus, Clock(SHARES[0] * left, 4e-4), batch=2 * batch, report=report)
    encode_corpus(vqvae, corpus)
    networks = Networks(
        sizes, vqvae, query, generator, torch.from_numpy(corpus.mean), torch.from_numpy(corpus.std), vocabulary
    )

    def check() -> str:
        return " | " + " ".join(f"{k} {v:.3f}" for k, v in validate(networks, corpus).items())

    def keep(part: nn.Module, state: dict[str, torch.Tensor]) -> None:
        # What a kill would find: the weights of that moment, averaged as they are in the end.
        save_networks(networks, out, notes={"seed": seed, "seconds": seconds}, averaged={id(part): state})

    save_networks(networks, out, notes={"seed": seed, "seconds": seconds})
    train_query_transformer(
        query,
        vqvae,
        corpus,
        Clock(SHARES[1] * left, 5e-4),
        batch=batch,
        word_drop=word_drop,
        report=report,
        check=check,
        keep=keep,
    )
    train_generator(
        generator, query, vqvae, corpus, Clock(SHARES[2] * left, 5e-4), batch=batch, report=report, keep=keep
    )
    numbers = validate(networks, corpus)
    save_networks(networks, out, notes={"seed": seed, "seconds": seconds})
    (out / "metrics.json").write_text(json.dumps(numbers, indent=1) + "\n", "utf-8")
    report(f"done in {time.monotonic() - began:.0f} s: {numbers}")
    return numbers


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
        report=lambda line: print(line, flush=True),
    )


if __name__ == "__main__":
    main()
