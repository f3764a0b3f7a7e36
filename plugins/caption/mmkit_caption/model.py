"""The captioner: a vector of a shared space, as a prefix that a decoder goes on from (CgT-GAN, Yu et al. 2023).

N vectors, D dims of the space, P places of the prefix, W width of the decoder, T pieces of a text.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Final, Protocol

import torch
from torch import Tensor, nn

from mmkit.generation.prefix import PrefixMapper
from mmkit.generation.state import DecoderState
from mmkit.generation.transformer import TextDecoder, TransformerSizes

__all__ = ["CaptionModel", "Decoder", "Shape"]

_DEFAULT_SIZES: Final = {"vocabulary": 6000, "width": 256, "heads": 4, "feedforward": 1024, "decoder_layers": 3}


class Decoder(Protocol):
    """What is asked of a decoder: ``mmkit.generation.TextDecoder``, or a causal model of transformers."""

    def embed(self, ids: Tensor) -> Tensor:
        """Embeddings (N, T, W) of ids (N, T)."""

    def start(self, memory: Tensor | None = None, memory_mask: Tensor | None = None) -> DecoderState:
        """An empty cache."""

    def read(self, embeddings: Tensor, state: DecoderState) -> Tensor:
        """States (N, T, W) after all that the cache has seen."""

    def logits(self, states: Tensor) -> Tensor:
        """Scores (…, V) of the next piece."""

    def __call__(self, embeddings: Tensor, memory: Tensor | None = None, memory_mask: Tensor | None = None) -> Tensor:
        """States (N, T, W), each of which has seen only what stands before it."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How a captioner is built; what config.json keeps of it.

    Attributes:
        dim: D.
        languages: codes; a text begins after its language's mark.
        prefix: P.
        hidden: of the mapper; None for one linear layer and PReLU, else linear, tanh, linear.
        sizes: of our own decoder (see ``TransformerSizes``), its vocabulary included.
        max_length: pieces of a text at most, the end mark included.
    """

    dim: int
    languages: tuple[str, ...] = ("en",)
    prefix: int = 10
    hidden: int | None = 1280
    sizes: dict[str, Any] = field(default_factory=lambda: dict(_DEFAULT_SIZES))
    max_length: int = 40

    @classmethod
    def read(cls, raw: dict[str, Any]) -> Shape:
        """From config.json. Raises TypeError where a field is missing or unknown."""
        return cls(**{**raw, "languages": tuple(raw.get("languages", ("en",)))})

    def written(self) -> dict[str, Any]:
        """As config.json keeps it."""
        return asdict(self)


class CaptionModel(nn.Module):
    """(N, D) vectors to prompts, and the decoder that goes on from them.

    Args:
        decoder: another than our own; its width is ``width``.
    """

    def __init__(self, shape: Shape, decoder: nn.Module | None = None, *, width: int | None = None) -> None:
        super().__init__()
        self.shape = shape
        own = decoder is None
        self.decoder: Any = TextDecoder(TransformerSizes(**shape.sizes), cross_attention=False) if own else decoder
        self.width = int(shape.sizes["width"]) if own else int(width or 0)
        self.mapper = PrefixMapper(shape.dim, self.width, shape.prefix, hidden=shape.hidden)
        self.languages = nn.Embedding(len(shape.languages), self.width)
        # As large as the pieces' embeddings are where the decoder reads them.
        with torch.no_grad():
            typical = self.decoder.embed(torch.arange(4)[None]).float().std().clamp_min(1e-3)
            nn.init.normal_(self.languages.weight, std=float(typical))

    def prompt(self, vectors: Tensor, languages: Tensor) -> Tensor:
        """(N, P + 1, W): the prefix of vectors (N, D), then the mark of each text's language (N,)."""
        return torch.cat([self.mapper(vectors), self.languages(languages)[:, None]], dim=1)

    def forward(self, vectors: Tensor, languages: Tensor, ids: Tensor) -> Tensor:
        """Scores (N, T, V) of each next piece of the texts ``ids`` (N, T), the first from the prompt alone."""
        prompt = self.prompt(vectors, languages)
        inputs = torch.cat([prompt, self.decoder.embed(ids[:, :-1]).to(prompt)], dim=1)
        states = self.decoder(inputs)[:, prompt.shape[1] - 1 :]
        scores: Tensor = self.decoder.logits(states)
        return scores

    def language_ids(self, language: str, count: int, device: torch.device | str = "cpu") -> Tensor:
        """(N,) ids of one language. Raises ValueError for one that the captioner does not write."""
        return torch.full((count,), self.shape.languages.index(language), dtype=torch.long, device=device)
