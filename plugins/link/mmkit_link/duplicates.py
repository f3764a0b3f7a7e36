"""Records with equal content, compared once however often they occur.

Legend: N records, U different ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmkit_link.records import Records

__all__ = ["Distinct", "distinct", "expand"]


@dataclass(frozen=True, slots=True, eq=False)
class Distinct:
    """U records of different content.

    Attributes:
        records: the first record of each content.
        number: (N,) which of them each record equals.
        members: the rows of each, ascending.
    """

    records: Records
    number: NDArray[np.int64]
    members: list[list[int]]


def distinct(records: Records) -> Distinct:
    """One record for all that agree in every compared column and picture; a record without any value stays alone."""
    known: dict[object, int] = {}
    members: list[list[int]] = []
    number = np.empty(len(records), np.int64)
    columns = [*records.columns.values(), *([records.pictures] if records.pictures else [])]
    for row in range(len(records)):
        key = tuple(column[row] for column in columns)
        place = known.setdefault(key if any(key) else row, len(members))
        if place == len(members):
            members.append([])
        members[place].append(row)
        number[row] = place
    return Distinct(records.taken([rows[0] for rows in members]), number, members)


def expand(pairs: NDArray[np.int64], left: Distinct, right: Distinct, *, relation: str) -> list[tuple[int, int, int]]:
    """Links of all records from links of distinct ones: (left row, right row, place of the link in ``pairs``).

    One-to-one links join the first copy with the first, the second with the second and so on; where a side may be
    used more than once all its copies are linked.
    """
    found = []
    for place, (one, other) in enumerate(pairs.tolist()):
        lefts, rights = left.members[one], right.members[other]
        if relation == "one-to-one":
            copies = list(zip(lefts, rights, strict=False))
        elif relation == "one-to-many":
            copies = [(lefts[0], row) for row in rights]
        elif relation == "many-to-one":
            copies = [(row, rights[0]) for row in lefts]
        else:
            copies = [(a, b) for a in lefts for b in rights]
        found += [(a, b, place) for a, b in copies]
    return sorted(found)
