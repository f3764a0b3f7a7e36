"""BLEU and chrF of every direction of a test set in one process, as ``mmkit translate eval`` counts them.

    python plugins/translate/bench/table.py corpus/test/test_2016_flickr --directions en-de,en-fr,en-cs,de-en

With ``--also COMMAND`` another translator is asked for each direction too: the command reads lines on stdin and writes
as many; {source} and {target} in it are the languages, as in ``--also 'apertium {source}-{target}'``.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
from pathlib import Path

import torch
from mmkit_translate.evaluate import scores
from mmkit_translate.opening import open_translator
from mmkit_translate.translating import Search


def lines_of(path: Path) -> list[str]:
    return path.read_text("utf-8").removesuffix("\n").split("\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stem", help="files STEM.LANG")
    parser.add_argument("--directions", default="en-de,en-fr,en-cs,de-en,fr-en,cs-en,de-fr")
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--beam", type=int, default=4)
    parser.add_argument("--int8", action="store_true")
    parser.add_argument("--also", help="another translator's command")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    translator = open_translator(arguments.model, int8=arguments.int8)
    for direction in arguments.directions.split(","):
        source, target = direction.split("-")
        texts, wanted = (lines_of(Path(f"{arguments.stem}.{language}")) for language in (source, target))
        found = translator.translate(texts, target=target, sources=[source] * len(texts), search=Search(arguments.beam))
        row = {"direction": direction, "lines": len(texts), **scores([best[0].text for best in found], wanted)}
        if arguments.also:
            command = shlex.split(arguments.also.format(source=source, target=target))
            done = subprocess.run(command, input="\n".join(texts) + "\n", capture_output=True, text=True, check=True)
            row["other"] = scores(done.stdout.removesuffix("\n").split("\n"), wanted)
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
