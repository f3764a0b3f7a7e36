"""Subword pieces: byte-level BPE, so that every text can be written and read back.

The pieces of a corpus come from ``tokenizers``; ids 0, 1, 2 are padding, the begin and the end of a text.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["Vocabulary"]

_MARKS: Final = ("<pad>", "<s>", "</s>")


class Vocabulary:
    """Texts to ids and back. Marks in a user's text, such as ``</s>``, are plain letters to it."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        tokenizer.encode_special_tokens = True
        self._tokenizer = tokenizer
        self.pad, self.bos, self.eos = (self.id(mark) for mark in _MARKS)

    @classmethod
    def train(cls, texts: Iterable[str], size: int, *, special: Sequence[str] = ()) -> Vocabulary:
        """The most useful ``size`` pieces of ``texts``; ``special`` are further marks, such as ``<de>``."""
        _quiet()
        from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

        tokenizer = Tokenizer(models.BPE())
        tokenizer.normalizer = normalizers.NFC()
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
        tokenizer.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=size,
            special_tokens=[*_MARKS, *special],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        tokenizer.train_from_iterator(texts, trainer)
        return cls(tokenizer)

    @classmethod
    def load(cls, path: str | Path) -> Vocabulary:
        """Raises ValueError where the file is not a vocabulary of this kind, OSError where it cannot be read."""
        _quiet()
        from tokenizers import Tokenizer

        text = Path(path).read_text("utf-8")
        try:
            return cls(Tokenizer.from_str(text))
        except Exception as error:  # The library raises its plain Exception for a bad file.
            raise ValueError(f"{path} is not a vocabulary: {error}") from error

    def save(self, path: str | Path) -> None:
        """Written whole or not at all."""
        target = Path(path)
        part = target.with_name(f".{target.name}.part")
        part.write_text(self._tokenizer.to_str(), "utf-8")
        part.replace(target)

    def __len__(self) -> int:
        return int(self._tokenizer.get_vocab_size())

    def id(self, token: str) -> int:
        """The id of a piece or a mark. Raises KeyError where there is none."""
        found = self._tokenizer.token_to_id(token)
        if found is None:
            raise KeyError(token)
        return int(found)

    def encode(self, text: str) -> list[int]:
        """The ids of a text, without marks."""
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text, without marks."""
        return [list(row.ids) for row in self._tokenizer.encode_batch(list(texts), add_special_tokens=False)]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids; marks are left out."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True)).removeprefix(" ")


def _quiet() -> None:
    """Without this the library prints a warning in every process forked after a first batch."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
