"""Phrases of single instruments and the list of all pairs of them.

    python bench/instruments.py --soundfont TimGM6mb.sf2 --out timgm
    python bench/instruments.py --recordings philharmonia-samples/audio --out recorded

With a soundfont, phrases of 4 s are rendered by fluidsynth without its reverb and chorus. With the recordings
(github.com/skratchdot/philharmonia-samples), they are strung from every fourth note of an instrument, which training
leaves out.
"""

from __future__ import annotations

import argparse
import itertools
import struct
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import soundfile
import soxr

RATE = 32000
SECONDS = 4.0
#: Of silence between two phrases of one run.
_PAUSE = 0.25
#: Name -> General MIDI program and range of MIDI notes.
PROGRAMS = {
    "piano": (0, 48, 76),
    "organ": (19, 48, 76),
    "accordion": (21, 55, 79),
    "acoustic guitar": (24, 43, 67),
    "violin": (40, 58, 84),
    "cello": (42, 38, 62),
    "harp": (46, 48, 79),
    "choir": (52, 50, 72),
    "trumpet": (56, 58, 79),
    "trombone": (57, 43, 65),
    "saxophone": (65, 53, 77),
    "oboe": (68, 60, 84),
    "clarinet": (71, 53, 81),
    "flute": (73, 62, 89),
    "xylophone": (13, 67, 91),
    "banjo": (105, 50, 76),
}
RECORDED = {
    name: name
    for name in (
        "banjo bassoon cello clarinet flute mandolin oboe saxophone trombone".split()  # noqa: SIM905
    )
} | {"guitar": "acoustic guitar", "french horn": "french horn"}


def phrase(chance: np.random.Generator, low: int, high: int) -> list[tuple[float, float, int, int]]:
    """Notes (onset, length, pitch, velocity) of a phrase, now and then two at once."""
    notes, onset = [], 0.05
    while onset < SECONDS - 0.4:
        length = float(chance.choice([0.25, 0.5, 0.75, 1.0]))
        count = 1 + int(chance.random() < 0.2)
        drawn = [(int(chance.integers(low, high + 1)), int(chance.integers(70, 115))) for _ in range(count)]
        notes += [(onset, length * 0.9, pitch, velocity) for pitch, velocity in drawn]
        onset += length
    return notes


def variable(number: int) -> bytes:
    """A MIDI variable-length number."""
    out = [number & 127]
    while number := number >> 7:
        out.append((number & 127) | 128)
    return bytes(reversed(out))


def render(
    soundfont: Path, phrases: list[tuple[int, list[tuple[float, float, int, int]]]], *, seconds: float = SECONDS
) -> list[np.ndarray]:
    """Samples of phrases of notes, each by its own program, in one run of fluidsynth: a soundfont loads slowly."""
    events = []
    for number, (program, notes) in enumerate(phrases):
        begin = number * (seconds + _PAUSE)
        # All sound off, then the program: nothing of a phrase rings into the next.
        events.append((round(begin * 480), 0, bytes([0xB0, 120, 0])))
        events.append((round(begin * 480), 1, bytes([0xC0, program])))
        for onset, length, pitch, velocity in notes:
            events.append((round((begin + onset) * 480), 3, bytes([0x90, pitch, velocity])))
            events.append((round((begin + onset + length) * 480), 2, bytes([0x80, pitch, 0])))
    # A note that ends where the same pitch begins again must end first.
    events.sort(key=lambda event: event[:2])
    track, last = b"\x00\xff\x51\x03" + (500000).to_bytes(3, "big"), 0
    for tick, _, event in events:
        track, last = track + variable(tick - last) + event, tick
    track += b"\x00\xff\x2f\x00"
    with tempfile.TemporaryDirectory() as folder:
        midi, wav = Path(folder) / "x.mid", Path(folder) / "x.wav"
        midi.write_bytes(b"MThd" + struct.pack(">IHHH", 6, 0, 1, 240) + b"MTrk" + struct.pack(">I", len(track)) + track)
        command = ["fluidsynth", "-ni", "-q", "-R", "0", "-C", "0", "-g", "0.6", "-r", str(RATE), "-F", str(wav)]
        subprocess.run([*command, str(soundfont), str(midi)], check=True, capture_output=True)
        samples, _ = soundfile.read(wav, dtype="float32", always_2d=True)
    mono = samples.mean(axis=1)
    starts = [round(number * (seconds + _PAUSE) * RATE) for number in range(len(phrases))]
    return [
        np.pad(part, (0, round(seconds * RATE) - len(part)))
        for part in (mono[start : start + round(seconds * RATE)] for start in starts)
    ]


def strung(chance: np.random.Generator, files: list[Path]) -> np.ndarray:
    """Recorded notes one after the other."""
    out, onset = np.zeros(round(SECONDS * RATE)), 0.0
    while onset < SECONDS - 0.4:
        samples, rate = soundfile.read(files[int(chance.integers(len(files)))], always_2d=True)
        note = soxr.resample(samples.mean(axis=1), rate, RATE)
        heard = np.flatnonzero(np.abs(note) > 0.02 * np.abs(note).max())
        note = note[heard[0] :]
        length = min(
            len(note), round(float(chance.choice([0.5, 0.75, 1.0, 1.5])) * RATE), len(out) - round(onset * RATE)
        )
        fade = np.minimum(1, np.arange(length, 0, -1) / (0.03 * RATE))
        start = round(onset * RATE)
        out[start : start + length] += note[:length] * fade / np.abs(note).max() * 0.5
        onset += max(0.3, length / RATE)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--soundfont", type=Path)
    parser.add_argument("--recordings", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    chance = np.random.default_rng(0)
    given.out.mkdir(parents=True, exist_ok=True)
    names: dict[str, str] = {}
    if given.soundfont:
        phrases = [(program, phrase(chance, low, high)) for program, low, high in PROGRAMS.values()]
        for name, samples in zip(PROGRAMS, render(given.soundfont, phrases), strict=True):
            soundfile.write(given.out / f"{name}.flac", samples, RATE)
            names[name] = name
    else:
        for folder, name in RECORDED.items():
            files = sorted((given.recordings / folder).glob("*.mp3"))
            plain = ("_1_", "_15_", "long", "_05_")
            files = [f for f in files if "normal" in f.name and any(mark in f.name for mark in plain)] or files
            soundfile.write(given.out / f"{name}.flac", strung(chance, files[3::4]), RATE)
            names[name] = name
    rows = []
    for one, other in itertools.permutations(names, 2):
        rows.append(f"{one}\t{one}.flac\t{other}.flac\t{one}")
    (given.out / "pairs.tsv").write_text("\n".join(rows) + "\n")
    print(f"{len(names)} instruments, {len(rows)} pairs")


if __name__ == "__main__":
    main()
