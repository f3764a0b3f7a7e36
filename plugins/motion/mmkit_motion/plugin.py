"""What this plugin offers. Names only: the code behind a name is imported when it is first used."""

from __future__ import annotations

from mmkit.hookspecs import CommandEntry, EncoderEntry, ModelEntry, ParamSpec, ReaderEntry, StepSpec, hookimpl

api = 1


@hookimpl
def mmkit_commands() -> list[CommandEntry]:
    return [CommandEntry("motion", "mmkit_motion.cli:app", "Find, describe, draw and make human motion with words.")]


@hookimpl
def mmkit_encoders() -> list[EncoderEntry]:
    modalities = ("motion", "text")
    return [
        EncoderEntry(
            "motion", "mmkit_motion.encoder:load", "human motion and English text, one vector a clip (LaMP)", modalities
        ),
        EncoderEntry(
            "motion-sets",
            "mmkit_motion.encoder:load_sets",
            "the same as a set of vectors a clip, for max-sim",
            modalities,
            kind="multivector",
        ),
    ]


@hookimpl
def mmkit_readers() -> list[ReaderEntry]:
    return [ReaderEntry((".bvh", ".amc"), "motion", "mmkit_motion.reading:read_joints")]


@hookimpl
def mmkit_models() -> list[ModelEntry]:
    return [ModelEntry("motion", "encoder", "mmkit_motion:weights/card.toml")]


@hookimpl
def mmkit_steps() -> list[StepSpec]:
    fingerprint = "mmkit_motion.steps:fingerprint"
    inputs = ParamSpec("inputs", "paths", help="motion files, folders or globs")
    return [
        StepSpec(
            "motion.search",
            "mmkit_motion.steps:search",
            "the motions that fit texts best",
            (
                inputs,
                ParamSpec("queries", "list", help="texts"),
                ParamSpec("k", "int", 5, help="hits a query"),
                ParamSpec("moments", "bool", False, help="seconds within long recordings, not whole files"),
                ParamSpec("store", "store", "motions", help="the folder of the store"),
                ParamSpec("film_strips", "str", "", help="a folder name: a film strip of each query's best hit"),
            ),
            fingerprint=fingerprint,
        ),
        StepSpec(
            "motion.caption",
            "mmkit_motion.steps:caption",
            "a sentence for each motion",
            (inputs, ParamSpec("seconds", "float", 9.8, help="a sentence for every so many seconds of a file")),
            fingerprint=fingerprint,
        ),
    ]
