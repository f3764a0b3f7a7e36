"""A quick look at validation: BLEU of greedy translations of a few lines a direction."""

from __future__ import annotations

import torch

from mmkit.generation.search import beam_search
from mmkit.generation.vocabulary import Vocabulary
from mmkit_translate.model.network import Network
from mmkit_translate.training.batches import held_out_pairs, padded
from mmkit_translate.training.packed import Packed

__all__ = ["validation_bleu"]


@torch.inference_mode()
def validation_bleu(
    network: Network, packed: Packed, vocabulary: Vocabulary, vectors: torch.Tensor, *, lines: int
) -> dict[str, float]:
    """BLEU of each direction from and to English on the first ``lines`` validation lines, greedily.

    ``vectors`` (T, D) are the tower's, of every text.
    """
    import sacrebleu

    names = network.sizes.languages
    scores = {}
    for other in range(1, len(names)):
        for source, target in ((0, other), (other, 0)):
            sources, targets = held_out_pairs(packed, source, target, lines)
            if not len(sources):
                continue
            own: list[str] = []
            for some in sources.split(128):
                read = padded(packed, some, pad=vocabulary.pad, eos=vocabulary.eos)
                language = torch.full((len(some),), target, device=some.device)
                found = beam_search(
                    network.decoder,
                    network.prompt(vectors[some].float(), language),
                    eos=vocabulary.eos,
                    max_length=60,
                    memory=network.read(read.ids, read.mask),
                    memory_mask=read.mask,
                    beam=1,
                )
                own += [vocabulary.decode(best[0].ids) if best else "" for best in found]
            wanted = [vocabulary.decode(_pieces(packed, int(text))) for text in targets]
            scores[f"{names[source]}-{names[target]}"] = sacrebleu.corpus_bleu(own, [wanted]).score
    return scores


def _pieces(packed: Packed, text: int) -> list[int]:
    pieces: list[int] = packed.pieces[int(packed.starts[text]) : int(packed.starts[text + 1])].tolist()
    return pieces
