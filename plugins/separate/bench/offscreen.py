"""Mixtures with off-screen noise: the interference of a list of pairs, with a sound of a third class added to it.

    python bench/offscreen.py --pairs lists/words.tsv --root ESC-10 --out noisy --count 30
    for model in clipsep clipsep-nit film; do
        mmkit separate eval --pairs noisy/pairs.tsv --root noisy --model $model --json
    done

Loudest windows of 4 s; the third sound lies 5 dB below the interference, and the evaluation brings the two together to
the level of the target. Its references are the target and the sum of the other two.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import soundfile
from mmkit_separate.evaluate import loudest_window, read_pairs

from mmkit.media.audio import read_audio

RATE = 44100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=30)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    chance = np.random.default_rng(0)
    pairs = read_pairs(given.pairs)
    rows = []

    def sound(name: str) -> np.ndarray:
        samples = loudest_window(read_audio(given.root / name, rate=RATE, mono=True)[0][0], 4 * RATE)
        return samples / np.sqrt(np.square(samples).mean()) * 0.05

    for number, place in enumerate(chance.permutation(len(pairs))[: given.count]):
        pair = pairs[place]
        folders = {Path(pair.target).parent, Path(pair.interference).parent}
        others = [p.target for p in pairs if Path(p.target).parent not in folders]
        stray = others[int(chance.integers(len(others)))]
        soundfile.write(given.out / f"{number}-target.wav", sound(pair.target), RATE, subtype="FLOAT")
        rest = sound(pair.interference) + 10 ** (-5 / 20) * sound(stray)
        soundfile.write(given.out / f"{number}-rest.wav", rest, RATE, subtype="FLOAT")
        rows.append(f"{pair.query.text}\t{number}-target.wav\t{number}-rest.wav\t{pair.label}")
    (given.out / "pairs.tsv").write_text("\n".join(rows) + "\n")
    print(f"{len(rows)} mixtures")


if __name__ == "__main__":
    main()
