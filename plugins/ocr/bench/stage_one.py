"""What stage 1, the decoder's pre-training from words alone, brings: two runs of stage 2 that differ in nothing else.

    python plugins/ocr/bench/stage_one.py --words words.txt --crops a/labels.tsv --crops b/labels.tsv \
        --backgrounds photos --steps-words 300 --steps 300

Small enough for a CPU: PP-OCRv6's convolutions are frozen and their features of a fixed set of drawn and real crops are
made once; one transformer layer, the Feature Merge Unit and the decoder are trained. Both arms start from the same
weights, see the same batches and permutations, and are measured on crops that neither has seen. The draft (CTC) is left
out, as it needs no training; what is read is the decoder's own, character by character.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from mmkit_ocr.evaluate import folded
from mmkit_ocr.recogniser.charset import to_numbers, to_text
from mmkit_ocr.recogniser.decoder import permutation_masks
from mmkit_ocr.recogniser.decoding import read_forward, refine
from mmkit_ocr.recogniser.network import HEIGHT, Network
from mmkit_ocr.recogniser.tower import MiniTower
from mmkit_ocr.rendering.compose import compose
from mmkit_ocr.rendering.fonts import load_fonts
from mmkit_ocr.rendering.masks import WordMasks
from mmkit_ocr.rendering.words import Words
from mmkit_ocr.training.fit import natural_noise
from mmkit_ocr.training.losses import permuted_loss
from mmkit_ocr.training.pictures_stage import FLOOR, RISE
from mmkit_ocr.training.placing import ink_widths, jittered, placed
from mmkit_ocr.training.setup import background_photos, labelled_crops, start_network, word_lists
from mmkit_ocr.training.words_stage import pretrain_decoder
from torch import Tensor, nn

from mmkit.encoders.mini import WEIGHTS
from mmkit.training.budget import Budget, one_cycle


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--words", type=Path, action="append", required=True)
    parser.add_argument("--crops", type=Path, action="append", default=[])
    parser.add_argument("--backgrounds", type=Path)
    parser.add_argument("--fonts", type=Path, action="append")
    parser.add_argument("--drawn", type=int, default=1200)
    parser.add_argument("--held-out", type=int, default=200, help="of the drawn crops, and as many of the real ones")
    parser.add_argument("--vocabulary", type=int, default=4000, help="words of stage 1")
    parser.add_argument("--steps-words", type=int, default=300)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)

    network = start_network("ppocr", seed=given.seed, layers=1)
    lists = word_lists(given.words)
    photos = torch.from_numpy(background_photos(given.backgrounds, most=300, seed=given.seed))
    pictures, texts, sources = crops_of(given, lists, photos, network.shape.width)
    features = features_of(network, pictures)
    numbers = torch.from_numpy(to_numbers(texts))
    order = np.random.default_rng(given.seed).permutation(len(texts))
    held = [row for name in ("drawn", "real") for row in [r for r in order if sources[r] == name][: given.held_out]]
    shown = np.array([row for row in order if row not in set(held)])
    print(f"{len(shown)} crops to train on, {len(held)} held out", flush=True)

    begun = {name: value.clone() for name, value in network.state_dict().items()}
    results = {}
    for arm in ("without stage 1", "with stage 1"):
        network.load_state_dict(begun)
        report = None
        if arm == "with stage 1":
            rng = np.random.default_rng(given.seed)
            words = [word for words in lists for word in words]
            words = [words[row] for row in rng.choice(len(words), min(given.vocabulary, len(words)), replace=False)]
            budget = Budget(steps=given.steps_words)
            tower, noise = MiniTower(WEIGHTS), natural_noise(network, photos, most=60)
            report = pretrain_decoder(network.decoder, words, tower, noise, budget, batch=48, permutations=4)
        checks = train(network, features, numbers, shown, held, [texts[row] for row in held], given)
        results[arm] = {"stage_1": report, "checks": checks}
        print(arm, json.dumps(results[arm]), flush=True)
    print(json.dumps({"options": {k: str(v) for k, v in vars(given).items()}, "results": results}))


def crops_of(
    given: argparse.Namespace, lists: list[list[str]], photos: Tensor, width: int
) -> tuple[Tensor, list[str], list[str]]:
    """(N, 3, 48, width) crops in [0, 1], their texts, and "drawn" or "real" of each."""
    generator = torch.Generator().manual_seed(given.seed)
    masks, texts = WordMasks(Words(*lists), load_fonts(given.fonts, limit=120), given.seed).draw(given.drawn)
    parts = []
    for first in range(0, len(texts), 64):
        some = torch.from_numpy(masks[first : first + 64])
        filled = compose(some, photos, generator, size=(HEIGHT, width))
        parts.append(placed(filled, jittered(ink_widths(some), generator, most=width)))
    sources = ["drawn"] * len(texts)
    for crops in labelled_crops(given.crops, width=width):
        parts.append(torch.from_numpy(crops.pictures).permute(0, 3, 1, 2).float() / 255)
        texts += crops.texts
        sources += ["real"] * len(crops)
    return torch.cat(parts), texts, sources


@torch.no_grad()
def features_of(network: Network, pictures: Tensor) -> tuple[Tensor, Tensor]:
    """The frozen half: feature maps (N, 384, 3, W / 4) and neck states (N, T, 120), in half precision."""
    maps, necks = [], []
    for first in range(0, len(pictures), 64):
        found = network.backbone(pictures[first : first + 64].flip(1) * 2 - 1)
        maps.append(found.half())
        necks.append(network.neck(found).half())
    return torch.cat(maps), torch.cat(necks)


def memory_of(network: Network, features: tuple[Tensor, Tensor], rows: np.ndarray) -> Tensor:
    return network.seen_from(features[0][rows].float(), features[1][rows].float()).memory


def train(
    network: Network,
    features: tuple[Tensor, Tensor],
    numbers: Tensor,
    shown: np.ndarray,
    held: list[int],
    texts: list[str],
    given: argparse.Namespace,
) -> list[dict[str, float]]:
    """One arm of stage 2; accuracy and loss on the held-out crops at each fifth of the steps."""
    names = ("merge_columns", "enter_neck", "norm_features", "rows", "columns", "layers", "merge", "decoder")
    trained = [value for name, value in network.named_parameters() if name.split(".")[0] in names]
    optimiser = torch.optim.AdamW(trained, 7e-4, betas=(0.9, 0.98), weight_decay=0.02)
    rng, drawing = np.random.default_rng(given.seed), torch.Generator().manual_seed(given.seed)
    checks, started = [], time.monotonic()
    for step in range(1, given.steps + 1):
        for group in optimiser.param_groups:
            group["lr"] = 7e-4 * one_cycle(step / given.steps, rise=RISE, floor=FLOOR)
        rows = rng.choice(shown, given.batch)
        logits = network.decoder(memory_of(network, features, rows), numbers[rows], permutation_masks(4, drawing))
        loss = permuted_loss(logits, numbers[rows])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(trained, 5.0)
        optimiser.step()
        if step % max(1, given.steps // 5) == 0:
            score = accuracy(network, features, np.array(held), texts)
            checks.append({"step": step, "loss": round(loss.item(), 3), **score})
            print(f"  step {step}, {time.monotonic() - started:.0f} s: {checks[-1]}", flush=True)
    return checks


@torch.no_grad()
def accuracy(network: Network, features: tuple[Tensor, Tensor], rows: np.ndarray, texts: list[str]) -> dict[str, float]:
    """Word accuracy over 36 characters, and the loss of six orders, on held-out crops: drawn ones, then real ones."""
    masks = permutation_masks(6, torch.Generator().manual_seed(0))
    read: list[str] = []
    losses = []
    for first in range(0, len(rows), 50):
        memory = memory_of(network, features, rows[first : first + 50])
        numbers = torch.from_numpy(to_numbers(texts[first : first + 50]))
        losses.append(permuted_loss(network.decoder(memory, numbers, masks), numbers).item())
        found = refine(network.decoder, memory, read_forward(network.decoder, memory).argmax(-1)).argmax(-1)
        read += [to_text(row) for row in found.tolist()]
    right = np.array([folded(own) == folded(text) for own, text in zip(read, texts, strict=True)])
    half = len(right) // 2
    return {
        "drawn": round(float(right[:half].mean()), 4),
        "real": round(float(right[half:].mean()), 4),
        "held_out_loss": round(float(np.mean(losses)), 4),
    }


if __name__ == "__main__":
    main()
