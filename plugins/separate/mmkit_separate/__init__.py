"""Sound separation for mmkit: take the sound that words, a picture or an example ask for out of a mixture."""

from __future__ import annotations

__version__ = "0.1.0"
