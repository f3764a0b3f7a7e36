"""Media: bytes to arrays and back, and what a command's inputs stand for.

The names below load on first use, so that importing the room costs neither numpy, Pillow nor pyarrow.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmkit.media.audio import read_audio, write_audio
    from mmkit.media.content import content_of, plain_bytes
    from mmkit.media.detect import detect_modality
    from mmkit.media.images import image_size, read_image, write_image
    from mmkit.media.inputs import expand_inputs
    from mmkit.media.motion import read_motion, write_motion
    from mmkit.media.sheet import SheetHit, SheetRow, contact_sheet
    from mmkit.media.tables import read_table, write_table
    from mmkit.media.text import read_lines, read_text

__all__ = [
    "SheetHit",
    "SheetRow",
    "contact_sheet",
    "content_of",
    "detect_modality",
    "expand_inputs",
    "image_size",
    "plain_bytes",
    "read_audio",
    "read_image",
    "read_lines",
    "read_motion",
    "read_table",
    "read_text",
    "write_audio",
    "write_image",
    "write_motion",
    "write_table",
]

_HOME = {
    "SheetHit": "sheet",
    "SheetRow": "sheet",
    "contact_sheet": "sheet",
    "content_of": "content",
    "detect_modality": "detect",
    "expand_inputs": "inputs",
    "image_size": "images",
    "plain_bytes": "content",
    "read_audio": "audio",
    "read_image": "images",
    "read_lines": "text",
    "read_motion": "motion",
    "read_table": "tables",
    "read_text": "text",
    "write_audio": "audio",
    "write_image": "images",
    "write_motion": "motion",
    "write_table": "tables",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
