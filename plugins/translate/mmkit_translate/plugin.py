"""What this plugin offers. Names only: the code behind a name is imported when it is first used."""

from __future__ import annotations

from mmkit.hookspecs import CommandEntry, ModelEntry, ParamSpec, StepSpec, hookimpl

api = 1


@hookimpl
def mmkit_commands() -> list[CommandEntry]:
    return [
        CommandEntry(
            "translate", "mmkit_translate.cli:app", "Translate text, lines, tables and subtitles; pictures may help."
        )
    ]


@hookimpl
def mmkit_steps() -> list[StepSpec]:
    return [
        StepSpec(
            "translate.text",
            "mmkit_translate.steps:text",
            "a table with the translation of one of its columns",
            (
                ParamSpec("table", "table", help="whose column is translated"),
                ParamSpec("to", "str", help="the language to translate into"),
                ParamSpec("column", "str", "text", help="of texts"),
                ParamSpec("source", "str", "", help="the language of the texts; found row by row if empty"),
                ParamSpec("group", "list", (), help="columns whose equal rows are one text, such as a paragraph"),
                ParamSpec("images", "str", "", help="a column of pictures, relative to the recipe"),
                ParamSpec("model", "str", "bundled", help="bundled, hf:ORG/NAME, or a path relative to the recipe"),
                ParamSpec("beam", "int", 4, help="texts that are followed at once"),
                ParamSpec("length_penalty", "float", 1.0, help="above 1 favours long translations"),
                ParamSpec("max_words", "int", 40, help="longer texts are translated sentence by sentence"),
            ),
            fingerprint="mmkit_translate.steps:fingerprint",
        )
    ]


@hookimpl
def mmkit_models() -> list[ModelEntry]:
    return [ModelEntry("translate", "translation", "mmkit_translate:weights/card.toml")]
