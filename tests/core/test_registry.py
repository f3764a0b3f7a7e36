"""From the name of an encoder to the encoder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mmkit.encoders import registry
from mmkit.encoders.base import Encoder, require
from mmkit.encoders.registry import encoder, encoder_entry
from mmkit.errors import EXIT_UNAVAILABLE, ModelUnavailable, UsageError
from mmkit.types import EncoderSpec


class Loaded:
    def __init__(self, argument: str | None, settings: Any) -> None:
        self.argument = argument
        self.settings = settings


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("MMKIT_CACHE_DIR", str(tmp_path))
    monkeypatch.delenv("MMKIT_ENCODER", raising=False)
    registry._load.cache_clear()
    monkeypatch.setattr(
        registry, "load_target", lambda target, **_: lambda argument, *, settings: Loaded(argument, settings)
    )
    yield
    registry._load.cache_clear()


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("minni", "did you mean mini?"),
        ("opencilp:ViT-B-32/openai", "did you mean openclip?"),
        ("zzz", "known encoders:"),
    ],
)
def test_an_unknown_name_points_to_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(ModelUnavailable) as caught:
        encoder(name)
    assert repr(name) in str(caught.value) and hint in str(caught.value)
    assert caught.value.exit_code == EXIT_UNAVAILABLE


@pytest.mark.parametrize("name", ["openclip", "openclip:", "st"])
def test_a_family_without_its_model_says_what_to_add(name: str) -> None:
    with pytest.raises(UsageError, match=f"{name.rstrip(':')}:NAME"):
        encoder(name)


@pytest.mark.parametrize("name", ["mini:small", "mini:"])
def test_an_encoder_without_models_takes_nothing_after_its_name(name: str) -> None:
    with pytest.raises(UsageError, match=f"takes nothing after its name, but received '{name}'"):
        encoder(name)


def test_the_argument_may_hold_colons() -> None:
    entry, argument = encoder_entry("openclip:hf-hub:org/name")
    assert (entry.name, argument) == ("openclip", "hf-hub:org/name")
    assert encoder_entry("mini")[1] is None


def test_the_same_name_and_settings_give_the_same_object() -> None:
    first: Any = encoder("mini")
    assert encoder("mini") is first and encoder() is first
    assert encoder("mini", dtype="bfloat16") is not first
    assert encoder("mini", device="cpu") is encoder("mini", device="cpu")


def test_the_settings_reach_the_loader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMKIT_ENCODER", "st:some/model")
    loaded: Any = encoder(device="cpu", offline=True)
    assert loaded.argument == "some/model"
    assert (loaded.settings.device, loaded.settings.offline) == ("cpu", True)


def test_what_an_encoder_lacks_is_named_before_anything_loads() -> None:
    spec = EncoderSpec("eyes", "eyes", ("image",), 4, outputs=frozenset({"vector", "tokens"}))
    require(spec, modalities=["image"], outputs=["tokens"], purpose="this")
    with pytest.raises(UsageError, match="captioning needs an encoder of text and audio, and eyes encodes image"):
        require(spec, modalities=["image", "text", "audio"], purpose="captioning")
    with pytest.raises(UsageError, match="probing needs the output 'blocks', and eyes offers tokens, vector"):
        require(spec, outputs=["blocks"], purpose="probing")


def test_a_toy_is_an_encoder_only_with_both_parts() -> None:
    class Whole:
        spec = EncoderSpec("w", "w", ("text",), 1)

        def prepare(self, item: Any) -> Any: ...

        def encode(self, batch: Any, modality: Any) -> Any: ...

    class Half:
        spec = Whole.spec

        def prepare(self, item: Any) -> Any: ...

    assert isinstance(Whole(), Encoder) and not isinstance(Half(), Encoder)
