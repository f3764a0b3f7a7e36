"""Speed and memory of the command on a long file, over an empty process.

python bench/speed.py [--minutes 60] [--queries 1] [--threads 2]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

EMPTY = "import resource; import torch, numpy; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--queries", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--model", default="film")
    given = parser.parse_args()
    environment = {**os.environ, "OMP_NUM_THREADS": str(given.threads)}
    sample = Path(__file__).resolve().parents[3] / "recipes" / "samples" / "sounds" / "dog-and-rain.ogg"
    samples, rate = soundfile.read(sample, dtype="float32")
    queries = ["dog barking", "rain", "piano", "speech"][: given.queries]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.flac"
        with soundfile.SoundFile(path, "w", rate, 1) as file:
            for _ in range(int(given.minutes * 60 * rate / len(samples)) + 1):
                file.write(samples * np.float32(0.9))
        command = [sys.executable, "-m", "mmkit", "separate", str(path), "-o", folder, "--json", "--device", "cpu"]
        command += ["--model", given.model, *(part for query in queries for part in ("-q", query))]
        began = time.monotonic()
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        whole = time.monotonic() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    peak = used.ru_maxrss
    empty = int(subprocess.run([sys.executable, "-c", EMPTY], capture_output=True, text=True, check=True).stdout)
    told = json.loads(done.stdout)
    print(
        json.dumps(
            {
                "seconds": told["seconds"],
                "elapsed": told["elapsed"],
                "times_real_time": told["times_real_time"],
                # The whole command, start-up included.
                "whole_command": round(whole, 1),
                "times_real_time_whole": round(told["seconds"] / whole, 1),
                # What the machine's other work does not change: processor time, start-up included.
                "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
                "peak_mb": round(peak / 1024),
                "empty_process_mb": round(empty / 1024),
                "over_empty_mb": round((peak - empty) / 1024),
            }
        )
    )


if __name__ == "__main__":
    main()
