"""LaMP behind the Encoder contract: ``motion`` with one vector a clip, ``motion-sets`` with one for each query.

N items, Q queries, D dims.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mmkit.config import Settings
from mmkit.errors import BadInput, UsageError
from mmkit.types import EmbeddingKind, Embeddings, EncoderSpec, Item, Modality, Prepared
from mmkit_motion.lamp import WEIGHTS, Lamp

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["MotionEncoder", "load", "load_sets"]


def load(argument: str | None, *, settings: Settings) -> MotionEncoder:
    """One vector a clip: the mean over queries. Raises ModelUnavailable where weights are missing."""
    return MotionEncoder("vector", settings, argument)


def load_sets(argument: str | None, *, settings: Settings) -> MotionEncoder:
    """One vector for each query of a clip, compared by max-sim."""
    return MotionEncoder("multivector", settings, argument)


class MotionEncoder:
    """Motions and English texts in one space of 128 dims.

    A motion longer than 9.8 seconds is looked at in overlapping pieces, whose vectors are averaged or, as sets, joined.
    """

    def __init__(self, kind: EmbeddingKind, settings: Settings, argument: str | None = None) -> None:
        from mmkit.encoders.mini import WEIGHTS as MINI
        from mmkit.models import fingerprint
        from mmkit.models.cards import parse_card

        if argument is not None:
            raise UsageError(f"the encoder motion takes nothing after its name, but received {argument!r}")
        card = parse_card((WEIGHTS / "card.toml").read_text("utf-8"), where=str(WEIGHTS / "card.toml"), folder=WEIGHTS)
        files = [*sorted(WEIGHTS.glob("*.safetensors")), WEIGHTS / "config.json"]
        # The text side runs on the core's tower, so that its weights are part of the space.
        tower = [MINI / "text.safetensors", MINI / "words.safetensors", MINI / "tokenizer.json"]
        self.spec = EncoderSpec(
            name="motion" if kind == "vector" else "motion-sets",
            space="motion",
            modalities=("motion", "text"),
            dim=128,
            kind=kind,
            licence=card.licence,
            fingerprint=fingerprint(*files, *tower, cache_dir=settings.cache_dir),
            template="a person {}",
        )
        self.lamp = Lamp(WEIGHTS, settings)

    def prepare(self, item: Item) -> Prepared:
        """A motion to its pieces' normalised features, a text to its tokens and pooled vector."""
        if item.modality == "motion":
            from mmkit_motion.reading import read_clip

            return self.lamp.motion_input(read_clip(item).joints)
        if item.modality == "text":
            from mmkit.media.text import read_text

            return self.lamp.text_inputs([read_text(item)])[0]
        raise BadInput(f"motion encodes motions and texts, and this is {item.modality}", where=item.id)

    def cost(self, prepared: Prepared, modality: Modality) -> float:
        """Pieces of 9.8 seconds for a motion; 0.1 for a text."""
        return float(len(prepared)) if modality == "motion" else 0.1

    def encode(self, batch: Sequence[Prepared], modality: Modality) -> Embeddings:
        """(N, 128) float32 unit rows, or as sets (N, T, 128) with their mask."""
        import numpy as np

        spec = self.spec
        if modality == "text":
            vectors, mask = self.lamp.text_vectors(batch), None
            if spec.kind == "multivector":
                vectors, mask = vectors[:, None], np.ones((len(vectors), 1), np.bool_)
        else:
            sets = self._sets(batch)
            if spec.kind == "vector":
                pooled = np.stack([one.mean(0) for one in sets]) if sets else np.zeros((0, spec.dim), np.float32)
                vectors, mask = pooled / np.maximum(np.linalg.norm(pooled, axis=-1, keepdims=True), 1e-9), None
            else:
                vectors, mask = _joined(sets, spec.dim)
        vectors = np.asarray(vectors, np.float32)
        return Embeddings(vectors, kind=spec.kind, mask=mask, space=spec.space, fingerprint=spec.fingerprint)

    def _sets(self, batch: Sequence[list[NDArray[np.float32]]]) -> list[NDArray[np.float32]]:
        """For each motion all its query vectors, (Q * pieces, D)."""
        flat = [piece for pieces in batch for piece in pieces]
        vectors = self.lamp.motion_vectors(flat)
        out, start = [], 0
        for pieces in batch:
            out.append(vectors[start : start + len(pieces)].reshape(-1, vectors.shape[-1]))
            start += len(pieces)
        return out


def _joined(sets: list[Any], dim: int) -> tuple[Any, Any]:
    """(N, T, D) and mask (N, T) of sets of differing sizes."""
    import numpy as np

    longest = max((len(one) for one in sets), default=0)
    vectors, mask = np.zeros((len(sets), longest, dim), np.float32), np.zeros((len(sets), longest), np.bool_)
    for number, one in enumerate(sets):
        vectors[number, : len(one)] = one
        mask[number, : len(one)] = True
    return vectors, mask
