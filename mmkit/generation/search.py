"""From a decoder's scores to texts: beam search, and samples for policy gradients.

N sentences, B beams, P places of the prompt, T places written, W width, V pieces.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mmkit.generation.state import DecoderState
from mmkit.generation.transformer import TextDecoder

__all__ = ["Hypothesis", "beam_search", "sample", "sequence_log_probs"]


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One text as ids without the end mark, and its log-probability over its length to the length penalty."""

    ids: tuple[int, ...]
    score: float


@torch.inference_mode()
def beam_search(
    decoder: TextDecoder,
    prompt: Tensor,
    *,
    eos: int,
    max_length: int,
    memory: Tensor | None = None,
    memory_mask: Tensor | None = None,
    beam: int = 4,
    n_best: int = 1,
    length_penalty: float = 1.0,
    banned: Sequence[int] = (),
) -> list[list[Hypothesis]]:
    """The ``n_best`` texts of each sentence, best first; with a beam of 1 this is the greedy text.

    Args:
        prompt: (N, P, W) embeddings that every text begins with: a prefix, a language's mark.
        eos: the id that ends a text.
        max_length: of a text in pieces, the end mark included; longer ones are cut there.
        memory, memory_mask: see `TextDecoder.forward`.
        n_best: at most ``beam``.
        length_penalty: scores are divided by length to this power (above 1 favours long texts).
        banned: ids that are never written.

    A sentence is finished when no text that is still being written can overtake the worst of its B best at the
    present length, as in transformers' default.
    """
    if not 1 <= n_best <= beam:
        raise ValueError(f"Expected n_best from 1 to the beam of {beam}, but received {n_best}")
    if not len(prompt):
        return []
    state = decoder.start(memory, memory_mask)
    logits = decoder.logits(decoder.read(prompt, state)[:, -1])
    search = _Beams(len(prompt), beam, max_length, eos, length_penalty, banned, prompt.device)
    while True:
        parents = search.advance(logits)
        if search.step == max_length:
            search.close_all()
        going = search.drop_finished()
        if going is not None:
            if not len(going):
                return [texts[:n_best] for texts in search.results()]
            parents = parents.index_select(0, going)
        state.select(parents.flatten(), going)
        logits = decoder.logits(decoder.read(decoder.embed(search.last[:, None]), state)[:, -1])


class _Beams:
    """The texts that are being written and the B best finished ones, of the sentences that are not done yet."""

    def __init__(
        self,
        sentences: int,
        beam: int,
        max_length: int,
        eos: int,
        penalty: float,
        banned: Sequence[int],
        device: torch.device,
    ) -> None:
        self.beam, self.eos, self.penalty = beam, eos, penalty
        self.banned = torch.tensor(list(banned), dtype=torch.long, device=device)
        self.step = 0
        self.numbers = torch.arange(sentences, device=device)
        self.scores = torch.zeros(sentences, 1, device=device)
        self.ids = torch.full((sentences, 1, max_length), eos, dtype=torch.long, device=device)
        self.done_scores = torch.full((sentences, beam), -torch.inf, device=device)
        self.done_ids = torch.full((sentences, beam, max_length), eos, dtype=torch.long, device=device)
        self._results: list[list[Hypothesis]] = [[] for _ in range(sentences)]

    @property
    def last(self) -> Tensor:
        """The newest piece (N·B,) of each text."""
        return self.ids[:, :, self.step - 1].flatten()

    def advance(self, logits: Tensor) -> Tensor:
        """Writes one piece more from the scores (N·B, V) and gives the row (N, B) that each text came from."""
        sentences, beams = self.scores.shape
        best, pieces = _best_log_probs(logits.float(), self.banned, min(2 * self.beam, logits.shape[1]))
        wanted = pieces.shape[1]
        best = best.view(sentences, beams, wanted) + self.scores[:, :, None]
        scores, places = best.flatten(1).topk(min(2 * self.beam, beams * wanted), dim=1)
        parents = places // wanted
        pieces = pieces.view(sentences, -1).gather(1, places)
        ids = self.ids.gather(1, parents[:, :, None].expand(-1, -1, self.ids.shape[2]))
        ids[:, :, self.step] = pieces
        self.step += 1
        ends = pieces == self.eos
        # Only an end among the B best counts: further down there are better texts to go on with.
        self._finish(scores[:, : self.beam].masked_fill(~ends[:, : self.beam], -torch.inf), ids[:, : self.beam])
        self.scores, kept = scores.masked_fill(ends, -torch.inf).topk(min(self.beam, scores.shape[1]), dim=1)
        self.ids = ids.gather(1, kept[:, :, None].expand(-1, -1, ids.shape[2]))
        offsets = torch.arange(sentences, device=logits.device)[:, None] * beams
        return parents.gather(1, kept) + offsets

    def _finish(self, scores: Tensor, ids: Tensor) -> None:
        scores = torch.cat([self.done_scores, scores / self.step**self.penalty], dim=1)
        self.done_scores, kept = scores.topk(self.beam, dim=1)
        ids = torch.cat([self.done_ids, ids], dim=1)
        self.done_ids = ids.gather(1, kept[:, :, None].expand(-1, -1, ids.shape[2]))

    def close_all(self) -> None:
        """Takes the texts that are still being written as they stand."""
        self._finish(self.scores, self.ids)
        self.scores = torch.full_like(self.scores, -torch.inf)

    def drop_finished(self) -> Tensor | None:
        """Puts the finished sentences aside and gives the places (N',) of the others; None where none is finished.

        The last sentences move to where one finished, so that all others stay in their places.
        """
        finished = (self.done_scores[:, -1] >= self.scores[:, 0] / self.step**self.penalty).tolist()
        if not any(finished):
            return None
        for place in (place for place, done in enumerate(finished) if done):
            self._results[int(self.numbers[place])] = self._texts(place)
        count = finished.count(False)
        movers = [place for place, done in enumerate(finished) if place >= count and not done]
        order = [movers.pop() if done else place for place, done in enumerate(finished[:count])]
        going = torch.tensor(order, dtype=torch.long, device=self.ids.device)
        self.numbers, self.scores, self.ids = self.numbers[going], self.scores[going], self.ids[going]
        self.done_scores, self.done_ids = self.done_scores[going], self.done_ids[going]
        return going

    def _texts(self, place: int) -> list[Hypothesis]:
        texts = []
        for score, ids in zip(self.done_scores[place].tolist(), self.done_ids[place].tolist(), strict=True):
            if score > -torch.inf:
                end = ids.index(self.eos) if self.eos in ids else len(ids)
                texts.append(Hypothesis(tuple(ids[:end]), score))
        return texts

    def results(self) -> list[list[Hypothesis]]:
        """The finished texts of all sentences in their order, best first."""
        return self._results


