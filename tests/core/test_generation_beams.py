"""The search and its cache against plain ones that read every text anew at each piece."""

from __future__ import annotations

import pytest
import torch

from mmkit.generation.search import Hypothesis, beam_search
from mmkit.generation.transformer import TextDecoder, TransformerSizes

EOS = 2


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def tiny(*, cross: bool) -> TextDecoder:
    sizes = TransformerSizes(13, width=16, heads=2, feedforward=32, decoder_layers=2)
    decoder = TextDecoder(sizes, cross_attention=cross).eval()
    # Layers that say more than the last piece does, and an end that is likely: texts of many lengths.
    with torch.no_grad():
        for layer in decoder.layers:
            layer.feedforward.outer.weight.mul_(8)
            layer.attention.output.weight.mul_(4)
        decoder.norm.bias.copy_(1.5 * decoder.tokens.weight[EOS])
    return decoder


def plain_search(
    decoder: TextDecoder,
    prompt: torch.Tensor,
    memory: torch.Tensor | None,
    *,
    beam: int,
    length: int,
    penalty: float,
    banned: list[int],
) -> list[Hypothesis]:
    """Beam search of one sentence on lists, without a cache, with the same rule for its end."""
    texts: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
    done: list[tuple[float, tuple[int, ...]]] = []
    for step in range(1, length + 1):
        longer = []
        for score, text in texts:
            inputs = torch.cat([prompt, decoder.embed(torch.tensor([text], dtype=torch.long))], dim=1)
            logits = decoder.logits(decoder(inputs, memory)[:, -1])[0]
            logits[banned] = -torch.inf
            longer += [(score + step, (*text, piece)) for piece, step in enumerate(logits.log_softmax(0).tolist())]
        best = sorted(longer, reverse=True)[: 2 * beam]
        done += [(score / step**penalty, text[:-1]) for score, text in best[:beam] if text[-1] == EOS]
        texts = [(score, text) for score, text in best if text[-1] != EOS][:beam]
        if step == length:
            done += [(score / step**penalty, text) for score, text in texts]
        done = sorted(done, reverse=True)[:beam]
        if len(done) == beam and done[-1][0] >= texts[0][0] / step**penalty:
            break
    return [Hypothesis(text, score) for score, text in done]


@pytest.mark.parametrize("cross", [False, True])
@pytest.mark.parametrize(("beam", "penalty"), [(1, 1.0), (3, 1.0), (4, 0.0), (5, 2.0)])
@torch.inference_mode()
def test_texts_and_scores_are_those_of_a_plain_search(cross: bool, beam: int, penalty: float) -> None:
    decoder = tiny(cross=cross)
    prompts, memory = torch.randn(7, 2, 16), torch.randn(7, 5, 16) if cross else None
    found = beam_search(
        decoder, prompts, eos=EOS, max_length=40, memory=memory, beam=beam, n_best=beam, length_penalty=penalty,
        banned=[0, 4],
    )  # fmt: skip
    for row, hypotheses in enumerate(found):
        one = slice(row, row + 1)
        source = None if memory is None else memory[one]
        wanted = plain_search(decoder, prompts[one], source, beam=beam, length=40, penalty=penalty, banned=[0, 4])
        assert [h.ids for h in hypotheses] == [h.ids for h in wanted]
        assert [h.score for h in hypotheses] == pytest.approx([h.score for h in wanted], abs=1e-4)
    if beam > 1 and penalty == 1.0:
        assert len({len(h[0].ids) for h in found}) > 2


@torch.inference_mode()
def test_a_cache_whose_beams_and_sentences_change_equals_reading_anew() -> None:
    decoder = tiny(cross=True)
    memory, mask = torch.randn(4, 5, 16), torch.arange(5)[None, :] < torch.tensor([[5], [3], [1], [4]])
    given = mask.clone()
    texts = torch.randn(4, 3, 16)
    state = decoder.start(memory, mask)
    decoder.read(texts, state)
    sources = torch.arange(4)
    beams = 1
    # More readings than the cache first makes room for, so that places are dropped too.
    for step in range(40):
        order = {5: [0, 3, 2], 11: [2, 0], 30: [1]}.get(step)
        kept = torch.tensor(order if order is not None else range(len(sources)))
        rows = (kept[:, None] * beams + torch.randint(beams, (len(kept), 3))).flatten()
        state.select(rows, None if order is None else kept)
        sources, beams = sources[kept], 3
        new = torch.randn(len(rows), 1, 16)
        texts = torch.cat([texts[rows], new], dim=1)
        each = sources.repeat_interleave(beams)
        wanted = decoder(texts, memory[each], mask[each])[:, -1:]
        torch.testing.assert_close(decoder.read(new, state), wanted, atol=1e-4, rtol=1e-4)
    assert state.length == texts.shape[1]
    assert torch.equal(mask, given)
