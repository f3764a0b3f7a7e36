"""Encoding on a CPU in parts, and the bundled encoder through the pipeline."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, strategies
from PIL import Image

import mmkit.encoders.mini as mini
from mmkit.config import Settings
from mmkit.encoders.cpu_parallel import map_parts
from mmkit.encoders.mini.encoder import MiniEncoder
from mmkit.encoders.mini.preprocessing import Preprocessing, preprocess
from mmkit.encoders.mini.scaling import scaled_crop
from mmkit.pipeline.embedding import embed_items
from mmkit.types import Item

SAMPLES = sorted((Path(__file__).parents[2] / "recipes" / "samples" / "pictures").glob("*.jpg"))


@pytest.fixture(autouse=True)
def _two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@given(strategies.lists(strategies.integers(), max_size=20))
def test_parts_are_consecutive_and_in_order(batch: list[int]) -> None:
    parts = map_parts(lambda part: list(part), batch)
    assert [number for part in parts for number in part] == batch
    assert len(parts) == (1 if len(batch) < 2 else 2)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_each_part_has_a_thread_of_its_own_with_one_torch_thread() -> None:
    together = threading.Barrier(2, timeout=10)

    def look(part: Sequence[int]) -> tuple[str, int]:
        together.wait()
        return threading.current_thread().name, torch.get_num_threads()

    first, second = map_parts(look, [0, 1])
    assert first[0] != second[0] and first[1] == second[1] == 1


@given(strategies.lists(strategies.integers(), max_size=5))
def test_light_items_are_split_down_to_one_a_part(batch: list[int]) -> None:
    parts = map_parts(lambda part: list(part), batch, light=True)
    assert [number for part in parts for number in part] == batch
    assert len(parts) == max(1, min(2, len(batch)))


def test_a_single_light_item_leaves_the_operators_threads_asleep() -> None:
    here = threading.current_thread()
    ((thread, count),) = map_parts(lambda _: (threading.current_thread(), torch.get_num_threads()), [0], light=True)
    assert thread is not here and count == 1


def test_the_count_of_torch_threads_stays_what_it_was_everywhere_else() -> None:
    map_parts(len, [0, 1])
    seen: list[int] = []
    thread = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert torch.get_num_threads() == 2 and seen == [2]


def test_with_one_torch_thread_nothing_is_split() -> None:
    torch.set_num_threads(1)
    assert map_parts(lambda part: (threading.current_thread(), list(part)), [1, 2, 3]) == [
        (threading.current_thread(), [1, 2, 3])
    ]


def test_the_first_parts_error_comes_through_after_all_have_ended() -> None:
    ended: list[int] = []

    def fail(part: Sequence[int]) -> None:
        ended.append(part[0])
        raise ValueError(f"part {part[0]}")

    with pytest.raises(ValueError, match="part 0"):
        map_parts(fail, [0, 1])
    assert sorted(ended) == [0, 1]
    assert map_parts(len, [0, 1, 2]) == [1, 2]


@pytest.mark.parametrize("path", SAMPLES[:6], ids=lambda path: path.stem)
def test_the_fast_crop_is_the_crop_of_training_to_a_grey_level(path: Path) -> None:
    picture = Image.open(path).convert("RGB")
    # Cut so that the crop falls on whole pixels, where both must agree.
    side = min(picture.size) // 2 * 2
    square = picture.crop((0, 0, side, side))
    settings = Preprocessing(size=240)
    difference = scaled_crop(square, settings).astype(int) - preprocess(square, settings).astype(int)
    assert np.abs(difference).max() <= 1
    whole = scaled_crop(picture, settings).astype(int) - preprocess(picture, settings).astype(int)
    assert np.abs(whole).mean() < 4


@given(
    width=strategies.integers(1, 2000),
    height=strategies.integers(1, 60),
    turned=strategies.booleans(),
    squash=strategies.sampled_from([1.0, 1.25, 1.5]),
    crop=strategies.sampled_from([1.0, 0.875, 0.1]),
)
def test_any_shape_becomes_the_square(width: int, height: int, turned: bool, squash: float, crop: float) -> None:
    size = (height, width) if turned else (width, height)
    found = scaled_crop(Image.new("RGB", size, (10, 200, 90)), Preprocessing(size=32, crop=crop, squash=squash))
    assert found.shape == (3, 32, 32) and found.dtype == np.uint8 and found.flags.c_contiguous
    assert [int(channel.min()) for channel in found] == [int(channel.max()) for channel in found] == [10, 200, 90]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> MiniEncoder:
    chosen = Settings(device="cpu", cache_dir=tmp_path_factory.mktemp("cache"))
    return MiniEncoder(mini.WEIGHTS, chosen)


@pytest.mark.parametrize("modality", ["image", "text"])
def test_the_bundled_encoder_gives_each_item_the_same_row_in_parts_alone_and_in_the_stream(
    encoder: MiniEncoder, modality: str
) -> None:
    if modality == "image":
        items = [Item.from_path(path, "image") for path in SAMPLES[:5]]
    else:
        items = [Item.from_text(text) for text in ("a cup", "two dogs on a long beach at dawn", "red", "a", "x y z")]
    prepared = [encoder.prepare(item) for item in items]
    found = encoder.encode(prepared, items[0].modality)
    alone = np.concatenate([encoder.encode([one], items[0].modality).vectors for one in prepared])
    np.testing.assert_allclose(found.vectors, alone, atol=1e-5)
    assert found.vectors.dtype == np.float32
    streamed = embed_items(encoder, items, chosen=Settings(cache_dir=Path("/nowhere"), batch="3"))
    np.testing.assert_allclose(streamed.vectors, found.vectors, atol=1e-5)
    assert streamed.ids == tuple(item.id for item in items)


def test_the_bundled_encoder_gives_nothing_for_nothing(encoder: MiniEncoder) -> None:
    assert encoder.encode([], "image").vectors.shape == (0, encoder.spec.dim)
    assert encoder.encode_tokens([], "text").vectors.shape == (0, 0, encoder.spec.dim)
