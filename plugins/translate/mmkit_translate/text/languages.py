"""Which language a text is in, of those that a translator reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

__all__ = ["Detector", "languages_of"]

#: Below this probability a line is taken to be in the language of most of the others.
_SURE: Final = 0.9


class Detector:
    """py3langid, restricted to ``languages`` (ISO 639-1) as far as it knows them."""

    def __init__(self, languages: Sequence[str]) -> None:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier

        self._identifier: Any = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
        known = set(self._identifier.labels)
        self.languages = tuple(language for language in languages if language in known)
        if self.languages:
            self._identifier.set_languages(list(self.languages))

    def detect(self, text: str) -> tuple[str, float]:
        """Language and probability; ("", 0) where the text has no letters or nothing is known."""
        if not self.languages or not any(letter.isalpha() for letter in text):
            return "", 0.0
        language, probability = self._identifier.classify(text)
        return str(language), float(probability)


def languages_of(texts: Sequence[str], detector: Detector, *, target: str) -> list[str]:
    """The language of each text; a text that tells little is taken to be in the language of most of the others.

    Only texts that surely are in the ``target`` language are taken to be: there is a reason to translate the others.
    """
    found = [detector.detect(text) for text in texts]
    votes = Counter[str]()
    for text, (language, probability) in zip(texts, found, strict=True):
        if language and language != target and probability >= _SURE:
            votes[language] += len(text)
    usual = votes.most_common(1)[0][0] if votes else ""
    return [language if probability >= _SURE or not usual else usual for language, probability in found]
