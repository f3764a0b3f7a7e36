"""The conformance suite can fail: each kind of bad encoder and bad plugin, by the check that is meant for it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from mmkit.errors import MissingExtra
from mmkit.testing import CheckResult, PluginConformance, check_encoder, check_plugin, sample_items
from mmkit.testing.checks import check_commands, check_discovery, find_plugin
from mmkit.testing.result import attempt
from mmkit.types import MODALITIES, Embeddings, EncoderSpec, Item, Modality

DIM = 8


class GoodEncoder:
    """Letters counted in eight bins."""

    spec = EncoderSpec("toy", space="toy", modalities=("text",), dim=DIM, licence="CC0-1.0", fingerprint="toy-1")

    def prepare(self, item: Item) -> Any:
        return np.bincount([ord(letter) % DIM for letter in item.text or ""], minlength=DIM) + 0.5

    def rows(self, batch: Sequence[Any]) -> Any:
        counts = np.stack(batch) if batch else np.zeros((0, DIM))
        return (counts / np.maximum(np.linalg.norm(counts, axis=1, keepdims=True), 1e-9)).astype(np.float32)

    def encode(self, batch: Sequence[Any], modality: Modality) -> Embeddings:
        return Embeddings(self.rows(batch), space="toy", fingerprint="toy-1")


class NeedsNetwork(GoodEncoder):
    def prepare(self, item: Item) -> Any:
        with socket.create_connection(("192.0.2.1", 80), timeout=1):
            return super().prepare(item)


class CannotRead(GoodEncoder):
    def prepare(self, item: Item) -> Any:
        raise SystemExit(2)


class Doubles(GoodEncoder):
    def rows(self, batch: Sequence[Any]) -> Any:
        return super().rows(batch).astype(np.float64)


class TooNarrow(GoodEncoder):
    def rows(self, batch: Sequence[Any]) -> Any:
        rows = super().rows(batch)[:, :4]
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)


class LosesOne(GoodEncoder):
    def rows(self, batch: Sequence[Any]) -> Any:
        return super().rows(batch)[:4]


class NotUnit(GoodEncoder):
    def rows(self, batch: Sequence[Any]) -> Any:
        return super().rows(batch) * np.float32(2)


class NotNumbers(GoodEncoder):
    def rows(self, batch: Sequence[Any]) -> Any:
        return super().rows(batch) * np.float32("nan")


class OtherSpace(GoodEncoder):
    def encode(self, batch: Sequence[Any], modality: Modality) -> Embeddings:
        return Embeddings(self.rows(batch), space="elsewhere")


class NeverEmpty(GoodEncoder):
    def rows(self, batch: Sequence[Any]) -> Any:
        np.stack(batch)
        return super().rows(batch)


class Random(GoodEncoder):
    def rows(self, batch: Sequence[Any]) -> Any:
        rows = super().rows(batch) + np.random.default_rng().normal(0, 0.1, (len(batch), DIM)).astype(np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


class Sorts(GoodEncoder):
    """Longest first, as many do to save padding, and forgets to undo it."""

    def rows(self, batch: Sequence[Any]) -> Any:
        return super().rows(sorted(batch, key=lambda counts: -counts.sum()))


class Reverses(GoodEncoder):
    def rows(self, batch: Sequence[Any]) -> Any:
        return super().rows(batch[::-1])


class Centres(GoodEncoder):
    """Takes off the mean of the batch, as a batch norm left in training mode does."""

    def rows(self, batch: Sequence[Any]) -> Any:
        rows = super().rows(batch)
        if len(rows) > 1:
            rows = rows - rows.mean(axis=0)
        return (rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)).astype(np.float32)


class Unpicklable(GoodEncoder):
    def prepare(self, item: Item) -> Any:
        counts = super().prepare(item)
        return lambda: counts

    def rows(self, batch: Sequence[Any]) -> Any:
        return super().rows([prepared() for prepared in batch])


def failed(results: list[CheckResult]) -> dict[str, str]:
    return {result.name: result.detail for result in results if result.state == "failed"}


def test_a_good_encoder_passes_every_check() -> None:
    results = check_encoder(GoodEncoder())
    assert [result.state for result in results] == ["ok"] * 7


@pytest.mark.parametrize(
    ("encoder", "check", "detail"),
    [
        (NeedsNetwork, "prepares without a network", "a conformance check met a connection to ('192.0.2.1', 80)"),
        (CannotRead, "prepares without a network", "SystemExit: 2"),
        (Doubles, "gives float32 unit rows of its width", "Expected float32, but received float64"),
        (TooNarrow, "gives float32 unit rows of its width", "Expected (5, …, 8), but received (5, 4)"),
        (LosesOne, "gives float32 unit rows of its width", "Expected (5, …, 8), but received (4, 8)"),
        (NotUnit, "gives float32 unit rows of its width", "Expected unit rows, but received other lengths"),
        (NotNumbers, "gives float32 unit rows of its width", "Expected unit rows"),
        (
            OtherSpace,
            "gives float32 unit rows of its width",
            "Expected vector of toy, but received vector of elsewhere",
        ),
        (NeverEmpty, "takes an empty batch", "ValueError: need at least one array to stack"),
        (Random, "is deterministic", "Expected the same vectors for the same batch, but received others"),
        (Sorts, "keeps the order", "differs by"),
        (Reverses, "keeps the order", "differs by"),
        (Centres, "gives an item the same vector in any batch", "differs by"),
        (Unpicklable, "prepares what can cross processes", "pickle"),
    ],
)
def test_a_bad_encoder_fails_for_its_own_reason(encoder: Callable[[], Any], check: str, detail: str) -> None:
    found = failed(check_encoder(encoder()))
    assert list(found) == [f"encoder toy, text: {check}"]
    assert detail in found[f"encoder toy, text: {check}"]


def test_the_network_is_there_again_after_a_check() -> None:
    before = socket.socket.connect
    check_encoder(NeedsNetwork())
    assert socket.socket.connect is before


@pytest.mark.parametrize("modality", MODALITIES)
def test_samples_differ_from_each_other_and_never_from_run_to_run(modality: Modality) -> None:
    first, second = (sample_items(modality, 7) for _ in range(2))
    assert len({item.id for item in first}) == 7
    for one, other in zip(first, second, strict=True):
        assert (one.id, one.text, one.record, one.rate) == (other.id, other.text, other.record, other.rate)
        assert one.array is None or np.array_equal(one.array, other.array)


def test_a_missing_extra_skips_a_check_and_anything_else_fails_it() -> None:
    def lacks() -> None:
        raise MissingExtra("wings", extra="fly", feature="flight")

    def breaks() -> None:
        raise ValueError("two\nlines")

    assert attempt("x", lacks).state == "skipped"
    assert attempt("x", breaks) == CheckResult("x", "failed", "ValueError: two lines")
    assert attempt("x", lambda: "wrong") == CheckResult("x", "failed", "wrong")
    assert attempt("x", lambda: None) == CheckResult("x", "ok")


SPECS = "from mmkit.hookspecs import *\nfrom mmkit.hookspecs import hookimpl\napi = 1\n"


@pytest.fixture
def on_path(site: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Checks of discovery and of commands run children, which must find the plugin and mmkit too."""
    monkeypatch.setenv("PYTHONPATH", site.environment()["PYTHONPATH"])
    return site


