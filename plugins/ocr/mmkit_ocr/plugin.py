"""What this plugin offers. Names only: the code behind a name is imported when it is first used."""

from __future__ import annotations

from mmkit.hookspecs import CommandEntry, EncoderEntry, ModelEntry, ParamSpec, StepSpec, hookimpl

api = 1


@hookimpl
def mmkit_encoders() -> list[EncoderEntry]:
    return [
        EncoderEntry(
            "ocr-word",
            "mmkit_ocr.encoder:load",
            "word pictures and words as vectors of one space, works offline",
            ("image", "text"),
        )
    ]


@hookimpl
def mmkit_commands() -> list[CommandEntry]:
    return [CommandEntry("ocr", "mmkit_ocr.cli:app", "Read pages and word pictures, and match them against words.")]


@hookimpl
def mmkit_steps() -> list[StepSpec]:
    inputs = ParamSpec("inputs", "paths", help="files, folders or globs")
    recogniser = ParamSpec("recogniser", "str", "", help="a recogniser, or two as FIRST+SECOND; the default if empty")
    fingerprint = "mmkit_ocr.steps:fingerprint"
    return [
        StepSpec(
            "ocr.read",
            "mmkit_ocr.steps:read",
            "the lines of pages, in reading order",
            (
                inputs,
                recogniser,
                ParamSpec("crops", "bool", False, help="save a picture of each line, named in the column crop"),
                ParamSpec("visualize", "bool", False, help="draw boxes, order and text of each page"),
                ParamSpec("min_confidence", "float", 0.6, help="of a line that is kept"),
                ParamSpec("dpi", "int", 300, help="at which PDF pages are drawn"),
            ),
            fingerprint=fingerprint,
        ),
        StepSpec(
            "ocr.words",
            "mmkit_ocr.steps:words",
            "the words of word pictures",
            (inputs, recogniser),
            fingerprint=fingerprint,
        ),
    ]


@hookimpl
def mmkit_models() -> list[ModelEntry]:
    return [ModelEntry("ocr-word", "ocr", "mmkit_ocr:weights/card.toml")]
