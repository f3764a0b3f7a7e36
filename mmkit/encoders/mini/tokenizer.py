"""WordPiece tokens for the text tower, safe to share between threads."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["MiniTokenizer"]


class MiniTokenizer:
    """Texts to token ids with the tokenizer.json of a weights folder.

    Texts are cut at `max_tokens`, the two end marks included.
    """

    def __init__(self, path: Path, *, max_tokens: int = 77) -> None:
        # Without this the library prints a warning in every process forked after a first batch.
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        from tokenizers import Tokenizer

        self.max_tokens = max_tokens
        self._lock = threading.Lock()
        self._tokenizer = Tokenizer.from_file(str(path))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_tokens)

    def ids(self, text: str) -> list[int]:
        """Token ids of one text, end marks included."""
        return self.rows([text])[0]

    def rows(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of several texts, end marks included, without padding."""
        with self._lock:
            return [list(item.ids) for item in self._tokenizer.encode_batch(list(texts))]

    def __call__(self, texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Ids (N, T) padded with 0 to the longest text, and the mask (N, T) of real tokens."""
        return pad_ids(self.rows(texts))


def pad_ids(rows: Sequence[Sequence[int]]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Token ids (N, T) padded with 0, and the mask (N, T) of real tokens."""
    import numpy as np

    length = max((len(row) for row in rows), default=0)
    ids = np.zeros((len(rows), length), dtype=np.int64)
    mask = np.zeros((len(rows), length), dtype=np.bool_)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = row
        mask[index, : len(row)] = True
    return ids, mask
