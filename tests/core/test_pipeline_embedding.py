"""Whatever a caller has becomes items, and items become vectors."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import mmkit
from mmkit.errors import BadInput, UsageError
from mmkit.media.text import read_text
from mmkit.pipeline.embedding import embed, to_items
from mmkit.types import Embeddings, EncoderSpec, Failure, Item, Modality


class Toy:
    """A text becomes the first axis, a picture the second turned by its mean."""

    spec = EncoderSpec("toy", "toy space", ("text", "image"), 3, fingerprint="f")

    def prepare(self, item: Item) -> float:
        if item.modality == "text":
            return float(len(read_text(item)))
        from mmkit.media.images import read_image

        return float(np.asarray(read_image(item)).mean())

    def encode(self, batch: Sequence[float], modality: Modality) -> Embeddings:
        angles = np.asarray(batch, np.float32) / 100
        zeros = np.zeros_like(angles)
        return Embeddings(np.stack([np.cos(angles), np.sin(angles), zeros], 1), space="toy space", fingerprint="f")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMKIT_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    Image.new("RGB", (3, 2), (10, 20, 30)).save(path)
    return path


def test_every_kind_of_input_becomes_an_item(picture: Path, tmp_path: Path) -> None:
    unnamed = tmp_path / "no suffix"
    unnamed.write_bytes(picture.read_bytes())
    array = np.full((2, 3, 3), 20, np.uint8)
    given: list[Any] = [
        "a text",
        picture,
        unnamed,
        Image.open(picture),
        Image.new("LA", (3, 2), (20, 255)),
        array,
        Item.from_text("own", id="id"),
    ]
    items = list(to_items(given))
    assert [item.modality for item in items] == ["text", "image", "image", "image", "image", "image", "text"]
    assert [item.id for item in items] == ["a text", str(picture), str(unnamed), "3", "4", "5", "id"]
    assert items[3].array.shape == items[4].array.shape == (2, 3, 3)
    assert items[5].array is array
    assert items[6] is given[6]


@pytest.mark.parametrize("one", ["a text", Path("picture.jpg"), Item.from_text("t"), np.zeros((2, 2, 3), np.uint8)])
def test_one_thing_is_taken_as_a_list_of_one(one: Any) -> None:
    assert len(list(to_items(one))) == len(list(to_items([one]))) == 1


def test_one_picture_is_taken_as_a_list_of_one() -> None:
    assert len(list(to_items(Image.new("RGB", (2, 2))))) == 1


def test_a_stated_modality_goes_before_what_the_file_says(picture: Path) -> None:
    assert [item.modality for item in to_items([picture], modality="text")] == ["text"]
    assert [item.modality for item in to_items(np.zeros(5, np.float32), modality="audio")] == ["audio"]


def test_a_list_of_arrays_and_one_array_differ() -> None:
    assert len(list(to_items(np.zeros((4, 2, 2, 3), np.uint8)))) == 1
    assert len(list(to_items(list(np.zeros((4, 2, 2, 3), np.uint8))))) == 4


@pytest.mark.parametrize("wrong", [3, None, {"a": 1}, b"bytes", io.BytesIO()])
def test_anything_else_is_refused_with_its_place_and_type(wrong: Any) -> None:
    with pytest.raises(UsageError, match=rf"^input 1: .*but received {type(wrong).__name__}"):
        list(to_items(["first", wrong]))


def test_a_file_that_is_no_medium_asks_for_its_modality(tmp_path: Path) -> None:
    path = tmp_path / "thing.xyz"
    path.write_bytes(b"1234")
    with pytest.raises(UsageError, match="cannot tell what kind of file this is; give modality="):
        list(to_items(path))


def test_rows_come_in_the_order_of_the_inputs_with_their_ids(picture: Path) -> None:
    found = embed(["ab", picture, "abcd"], Toy())  # type: ignore[arg-type]
    assert found.ids == ("ab", str(picture), "abcd")
    assert (found.space, found.fingerprint, found.kind) == ("toy space", "f", "vector")
    np.testing.assert_allclose(found.vectors[:, 1], np.sin([0.02, 0.2, 0.04]), atol=1e-6)


def test_nothing_gives_no_rows_of_the_right_width() -> None:
    found = embed([], Toy())  # type: ignore[arg-type]
    assert found.vectors.shape == (0, 3) and found.vectors.dtype == np.float32
    assert (found.space, found.fingerprint) == ("toy space", "f")


def test_a_bad_file_raises_unless_a_list_takes_it(picture: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(picture.read_bytes()[:30])
    with pytest.raises(BadInput) as caught:
        embed([picture, broken], Toy())  # type: ignore[arg-type]
    assert caught.value.where == str(broken)
    failures: list[Failure] = []
    found = embed([picture, broken, picture], Toy(), failures=failures)  # type: ignore[arg-type]
    assert found.ids == (str(picture),) * 2
    assert [failure.id for failure in failures] == [str(broken)]
    assert "not a picture that can be read" in failures[0].reason


def test_where_all_files_are_bad_there_are_no_rows(tmp_path: Path) -> None:
    failures: list[Failure] = []
    found = embed(tmp_path / "none.png", Toy(), failures=failures)  # type: ignore[arg-type]
    assert found.vectors.shape == (0, 3) and len(failures) == 1


def test_a_modality_the_encoder_lacks_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match="needs an encoder of audio, and toy encodes text, image"):
        embed(np.zeros(5, np.float32), Toy(), modality="audio")  # type: ignore[arg-type]


def test_the_batch_size_is_checked() -> None:
    with pytest.raises(UsageError, match="--batch"):
        embed("a", Toy(), batch=0)  # type: ignore[arg-type]
    assert len(embed(["a"] * 5, Toy(), batch=2)) == 5  # type: ignore[arg-type]


def test_it_is_the_function_of_the_package() -> None:
    assert mmkit.embed is embed
