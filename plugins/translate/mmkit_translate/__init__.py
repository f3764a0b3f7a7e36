"""Translation for mmkit: text to text in four languages, with a prefix from a shared space of pictures and texts."""

from __future__ import annotations

from pathlib import Path
from typing import Final

#: Where the bundled weights, their vocabulary and their card lie.
WEIGHTS: Final = Path(__file__).parent / "weights"

#: The languages of the bundled model, by their ISO 639-1 codes.
LANGUAGES: Final = {"en": "English", "de": "German", "fr": "French", "cs": "Czech"}
