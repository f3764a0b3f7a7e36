"""OCR for mmkit: pages to text, word pictures to words, and both as vectors of one space."""

from __future__ import annotations

from pathlib import Path
from typing import Final

#: Where the bundled weights and their card lie.
WEIGHTS: Final = Path(__file__).parent / "weights"
