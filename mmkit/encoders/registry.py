"""From an encoder's name to the encoder."""

from __future__ import annotations

import difflib
from functools import lru_cache

from mmkit.config import Settings, settings
from mmkit.encoders.base import Encoder
from mmkit.errors import ModelUnavailable, UsageError
from mmkit.hookspecs import EncoderEntry
from mmkit.plugins import load_target, registry

__all__ = ["encoder", "encoder_entry"]


def encoder_entry(name: str) -> tuple[EncoderEntry, str | None]:
    """The registered entry and the argument of a full name such as ``openclip:ViT-B-32/openai``.

    Raises:
        ModelUnavailable: no such encoder.
        UsageError: an argument is missing or too many.
    """
    family, colon, argument = name.partition(":")
    known = registry().encoders
    entry = known.get(family)
    if entry is None:
        near = difflib.get_close_matches(family, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known encoders: {', '.join(sorted(known))}"
        raise ModelUnavailable(f"no encoder is called {name!r}", mend=hint)
    if entry.takes_argument and not argument:
        raise UsageError(f"the encoder {family} needs a model after a colon, as in {family}:NAME", where="--encoder")
    if colon and not entry.takes_argument:
        raise UsageError(f"the encoder {family} takes nothing after its name, but received {name!r}", where="--encoder")
    return entry, argument or None


def encoder(
    name: str | None = None,
    *,
    device: str | None = None,
    dtype: str | None = None,
    offline: bool | None = None,
) -> Encoder:
    """Load an encoder by name; loading the same one twice gives the same object.

    Args:
        name: ``mini``, ``openclip:MODEL/PRETRAINED``, ``st:MODEL`` or a plugin's; None is the default of the settings.
        device, dtype, offline: see ``mmkit.config.Settings``; None leaves them as set there.

    Raises:
        ModelUnavailable: no such encoder, or its weights cannot be had.
        UsageError: a malformed name or device.
    """
    chosen = settings(device=device, dtype=dtype, offline=offline)
    return _load(name or chosen.encoder, chosen)


@lru_cache(maxsize=4)
def _load(name: str, chosen: Settings) -> Encoder:
    entry, argument = encoder_entry(name)
    load = load_target(entry.target, extra=entry.extra, feature=f"the encoder {entry.name}")
    loaded: Encoder = load(argument, settings=chosen)
    return loaded