@pytest.mark.parametrize(
    ("body", "check", "detail"),
    [
        ("import numpy\napi = 1", "discovery is quick and light", "its module imports numpy at discovery"),
        ("import time\ntime.sleep(0.1)\napi = 1", "discovery is quick and light", "ms to import; Expected at most 50"),
        ("print('hello')\napi = 1", "discovery is quick and light", "its module prints 'hello' at import"),
        (
            "import mmkit.hookspecs",
            "its api version is stated",
            "Expected api = 1 in site_bad.plugin, but received None",
        ),
    ],
)
def test_a_plugin_that_is_slow_heavy_loud_or_mute_about_its_api(
    body: str, check: str, detail: str, on_path: Any
) -> None:
    on_path.add("bad", body)
    found = failed(check_discovery(find_plugin("bad")))
    assert list(found) == [check]
    assert detail in found[check]


def test_commands_must_answer_help_with_an_example_and_without_torch(on_path: Any) -> None:
    entries = ", ".join(
        f"CommandEntry('{name}', 'site_bad.{name}:main', 's')" for name in ("good", "bare", "heavy", "gone")
    )
    documented = 'def main():\n    """Fly.\n\n    Example:\n      mmkit good\n    """\n'
    on_path.add(
        "bad",
        f"{SPECS}@hookimpl\ndef mmkit_commands():\n    return [{entries}]\n",
        files={"good.py": documented, "bare.py": "def main(): pass\n", "heavy.py": f"import torch\n{documented}"},
    )
    results = check_commands(find_plugin("bad"))
    assert [result.state for result in results] == ["ok", "failed", "failed", "failed"]
    assert [result.detail for result in results[1:]] == [
        "mmkit bare --help shows no example",
        "mmkit heavy --help imports torch",
        "mmkit gone --help ends with code 1",
    ]


