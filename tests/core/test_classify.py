"""A classifier made of words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmkit.config import Settings
from mmkit.errors import SpaceMismatch, UsageError
from mmkit.pipeline.classify import build_classifier
from mmkit.types import Embeddings, EncoderSpec, Item, Modality


class Toy:
    """Each text becomes a unit row that depends on its characters."""

    spec = EncoderSpec("toy", "toy", ("text", "image"), 5, fingerprint="f", template="a {}")

    def __init__(self) -> None:
        self.seen: list[str] = []

    def prepare(self, item: Item) -> str:
        self.seen.append(item.text or "")
        return item.text or ""

    def encode(self, batch: Sequence[str], modality: Modality) -> Embeddings:
        return Embeddings(np.stack([row_of(text) for text in batch]), space="toy", fingerprint="f")


class Scaled(Toy):
    templates = ("one {}", "two {}")
    logit_scale = 7.0


def row_of(text: str) -> Any:
    row = np.random.default_rng(list(text.encode())).standard_normal(5).astype(np.float32)
    return row / np.linalg.norm(row)


def unit(rows: Any) -> Any:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


@pytest.fixture
def chosen(tmp_path: Path) -> Settings:
    return Settings(cache_dir=tmp_path, batch="4", workers=1)


def test_a_class_is_the_unit_mean_of_its_names_in_every_template(chosen: Settings) -> None:
    classes = {"dog": ["dog", "hound"], "cat": ["cat"]}
    made = build_classifier(Toy(), classes, templates=["a {}", "the {}."], chosen=chosen)  # type: ignore[arg-type]
    dog = np.mean([row_of(t) for t in ("a dog", "the dog.", "a hound", "the hound.")], axis=0)
    cat = np.mean([row_of(t) for t in ("a cat", "the cat.")], axis=0)
    np.testing.assert_allclose(made.weights, unit(np.stack([dog, cat])), atol=1e-6)
    assert made.classes == ("dog", "cat") and made.templates == ("a {}", "the {}.")
    assert made.weights.dtype == np.float32


def test_one_name_and_one_template_is_the_text_itself(chosen: Settings) -> None:
    made = build_classifier(Toy(), ["dog", "cat"], templates=["{}"], chosen=chosen)  # type: ignore[arg-type]
    np.testing.assert_allclose(made.weights, [row_of("dog"), row_of("cat")], atol=1e-6)


def test_templates_and_scale_come_from_the_encoder_unless_given(chosen: Settings) -> None:
    plain = build_classifier(Toy(), ["dog"], chosen=chosen)  # type: ignore[arg-type]
    assert (plain.templates, plain.logit_scale) == (("a {}",), 100.0)
    scaled = build_classifier(Scaled(), ["dog"], chosen=chosen)  # type: ignore[arg-type]
    assert (scaled.templates, scaled.logit_scale) == (("one {}", "two {}"), 7.0)


def test_names_with_braces_and_spaces_are_taken_as_they_read(chosen: Settings) -> None:
    toy = Toy()
    made = build_classifier(toy, ["  a {0}\tcup "], templates=["{} and {}"], chosen=chosen)  # type: ignore[arg-type]
    assert made.classes == ("a {0} cup",)
    assert toy.seen == ["a {0} cup and a {0} cup"]


@pytest.mark.parametrize(
    ("classes", "templates", "message"),
    [
        ([], [], "at least one class"),
        (["dog", " dog "], [], "the class 'dog' is named twice"),
        (["dog", " "], [], "no empty name"),
        ({"dog": []}, [], "at least one class"),
        ({"dog": ["dog", ""]}, [], "no empty name"),
        (["dog"], ["a {}", "a photo"], "the template 'a photo' has no {}"),
    ],
)
def test_unusable_classes_and_templates_are_refused(
    chosen: Settings, classes: Any, templates: Any, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        build_classifier(Toy(), classes, templates=templates, chosen=chosen)  # type: ignore[arg-type]


def test_an_encoder_without_text_is_refused(chosen: Settings) -> None:
    toy = Toy()
    toy.spec = EncoderSpec("eyes", "eyes", ("image",), 5)
    with pytest.raises(UsageError, match="classification by words needs an encoder of text, and eyes encodes image"):
        build_classifier(toy, ["dog"], chosen=chosen)  # type: ignore[arg-type]


def test_probabilities_are_the_softmax_of_scaled_cosines(chosen: Settings) -> None:
    made = build_classifier(Scaled(), ["dog", "cat", "cup"], chosen=chosen)  # type: ignore[arg-type]
    rows = unit(np.random.default_rng(0).standard_normal((4, 5))).astype(np.float32)
    expected = np.exp(7.0 * rows.astype(np.float64) @ made.weights.T.astype(np.float64))
    expected /= expected.sum(axis=1, keepdims=True)
    found = made.probabilities(Embeddings(rows, space="toy", fingerprint="f"))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_single_class_is_certain_and_no_pictures_give_no_rows(chosen: Settings) -> None:
    made = build_classifier(Toy(), ["dog"], chosen=chosen)  # type: ignore[arg-type]
    assert made.probabilities(Embeddings(np.eye(5, dtype=np.float32))).tolist() == [[1.0]] * 5
    assert made.probabilities(Embeddings(np.zeros((0, 5), np.float32))).shape == (0, 1)


def test_a_large_scale_does_not_overflow(chosen: Settings) -> None:
    toy = Toy()
    toy.logit_scale = 1e6  # type: ignore[attr-defined]
    made = build_classifier(toy, ["dog", "cat"], templates=["{}"], chosen=chosen)  # type: ignore[arg-type]
    found = made.probabilities(Embeddings(made.weights, space="toy", fingerprint="f"))
    np.testing.assert_array_equal(found, np.eye(2))


@pytest.mark.parametrize(
    "other",
    [
        Embeddings(np.zeros((1, 5), np.float32), space="other", fingerprint="f"),
        Embeddings(np.zeros((1, 5), np.float32), space="toy", fingerprint="g"),
        Embeddings(np.zeros((1, 4), np.float32), space="toy", fingerprint="f"),
    ],
    ids=["space", "fingerprint", "width"],
)
def test_embeddings_of_another_space_are_refused(chosen: Settings, other: Embeddings) -> None:
    made = build_classifier(Toy(), ["dog"], chosen=chosen)  # type: ignore[arg-type]
    with pytest.raises(SpaceMismatch):
        made.probabilities(other)
