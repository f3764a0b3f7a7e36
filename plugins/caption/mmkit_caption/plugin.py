"""What this plugin offers. Names only: the code behind a name is imported when it is first used."""

from __future__ import annotations

from mmkit.hookspecs import CommandEntry, ModelEntry, ParamSpec, StepSpec, hookimpl

api = 1


@hookimpl
def mmkit_commands() -> list[CommandEntry]:
    return [CommandEntry("caption", "mmkit_caption.cli:app", "Describe pictures in a sentence.")]


@hookimpl
def mmkit_models() -> list[ModelEntry]:
    return [ModelEntry("caption-mini", "captioning", "mmkit_caption:weights/card.toml")]


@hookimpl
def mmkit_steps() -> list[StepSpec]:
    return [
        StepSpec(
            "caption.image",
            "mmkit_caption.steps:image",
            "captions of pictures",
            (
                ParamSpec("inputs", "paths", help="pictures, folders or globs"),
                ParamSpec("language", "str", "en", help="of the captions"),
                ParamSpec("n", "int", 1, help="captions of each picture"),
                ParamSpec("beam", "int", 0, help="0: what the captioner's config says"),
                ParamSpec("model", "str", "caption-mini", help="a bundled captioner or a trained folder"),
                ParamSpec("contact_sheet", "str", "", help="also draw the captioned pictures in this file"),
            ),
            fingerprint="mmkit_caption.steps:fingerprint",
        ),
        StepSpec(
            "caption.find",
            "mmkit_caption.steps:find",
            "the rows of a table whose text answers queries best, in any language",
            (
                ParamSpec("table", "table", help="such as the output of caption.image or translate.text"),
                ParamSpec("queries", "list", help="words to look for"),
                ParamSpec("column", "str", "text", help="of the texts"),
                ParamSpec("k", "int", 5, help="rows a query at most"),
            ),
        ),
    ]