def test_targets_steps_models_and_encoders_of_a_bad_plugin_are_found(on_path: Any) -> None:
    on_path.add(
        "bad",
        SPECS
        + "@hookimpl\ndef mmkit_encoders():\n"
        + "    return [EncoderEntry('bad', 'site_bad.code:load', 's', ('text',))]\n"
        + "@hookimpl\ndef mmkit_steps():\n"
        + "    texts = (ParamSpec('texts', 'list'),)\n"
        + "    return [StepSpec('bad.gone', 'site_bad.code:gone', 's'),\n"
        + "            StepSpec('bad.lacks', 'site_bad.code:lacks', 's', texts),\n"
        + "            StepSpec('bad.hides', 'site_bad.code:hides', 's', texts),\n"
        + "            StepSpec('bad.kind', 'site_bad.code:kind', 's', (ParamSpec('texts', 'lists'),)),\n"
        + "            StepSpec('bad.fine', 'site_bad.code:kind', 's', texts)]\n"
        + "@hookimpl\ndef mmkit_models():\n    return [ModelEntry('bad', 'ocr', 'site_bad:card.toml')]\n",
        files={
            "code.py": "import socket\n"
            "def load(argument, *, settings): socket.create_connection(('192.0.2.1', 80), timeout=1)\n"
            "def lacks(context): ...\n"
            "def hides(context, **anything): ...\n"
            "def kind(context, *, texts): ...\n"
        },
    )
    found = failed(check_plugin("bad"))
    assert list(found) == [
        "step bad.gone: its code is there",
        "encoder bad: loads offline",
        "step bad.gone: its function fits its spec",
        "step bad.lacks: its function fits its spec",
        "step bad.hides: its function fits its spec",
        "step bad.kind: its function fits its spec",
        "model bad: card complete, weights safe and unchanged",
    ]
    assert "a conformance check met a connection" in found["encoder bad: loads offline"]
    assert found["step bad.lacks: its function fits its spec"] == "its function lacks the parameter texts"
    assert "**kwargs" in found["step bad.hides: its function fits its spec"]


def test_a_plugin_that_does_not_load_fails_the_one_check_there_can_be(on_path: Any) -> None:
    on_path.add("bad", "1 / 0")
    assert failed(check_plugin("bad")) == {"loads": "ZeroDivisionError: division by zero"}

    class Inherited(PluginConformance):
        plugin = "bad"

    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        Inherited().test_loads()
