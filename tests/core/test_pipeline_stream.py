"""The stream of batches: order, failures, memory, and an orderly end however it ends."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies

from mmkit.config import Settings
from mmkit.errors import BadInput, MmkitError
from mmkit.pipeline.sizes import is_out_of_memory
from mmkit.pipeline.stream import Decoded, EncodedBatch, encode_stream, joined
from mmkit.types import Embeddings, EncoderSpec, Failure, Item, Modality

DIM = 4


class Toy:
    """Encodes a text or (1, 1, 3) picture that holds a number to a unit row at that angle."""

    spec = EncoderSpec("toy", "toy", ("text", "image"), DIM)

    def __init__(self, on_encode: Callable[[Sequence[float], Modality], None] = lambda batch, modality: None) -> None:
        self.on_encode = on_encode
        self.sizes: list[int] = []

    def prepare(self, item: Item) -> float:
        if item.text is not None and item.text.startswith("bad"):
            raise BadInput("is bad", where=item.id, mend="be good")
        return float(item.array[0, 0, 0]) if item.array is not None else float(item.text or 0)

    def encode(self, batch: Sequence[float], modality: Modality) -> Embeddings:
        self.on_encode(batch, modality)
        self.sizes.append(len(batch))
        return Embeddings(rows_of(batch), space="toy")


class Costed(Toy):
    """A text costs its number."""

    def cost(self, prepared: float, modality: Modality) -> float:
        return prepared


class Sets(Toy):
    """A text of number n becomes n tokens."""

    def encode(self, batch: Sequence[float], modality: Modality) -> Embeddings:
        self.on_encode(batch, modality)
        width = int(max(batch))
        mask = np.arange(width) < np.array(batch)[:, None]
        return Embeddings(np.where(mask[..., None], rows_of(batch)[:, None], 0), kind="multivector", mask=mask)


def rows_of(numbers: Sequence[float]) -> np.ndarray[Any, np.dtype[np.float32]]:
    angles = np.asarray(numbers, np.float32)[:, None] / 100
    return np.hstack([np.cos(angles), np.sin(angles), np.zeros((len(angles), DIM - 2))]).astype(np.float32)


def text(number: object) -> Item:
    return Item.from_text(str(number))


def picture(number: int) -> Item:
    return Item("image", f"picture {number}", array=np.full((1, 1, 3), number, np.uint8))


@pytest.fixture
def chosen(tmp_path: Path) -> Settings:
    return Settings(cache_dir=tmp_path, batch="8", workers=3)


def names(batches: Sequence[EncodedBatch]) -> list[str]:
    return [item.id for batch in batches for item in batch.items]


def vectors(batches: Sequence[EncodedBatch]) -> np.ndarray[Any, Any]:
    return np.concatenate([batch.embeddings.vectors for batch in batches if batch.embeddings is not None])


def no_worker_is_left() -> bool:
    return not [thread for thread in threading.enumerate() if thread.name.startswith(("mmkit-decode", "mmkit-encode"))]


@given(
    kinds=strategies.lists(strategies.sampled_from(["text", "image", "bad", "found bad", "known"]), max_size=60),
    batch=strategies.integers(1, 9),
)
def test_every_item_comes_out_once_in_order_with_its_own_vector(kinds: list[str], batch: int) -> None:
    made: dict[str, Callable[[int], Item | Failure]] = {
        "text": text,
        "image": picture,
        "bad": lambda number: text(f"bad {number}"),
        "found bad": lambda number: Failure(str(number), "was lost"),
        "known": lambda number: Item.from_text(str(number), id=f"known {number}"),
    }
    items = [made[kind](number) for number, kind in enumerate(kinds)]
    toy = Toy()

    def decode(item: Item) -> Decoded:
        if item.id.startswith("known"):
            return Decoded(None, f"note of {item.id}", known=True)
        return Decoded(toy.prepare(item), f"note of {item.id}")

    chosen = Settings(cache_dir=Path("/nowhere"), batch=str(batch), workers=3)
    batches = list(encode_stream(toy, items, chosen=chosen, decode=decode))
    encoded = [number for number, kind in enumerate(kinds) if kind in ("text", "image")]
    assert names(batches) == [str(n) if kinds[n] == "text" else f"picture {n}" for n in encoded]
    assert [note for done in batches for note in done.notes] == [f"note of {name}" for name in names(batches)]
    if encoded:
        np.testing.assert_array_equal(vectors(batches), rows_of(encoded))
    assert [item.id for done in batches for item, _ in done.known] == [
        f"known {n}" for n, kind in enumerate(kinds) if kind == "known"
    ]
    assert [f.id for done in batches for f in done.failures] == [
        str(n) if kind == "found bad" else f"bad {n}" for n, kind in enumerate(kinds) if "bad" in kind
    ]
    assert sum(done.seen for done in batches) == len(kinds)
    assert all(len({item.modality for item in done.items}) <= 1 for done in batches)
    assert all(size <= batch for size in toy.sizes)


def test_order_is_kept_where_early_items_decode_slowest(chosen: Settings) -> None:
    def decode(item: Item) -> Decoded:
        time.sleep(0.02 if int(item.id) % 7 == 0 else 0)
        return Decoded(float(item.id))

    batches = list(encode_stream(Toy(), map(text, range(40)), chosen=chosen, decode=decode))
    assert names(batches) == [str(n) for n in range(40)]
    np.testing.assert_array_equal(vectors(batches), rows_of(range(40)))


def test_nothing_gives_no_batches(chosen: Settings) -> None:
    assert list(encode_stream(Toy(), [], chosen=chosen)) == []


def test_a_failure_tells_its_reason_and_how_to_mend_it(chosen: Settings, tmp_path: Path) -> None:
    toy = Toy()
    toy.prepare = lambda item: Path(item.text or "").read_bytes()  # type: ignore[method-assign,assignment,return-value]
    missing = tmp_path / "missing"
    (done,) = encode_stream(toy, [Failure("found", "was lost"), text(missing)], chosen=chosen)
    assert done.failures == [Failure("found", "was lost"), Failure(str(missing), "No such file or directory")]
    (done,) = encode_stream(Toy(), [text("bad 1")], chosen=chosen)
    assert done.failures == [Failure("bad 1", "is bad; be good")]


@pytest.mark.parametrize("first", [text("bad 3"), Failure("bad 3", "was lost")])
def test_strict_raises_the_first_failure(chosen: Settings, first: Item | Failure) -> None:
    items = [text(1), first, text("bad 4")]
    with pytest.raises(BadInput) as caught:
        list(encode_stream(Toy(), items, chosen=chosen, strict=True))
    assert caught.value.where == "bad 3"
    assert no_worker_is_left()


def test_an_item_that_only_the_encoder_finds_bad_is_lost_alone(chosen: Settings) -> None:
    def refuse(batch: Sequence[float], modality: Modality) -> None:
        if 3.0 in batch or 5.0 in batch:
            raise BadInput("holds an odd number")

    batches = list(encode_stream(Toy(refuse), map(text, range(10)), chosen=chosen))
    assert names(batches) == ["0", "1", "2", "4", "6", "7", "8", "9"]
    np.testing.assert_array_equal(vectors(batches), rows_of([0, 1, 2, 4, 6, 7, 8, 9]))
    assert [f for done in batches for f in done.failures] == [
        Failure("3", "holds an odd number"),
        Failure("5", "holds an odd number"),
    ]
    with pytest.raises(BadInput, match="odd number"):
        list(encode_stream(Toy(refuse), map(text, range(10)), chosen=chosen, strict=True))


def test_where_every_item_of_a_batch_is_refused_there_are_no_embeddings(chosen: Settings) -> None:
    def refuse(batch: Sequence[float], modality: Modality) -> None:
        raise BadInput("no")

    (done,) = encode_stream(Toy(refuse), map(text, range(3)), chosen=chosen)
    assert done.embeddings is None and done.items == [] and len(done.failures) == 3


@pytest.mark.parametrize("error", [RuntimeError("CUDA out of memory. Tried …"), MemoryError()])
def test_batches_are_halved_until_they_fit_and_the_size_is_remembered(tmp_path: Path, error: Exception) -> None:
    def full(batch: Sequence[float], modality: Modality) -> None:
        if len(batch) > 5:
            raise error

    chosen = Settings(cache_dir=tmp_path)
    toy = Toy(full)
    batches = list(encode_stream(toy, map(text, range(200)), chosen=chosen))
    assert names(batches) == [str(n) for n in range(200)]
    np.testing.assert_array_equal(vectors(batches), rows_of(range(200)))
    # 32, 16 and 8 are too many. What was on its way with 32 does not halve it below 4.
    assert json.loads((tmp_path / "batch-sizes.json").read_text()) == {"toy cpu": 4.0}
    refused = Toy(full)
    refused.on_encode = lambda batch, modality: full(batch, modality)
    list(encode_stream(refused, map(text, range(40)), chosen=chosen))
    assert refused.sizes == [4] * 10


def test_a_given_batch_size_is_kept_whatever_is_remembered(tmp_path: Path) -> None:
    (tmp_path / "batch-sizes.json").write_text('{"toy cpu": 2}')
    toy = Toy()
    list(encode_stream(toy, map(text, range(12)), chosen=Settings(cache_dir=tmp_path, batch="6")))
    assert toy.sizes == [6, 6]


@pytest.mark.parametrize("note", ["", "[]", "{", '{"toy cpu": "many"}', "\0"])
def test_a_damaged_note_of_sizes_is_as_good_as_none(tmp_path: Path, note: str) -> None:
    (tmp_path / "batch-sizes.json").write_text(note)
    toy = Toy()
    list(encode_stream(toy, map(text, range(40)), chosen=Settings(cache_dir=tmp_path)))
    assert toy.sizes == [32, 8]


def test_one_item_too_large_for_memory_is_named(chosen: Settings) -> None:
    def full(batch: Sequence[float], modality: Modality) -> None:
        if 6.0 in batch:
            raise MemoryError

    with pytest.raises(MmkitError, match=r"^6: this item alone does not fit into memory; use --device cpu"):
        list(encode_stream(Toy(full), map(text, range(9)), chosen=chosen))
    assert no_worker_is_left()


def test_any_other_error_of_an_encoder_is_not_taken_for_full_memory(chosen: Settings) -> None:
    def broken(batch: Sequence[float], modality: Modality) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        list(encode_stream(Toy(broken), map(text, range(100)), chosen=chosen))
    assert no_worker_is_left()


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (RuntimeError("MPS backend out of memory"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("shape mismatch"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_what_counts_as_full_memory(error: Exception, expected: bool) -> None:
    assert is_out_of_memory(error) is expected


def test_batches_are_sized_by_their_padded_cost(tmp_path: Path) -> None:
    sizes: list[list[float]] = []
    toy = Costed(lambda batch, modality: sizes.append(list(batch)))
    numbers = [1, 1, 1, 4, 4, 2, 2, 2, 2, 9, 0.5, 0.5]
    list(encode_stream(toy, map(text, numbers), chosen=Settings(cache_dir=tmp_path, batch="8")))
    # A batch costs its length times its largest item; one too large for any batch goes alone.
    assert sizes == [[1, 1, 1], [4, 4], [2, 2, 2, 2], [9], [0.5, 0.5]]


def test_running_out_of_memory_is_remembered_by_cost(tmp_path: Path) -> None:
    def full(batch: Sequence[float], modality: Modality) -> None:
        if len(batch) * max(batch) > 16:
            raise MemoryError

    toy = Costed(full)
    list(encode_stream(toy, [text(4)] * 40, chosen=Settings(cache_dir=tmp_path)))
    assert json.loads((tmp_path / "batch-sizes.json").read_text()) == {"toy cpu": 16.0}


def test_sets_of_different_widths_are_padded(tmp_path: Path) -> None:
    def full(batch: Sequence[float], modality: Modality) -> None:
        if len(batch) > 1:
            raise MemoryError

    (done,) = encode_stream(Sets(full), [text(1), text(3)], chosen=Settings(cache_dir=tmp_path))
    assert done.embeddings is not None and done.embeddings.mask is not None
    assert done.embeddings.vectors.shape == (2, 3, DIM)
    assert done.embeddings.mask.tolist() == [[True, False, False], [True, True, True]]
    assert not done.embeddings.vectors[0, 1:].any()
    np.testing.assert_array_equal(done.embeddings.vectors[1], np.repeat(rows_of([3]), 3, axis=0))


def test_joining_one_part_changes_nothing() -> None:
    part = Embeddings(rows_of([1, 2]))
    assert joined([part]) is part


def test_a_stream_that_is_closed_early_leaves_no_thread(chosen: Settings) -> None:
    stream = encode_stream(Toy(), map(text, itertools.count()), chosen=chosen)
    next(stream)
    assert not no_worker_is_left()
    stream.close()  # type: ignore[attr-defined]
    assert no_worker_is_left()


def test_an_unexpected_error_of_a_decoder_comes_through(chosen: Settings) -> None:
    def decode(item: Item) -> Decoded:
        if item.id == "30":
            raise ZeroDivisionError("a defect")
        return Decoded(float(item.id))

    with pytest.raises(ZeroDivisionError, match="a defect"):
        list(encode_stream(Toy(), map(text, itertools.count()), chosen=chosen, decode=decode))
    assert no_worker_is_left()


def test_an_error_of_the_source_of_items_comes_through(chosen: Settings) -> None:
    def items() -> Iterator[Item]:
        yield from map(text, range(50))
        raise LookupError("the source broke")

    with pytest.raises(LookupError, match="the source broke"):
        list(encode_stream(Toy(), items(), chosen=chosen))
    assert no_worker_is_left()


def test_an_endless_source_is_read_only_a_window_ahead(chosen: Settings) -> None:
    taken = itertools.count()
    read = 0

    def items() -> Iterator[Item]:
        nonlocal read
        for number in taken:
            read = number + 1
            yield text(number)

    stream = encode_stream(Toy(), items(), chosen=chosen)
    consumed = 0
    for _ in range(20):
        consumed += next(stream).seen
        # The window of decoding, two batches in flight, the one being filled.
        assert read - consumed <= (3 + 2 * 8) + 3 * 8 + 1
    stream.close()  # type: ignore[attr-defined]


def test_decoding_runs_while_a_batch_is_encoded(chosen: Settings) -> None:
    decoded = threading.Event()

    def decode(item: Item) -> Decoded:
        if item.id == "12":
            decoded.set()
        return Decoded(float(item.id))

    seen: list[bool] = []
    toy = Toy(lambda batch, modality: seen.append(decoded.wait(10)))
    list(encode_stream(toy, map(text, range(16)), chosen=chosen, decode=decode))
    assert seen == [True, True]


@pytest.mark.parametrize("kind", ["known", "failed"])
def test_a_long_run_of_items_without_encoding_is_handed_on_in_pieces(chosen: Settings, kind: str) -> None:
    def decode(item: Item) -> Decoded:
        if kind == "known":
            return Decoded(None, known=True)
        raise BadInput("no")

    batches = list(encode_stream(Toy(), map(text, range(2500)), chosen=chosen, decode=decode))
    assert [done.seen for done in batches] == [1024, 1024, 452]