def _best_log_probs(logits: Tensor, banned: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The ``count`` best log-probabilities of scores (R, V) and their pieces, best first: (R, count) each.

    Works in the scores' own place: a copy would cost as much as the rest.
    """
    if len(banned):
        logits.index_fill_(1, banned, -torch.inf)
    best, pieces = logits.topk(count, dim=1)
    best -= best[:, :1].clone() + logits.sub_(best[:, :1]).exp_().sum(1, keepdim=True).log_()
    return best, pieces


@torch.no_grad()
def sample(
    decoder: TextDecoder,
    prompt: Tensor,
    *,
    eos: int,
    pad: int,
    max_length: int,
    memory: Tensor | None = None,
    memory_mask: Tensor | None = None,
    temperature: float = 1.0,
    banned: Sequence[int] = (),
    generator: torch.Generator | None = None,
) -> Tensor:
    """One text for each row of ``prompt``, drawn piece by piece: ids (N, T) with the end mark, then ``pad``.

    A temperature of 0 takes the best piece each time. The other arguments are those of `beam_search`.
    """
    state: DecoderState = decoder.start(memory, memory_mask)
    states = decoder.read(prompt, state)[:, -1]
    ended = torch.zeros(len(prompt), dtype=torch.bool, device=prompt.device)
    forbidden = torch.tensor(list(banned), dtype=torch.long, device=prompt.device)
    written: list[Tensor] = []
    for _ in range(max_length):
        logits = decoder.logits(states).float().index_fill(1, forbidden, -torch.inf)
        if temperature:
            pieces = torch.multinomial((logits / temperature).softmax(1), 1, generator=generator)[:, 0]
        else:
            pieces = logits.argmax(1)
        pieces = pieces.masked_fill(ended, pad)
        written.append(pieces)
        ended = ended | (pieces == eos)
        if bool(ended.all()):
            break
        states = decoder.read(decoder.embed(pieces[:, None]), state)[:, -1]
    return torch.stack(written, dim=1) if written else torch.zeros(len(prompt), 0, dtype=torch.long)


def sequence_log_probs(
    decoder: TextDecoder,
    prompt: Tensor,
    ids: Tensor,
    *,
    pad: int,
    memory: Tensor | None = None,
    memory_mask: Tensor | None = None,
) -> Tensor:
    """Log-probabilities (N, T), differentiable, of pieces ``ids`` (N, T) after ``prompt`` (N, P, W); 0 at padding."""
    inputs = torch.cat([prompt, decoder.embed(ids[:, :-1])], dim=1)
    states = decoder(inputs, memory, memory_mask)[:, prompt.shape[1] - 1 :]
    chosen = decoder.logits(states).float().log_softmax(-1).gather(2, ids[:, :, None])[:, :, 0]
    return chosen.masked_fill(ids == pad, 0.0)
