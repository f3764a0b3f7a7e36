"""A sentence for a motion, or one for every few seconds of a long one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from mmkit_motion.skeleton import FPS

if TYPE_CHECKING:
    import torch

    from mmkit_motion.lamp import Lamp
    from mmkit_motion.model.query_transformer import QueryTransformer
    from mmkit_motion.reading import Clip

__all__ = ["caption_clip", "caption_spans", "search_caption"]

#: Words of a caption at most.
_LONGEST: Final = 30
#: Pieces of a long recording described at once, some on each core.
_TOGETHER: Final = 8


def caption_clip(lamp: Lamp, clip: Clip, *, every: float = 9.8, beams: int = 4) -> Iterator[tuple[float, float, str]]:
    """First second, last second and sentence of each piece of at most ``every`` seconds, one after another."""
    spans = caption_spans(len(clip.joints), every)
    for first in range(0, len(spans), _TOGETHER):
        some = spans[first : first + _TOGETHER]
        pieces = [lamp.motion_input(clip.joints[start:end])[0] for start, end in some]
        for (start, end), text in zip(some, lamp.captions(pieces, beams=beams), strict=True):
            yield start / FPS, end / FPS, text


def caption_spans(frames: int, every: float) -> list[tuple[int, int]]:
    """First and last frame (exclusive) of the pieces of ``every`` seconds that a clip is described by."""
    length = max(2, round(every * FPS))
    # A last piece too short to say anything of belongs to the one before it.
    starts = [start for start in range(0, frames, length) if start == 0 or frames - start >= FPS]
    return list(zip(starts, [*starts[1:], frames], strict=True))


def search_caption(
    query: QueryTransformer,
    memory: torch.Tensor,
    mask: torch.Tensor,
    *,
    vocabulary: Sequence[int],
    embed: Callable[[torch.Tensor], torch.Tensor],
    beams: int,
    without: Sequence[int] = (),
) -> list[int]:
    """Places in the vocabulary of the likeliest sentence for one motion, without the end mark.

    The sentences are scored by their mean log-probability. The core's beam search keeps keys and values of what is
    written; the query transformer reads its sentence anew for each word, with the motion before it.

    Args:
        memory, mask: (1, L, D) and (1, L) of the motion.
        vocabulary: token numbers of the caption head's outputs; place 0 is the end mark.
        embed: word embeddings (N, T, W) of token numbers (N, T).
        without: places in the vocabulary that are not to be written.
    """
    import torch

    running: list[tuple[float, list[int]]] = [(0.0, [])]
    ended: list[tuple[float, list[int]]] = []
    with torch.inference_mode():
        for _ in range(_LONGEST):
            count = len(running)
            ids = torch.tensor([[vocabulary[word] for word in said] for _, said in running]).long()
            words = embed(ids.view(count, -1))
            shown = torch.ones(words.shape[:2], dtype=torch.bool, device=words.device)
            logits = query.word_logits(memory.expand(count, -1, -1), mask.expand(count, -1), words, shown)
            scores = logits[:, -1].float().log_softmax(-1)
            scores[:, list(without)] = -torch.inf
            best = (scores + torch.tensor([score for score, _ in running], device=scores.device)[:, None]).flatten()
            values, places = best.topk(min(2 * beams, len(best)))
            grown: list[tuple[float, list[int]]] = []
            for rank, (value, place) in enumerate(zip(values.tolist(), places.tolist(), strict=True)):
                beam, word = divmod(place, scores.shape[1])
                said = running[beam][1]
                if word == 0:
                    # An end that is not among the best is only there because more are looked at than kept.
                    if rank < beams:
                        ended.append((value / (len(said) + 1), said))
                elif len(grown) < beams:
                    grown.append((value, [*said, word]))
            running = grown
            if len(ended) >= beams or not running:
                break
    ended = ended or [(score / max(1, len(said)), said) for score, said in running]
    return max(ended)[1]
