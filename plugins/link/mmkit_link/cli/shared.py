"""Options that several verbs take, declared once as a dataclass and spread into each verb's signature."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from mmkit.cli.options import DeviceOption, FailuresOption, JsonOption, OfflineOption, OverwriteOption
from mmkit_link.cli.options import (
    CandidatesOption,
    HtmlOption,
    IdOption,
    ImageColumnOption,
    ImageEncoderOption,
    ModelOption,
    OnOption,
    OutputOption,
    TextEncoderOption,
    ThresholdOption,
)

__all__ = ["ComparedOptions", "RunOptions", "spread"]

_Verb = TypeVar("_Verb", bound=Callable[..., int])


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedOptions:
    """What is compared and by what: ``match``, ``dedupe`` and ``explain``."""

    on: OnOption = ""
    image_col: ImageColumnOption = None
    id_col: IdOption = None
    model: ModelOption = None
    candidates: CandidatesOption = 20
    text_encoder: TextEncoderOption = None
    encoder: ImageEncoderOption = None
    html: HtmlOption = None
    overwrite: OverwriteOption = False
    failures: FailuresOption = None
    device: DeviceOption = None
    offline: OfflineOption = False
    json: JsonOption = False

    @property
    def failures_file(self) -> Path:
        """Where records that failed are listed."""
        return self.failures or Path("failures.jsonl")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions(ComparedOptions):
    """And what a whole run writes: ``match`` and ``dedupe``."""

    output: OutputOption = None
    threshold: ThresholdOption = None


def spread(verb: _Verb) -> _Verb:
    """A verb whose last parameter is one of these dataclasses, with the dataclass's fields as parameters instead.

    The parser reads options from a function's signature and type hints; both are made from the fields.
    """
    hints = get_type_hints(verb, include_extras=True)
    *own, last = inspect.signature(verb).parameters.values()
    kind = hints[last.name]
    options = get_type_hints(kind, include_extras=True)
    keyword = inspect.Parameter.KEYWORD_ONLY
    added = [
        inspect.Parameter(each.name, keyword, default=each.default, annotation=options[each.name])
        for each in fields(kind)
    ]
    named = [each.replace(kind=keyword, annotation=hints[each.name]) for each in own]

    @functools.wraps(verb)
    def with_options(**given: Any) -> int:
        chosen = kind(**{each.name: given.pop(each.name) for each in added})
        return verb(**given, **{last.name: chosen})

    with_options.__signature__ = inspect.Signature([*named, *added])  # type: ignore[attr-defined]
    with_options.__annotations__ = {each.name: each.annotation for each in (*named, *added)}
    return with_options  # type: ignore[return-value]
