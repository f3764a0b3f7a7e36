"""CLIPTrans on mBART: the prefix goes in by ``decoder_inputs_embeds``, and the core's beam search writes.

The method's own code changes transformers to make room for the prefix; here the model is used as it is.
N sentences, S and T places of source and target, P places of the prefix, R rows, W width, D dims of the space.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mmkit.generation.prefix import PrefixMapper
from mmkit.generation.search import Hypothesis, beam_search
from mmkit_translate.training.losses import smoothed_cross_entropy

__all__ = ["PrefixedMbart"]


class PrefixedMbart(nn.Module):
    """mBART whose decoder reads ``[</s>, p_1 .. p_P, <language>, y_1 ..]``.

    Args:
        model: an ``MBartForConditionalGeneration``.
        space: D, dimensions of the vectors that the prefix is made of.
        length: P.
    """

    def __init__(self, model: Any, *, space: int, length: int = 10) -> None:
        super().__init__()
        self.model = model
        self.prefix = PrefixMapper(space, model.config.d_model, length)

    def loss(self, ids: Tensor, mask: Tensor, vectors: Tensor, language: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy of the targets; the prompt's own places have none.

        Args:
            ids, mask: (N, S) source.
            vectors: (N, D).
            language: (N,) ids of the languages' marks.
            targets: (N, T) ids that end with ``</s>``, then padding.
        """
        prompt = self.prompt(vectors, language)
        inputs = torch.cat([prompt, self.embed(targets[:, :-1])], dim=1)
        states = self.model.model(
            input_ids=ids, attention_mask=mask, decoder_inputs_embeds=inputs, use_cache=False
        ).last_hidden_state
        logits = self.logits(states[:, prompt.shape[1] - 1 :])
        real = targets != self.model.config.pad_token_id
        return smoothed_cross_entropy(logits[real], targets[real], smoothing=0.0)

    def translate(
        self, ids: Tensor, mask: Tensor, vectors: Tensor, language: Tensor, *, beam: int = 4, max_length: int = 200
    ) -> list[Hypothesis]:
        """The best translation of each of N sources."""
        with torch.inference_mode():
            memory = self.model.get_encoder()(input_ids=ids, attention_mask=mask).last_hidden_state
            found = beam_search(
                self,  # type: ignore[arg-type]
                self.prompt(vectors, language),
                eos=self.model.config.eos_token_id,
                max_length=max_length,
                memory=memory,
                memory_mask=mask.bool(),
                beam=beam,
                banned=[self.model.config.pad_token_id],
            )
        return [hypotheses[0] for hypotheses in found]

    def prompt(self, vectors: Tensor, language: Tensor) -> Tensor:
        """(N, P + 2, W): what every target begins with; zeros in ``vectors`` (N, D) give a prefix of zeros."""
        known = (vectors != 0).any(dim=1)
        begin = self.embed(torch.full_like(language, self.model.config.eos_token_id)[:, None])
        return torch.cat([begin, self.prefix(vectors) * known[:, None, None], self.embed(language[:, None])], dim=1)

    def embed(self, ids: Tensor) -> Tensor:
        """(R, T, W) of ids (R, T), scaled as the decoder itself does it: ``decoder_inputs_embeds`` is not."""
        embedding = self.model.get_decoder().embed_tokens
        embedded: Tensor = embedding(ids)
        # Newer releases scale in the embedding itself, older ones after it.
        return embedded if hasattr(embedding, "embed_scale") else embedded * self.model.get_decoder().embed_scale

    def logits(self, states: Tensor) -> Tensor:
        """Scores (…, V) of states (…, W)."""
        scores: Tensor = self.model.lm_head(states) + self.model.final_logits_bias
        return scores

    def start(self, memory: Tensor | None = None, memory_mask: Tensor | None = None) -> _Reading:
        """What ``read`` goes on from."""
        if memory is None or memory_mask is None:
            raise ValueError("Expected a source")
        return _Reading(memory, memory_mask)

    def read(self, embeddings: Tensor, state: _Reading) -> Tensor:
        """States (R, T, W) of what comes next."""
        output = self.model.get_decoder()(
            inputs_embeds=embeddings,
            encoder_hidden_states=state.memory,
            encoder_attention_mask=state.memory_mask.long(),
            past_key_values=state.cache,
            use_cache=True,
        )
        state.cache = output.past_key_values
        states: Tensor = output.last_hidden_state
        return states


class _Reading:
    """The cache of transformers behind the interface of the core's search: a source a row."""

    def __init__(self, memory: Tensor, memory_mask: Tensor) -> None:
        self.memory, self.memory_mask = memory, memory_mask
        self.cache: Any = None

    def select(self, rows: Tensor, sentences: Sequence[int] | Tensor | None = None) -> None:
        """Goes on with the given rows; a row brings its own source, so the sentences need no look."""
        self.cache.reorder_cache(rows)
        self.memory, self.memory_mask = self.memory[rows], self.memory_mask[rows]
