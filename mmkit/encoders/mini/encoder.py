"""``mini`` behind the Encoder contract: known at once, its weights loaded on the first encoding.

Legend: N items, T tokens, D dims.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mmkit.config import Settings, settings
from mmkit.encoders.mini import WEIGHTS
from mmkit.errors import BadInput, ModelUnavailable, UsageError
from mmkit.types import Embeddings, EncoderSpec, Item, Modality, Prepared

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from mmkit.encoders.mini.model import MiniModel

__all__ = ["MiniEncoder", "load"]

#: Text costs are counted in this many tokens, about what one picture costs a batch.
_TOKENS_AN_ITEM: Final = 32


def load(argument: str | None, *, settings: Settings) -> MiniEncoder:
    """The bundled encoder. Raises ModelUnavailable where its weights are missing or damaged."""
    if argument is not None:
        raise UsageError(f"the encoder mini takes nothing after its name, but received {argument!r}")
    return MiniEncoder(WEIGHTS, settings)


class MiniEncoder:
    """Pictures and English texts in one space of D dims.

    Args:
        directory: a folder of weights as ``mmkit train mini`` writes it.
        chosen: device and number type.
    """

    def __init__(self, directory: Path = WEIGHTS, chosen: Settings | None = None) -> None:
        from mmkit.encoders.mini.preprocessing import Preprocessing
        from mmkit.models import fingerprint as fingerprint_of
        from mmkit.models.cards import parse_card

        self.directory = directory
        self._settings = chosen or settings()
        config_file = directory / "config.json"
        try:
            config = json.loads(config_file.read_text("utf-8"))
            files = sorted(directory.glob("*.safetensors"))
            card_file = directory / "card.toml"
            card = parse_card(card_file.read_text("utf-8"), where=str(card_file), folder=directory)
        except (OSError, ValueError) as error:
            raise ModelUnavailable(
                f"the bundled weights cannot be read: {error}", where=str(directory), mend="install mmkit again"
            ) from error
        self.preprocessing = Preprocessing.from_config(config["preprocessing"])
        self.templates = tuple(config["templates"])
        self.logit_scale = float(config["logit_scale"])
        self.spec = EncoderSpec(
            name="mini",
            space="mini",
            modalities=("image", "text"),
            dim=int(config["dim"]),
            outputs=frozenset({"vector", "tokens", "differentiable"}),
            licence=card.licence,
            revision=str(card.extra.get("revision", "")),
            fingerprint=fingerprint_of(
                *files, config_file, directory / "tokenizer.json", cache_dir=self._settings.cache_dir
            ),
            template=self.templates[0],
        )
        self._lock = threading.Lock()
        self._model: MiniModel | None = None
        self._tokenizer: Any = None

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        from mmkit.encoders.device import resolve_device

        return resolve_device(self._settings.device)

    @property
    def model(self) -> MiniModel:
        """The torch module itself, for gradients and training."""
        with self._lock:
            if self._model is None:
                from mmkit.encoders.device import resolve_dtype
                from mmkit.encoders.mini.model import MiniModel

                device = self.device
                self._model = MiniModel.load(
                    self.directory, device=device, dtype=resolve_dtype(self._settings.dtype, device)
                )
            return self._model

    def prepare(self, item: Item) -> Prepared:
        """A picture to (3, S, S) uint8, a text to its token ids."""
        if item.modality == "image":
            from mmkit.encoders.mini.scaling import scaled_crop
            from mmkit.media.images import read_image

            return scaled_crop(read_image(item, min_side=self.preprocessing.size), self.preprocessing)
        if item.modality == "text":
            from mmkit.media.text import read_text

            return self._tokens(read_text(item))
        raise BadInput(f"mini encodes pictures and texts, and this is {item.modality}", where=item.id)

    def cost(self, prepared: Prepared, modality: Modality) -> float:
        """1 for a picture; tokens in units of 32 for a text."""
        return 1.0 if modality == "image" else max(0.25, len(prepared) / _TOKENS_AN_ITEM)

    def encode(self, batch: Sequence[Prepared], modality: Modality) -> Embeddings:
        """(N, D) float32 unit rows."""
        import numpy as np

        spec = self.spec
        if not batch:
            vectors = np.zeros((0, spec.dim), np.float32)
        elif self.device.type == "cpu":
            from mmkit.encoders.cpu_parallel import map_parts

            light = modality == "text"
            parts = map_parts(lambda part: self._run(part, modality, tokens=False)[0], batch, light=light)
            vectors = np.concatenate(parts)
        else:
            vectors, _ = self._run(batch, modality, tokens=False)
        return Embeddings(vectors, space=spec.space, fingerprint=spec.fingerprint)

    def encode_tokens(self, batch: Sequence[Prepared], modality: Modality) -> Embeddings:
        """(N, T, D) float32: one row for each place of the picture's grid or each token of the text."""
        import numpy as np

        spec = self.spec
        if batch:
            vectors, mask = self._run(batch, modality, tokens=True)
        else:
            vectors, mask = np.zeros((0, 0, spec.dim), np.float32), np.zeros((0, 0), np.bool_)
        return Embeddings(vectors, kind="multivector", mask=mask, space=spec.space, fingerprint=spec.fingerprint)

    def _run(
        self, batch: Sequence[Prepared], modality: Modality, *, tokens: bool
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Rows and mask of N > 0 prepared items: (N, D), or with ``tokens`` (N, T, D), and (N, T)."""
        import numpy as np
        import torch

        model, device = self.model, self.device
        with torch.inference_mode():
            if modality == "image":
                from mmkit.encoders.mini.preprocessing import normalise

                pixels = normalise(torch.from_numpy(np.stack(batch)).to(device), self.preprocessing)
                rows = model.image_tokens(pixels) if tokens else model.image_features(pixels)
                mask = np.ones(tuple(rows.shape[:2]), np.bool_)
            else:
                from mmkit.encoders.mini.tokenizer import pad_ids

                ids, mask = pad_ids(batch)
                given = torch.from_numpy(ids).to(device), torch.from_numpy(mask).to(device)
                rows = model.text_tokens(*given) if tokens else model.text_features(*given)
            return rows.float().cpu().numpy(), mask

    def _tokens(self, text: str) -> list[int]:
        if self._tokenizer is None:
            with self._lock:
                if self._tokenizer is None:
                    from mmkit.encoders.mini.tokenizer import MiniTokenizer

                    self._tokenizer = MiniTokenizer(self.directory / "tokenizer.json")
        return list(self._tokenizer.ids(text))
