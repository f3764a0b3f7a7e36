"""What is trained on: takes and texts as they go into a corpus folder and come out of it again."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from mmkit_motion.training.corpus import Corpus, pack_joints, unpack_joints
from mmkit_motion.training.prepare import CorpusBuilder, embed_texts
from mmkit_motion.training.procedural import ACTIONS, draw_clip


@pytest.fixture
def folder(tmp_path: Path, walk: np.ndarray, kick: np.ndarray) -> Path:
    builder = CorpusBuilder()
    builder.add_captioned("walk", walk, ["a person walks", "someone turns left"])
    builder.add_captioned("kick", kick, ["a person kicks"], part="validation")
    builder.write(tmp_path)
    embed_texts(tmp_path, torch.device("cpu"))
    return tmp_path


def test_joints_come_back_to_the_millimetre(walk: np.ndarray, kick: np.ndarray) -> None:
    for given, back in zip([walk, kick], unpack_joints(pack_joints([walk, kick])), strict=True):
        np.testing.assert_allclose(back, given, atol=6e-4)


def test_a_mirrored_clip_has_mirrored_sentences(folder: Path) -> None:
    raw = json.loads((folder / "corpus.json").read_text())
    said = {clip["mirrored"]: {raw["texts"][n] for n in clip["texts"]} for clip in raw["clips"] if clip["speed"] == 1.0}
    walks = {c["mirrored"]: c["texts"] for c in raw["clips"] if c["id"] == "walk" and c["speed"] == 1.0}
    assert {raw["texts"][n] for n in walks[False]} == {"a person walks", "someone turns left"}
    assert {raw["texts"][n] for n in walks[True]} == {"a person walks", "someone turns right"}
    assert set(said) == {False, True}


def test_validation_is_trained_on_only_when_all_is_asked_for(folder: Path) -> None:
    parts = {}
    for everything in (False, True):
        corpus = Corpus(folder, torch.device("cpu"), frames=196, everything=everything)
        parts[everything] = [{corpus.clips[n]["id"] for n in corpus.part(p).tolist()} for p in ("train", "validation")]
    assert parts[False] == [{"walk"}, {"kick"}]
    assert parts[True] == [{"walk", "kick"}, {"kick"}]


def test_texts_keep_their_tokens_and_vectors(folder: Path) -> None:
    corpus = Corpus(folder, torch.device("cpu"), frames=196)
    texts = json.loads((folder / "corpus.json").read_text())["texts"]
    assert len(corpus.pooled) == len(corpus.tokens) == len(texts)
    norms = corpus.pooled.float().norm(dim=-1)
    torch.testing.assert_close(norms, torch.ones_like(norms), atol=2e-3, rtol=0)
    batch = corpus.batch(corpus.part("train")[:2], shake=False)
    assert batch.words.shape[:2] == batch.word_mask.shape


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_a_drawing_is_the_same_for_the_same_chances(action: str) -> None:
    (first, said), (again, told) = (draw_clip(action, random.Random(7)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert said == told
    assert len(first) >= 16 and np.isfinite(first).all()
