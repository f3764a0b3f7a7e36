"""Small synthetic tables that every test may use."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")

FIRST = "anna boris clara david elena felix greta hugo irene jonas karla ludwig maria nils olga peter".split()  # noqa: SIM905
LAST = "abel brandt conrad dietrich engel fischer graf hartmann ibsen jansen koehler lorenz moritz".split()  # noqa: SIM905
CITY = "aachen bremen cottbus dresden erfurt freiburg goslar hamburg".split()  # noqa: SIM905


def misspelt(text: str, rng: random.Random) -> str:
    """The text with one letter dropped, doubled or swapped."""
    place = rng.randrange(1, len(text) - 1)
    return rng.choice(
        [
            text[:place] + text[place + 1 :],
            text[:place] + text[place] + text[place:],
            text[: place - 1] + text[place] + text[place - 1] + text[place + 1 :],
        ]
    )


@pytest.fixture
def people() -> Callable[..., tuple[list[dict[str, object]], list[dict[str, object]]]]:
    """``people(count, shared)``: two tables of persons, the first ``shared`` of each the same ones, misspelt."""

    def make(count: int = 120, shared: int = 80, seed: int = 0) -> tuple[list[dict[str, object]], ...]:
        rng = random.Random(seed)

        def person(number: int, prefix: str) -> dict[str, object]:
            name = f"{rng.choice(FIRST)} {rng.choice(FIRST)[:1]} {rng.choice(LAST)}{rng.choice(['', 'mann', 'er'])}"
            born = f"{rng.randrange(1930, 2005)}-{rng.randrange(1, 13):02}-{rng.randrange(1, 28):02}"
            return {"id": f"{prefix}{number}", "name": name, "born": born, "city": rng.choice(CITY)}

        left = [person(number, "a") for number in range(count)]
        right = []
        for number in range(count):
            if number < shared:
                copy = {**left[number], "id": f"b{number}", "name": misspelt(str(left[number]["name"]), rng)}
                right.append({**copy, "city": ""} if number % 7 == 0 else copy)
            else:
                right.append(person(number, "b"))
        return left, right

    return make


@pytest.fixture
def write_rows(tmp_path: Path) -> Callable[[str, list[dict[str, object]]], Path]:
    """Write rows as a table below the test's folder."""

    def write(name: str, rows: list[dict[str, object]]) -> Path:
        import pyarrow as pa

        from mmkit.media import write_table

        write_table(pa.Table.from_pylist(rows), tmp_path / name)
        return tmp_path / name

    return write
