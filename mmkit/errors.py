"""The errors a user is meant to read: what went wrong, where, and how to mend it."""

from __future__ import annotations

from typing import ClassVar, Final

__all__ = [
    "EXIT_ERROR",
    "EXIT_INTERRUPTED",
    "EXIT_OK",
    "EXIT_PARTIAL",
    "EXIT_PIPE",
    "EXIT_UNAVAILABLE",
    "EXIT_USAGE",
    "BadInput",
    "MissingExtra",
    "MmkitError",
    "ModelUnavailable",
    "PluginError",
    "RecipeError",
    "SpaceMismatch",
    "StoreError",
    "UsageError",
]

EXIT_OK: Final = 0
EXIT_ERROR: Final = 1
EXIT_USAGE: Final = 2
EXIT_PARTIAL: Final = 3
EXIT_UNAVAILABLE: Final = 4
EXIT_INTERRUPTED: Final = 130
EXIT_PIPE: Final = 141


class MmkitError(Exception):
    """A handled error; its text is one line ``where: what; mend``.

    Args:
        what: what is wrong, with the expected and the received value where both exist.
        where: the file, item, option or recipe position it concerns.
        mend: what the reader can do about it.
    """

    exit_code: ClassVar[int] = EXIT_ERROR

    def __init__(self, what: str, *, where: str | None = None, mend: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.mend = mend

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        text = f"{text}; {self.mend}" if self.mend else text
        return " ".join(text.split())

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments do not survive BaseException's own reduce, and errors cross processes.
        return (_rebuild, (type(self), self.what, self.where, self.mend))


def _rebuild(cls: type[MmkitError], what: str, where: str | None, mend: str | None) -> MmkitError:
    return cls(what, where=where, mend=mend)


class UsageError(MmkitError):
    """The command line or the call itself is wrong."""

    exit_code = EXIT_USAGE


class BadInput(MmkitError):
    """One item cannot be read or encoded; a batch records it and goes on."""


class ModelUnavailable(MmkitError):
    """A model, its weights or the library that loads it cannot be had."""

    exit_code = EXIT_UNAVAILABLE


class MissingExtra(ModelUnavailable):
    """A feature needs a package that is installed by one of mmkit's extras."""

    def __init__(self, package: str, *, extra: str, feature: str) -> None:
        super().__init__(
            f"{feature} needs the package {package}",
            mend=f"install it with: pip install 'mmkit[{extra}]'",
        )

    def __reduce__(self) -> tuple[object, ...]:
        return (ModelUnavailable, (str(self),))


class SpaceMismatch(MmkitError):
    """Vectors of two spaces, widths or preprocessings were brought together."""


class StoreError(MmkitError):
    """A store on disk is missing, damaged or held by another writer."""


class PluginError(MmkitError):
    """A plugin cannot be loaded or does not keep the contract."""


class RecipeError(MmkitError):
    """A recipe has errors; ``problems`` lists every one, each as ``file:line:col: what``."""

    exit_code = EXIT_USAGE

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(self.problems)

    def __reduce__(self) -> tuple[object, ...]:
        return (RecipeError, (self.problems,))
