"""The three stages of training, each for a given time: VQ-VAE, query transformer, masked generator."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from mmkit.training.steps import autocast
from mmkit_motion.model import losses
from mmkit_motion.model.generator import MaskedGenerator, corrupt
from mmkit_motion.model.query_transformer import QueryTransformer
from mmkit_motion.model.vqvae import MotionVqVae
from mmkit_motion.training.corpus import Batch, Corpus
from mmkit_motion.training.stage import Stage

__all__ = ["next_words", "train_generator", "train_query_transformer", "train_vqvae"]

#: Frames of the windows that the VQ-VAE learns from.
_WINDOW = 64
#: Number of the end mark in the caption head, before the corpus's own tokens.
END = 0


def train_vqvae(model: MotionVqVae, corpus: Corpus, stage: Stage, *, batch: int) -> None:
    """Smooth L1 on features and again on positions, with commitment (LaMP, section 3.1)."""
    clips = corpus.part("train")
    clips = clips[corpus.lengths[clips] >= _WINDOW]
    weights = corpus.weights(clips)
    for share in stage.steps():
        features = corpus.windows(clips[torch.multinomial(weights, batch, replacement=True)], _WINDOW)
        mask = torch.ones(features.shape[:2], dtype=torch.bool, device=features.device)
        if stage.budget.step == 0:
            with torch.no_grad():
                states = model.encode(features, mask).flatten(0, 1)
                pick = torch.randint(len(states), (len(model.codebook.codes),), device=states.device)
                model.codebook.codes.copy_(states[pick])
                model.codebook.sums.copy_(states[pick])
        with autocast(features.device):
            made, commitment, chosen = model(features, mask)
            plain = F.smooth_l1_loss(made, features)
            places = F.smooth_l1_loss(made[..., 4:67], features[..., 4:67])
            pace = F.smooth_l1_loss(made[:, 1:].float() - made[:, :-1].float(), features[:, 1:] - features[:, :-1])
            loss = plain + 0.5 * places + 0.5 * pace + 0.02 * commitment
        # The codes move for a long time; weights from before the middle would only hold the mean back.
        stage.step(loss, average=share > 0.5)
        stage.shown = {
            "plain": plain.detach(),
            "places": places.detach(),
            "commitment": commitment.detach(),
            "used": chosen.unique().numel(),
        }


@torch.no_grad()
def encode_corpus(model: MotionVqVae, corpus: Corpus, *, batch: int = 512) -> None:
    """Fit the codes to the averaged encoder once more, with the codes' own means over the corpus."""
    clips = corpus.part("train")
    sums = torch.zeros_like(model.codebook.codes)
    counts = torch.zeros(len(sums), device=sums.device)
    for start in range(0, len(clips), batch):
        features, mask = corpus.motions(clips[start : start + batch], shake=False)
        states = model.encode(features, mask)[mask[:, ::4]]
        chosen = model.codebook.nearest(states)
        sums.index_add_(0, chosen, states)
        counts.index_add_(0, chosen, torch.ones_like(chosen, dtype=torch.float32))
    used = counts > 0
    model.codebook.codes[used] = sums[used] / counts[used, None]


def next_words(tokens: Tensor, mask: Tensor) -> Tensor:
    """(N, 1 + T) targets of the caption head: each token moved by one for the end mark, the end after the last.

    Behind the end stands -100, which counts for nothing.
    """
    target = F.pad(tokens + 1, (0, 1)).masked_fill(~F.pad(mask, (0, 1)), -100)
    return target.scatter(1, mask.sum(1, keepdim=True), END)


