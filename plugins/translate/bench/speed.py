"""Sentences a second of the bundled search beside transformers' ``generate`` on the same weights, in one process.

    python plugins/translate/bench/speed.py test.en --from en --to de --lines 200

Both translate the same lines with the same beam, sorted by length, without a prefix (M2M-100 has no place for one), and
take turns; their translations are compared. Then ours with its prefix, and with weights of 8 bits.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from mmkit_translate.evaluate import scores
from mmkit_translate.model.bundled import Bundled
from mmkit_translate.model.m2m100 import as_m2m100
from mmkit_translate.model.quantised import quantised
from mmkit_translate.model.weights import BUNDLED, load_network
from mmkit_translate.text.normal import normalised
from mmkit_translate.translating import Search

from mmkit.generation.search import beam_search

LONGEST = 60


def batches(rows: list[list[int]], size: int) -> list[list[int]]:
    order = sorted(range(len(rows)), key=lambda number: -len(rows[number]))
    return [order[start : start + size] for start in range(0, len(order), size)]


def padded(rows: list[list[int]], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(map(len, rows))
    ids = torch.tensor([row + [pad] * (longest - len(row)) for row in rows])
    return ids, ids != pad


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("src", type=Path)
    parser.add_argument("--ref", type=Path)
    parser.add_argument("--from", dest="source", default="en")
    parser.add_argument("--to", default="de")
    parser.add_argument("--lines", type=int, default=200)
    parser.add_argument("--beam", type=int, default=4)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--weights", type=Path, default=BUNDLED)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    network, vocabulary = load_network(arguments.weights)
    texts = arguments.src.read_text("utf-8").splitlines()[: arguments.lines]
    rows = [[*vocabulary.encode(normalised(text)), vocabulary.eos] for text in texts]
    mark = vocabulary.id(f"<{arguments.to}>")
    other = as_m2m100(network, pad=vocabulary.pad)

    def ours() -> list[str]:
        found = [""] * len(rows)
        for chosen in batches(rows, arguments.batch):
            ids, mask = padded([rows[number] for number in chosen], vocabulary.pad)
            begin = network.decoder.embed(torch.tensor([[vocabulary.eos, mark]] * len(chosen)))
            hypotheses = beam_search(
                network.decoder,
                begin,
                eos=vocabulary.eos,
                max_length=LONGEST,
                memory=network.read(ids, mask),
                memory_mask=mask,
                beam=arguments.beam,
            )
            for number, best in zip(chosen, hypotheses, strict=True):
                found[number] = vocabulary.decode(best[0].ids)
        return found

    def theirs() -> list[str]:
        found = [""] * len(rows)
        for chosen in batches(rows, arguments.batch):
            ids, mask = padded([rows[number] for number in chosen], vocabulary.pad)
            # The mark is part of the prompt, as ours is: lengths, which scores are divided by, are then the same.
            written = other.generate(
                input_ids=ids,
                attention_mask=mask.long(),
                decoder_input_ids=torch.tensor([[vocabulary.eos, mark]] * len(chosen)),
                num_beams=arguments.beam,
                max_new_tokens=LONGEST,
                do_sample=False,
            )
            for number, row in zip(chosen, written.tolist(), strict=True):
                found[number] = vocabulary.decode(row[2:])
        return found

    def whole(one: Bundled) -> Callable[[], list[str]]:
        search = Search(arguments.beam, batch_tokens=arguments.batch * 20)
        sources = [arguments.source] * len(texts)
        return lambda: [
            best[0].text for best in one.translate(texts, target=arguments.to, sources=sources, search=search)
        ]

    ways = {
        "ours, no prefix": ours,
        "transformers generate": theirs,
        "bundled with its prefix": whole(Bundled(network, vocabulary)),
        "bundled, int8": whole(Bundled(quantised(network), vocabulary)),
    }
    for way in ways.values():
        way()
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    found: dict[str, list[str]] = {}
    for _ in range(arguments.rounds):
        for name, way in ways.items():
            started = time.perf_counter()
            found[name] = way()
            seconds[name].append(time.perf_counter() - started)
    rates = {name: len(texts) / statistics.median(values) for name, values in seconds.items()}
    same = sum(a == b for a, b in zip(found["ours, no prefix"], found["transformers generate"], strict=True))
    result: dict[str, object] = {f"{name}, sentences a second": round(rate, 1) for name, rate in rates.items()}
    result["ours over transformers"] = round(rates["ours, no prefix"] / rates["transformers generate"], 2)
    result["int8 over float32"] = round(rates["bundled, int8"] / rates["bundled with its prefix"], 2)
    result["same translations"] = f"{same} of {len(texts)}"
    if arguments.ref is not None:
        wanted = arguments.ref.read_text("utf-8").splitlines()[: arguments.lines]
        result["bleu"] = {name: scores(texts, wanted)["bleu"] for name, texts in found.items()}
    print(json.dumps(result, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
