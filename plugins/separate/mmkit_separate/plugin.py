"""What this plugin offers. Names only: the code behind a name is imported when it is first used."""

from __future__ import annotations

from mmkit.hookspecs import CommandEntry, EncoderEntry, ModelEntry, ParamSpec, StepSpec, hookimpl

api = 1


@hookimpl
def mmkit_commands() -> list[CommandEntry]:
    return [CommandEntry("separate", "mmkit_separate.cli:app", "Take a sound out of a mixture by words or a picture.")]


@hookimpl
def mmkit_encoders() -> list[EncoderEntry]:
    return [
        EncoderEntry(
            "sound",
            "mmkit_separate.encoder:load",
            "sounds in mini's space, found by words and pictures",
            ("audio", "image", "text"),
        )
    ]


@hookimpl
def mmkit_models() -> list[ModelEntry]:
    return [
        ModelEntry("separate-film", "separation", "mmkit_separate:weights/film/card.toml"),
        ModelEntry("separate-clipsep", "separation", "mmkit_separate:weights/clipsep/card.toml"),
        ModelEntry("separate-clipsep-nit", "separation", "mmkit_separate:weights/clipsep-nit/card.toml"),
        ModelEntry("sound", "encoder", "mmkit_separate:weights/sound/card.toml"),
    ]


@hookimpl
def mmkit_steps() -> list[StepSpec]:
    return [
        StepSpec(
            "separate.query",
            "mmkit_separate.steps:query",
            "the sounds that words or pictures ask for, out of mixtures",
            (
                ParamSpec("inputs", "paths", help="sound files"),
                ParamSpec("queries", "list", (), help="words to ask for"),
                ParamSpec("pictures", "paths", (), help="pictures to ask with"),
                ParamSpec("negatives", "list", (), help="words for what no result should hold"),
                ParamSpec("model", "str", "film", help="film, clipsep, clipsep-nit or a trained folder"),
                ParamSpec("format", "str", "", choices=("", "wav", "flac"), help="as the mixture if empty"),
                ParamSpec("spectrogram", "bool", False, help="also draw each mixture's separation"),
            ),
            fingerprint="mmkit_separate.steps:fingerprint",
        )
    ]
