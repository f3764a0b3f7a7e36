"""Published translators of the package transformers: Marian (opus-mt), mBART-50, M2M-100 and NLLB.

N texts, S source pieces.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mmkit.encoders.torchvision_guard import guard_torchvision
from mmkit.errors import ModelUnavailable, UsageError
from mmkit_translate.batching import length_class, token_batches
from mmkit_translate.text.normal import normalised
from mmkit_translate.translating import Scored, Search

if TYPE_CHECKING:
    import numpy as np
    import torch

__all__ = ["HubTranslator", "open_hub"]

#: de_DE, deu_Latn, __de__ and >>de<<: how tokenizers mark languages.
_MARK: Final = re.compile(r"(?:__|>>)?(?P<code>[a-z]{2,3})(?:_[A-Z]{2}|_[A-Z][a-z]{3})?(?:__|<<)?\Z")
_MARIAN_NAME: Final = re.compile(r"opus-mt-(?:tc-\w+-)?(?P<source>[a-z]{2,3})-(?P<target>[a-z]{2,3})\b")
_LONGEST: Final = 400


def open_hub(folder: Path, *, name: str, device: str) -> HubTranslator:
    """The translator in a folder that transformers' ``save_pretrained`` or the hub wrote.

    Raises:
        ModelUnavailable: transformers is not installed, or the folder holds no model of this kind.
    """
    guard_torchvision()
    try:
        from transformers import AutoModelForSeq2SeqLM, AutoTokenizer
    except ImportError as error:
        raise ModelUnavailable(
            f"{name} needs the package transformers",
            mend="install it with: pip install 'mmkit-translate[transformers]'",
        ) from error
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model = AutoModelForSeq2SeqLM.from_pretrained(folder)
    except ImportError as error:  # Marian's tokenizer needs sentencepiece.
        what = str(error).strip().splitlines()[0]
        mend = "install it with: pip install 'mmkit-translate[transformers]'"
        raise ModelUnavailable(f"its tokenizer lacks a package ({what})", where=name, mend=mend) from error
    except (OSError, ValueError, KeyError) as error:
        raise ModelUnavailable(f"holds no translator that transformers can load ({error})", where=name) from error
    return HubTranslator(model.to(device).eval(), tokenizer, name=name)


class HubTranslator:
    """See ``mmkit_translate.translating.Translator``.

    Args:
        model: a sequence-to-sequence model of transformers.
        tokenizer: its tokenizer.
        name: as it was asked for; Marian's languages are read off it where the tokenizer does not say them.
    """

    takes_pictures = False

    def __init__(self, model: Any, tokenizer: Any, *, name: str) -> None:
        self.name = name
        self.model, self.tokenizer = model, tokenizer
        places = int(getattr(model.config, "max_position_embeddings", 0) or _LONGEST)
        # A target has its begin and its language's mark too.
        self._longest = min(_LONGEST, places - 2)
        self._marks = _marks(tokenizer)
        if self._marks and model.config.model_type != "marian":
            self.sources = self.targets = tuple(self._marks)
        else:
            source, target = _marian_pair(tokenizer, name)
            self.sources = (source,)
            self.targets = tuple(self._marks) or (target,)

    def translate(
        self,
        texts: Sequence[str],
        *,
        target: str,
        sources: Sequence[str],
        search: Search,
        vectors: np.ndarray | None = None,
    ) -> list[list[Scored]]:
        """As in ``Translator``. Raises UsageError where pictures are given."""
        if vectors is not None:
            self.picture_vectors(())
        results: list[list[Scored]] = [[] for _ in texts]
        for source in sorted(set(sources)):
            chosen = [number for number, one in enumerate(sources) if one == source]
            self._prepare(source)
            rows = [self._ids(texts[number], target) for number in chosen]
            for places in token_batches([len(row) for row in rows], search.batch_tokens):
                found = self._generate([rows[place] for place in places], target, search)
                for place, scored in zip(places, found, strict=True):
                    results[chosen[place]] = scored
        return results

    def picture_vectors(self, pictures: Sequence[object]) -> np.ndarray:
        """Raises UsageError: it has no prefix."""
        raise UsageError(f"{self.name} takes no pictures", where="--image", mend="leave --model out")

    def _prepare(self, source: str) -> None:
        if source in self._marks and hasattr(self.tokenizer, "src_lang"):
            self.tokenizer.src_lang = self._marks[source]

    def _ids(self, text: str, target: str) -> list[int]:
        # A Marian model of several targets is told the one by a mark before the text.
        marked = self.model.config.model_type == "marian" and target in self._marks
        plain = normalised(text)
        ids = self.tokenizer(f"{self._marks[target]} {plain}" if marked else plain)["input_ids"]
        return list(ids if len(ids) <= self._longest else [*ids[: self._longest - 1], ids[-1]])

    def _generate(self, rows: Sequence[list[int]], target: str, search: Search) -> list[list[Scored]]:
        import torch

        ids, mask = _padded(rows, int(self.tokenizer.pad_token_id), self.model.device)
        forced: dict[str, int] = {}
        if self.model.config.model_type != "marian" and target in self._marks:
            forced = {"forced_bos_token_id": int(self.tokenizer.convert_tokens_to_ids(self._marks[target]))}
        with torch.inference_mode():
            written = self.model.generate(
                input_ids=ids,
                attention_mask=mask,
                num_beams=search.beam,
                num_return_sequences=search.n_best,
                length_penalty=search.length_penalty,
                max_new_tokens=min(2 * length_class(ids.shape[1]) + 10, self._longest),
                do_sample=False,
                return_dict_in_generate=True,
                output_scores=True,
                **forced,
            )
        texts = self.tokenizer.batch_decode(written.sequences, skip_special_tokens=True)
        # A greedy search tells no score.
        scores = written.sequences_scores.tolist() if search.beam > 1 else [0.0] * len(texts)
        scored = [Scored(normalised(text), score) for text, score in zip(texts, scores, strict=True)]
        return [scored[start : start + search.n_best] for start in range(0, len(scored), search.n_best)]


def _marks(tokenizer: Any) -> Mapping[str, str]:
    """Language -> mark, of every mark that the tokenizer has; the first of two marks of a language counts."""
    codes: list[str] = list(getattr(tokenizer, "supported_language_codes", None) or ())
    codes += list(getattr(tokenizer, "lang_code_to_id", None) or ())
    codes += [str(token) for token in tokenizer.all_special_tokens]
    found: dict[str, str] = {}
    for code in codes:
        match = _MARK.match(code)
        if match and code not in ("pad", "unk"):
            found.setdefault(match["code"], code)
    return found


def _marian_pair(tokenizer: Any, name: str) -> tuple[str, str]:
    match = _MARIAN_NAME.search(name)
    source = getattr(tokenizer, "source_lang", None) or (match["source"] if match else None)
    target = getattr(tokenizer, "target_lang", None) or (match["target"] if match else None)
    if not source or not target:
        raise ModelUnavailable("does not say which languages it translates", where=name)
    return str(source), str(target)


def _padded(rows: Sequence[list[int]], pad: int, device: Any) -> tuple[torch.Tensor, torch.Tensor]:
    import torch

    longest = max(len(row) for row in rows)
    ids = torch.full((len(rows), longest), pad, device=device)
    for place, row in enumerate(rows):
        ids[place, : len(row)] = torch.tensor(row, device=device)
    lengths = torch.tensor([len(row) for row in rows], device=device)
    return ids, (torch.arange(longest, device=device) < lengths[:, None]).long()
