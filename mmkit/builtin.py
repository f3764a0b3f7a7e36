"""The core's own parts, offered through the same hooks as any plugin's."""

from __future__ import annotations

from mmkit.config import DEFAULT_ENCODER
from mmkit.hookspecs import (
    CommandEntry,
    EncoderEntry,
    EngineEntry,
    ModelEntry,
    ParamSpec,
    StepSpec,
    hookimpl,
)

api = 1


@hookimpl
def mmkit_encoders() -> list[EncoderEntry]:
    return [
        EncoderEntry(
            "mini",
            "mmkit.encoders.mini.encoder:load",
            "the bundled default: pictures and English text, works offline",
            ("image", "text"),
            outputs=frozenset({"vector", "tokens", "differentiable"}),
        ),
        EncoderEntry(
            "openclip",
            "mmkit.encoders.openclip:load",
            "any model of open_clip, as openclip:MODEL/PRETRAINED",
            ("image", "text"),
            outputs=frozenset({"vector", "differentiable"}),
            takes_argument=True,
            extra="openclip",
        ),
        EncoderEntry(
            "st",
            "mmkit.encoders.sentence_transformers:load",
            "any text model of sentence-transformers, as st:MODEL",
            ("text",),
            takes_argument=True,
            extra="st",
        ),
    ]


@hookimpl
def mmkit_commands() -> list[CommandEntry]:
    def verb(name: str, summary: str, panel: str, module: str | None = None) -> CommandEntry:
        return CommandEntry(name, f"mmkit.cli.{module or name}:app", summary, panel)

    search, build, manage = "Search and classify", "Recipes", "Models and plugins"
    return [
        verb("index", "Build and look after a store of embeddings.", search),
        verb("match", "Find what is nearest to a text, a picture or another store.", search),
        verb("classify", "Sort pictures into classes that you name.", search),
        verb("embed", "Turn pictures and texts into vectors.", search),
        verb("eval", "Measure retrieval and zero-shot classification on your data.", search),
        verb("run", "Run a recipe: a pipeline written down in TOML.", build),
        verb("recipes", "List, show and check recipes.", build),
        verb("models", "List, inspect, fetch and verify models.", manage),
        verb("plugins", "List, inspect, check and start plugins.", manage),
        verb("train", "Train the models that ship with mmkit.", manage),
        verb("doctor", "Say what works on this machine and what does not.", manage),
        verb("completions", "Print the completion script of a shell.", manage),
    ]


@hookimpl
def mmkit_steps() -> list[StepSpec]:
    steps = "mmkit.recipes.steps"
    encoder = ParamSpec("encoder", "encoder", DEFAULT_ENCODER, help="the encoder that makes the vectors")
    inputs = ParamSpec("inputs", "paths", help="files, folders or globs")
    fingerprint = f"{steps}:encoder_fingerprint"
    return [
        StepSpec(
            "embed",
            f"{steps}:embed",
            "vectors of files and texts",
            (
                ParamSpec("inputs", "paths", (), help="files, folders or globs"),
                ParamSpec("texts", "list", (), help="texts"),
                encoder,
            ),
            fingerprint=fingerprint,
        ),
        StepSpec(
            "index",
            f"{steps}:index",
            "a store of the vectors of files",
            (inputs, encoder, ParamSpec("store", "store", "store", help="the store's folder")),
            fingerprint=fingerprint,
        ),
        StepSpec(
            "match",
            f"{steps}:match",
            "what is nearest to texts or pictures",
            (
                ParamSpec("gallery", "table", help="the output of an index step"),
                ParamSpec("queries", "list", (), help="texts"),
                ParamSpec("pictures", "paths", (), help="pictures to find others like them"),
                ParamSpec("k", "int", 5, help="hits a query"),
                ParamSpec("threshold", "float", None, help="leave out hits that score below"),
                encoder,
                ParamSpec("contact_sheet", "str", "", help="file name of a picture of the hits"),
            ),
            fingerprint=fingerprint,
        ),
        StepSpec(
            "classify",
            f"{steps}:classify",
            "the most probable of some classes for pictures",
            (
                inputs,
                ParamSpec("labels", "list", help="class names"),
                ParamSpec("templates", "list", (), help="texts with {} for the name; the encoder's own where empty"),
                encoder,
            ),
            fingerprint=fingerprint,
        ),
    ]


@hookimpl
def mmkit_engines() -> list[EngineEntry]:
    engines = "mmkit.recipes.engines"
    return [
        EngineEntry("local", f"{engines}:LocalEngine", "one step after the other, in this process"),
        EngineEntry("ray", f"{engines}:RayEngine", "each ready step as a task of Ray", extra="ray"),
    ]


@hookimpl
def mmkit_models() -> list[ModelEntry]:
    return [ModelEntry("mini", "encoder", "mmkit:encoders/mini/weights/card.toml")]
