"""The order of steps, and every cycle by name."""

from __future__ import annotations

import graphlib
from collections.abc import Mapping
from typing import Final

__all__ = ["cycles", "dependants", "ordered"]

#: A recipe with more cycles than this is told about these.
_MOST_CYCLES: Final = 20


def cycles(needs: Mapping[str, tuple[str, ...]]) -> list[list[str]]:
    """Cycles as ``[a, b, a]``, read "a needs b needs a"; none where the graph is a DAG."""
    left = {name: set(others) for name, others in needs.items()}
    found: list[list[str]] = []
    while len(found) < _MOST_CYCLES:
        try:
            graphlib.TopologicalSorter(left).prepare()
        except graphlib.CycleError as error:
            # graphlib lists each node before the one that needs it; reversed it reads as the recipe does.
            cycle: list[str] = list(reversed(error.args[1]))
            found.append(cycle)
            left[cycle[0]].discard(cycle[1])
        else:
            break
    return found


def ordered(needs: Mapping[str, tuple[str, ...]]) -> list[str]:
    """The names so that each comes after those it needs, and otherwise in the order of ``needs``."""
    rank = {name: number for number, name in enumerate(needs)}
    sorter = graphlib.TopologicalSorter(needs)
    sorter.prepare()
    order: list[str] = []
    ready: list[str] = []
    while sorter.is_active():
        ready.extend(sorter.get_ready())
        ready.sort(key=rank.__getitem__)
        order.append(ready.pop(0))
        sorter.done(order[-1])
    return order


def dependants(name: str, needs: Mapping[str, tuple[str, ...]]) -> set[str]:
    """``name`` and every step that needs it, directly or not."""
    found = {name}
    for step in ordered(needs):
        if found.intersection(needs[step]):
            found.add(step)
    return found