def _draw(corpus: Corpus, clips: Tensor, weights: Tensor, count: int, partner: Tensor) -> Tensor:
    """Clips for a batch: half drawn, half their mirrored partners, so that left and right stand against each other."""
    drawn = clips[torch.multinomial(weights, count // 2, replacement=True)]
    return torch.cat([drawn, partner[drawn]])


def mirror_partners(corpus: Corpus) -> Tensor:
    """For each clip the number of the same clip in the mirror (itself where there is none)."""
    place = {(c["take"], c["first"], c["mirrored"], c["speed"]): n for n, c in enumerate(corpus.clips)}
    return torch.tensor(
        [place.get((c["take"], c["first"], not c["mirrored"], c["speed"]), n) for n, c in enumerate(corpus.clips)],
        device=corpus.device,
    )


def train_query_transformer(
    model: QueryTransformer,
    vqvae: MotionVqVae,
    corpus: Corpus,
    stage: Stage,
    *,
    batch: int,
    word_drop: float = 0.1,
    noise: float = 0.02,
) -> None:
    """The four losses of section 3.2, equally weighted, over frozen VQ-VAE states.

    Args:
        word_drop: share of a text's word embeddings that are put out, so that no single word is relied on.
        noise: standard deviation added to the tower's pooled unit vectors.
    """
    clips = corpus.part("train")
    weights, partner = corpus.weights(clips), mirror_partners(corpus)
    for _ in stage.steps():
        pairs = corpus.batch(_draw(corpus, clips, weights, batch, partner))
        if pairs.features.shape[1] < 4:
            continue
        with autocast(corpus.device):
            parts = query_losses(model, vqvae, pairs, word_drop=word_drop, noise=noise)
            loss = torch.stack(list(parts.values())).sum()
        stage.step(loss)
        stage.shown = {name: value.detach() for name, value in parts.items()} | {"scale": model.scale.detach()}


def query_losses(
    model: QueryTransformer, vqvae: MotionVqVae, pairs: Batch, *, word_drop: float, noise: float
) -> dict[str, Tensor]:
    """The four losses of one batch."""
    with torch.no_grad():
        states = vqvae.encode(pairs.features, pairs.mask)
        motion_mask = pairs.mask[:, ::4]
        codes = vqvae.codebook.nearest(states)
    memory = model.motion_memory(states)
    words, pooled = pairs.words, pairs.pooled
    if model.training:
        keep = torch.rand(words.shape[:2], device=words.device) >= word_drop
        words = words * keep[..., None]
        pooled = pooled + noise * torch.randn_like(pooled)
    outputs = model.read_motion(memory, motion_mask)
    motions = model.motion_vectors(outputs)
    texts = model.read_text(words, pooled, pairs.word_mask)
    text_vectors = model.text_vectors(texts, pooled)
    scores = losses.pair_scores(motions.float(), text_vectors.float())
    mean = F.normalize(motions.float().mean(1), dim=-1) @ text_vectors.float().T
    # Retrieval goes by the best query and by their mean alike, so both are taught.
    contrastive = 0.5 * sum(
        losses.contrastive_loss(s, model.scale, pairs.same, ignore=pairs.ignore) for s in (scores, mean)
    )
    wrong_motion, wrong_text = losses.hard_negatives(scores.detach(), model.scale.detach(), pairs.same | pairs.ignore)
    order = torch.arange(len(memory), device=memory.device)
    motion_rows, text_rows = torch.cat([order, wrong_motion, order]), torch.cat([order, order, wrong_text])
    logits = model.match_logits(
        memory[motion_rows], motion_mask[motion_rows], words[text_rows], pooled[text_rows], pairs.word_mask[text_rows]
    )
    count = len(order)
    written = model.word_logits(memory, motion_mask, words, pairs.word_mask)
    ground = model.code_logits(model.read_for_motion(texts, pairs.word_mask))[:, : codes.shape[1]]
    return {
        "contrastive": contrastive,
        "matching": losses.match_loss(logits[:count].float(), logits[count:].float()),
        "caption": losses.caption_loss(written.float(), next_words(pairs.tokens, pairs.word_mask)),
        "codes": losses.code_loss(ground.float(), codes, motion_mask),
    }


def train_generator(
    model: MaskedGenerator,
    query: QueryTransformer,
    vqvae: MotionVqVae,
    corpus: Corpus,
    stage: Stage,
    *,
    batch: int,
    without: float = 0.1,
) -> None:
    """Cross-entropy on corrupted codes, the condition withheld for a share ``without`` of the motions."""
    clips = corpus.part("train")
    weights = corpus.weights(clips)
    for _ in stage.steps():
        pairs = corpus.batch(clips[torch.multinomial(weights, batch, replacement=True)])
        with torch.no_grad(), autocast(corpus.device):
            mask = pairs.mask[:, ::4]
            codes = vqvae.codebook.nearest(vqvae.encode(pairs.features, pairs.mask))
            texts = query.read_text(pairs.words, pairs.pooled, pairs.word_mask)
            condition = query.read_for_motion(texts, pairs.word_mask).mean(1)
        noisy, chosen = corrupt(codes, mask, codebook=model.sizes.codes)
        given = torch.rand(len(codes), device=codes.device) >= without
        with autocast(corpus.device):
            logits = model(noisy, mask, condition, given)
            loss = losses.code_loss(logits.float(), codes, chosen)
        stage.step(loss)
        right = (logits.argmax(-1) == codes)[chosen].float().mean()
        stage.shown = {"loss": loss.detach(), "right": right.detach()}
