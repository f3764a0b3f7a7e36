"""How much of the towers' own speed the pipeline keeps: files to vectors, and files to a store.

Measured in turn, slice by slice, in one process with ``mini`` on the CPU:

- towers: the model alone on normalised tensors that lie ready in memory, by the faster of two arrangements: a caller
  a core with one torch thread each, or one caller with all of torch's threads (timed on the first batches);
- embed: files read, decoded, scaled, encoded (``embed_items``);
- index: the same into a store on disk, hashes and syncs included (``index_items``).

The towers run before and after each of the others, which are compared with the mean of both, so that a machine whose
speed drifts favours neither. The ratios of CPU time say the same where other programs take turns on the cores.
Prints JSON; the numbers are medians over the slices. Usage:

    python tests/bench/bench_pipeline.py [--pictures 2000] [--slice 500] [--weights DIR]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image, ImageEnhance

from mmkit.config import settings
from mmkit.encoders.mini.encoder import MiniEncoder
from mmkit.encoders.mini.preprocessing import normalise
from mmkit.pipeline.embedding import embed_items
from mmkit.pipeline.index import index_items
from mmkit.store import Store
from mmkit.types import Item

SAMPLES = Path(__file__).parents[2] / "recipes" / "samples" / "pictures"
SIZE = (500, 375)
BATCH = 32


def make_pictures(folder: Path, count: int) -> list[Path]:
    """JPEGs of ordinary size: random crops of the samples, flipped and lightened at random but always the same."""
    chance = random.Random(0)
    sources = [Image.open(path).convert("RGB") for path in sorted(SAMPLES.glob("*.jpg"))]
    paths = []
    for number in range(count):
        picture = chance.choice(sources)
        share = chance.uniform(0.7, 1.0)
        width = int(min(picture.width, picture.height * SIZE[0] / SIZE[1]) * share)
        height = int(width * SIZE[1] / SIZE[0])
        left, top = chance.randint(0, picture.width - width), chance.randint(0, picture.height - height)
        made = picture.resize(SIZE, Image.Resampling.BICUBIC, box=(left, top, left + width, top + height))
        if chance.random() < 0.5:
            made = made.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        made = ImageEnhance.Brightness(made).enhance(chance.uniform(0.8, 1.2))
        paths.append(folder / f"{number:05d}.jpg")
        made.save(paths[-1], quality=85)
    return paths


class Pace(NamedTuple):
    """Pictures a second, and seconds of CPU a picture."""

    rate: float
    cpu: float


def pace(work: Callable[[], Any], count: int) -> Pace:
    start, cpu = time.perf_counter(), time.process_time()
    work()
    return Pace(count / (time.perf_counter() - start), (time.process_time() - cpu) / count)


class Towers:
    """The model on ready tensors, in both arrangements."""

    def __init__(self, encoder: MiniEncoder, threads: int) -> None:
        self.encoder = encoder
        self.threads = threads
        self.callers = ThreadPoolExecutor(threads, initializer=use_one_thread)
        list(self.callers.map(lambda _: time.sleep(0.1), range(threads)))
        torch.set_num_threads(threads)

    def one_caller(self, pixels: torch.Tensor) -> None:
        """Whole batches, each operator spread over the cores."""
        with torch.inference_mode():
            for part in pixels.split(BATCH):
                self.encoder.model.image_features(part)

    def caller_a_core(self, pixels: torch.Tensor) -> None:
        """Each core takes the next part of a batch as it is free."""
        list(self.callers.map(self.one_caller, pixels.split(BATCH // self.threads)))


def use_one_thread() -> None:
    """Torch would reset a thread's count that was set before it was first asked for."""
    torch.get_num_threads()
    torch.set_num_threads(1)


def measure(encoder: MiniEncoder, paths: list[Path], towers: Towers, folder: Path) -> dict[str, float]:
    """Rates of one slice, in pictures a second, and the ratios."""
    items = [Item.from_path(path, "image") for path in paths]
    with torch.inference_mode():
        decoded = torch.from_numpy(np.stack([encoder.prepare(item) for item in items]))
        pixels = normalise(decoded, encoder.preprocessing).contiguous(memory_format=torch.channels_last)

    def index() -> None:
        report = index_items(Store.create(folder / f"{time.monotonic_ns()}.mm", encoder.spec), encoder, items)
        assert report.added == len(items)

    few = pixels[: 4 * BATCH]
    spread = pace(lambda: towers.one_caller(few), len(few))
    apart = pace(lambda: towers.caller_a_core(few), len(few))
    alone = towers.caller_a_core if apart.rate > spread.rate else towers.one_caller
    before = pace(lambda: alone(pixels), len(items))
    embedded = pace(lambda: embed_items(encoder, items), len(items))
    between = pace(lambda: alone(pixels), len(items))
    indexed = pace(index, len(items))
    after = pace(lambda: alone(pixels), len(items))
    return {
        "towers_with_spread_operators": spread.rate,
        "towers_apart": apart.rate,
        "towers": statistics.median((before.rate, between.rate, after.rate)),
        "embed": embedded.rate,
        "index": indexed.rate,
        "embed_ratio": embedded.rate / statistics.mean((before.rate, between.rate)),
        "index_ratio": indexed.rate / statistics.mean((between.rate, after.rate)),
        "embed_cpu_ratio": statistics.mean((before.cpu, between.cpu)) / embedded.cpu,
        "index_cpu_ratio": statistics.mean((between.cpu, after.cpu)) / indexed.cpu,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--slice", type=int, default=250, help="pictures between two changes of the task")
    parser.add_argument("--weights", type=Path, help="a folder of weights other than the bundled one")
    options = parser.parse_args()
    threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = make_pictures(folder, options.pictures)
        chosen = settings(device="cpu", cache_dir=folder / "cache")
        encoder = MiniEncoder(options.weights, chosen) if options.weights else MiniEncoder(chosen=chosen)
        towers = Towers(encoder, threads)
        measure(encoder, paths[:64], towers, folder)  # first calls load and choose kernels
        rounds = []
        for start in range(0, len(paths), options.slice):
            rounds.append(measure(encoder, paths[start : start + options.slice], towers, folder))
            print({key: round(value, 3) for key, value in rounds[-1].items()}, file=sys.stderr, flush=True)
        size = statistics.mean(path.stat().st_size for path in paths)
    result = {"pictures": len(paths), "mean_bytes": round(size), "slices": len(rounds)}
    result |= {"cores": os.cpu_count(), "threads": threads, "load": round(os.getloadavg()[0], 1)}
    print(json.dumps({**result, **{key: round(statistics.median(r[key] for r in rounds), 3) for key in rounds[0]}}))


if __name__ == "__main__":
    main()
