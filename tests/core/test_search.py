"""Asking a store."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mmkit.pipeline.search import search_one_to_one, search_store
from mmkit.store import Store, content_key
from mmkit.types import Embeddings, EncoderSpec

SPEC = EncoderSpec(name="e", space="s", modalities=("text",), dim=4, fingerprint="f")


def test_hits_carry_the_ids_of_the_store_however_they_are_paired(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "s", SPEC, dtype="float32")
    names = ["cat", "dog", "owl"]
    with store.writer() as writer:
        keys = [content_key(name.encode(), settings="", fingerprint=SPEC.fingerprint) for name in names]
        writer.add(names, keys, None, np.eye(3, 4, dtype=np.float32), "text")
    vectors = np.asarray([[0, 0, 1, 0], [0.9, 0, np.sqrt(0.19), 0], [0, 1, 0, 0]], np.float32)
    queries = Embeddings(vectors, space="s", fingerprint="f")
    assert search_one_to_one(store, queries).ids.tolist() == [["owl"], ["cat"], ["dog"]]
    assert search_store(store, queries, k=1).ids.tolist() == [["owl"], ["cat"], ["dog"]]
    assert search_one_to_one(store, queries, threshold=0.95).ids.tolist() == [["owl"], [""], ["dog"]]
