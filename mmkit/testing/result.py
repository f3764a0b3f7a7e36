"""The outcome of one check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from mmkit.errors import MissingExtra

__all__ = ["CheckResult", "attempt"]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check: ``ok``, ``failed`` with what was expected and found, or ``skipped`` with why."""

    name: str
    state: Literal["ok", "failed", "skipped"]
    detail: str = ""


def attempt(name: str, check: Callable[[], str | None] | Callable[[], None]) -> CheckResult:
    """Run one check; it returns None where all is well, or what is wrong.

    A missing extra skips the check: the plugin is whole, this machine is not.
    """
    try:
        wrong = check()
    except MissingExtra as error:
        return CheckResult(name, "skipped", str(error))
    except (Exception, SystemExit) as error:
        return CheckResult(name, "failed", f"{type(error).__name__}: {' '.join(str(error).split())}")
    return CheckResult(name, "failed" if wrong else "ok", wrong or "")
