"""The photographs of pictures.tsv, out of clones of their repositories, as folders for ``esc.py --pictures``.

    python bench/pictures.py --clones clones --out pictures [--split validation]

Writes pictures/SPLIT/CLASS/*; every file's sha256 is checked. A clone lies in clones/owner+name, bare or not; what is
missing is cloned there from github.com, unless --no-clone.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
from pathlib import Path, PurePosixPath

LIST = Path(__file__).with_name("pictures.tsv")


def rows(split: str | None) -> list[list[str]]:
    """Class, split, repository, commit, path and sha256 of each picture."""
    lines = [line.split("\t") for line in LIST.read_text("utf-8").splitlines() if not line.startswith("#")]
    return [cells for cells in lines if split in (None, cells[1])]


def clone_of(repository: str, clones: Path, *, fetch: bool) -> Path:
    """Where its clone lies: itself, or a folder ``repo`` inside."""
    folder = clones / repository.replace("/", "+")
    if not folder.exists() and fetch:
        url = f"https://github.com/{repository}"
        subprocess.run(["git", "clone", "--quiet", "--bare", url, str(folder)], check=True)
    return folder / "repo" if (folder / "repo").is_dir() else folder


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clones", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--split", choices=("validation", "test"), help="default: both")
    parser.add_argument("--no-clone", action="store_true", help="take only what lies there")
    given = parser.parse_args()
    missing = 0
    for label, split, repository, commit, path, wanted in rows(given.split):
        try:
            clone = clone_of(repository, given.clones, fetch=not given.no_clone)
            command = ["git", "-C", str(clone), "cat-file", "blob", f"{commit}:{path}"]
            data = subprocess.run(command, check=True, capture_output=True).stdout
        except (subprocess.CalledProcessError, OSError) as error:
            data, reason = b"", f"cannot be had: {error}"
        else:
            reason = "is another picture now"
        if hashlib.sha256(data).hexdigest() != wanted:
            print(f"{repository} {path}: {reason}", file=sys.stderr)
            missing += 1
            continue
        folder = given.out / split / label
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{wanted[:12]}{PurePosixPath(path).suffix.lower()}").write_bytes(data)
    print(f"{len(rows(given.split)) - missing} pictures, {missing} missing")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
