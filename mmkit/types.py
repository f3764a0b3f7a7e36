"""The plain data that flows through mmkit: items, embeddings, matches.

Legend: N items, D dims, T tokens, Q queries, K hits a query.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    FloatArray: TypeAlias = NDArray[np.float32]

__all__ = [
    "EMBEDDING_KINDS",
    "MODALITIES",
    "EmbeddingKind",
    "Embeddings",
    "EncoderSpec",
    "Failure",
    "Item",
    "Matches",
    "Modality",
    "Prepared",
    "SharedSpaceQuery",
]

Modality = Literal["image", "text", "audio", "motion", "record"]
EmbeddingKind = Literal["vector", "multivector", "sparse", "bits", "boxes", "map"]
MODALITIES: Final[tuple[str, ...]] = get_args(Modality)
EMBEDDING_KINDS: Final[tuple[str, ...]] = get_args(EmbeddingKind)

#: What ``Encoder.prepare`` returns and ``Encoder.encode`` takes: picklable, meaningful to that encoder alone.
Prepared: TypeAlias = Any


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to encode: a modality and exactly one of path, data, array, text or record.

    Attributes:
        modality: what the thing is.
        id: how it is named in results; unique within a batch of inputs by convention only.
        path: a file to read.
        data: the bytes of such a file.
        array: decoded content: (H, W, 3) uint8 for a picture, (T,) or (C, T) float32 for sound,
            (T, J, 3) float32 metres for motion.
        rate: samples or frames a second of ``array``.
        text: the text itself.
        record: named fields, some of which may be Items themselves (pictures of a record).
        metadata: columns to keep beside the vector.
    """

    modality: Modality
    id: str
    path: Path | None = None
    data: bytes | None = None
    array: Any = None
    rate: float | None = None
    text: str | None = None
    record: Mapping[str, Any] | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        given = [n for n in ("path", "data", "array", "text", "record") if getattr(self, n) is not None]
        if len(given) != 1:
            raise ValueError(f"Expected exactly one of path, data, array, text, record, but received {given}")

    @classmethod
    def from_text(cls, text: str, *, id: str | None = None, metadata: Mapping[str, Any] | None = None) -> Item:
        return cls("text", text if id is None else id, text=text, metadata=metadata or {})

    @classmethod
    def from_path(cls, path: str | Path, modality: Modality, *, id: str | None = None) -> Item:
        return cls(modality, str(path) if id is None else id, path=Path(path))


@dataclass(frozen=True, slots=True)
class EncoderSpec:
    """What an encoder is, known without loading its weights.

    Attributes:
        name: the full name that ``mmkit.encoder`` takes, such as ``mini`` or ``openclip:ViT-B-32/openai``.
        space: the name of what its vectors may be compared with.
        modalities: what it encodes, all into that one space.
        dim: D.
        outputs: beyond ``vector``: ``tokens``, ``differentiable``, ``blocks``.
        kind: the kind of its embeddings.
        licence: SPDX identifier of the weights, or a plain sentence.
        revision: version or commit of the weights.
        fingerprint: sha256 over weights, preprocessing and text template; what a store refuses to mix.
        template: text template for bare class names; ``{}`` stands for the name.
    """

    name: str
    space: str
    modalities: tuple[Modality, ...]
    dim: int
    outputs: frozenset[str] = frozenset({"vector"})
    kind: EmbeddingKind = "vector"
    licence: str = "unknown"
    revision: str = ""
    fingerprint: str = ""
    template: str = "{}"


@dataclass(frozen=True, slots=True, eq=False)
class Embeddings:
    """N embeddings of one space.

    Attributes:
        vectors: (N, D) float32, unit rows; for ``multivector`` (N, T, D).
        mask: (N, T) bool, True where a token counts; only for ``multivector``.
        boxes: (N, T, 4) float32 xyxy in pixels; only for ``boxes``.
        kind: see ``EmbeddingKind``.
        space, fingerprint: of the encoder that made them; empty means "not stated".
        ids: N names, or empty.
    """

    vectors: FloatArray
    kind: EmbeddingKind = "vector"
    mask: NDArray[np.bool_] | None = None
    boxes: FloatArray | None = None
    space: str = ""
    fingerprint: str = ""
    ids: tuple[str, ...] = ()

    def __len__(self) -> int:
        return int(self.vectors.shape[0])

    @property
    def dim(self) -> int:
        return int(self.vectors.shape[-1])


@dataclass(frozen=True, slots=True, eq=False)
class SharedSpaceQuery:
    """Vectors of a shared space together with the tower that made them, for modality swaps.

    Attributes:
        vector: (D,) or (Q, D) float32, unit rows.
        modality: the tower it came from.
    """

    vector: FloatArray
    modality: Modality
    space: str = ""
    fingerprint: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """The best K gallery rows for each of Q queries, best first.

    Attributes:
        indices: (Q, K) int64 rows of the gallery; -1 pads where fewer than K passed the threshold.
        scores: (Q, K) float32, descending; -inf beside each -1.
        ids: (Q, K) object array of gallery names (the row number as text where the gallery has none); "" pads.
    """

    indices: NDArray[np.int64]
    scores: FloatArray
    ids: NDArray[np.object_]

    def __len__(self) -> int:
        return int(self.indices.shape[0])


@dataclass(frozen=True, slots=True)
class Failure:
    """One item that could not be processed, and why, in one line."""

    id: str
    reason: str
