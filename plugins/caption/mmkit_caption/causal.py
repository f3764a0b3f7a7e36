"""Any causal language model of transformers as the captioner's decoder, seen as ``mmkit.generation`` sees its own.

R rows, T places, W width, V pieces. Only safetensors are read, and no code that comes with a model is run.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mmkit.errors import ModelUnavailable

__all__ = ["CausalDecoder", "CausalState", "CausalVocabulary", "load_causal"]


class CausalState:
    """The model's own cache, as ``mmkit.generation.search`` uses a ``DecoderState``."""

    def __init__(self) -> None:
        from transformers import DynamicCache

        self.cache: Any = DynamicCache()
        self.length = 0

    def select(self, rows: Tensor, sentences: Tensor | None = None) -> None:
        """Goes on with the given rows (R',) of what was read."""
        self.cache.batch_select_indices(rows)


class CausalDecoder(nn.Module):
    """A causal language model that reads embeddings and gives states."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network
        # A model for scores keeps its body under its own name for it: transformer, model, gpt_neox …
        self._body = network.base_model_prefix

    @property
    def width(self) -> int:
        """W of its embeddings."""
        return int(self.network.get_input_embeddings().embedding_dim)

    def embed(self, ids: Tensor) -> Tensor:
        """(R, T, W) of ids (R, T)."""
        embedded: Tensor = self.network.get_input_embeddings()(ids)
        return embedded

    def start(self, memory: Tensor | None = None, memory_mask: Tensor | None = None) -> CausalState:
        """An empty cache; there is no source to read."""
        return CausalState()

    def read(self, embeddings: Tensor, state: CausalState) -> Tensor:
        """States (R, T, W) after all that the cache has seen."""
        body = getattr(self.network, self._body)
        done = body(inputs_embeds=embeddings, past_key_values=state.cache, use_cache=True)
        state.cache = done.past_key_values
        state.length += embeddings.shape[1]
        states: Tensor = done.last_hidden_state
        return states

    def forward(self, embeddings: Tensor, memory: Tensor | None = None, memory_mask: Tensor | None = None) -> Tensor:
        """States (R, T, W), each of which has seen only what stands before it."""
        body = getattr(self.network, self._body)
        states: Tensor = body(inputs_embeds=embeddings, use_cache=False).last_hidden_state
        return states

    def logits(self, states: Tensor) -> Tensor:
        """Scores (…, V) of the next piece."""
        scores: Tensor = self.network.get_output_embeddings()(states)
        return scores

    def save(self, folder: Path, vocabulary: CausalVocabulary) -> None:
        """Write the model and its tokenizer as transformers reads them, weights as safetensors."""
        self.network.save_pretrained(folder, safe_serialization=True)
        vocabulary.tokenizer.save_pretrained(folder)


class CausalVocabulary:
    """A tokenizer of transformers, as ``mmkit.generation.Vocabulary``."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        if tokenizer.eos_token_id is None:
            raise ModelUnavailable(
                "has no end mark, so it would never end a caption", where=str(tokenizer.name_or_path)
            )
        self.eos = int(tokenizer.eos_token_id)
        self.bos = self.eos if tokenizer.bos_token_id is None else int(tokenizer.bos_token_id)
        # Targets that are padding do not count, and an end mark has to: so padding needs an id of its own.
        spare = (tokenizer.pad_token_id, tokenizer.unk_token_id, tokenizer.bos_token_id)
        self.pad = next((int(mark) for mark in spare if mark not in (None, self.eos)), self._unused())

    def _unused(self) -> int:
        return next(number for number in range(len(self.tokenizer)) if number != self.eos)

    def __len__(self) -> int:
        return len(self.tokenizer)

    def encode(self, text: str) -> list[int]:
        """The ids of a text, without marks."""
        return list(self.tokenizer.encode(text, add_special_tokens=False))

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text, without marks."""
        return [self.encode(text) for text in texts]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids; marks are left out."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True)).strip()


def load_causal(name: str, folder: Path) -> tuple[CausalDecoder, CausalVocabulary, int]:
    """The model called ``name``, its vocabulary and its width; one that was trained on lies in ``folder/decoder``.

    Raises:
        ModelUnavailable: transformers is not installed, there is no such model, or it needs code of its own or
            pickled weights.
    """
    from mmkit.encoders.torchvision_guard import guard_torchvision

    # transformers imports torchvision where it is installed.
    guard_torchvision()
    try:
        from transformers import AutoModelForCausalLM, AutoTokenizer
    except ImportError as error:
        raise ModelUnavailable(
            f"the decoder {name} needs the package transformers", mend="pip install 'mmkit-caption[transformers]'"
        ) from error
    tuned = folder / "decoder"
    source = str(tuned) if (tuned / "config.json").is_file() else name.removeprefix("hf:")
    try:
        network = AutoModelForCausalLM.from_pretrained(
            source, trust_remote_code=False, use_safetensors=True, dtype=torch.float32
        )
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    except (OSError, ValueError, ImportError) as error:
        raise ModelUnavailable(
            f"cannot be loaded: {str(error).splitlines()[0]}", where=source, mend="name a model of the hub, or a folder"
        ) from error
    decoder = CausalDecoder(network.eval())
    return decoder, CausalVocabulary(tokenizer), decoder.width
