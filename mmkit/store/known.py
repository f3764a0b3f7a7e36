"""What a writer must know of the rows that are there: where each id is, and which ids share a key."""

from __future__ import annotations

from typing import NamedTuple

from mmkit.store.view import StoreView

__all__ = ["KnownRows", "Place"]


class Place(NamedTuple):
    """Where a row lies: its key, the number of its shard (0 while it waits to be written), its row in the file."""

    key: bytes
    shard: int
    row: int


class KnownRows:
    """Live rows by id, and one id for each key; about 400 bytes a row.

    An id names at most one live row. A key may have several ids: copies of one file in different places.
    """

    def __init__(self) -> None:
        self._places: dict[str, Place] = {}
        self._id_of: dict[bytes, str] = {}
        # Only keys with more than one id have an entry, since nearly all have one.
        self._more: dict[bytes, set[str]] = {}

    @classmethod
    def load(cls, view: StoreView) -> KnownRows:
        """Reads ids and keys of every live row, and nothing else."""
        known = cls()
        for entry in view.manifest.shards:
            shard = view.shard(entry)
            rows = range(entry.rows) if shard.live is None else shard.live.tolist()
            ids, keys = shard.column("id").to_pylist(), shard.column("key").to_pylist()
            for row, name, key in zip(rows, ids, keys, strict=True):
                known.put(name, Place(key, entry.number, row))
        return known

    def __len__(self) -> int:
        return len(self._places)

    def place(self, name: str) -> Place | None:
        return self._places.get(name)

    def id_of(self, key: bytes) -> str | None:
        """Some id with this key."""
        return self._id_of.get(key)

    def put(self, name: str, place: Place) -> None:
        """Adds a row, or says where a row with the same key has moved."""
        self._places[name] = place
        first = self._id_of.setdefault(place.key, name)
        if first != name:
            self._more.setdefault(place.key, set()).add(name)

    def drop(self, name: str) -> None:
        """Forgets a row that is there."""
        key = self._places.pop(name).key
        others = self._more.get(key, set())
        if self._id_of[key] == name:
            if others:
                self._id_of[key] = others.pop()
            else:
                del self._id_of[key]
        else:
            others.discard(name)
        if not others:
            self._more.pop(key, None)
