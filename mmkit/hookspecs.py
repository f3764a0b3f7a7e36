"""What a plugin may offer: one frozen spec a thing, and the hooks that return them.

A spec names code as ``"module:attribute"`` and never holds it, so discovery imports nothing heavy:
the code behind a spec is imported when it is first used. Every spec carries ``api``; a plugin that
speaks another version is skipped.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pluggy

if TYPE_CHECKING:
    from mmkit.types import EmbeddingKind, Modality

__all__ = [
    "API",
    "PARAM_KINDS",
    "PROJECT",
    "REQUIRED",
    "CommandEntry",
    "EncoderEntry",
    "EngineEntry",
    "ModelEntry",
    "ParamSpec",
    "ReaderEntry",
    "ScorerEntry",
    "StepSpec",
    "hookimpl",
    "hookspec",
]

API: Final = 1
PROJECT: Final = "mmkit"
PARAM_KINDS: Final = ("str", "int", "float", "bool", "path", "paths", "table", "list", "encoder", "store", "any")

hookspec = pluggy.HookspecMarker(PROJECT)
#: Marks a plugin's implementations: ``from mmkit.hookspecs import hookimpl``.
hookimpl = pluggy.HookimplMarker(PROJECT)


class _Required:
    """The type of ``REQUIRED``, so that it prints as what it means."""

    def __repr__(self) -> str:
        return "REQUIRED"

    def __reduce__(self) -> str:
        return "REQUIRED"


REQUIRED: Final = _Required()


@dataclass(frozen=True, slots=True)
class EncoderEntry:
    """An encoder, or a family of them. *New in api 1.*

    Attributes:
        name: what ``--encoder`` takes; with ``takes_argument`` the part before the colon (``openclip:MODEL``).
        target: ``"module:attribute"`` of ``load(argument, *, settings) -> Encoder``; argument is None or the
            text after the colon.
        modalities, kind, outputs: what every encoder of the family can do, so that a mismatch is told before a
            model loads.
        extra: the extra of mmkit that brings the library it needs.
    """

    name: str
    target: str
    summary: str
    modalities: tuple[Modality, ...]
    kind: EmbeddingKind = "vector"
    outputs: frozenset[str] = frozenset({"vector"})
    takes_argument: bool = False
    extra: str | None = None
    api: int = API


@dataclass(frozen=True, slots=True)
class CommandEntry:
    """A verb of the command line. *New in api 1.*

    Attributes:
        name: the verb.
        target: ``"module:attribute"`` of a function with annotated parameters, or of an app of such functions.
        summary: the line that ``mmkit --help`` shows without importing the target.
        panel: the heading it is listed under.
    """

    name: str
    target: str
    summary: str
    panel: str = "Plugins"
    api: int = API


@dataclass(frozen=True, slots=True)
class ParamSpec:
    """One parameter of a step. *New in api 1.*

    Attributes:
        kind: one of ``PARAM_KINDS``; ``path`` is one file or folder relative to the recipe, ``paths`` one or more
            globs, ``table`` another step's output or a table file, ``store`` a folder that the step writes.
        default: ``REQUIRED`` where there is none.
        choices: the only values allowed, where not empty.
    """

    name: str
    kind: str
    default: object = REQUIRED
    help: str = ""
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StepSpec:
    """A step of a recipe. *New in api 1.*

    Attributes:
        target: ``"module:attribute"`` of ``step(context, **params) -> pyarrow.Table``.
        version: of the step's code; part of the key under which its output is cached.
        fingerprint: ``"module:attribute"`` of ``fingerprint(**params) -> str`` where models are used.
    """

    name: str
    target: str
    summary: str
    params: tuple[ParamSpec, ...] = ()
    version: str = "1"
    fingerprint: str | None = None
    api: int = API


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model that ships with a distribution or is known by name. *New in api 1.*

    Attributes:
        name: what ``mmkit models info`` takes.
        task: ``encoder``, ``ocr``, ``separation``, ...
        card: ``"package:path/inside/it.toml"``; weights lie beside the card.
    """

    name: str
    task: str
    card: str
    api: int = API


@dataclass(frozen=True, slots=True)
class ReaderEntry:
    """A reader of files. *New in api 1.*

    Attributes:
        suffixes: lower case with the dot, such as ``(".bvh",)``.
        target: ``"module:attribute"`` of ``read(item) -> array`` as ``Item.array`` describes it.
    """

    suffixes: tuple[str, ...]
    modality: Modality
    target: str
    api: int = API


@dataclass(frozen=True, slots=True)
class ScorerEntry:
    """A scorer for ``match``. *New in api 1.*

    Attributes:
        target: ``"module:attribute"`` of a ``mmkit.match.Scorer``.
    """

    name: str
    target: str
    summary: str
    api: int = API


@dataclass(frozen=True, slots=True)
class EngineEntry:
    """An engine that runs the steps of a recipe. *New in api 1.*

    Attributes:
        target: ``"module:attribute"`` of an engine class or factory.
    """

    name: str
    target: str
    summary: str
    extra: str | None = None
    api: int = API


class Hooks:
    """The hooks; each returns specs, imports nothing heavy and has no side effect."""

    @hookspec
    def mmkit_encoders(self) -> Iterable[EncoderEntry]:
        """Encoders for ``--encoder`` and ``mmkit.encoder``."""
        return ()

    @hookspec
    def mmkit_commands(self) -> Iterable[CommandEntry]:
        """Verbs of the command line."""
        return ()

    @hookspec
    def mmkit_steps(self) -> Iterable[StepSpec]:
        """Steps for recipes."""
        return ()

    @hookspec
    def mmkit_models(self) -> Iterable[ModelEntry]:
        """Models for ``mmkit models``."""
        return ()

    @hookspec
    def mmkit_readers(self) -> Iterable[ReaderEntry]:
        """Readers of further file types."""
        return ()

    @hookspec
    def mmkit_scorers(self) -> Iterable[ScorerEntry]:
        """Scorers for ``match``."""
        return ()

    @hookspec
    def mmkit_engines(self) -> Iterable[EngineEntry]:
        """Engines for ``mmkit run --engine``."""
        return ()
