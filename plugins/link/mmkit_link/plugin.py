"""What this plugin offers. Names only: the code behind a name is imported when it is first used."""

from __future__ import annotations

from mmkit.hookspecs import CommandEntry, ParamSpec, StepSpec, hookimpl

api = 1


@hookimpl
def mmkit_commands() -> list[CommandEntry]:
    return [CommandEntry("link", "mmkit_link.cli:app", "Link and deduplicate records by text, numbers and pictures.")]


@hookimpl
def mmkit_steps() -> list[StepSpec]:
    columns = ParamSpec(
        "on", "list", (), help="columns to compare: NAME, LEFT=RIGHT or LEFT=RIGHT+RIGHT; all shared ones if empty"
    )
    common = (
        ParamSpec("id", "str", "", help="the column of ids; 'id' or the row number if empty"),
        ParamSpec("image_column", "str", "", help="the column of pictures' paths, relative to the recipe"),
        ParamSpec("k", "int", 20, help="candidates a record"),
        ParamSpec("model", "path", None, help="a model of mmkit link train; without one no labels are needed"),
        ParamSpec("text_encoder", "str", "", help="also compare whole records by this encoder"),
        ParamSpec("image_encoder", "str", "", help="of the pictures; the default encoder if empty"),
        ParamSpec("report", "str", "", help="file name of a page on the run"),
    )
    threshold = ParamSpec("threshold", "float", None, help="the score of a link; found if left out")
    relations = ("one-to-one", "one-to-many", "many-to-one", "many-to-many")
    return [
        StepSpec(
            "link.match",
            "mmkit_link.steps:match",
            "links between the records of two tables",
            (
                ParamSpec("left", "table", help="a table"),
                ParamSpec("right", "table", help="another table"),
                columns,
                threshold,
                ParamSpec("left_group", "str", "", help="rows of LEFT that agree in this column are one record"),
                ParamSpec("relation", "str", "one-to-one", choices=relations, help="how often a record may be linked"),
                *common,
            ),
            fingerprint="mmkit_link.steps:fingerprint",
        ),
        StepSpec(
            "link.dedupe",
            "mmkit_link.steps:dedupe",
            "groups of records of one table that mean the same thing",
            (
                ParamSpec("table", "table", help="the table"),
                columns,
                threshold,
                ParamSpec(
                    "linkage", "str", "average", choices=("single", "average", "complete"), help="the guard on chains"
                ),
                *common,
            ),
            fingerprint="mmkit_link.steps:fingerprint",
        ),
    ]
