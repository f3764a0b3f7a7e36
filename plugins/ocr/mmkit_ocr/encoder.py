"""The encoder ``ocr-word``: word pictures and words as vectors of one space.

Legend: N items, L = 26 slots, D dims.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mmkit.config import Settings, settings
from mmkit.errors import BadInput, UsageError
from mmkit.types import Embeddings, EncoderSpec, Item, Modality, Prepared

if TYPE_CHECKING:
    import torch

    from mmkit_ocr.recogniser.network import Network
    from mmkit_ocr.recogniser.tower import MiniTower

__all__ = ["OcrWordEncoder", "load"]

_SPACE: Final = 256


def load(argument: str | None, *, settings: Settings) -> OcrWordEncoder:
    """The encoder over the bundled weights. Raises ModelUnavailable where they are missing."""
    if argument is not None:
        raise UsageError(f"the encoder ocr-word takes nothing after its name, but received {argument!r}")
    return OcrWordEncoder(chosen=settings)


class OcrWordEncoder:
    """Crops of one word each and words, D dims; case is folded and nothing but printable ASCII counts.

    Args:
        weights: a file that ``mmkit ocr train`` wrote; the bundled one if None.
        chosen: device.
    """

    def __init__(self, weights: Path | None = None, chosen: Settings | None = None) -> None:
        from mmkit.encoders.mini import WEIGHTS
        from mmkit.models import fingerprint
        from mmkit_ocr import WEIGHTS as OWN
        from mmkit_ocr.recogniser.tower import PROMPT

        self._weights = OWN / "word.safetensors" if weights is None else weights
        self._mini = WEIGHTS
        self._settings = chosen or settings()
        if not self._weights.is_file():
            from mmkit.errors import ModelUnavailable

            raise ModelUnavailable("the weights are missing", where=str(self._weights), mend="install mmkit-ocr again")
        files = [self._weights, *(WEIGHTS / name for name in ("text.safetensors", "words.safetensors"))]
        self.spec = EncoderSpec(
            name="ocr-word",
            space="ocr-word",
            modalities=("image", "text"),
            dim=_SPACE,
            licence="Apache-2.0",
            revision="1",
            fingerprint=fingerprint(
                *files, WEIGHTS / "tokenizer.json", PROMPT, "48x192", cache_dir=self._settings.cache_dir
            ),
        )
        self._lock = threading.Lock()
        self._network: Network | None = None
        self._tower: MiniTower | None = None

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        from mmkit.encoders.device import resolve_device

        return resolve_device(self._settings.device)

    @property
    def network(self) -> Network:
        """The recogniser."""
        from mmkit_ocr.recogniser.weights import load_network

        with self._lock:
            if self._network is None:
                self._network = load_network(self._weights, device=self.device)
            return self._network

    @property
    def tower(self) -> MiniTower:
        """The text tower of the prompts."""
        from mmkit_ocr.recogniser.tower import MiniTower

        with self._lock:
            if self._tower is None:
                self._tower = MiniTower(self._mini, device=self.device)
            return self._tower

    def prepare(self, item: Item) -> Prepared:
        """A picture to (48, 192, 3) uint8, a text to its folded spelling of at most 25 characters."""
        if item.modality == "image":
            import numpy as np

            from mmkit.media.images import read_image
            from mmkit_ocr.recogniser.crops import fitted

            return fitted(np.asarray(read_image(item)))
        if item.modality == "text":
            from mmkit.media.text import read_text

            return self._spelling(read_text(item))
        raise BadInput(f"ocr-word encodes pictures and texts, and this is {item.modality}", where=item.id)

    def encode(self, batch: Sequence[Prepared], modality: Modality) -> Embeddings:
        """(N, D) float32 unit rows."""
        import numpy as np
        import torch

        with torch.inference_mode():
            if not batch:
                vectors = np.zeros((0, self.spec.dim), np.float32)
            elif modality == "image":
                vectors = self._crops(batch)
            else:
                vectors = self._words(batch)
        return Embeddings(vectors, space=self.spec.space, fingerprint=self.spec.fingerprint)

    def _crops(self, batch: Sequence[Any]) -> Any:
        import numpy as np
        import torch

        pictures = torch.from_numpy(np.stack(batch)).to(self.device).permute(0, 3, 1, 2).float() / 255
        network = self.network
        return network.space.crops(network(pictures).memory).float().cpu().numpy()

    def _words(self, batch: Sequence[str]) -> Any:
        import torch

        from mmkit_ocr.recogniser.charset import to_numbers
        from mmkit_ocr.recogniser.tower import pooled_states

        numbers = torch.from_numpy(to_numbers(batch)).to(self.device)
        states = pooled_states(self.tower, batch, batch=64)
        return self.network.space.words(numbers, states).float().cpu().numpy()

    def _spelling(self, text: str) -> str:
        from mmkit_ocr.recogniser.charset import MAX_LENGTH, known

        return known(text.lower())[:MAX_LENGTH]
