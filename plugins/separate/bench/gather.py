"""The bundled models' training sounds, as a folder for ``mmkit separate train``.

    python bench/gather.py --esc ESC-10 --out data \
        --recordings moodist/public/sounds blanket/data/resources/sounds sonic-pi/samples tuxpaint/stamps \
        --philharmonia philharmonia-samples/audio --digits free-spoken-digit-dataset/recordings \
        --soundfont FluidR3_GM.sf2 --soundfont MuseScore_General_Lite.sf3 --soundfont sf_GMbank.sf2 \
        --soundfont OPL-3_FM_128M.sf2 --tonejs node_modules
    mmkit separate train --data data --out film --mix everyday:everyday=0.40 --mix everyday:any=0.22 \
        --mix instruments:instruments=0.22 --mix any:any=0.16 --gaps captioned-pictures --seconds 600 --device cuda

What the labels are, their phrases, files and programs stand in sounds.json beside this file. Fold 5 of ESC-10, every
fourth note of the Philharmonia's instruments, and the soundfonts TimGM6mb (for the test) and sonivox (for validation)
are left out; --without-fold 4 leaves out the validation's sounds too. --tonejs is where npm has put the packages
tonejs-instrument-NAME-mp3, recorded notes of 20 instruments. --pitches 8 --format ogg makes many more notes fit where
little can be carried.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path

import numpy as np
import soundfile
import soxr
from instruments import RATE, render

FOLDERS = {
    "001": "dog",
    "002": "rain",
    "003": "sea waves",
    "004": "baby",
    "005": "clock",
    "006": "sneeze",
    "007": "helicopter",
    "008": "chainsaw",
    "009": "rooster",
    "010": "fire",
}
SAMPLING_PLUS = {"1-40730-A", "2-96460-A"}
SENTENCES = (
    "The quick brown fox jumps over the lazy dog while seven wizards watch.",
    "Please leave a message after the tone, and we will call you back tomorrow.",
    "She sells sea shells by the sea shore, and the shells she sells are real.",
    "Our meeting starts at half past nine in the large room on the third floor.",
    "Yesterday it was cold, but the weather will be warm and sunny at the weekend.",
    "A good book, a cup of tea, and nobody to disturb me: what more could I want?",
)
VOICES = "en-gb en-us en-gb-scotland en-us+f3 en-gb+f2 en-us+m3 en-gb+m7 en-us+f5 en-gb+croak en-us+whisper".split()  # noqa: SIM905


def read(path: Path) -> np.ndarray:
    """Mono samples at 32 kHz of the first minute, without the silence at both ends."""
    with soundfile.SoundFile(path) as file:
        rate = file.samplerate
        mono = file.read(60 * rate, dtype="float32", always_2d=True).mean(axis=1)
    return trimmed(soxr.resample(mono, rate, RATE) if rate != RATE else mono)


def trimmed(samples: np.ndarray) -> np.ndarray:
    """What lies between the first and the last 10 ms within 60 dB of the loudest."""
    size = RATE // 100
    count = len(samples) // size
    if count < 2:
        return samples
    power = 10 * np.log10(np.square(samples[: count * size].reshape(count, size)).mean(axis=1) + 1e-12)
    heard = np.flatnonzero(power > max(power.max() - 60, -85))
    return samples[heard[0] * size : (heard[-1] + 1) * size] if len(heard) else samples[:0]


class Writer:
    """Writes sounds and their lines."""

    def __init__(self, out: Path, labels: dict[str, dict[str, object]], *, suffix: str, quality: float) -> None:
        self.out, self.labels, self.suffix, self.quality = out, labels, suffix, quality
        self.rows: list[dict[str, object]] = []
        (out / "sounds").mkdir(parents=True, exist_ok=True)

    def add(self, label: str, samples: np.ndarray, source: str, *, note: bool = False) -> None:
        if len(samples) < RATE // 12 or np.abs(samples).max() < 1e-3:
            return
        name = f"sounds/{len(self.rows):05}.{self.suffix}"
        lossy = {"compression_level": 1 - self.quality} if self.suffix == "ogg" else {}
        soundfile.write(self.out / name, np.clip(samples, -1, 1), RATE, **lossy)
        about = self.labels[label]
        row = {"file": name, "label": label, "phrases": about["phrases"], "domain": about["domain"]}
        self.rows.append({**row, "source": source, "note": note})

    def close(self) -> None:
        lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in self.rows)
        (self.out / "sounds.jsonl").write_text(lines + "\n")
        print(f"{len(self.rows)} sounds")


def windows(samples: np.ndarray, count: int, seconds: float) -> list[np.ndarray]:
    """``count`` windows spread over the sound, or the whole of a short one."""
    size = round(seconds * RATE)
    if len(samples) <= size * count:
        return [samples]
    return [samples[start : start + size] for start in np.linspace(0, len(samples) - size, count).astype(int)]


def pitches(program: int, count: int) -> list[int]:
    """``count`` notes of a program, evenly spread over its usual range."""
    high = {40, 41, 56, 59, 64, 68, 69, 71, 73, 74, 75, 77, 79, 110, 111}
    if program in (43, 47, 58) or 32 <= program <= 39:
        low, top = 29, 50
    elif program in (9, 10, 13, 14, 72, 78, 112, 113):
        low, top = 67, 84
    elif program in (42, 57, 60, 66, 67, 70):
        low, top = 43, 62
    else:
        low, top = (57, 74) if program in high else (43, 67)
    # Training moves notes by up to four semitones and a half: beyond four notes the range itself grows.
    wider = min(5, max(0, count - 4))
    return [round(note) for note in np.linspace(low - wider, top + wider, count)]


def recordings(roots: list[Path]) -> dict[str, Path]:
    """Sound files by name, and by folder and name, which tells apart those that share a name."""
    kinds = (".mp3", ".ogg", ".flac", ".wav")
    files = [file for root in roots for file in sorted(root.rglob("*")) if file.suffix in kinds]
    return {file.stem: file for file in files} | {f"{file.parent.name}_{file.stem}": file for file in files}


def add_soundfont(writer: Writer, soundfont: Path, count: int, velocities: list[int]) -> None:
    """Single notes of all programs that stand for a label."""
    wanted = [
        (label, program, pitch, velocity)
        for label, about in writer.labels.items()
        for program in about.get("programs", [])
        if isinstance(program, int)
        for pitch in pitches(program, count)
        for velocity in velocities
    ]
    for start in range(0, len(wanted), 256):
        part = wanted[start : start + 256]
        notes = render(soundfont, [(p, [(0.02, 1.3, pitch, hard)]) for _, p, pitch, hard in part], seconds=1.8)
        for (label, program, _, _), note in zip(part, notes, strict=True):
            writer.add(label, trimmed(note), f"{soundfont.stem} {program}", note=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--esc", type=Path, required=True)
    parser.add_argument("--recordings", type=Path, nargs="*", default=[])
    parser.add_argument("--philharmonia", type=Path)
    parser.add_argument("--tonejs", type=Path)
    parser.add_argument("--digits", type=Path)
    parser.add_argument("--soundfont", type=Path, action="append", default=[])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--without-fold", type=int, nargs="*", default=[5], help="folds of ESC-10 to leave out")
    parser.add_argument("--pitches", type=int, default=4, help="notes of a program")
    parser.add_argument("--velocities", type=int, nargs="*", default=[100])
    parser.add_argument("--recorded-notes", type=int, default=16, help="notes of a recorded instrument")
    parser.add_argument("--format", choices=("flac", "ogg"), default="flac")
    parser.add_argument("--quality", type=float, default=0.4, help="of ogg, from 0 to 1")
    given = parser.parse_args()
    left_out = {str(fold) for fold in (5, *given.without_fold)}
    labels = json.loads((Path(__file__).parent / "sounds.json").read_text("utf-8"))["labels"]
    writer, chance = Writer(given.out, labels, suffix=given.format, quality=given.quality), np.random.default_rng(0)
    for folder in sorted(p for p in given.esc.iterdir() if p.name[:3] in FOLDERS):
        for path in sorted(folder.glob("*.ogg")):
            if path.stem[0] not in left_out and path.stem not in SAMPLING_PLUS:
                writer.add(FOLDERS[folder.name[:3]], read(path), path.stem)
    found = recordings(given.recordings)
    for label, about in labels.items():
        names = about.get("files", [])
        everyday = about["domain"] == "everyday"
        count = (2 if label == "rain" else 6) if everyday else max(1, 4 // len(names)) if len(names) > 2 else 3
        for name in names:
            if name in found:
                for piece in windows(read(found[name]), count, 5.0 if everyday else 4.0):
                    writer.add(label, piece, name)
            else:
                print(f"not found: {name}")
    for soundfont in given.soundfont:
        add_soundfont(writer, soundfont, given.pitches, given.velocities)
    if given.philharmonia:
        for label, about in labels.items():
            for name in about.get("recordings", []):
                files = sorted((given.philharmonia / name).glob("*.mp3"))
                plain = ("_1_", "_15_", "long", "_05_")
                files = [f for f in files if "normal" in f.name and any(mark in f.name for mark in plain)] or files
                kept = [file for number, file in enumerate(files) if number % 4 != 3]
                for file in chance.permutation(np.array(kept))[: given.recorded_notes]:
                    writer.add(label, read(file)[: round(1.8 * RATE)], name, note=True)
    if given.tonejs:
        for label, about in labels.items():
            for name in about.get("tonejs", []):
                files = sorted(given.tonejs.glob(f"**/tonejs-instrument-{name}-mp3*/**/*.mp3"))
                for file in chance.permutation(np.array(files))[: given.recorded_notes]:
                    writer.add(label, read(file)[: round(1.8 * RATE)], f"tonejs {name}", note=True)
    for number, voice in enumerate(VOICES):
        wav = given.out / "voice.wav"
        command = ["espeak-ng", "-v", voice, "-p", str(30 + 7 * number), "-s", str(130 + 8 * number), "-w", str(wav)]
        subprocess.run([*command, SENTENCES[number % len(SENTENCES)]], check=True)
        writer.add("speech", read(wav), f"espeak {voice}")
        wav.unlink()
    if given.digits:
        files = sorted(given.digits.glob("*.wav"))
        for speaker in sorted({file.stem.split("_")[1] for file in files}):
            own = np.array([file for file in files if f"_{speaker}_" in file.name])
            writer.add("speech", np.concatenate([read(file) for file in chance.permutation(own)[:14]]), speaker)
    writer.close()


if __name__ == "__main__":
    main()
