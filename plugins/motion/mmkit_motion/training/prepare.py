"""Captioned motions to a corpus folder: mirrored and paced variants, their sentences, tokens and pooled vectors."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from mmkit_motion.training.captions import mirrored, paced, sides
from mmkit_motion.training.corpus import pack_joints
from mmkit_motion.training.procedural import ACTIONS, draw_clip

if TYPE_CHECKING:
    import torch

    from mmkit_motion.evaluate import Captioned

__all__ = ["TEXTS", "CorpusBuilder", "embed_texts", "prepare_corpus"]

#: What ``embed_texts`` writes into a corpus folder.
TEXTS: Final = "texts.npz"
#: Tokens of a text, end marks counted.
_MOST_TOKENS: Final = 42

#: Paces of the variants and how often each is drawn against the recorded one.
PACES: Final = ((1.0, 1.0), (0.8, 0.5), (1.2, 0.5))
_SHORTEST: Final = 9


@dataclass(slots=True)
class CorpusBuilder:
    """Collects takes, clips and texts, and writes them."""

    seed: int = 0
    takes: list[NDArray[np.floating]] = field(default_factory=list)
    clips: list[dict[str, Any]] = field(default_factory=list)
    texts: dict[tuple[str, tuple[int, int]], int] = field(default_factory=dict)
    labels: dict[str, int] = field(default_factory=dict)

    def label(self, name: str) -> int:
        """The number of a meaning; clips and texts of one number belong together."""
        return self.labels.setdefault(name, len(self.labels))

    def text(self, text: str, content: int, manner: int = -1) -> int:
        """The number of a sentence that speaks of a content and, unless -1, of a manner."""
        return self.texts.setdefault((text, (content, manner)), len(self.texts))

    def add_captioned(
        self,
        name: str,
        joints: NDArray[np.floating],
        captions: Sequence[str],
        *,
        part: str = "train",
        weight: float = 1.0,
    ) -> None:
        """A clip with human captions, its mirror and, in training, slower and faster ones."""
        self.takes.append(joints)
        draw = random.Random(f"{self.seed} {name}")
        for flipped in (False, True):
            content = self.label(f"{name} {flipped}")
            for pace, share in PACES if part == "train" else PACES[:1]:
                own = []
                for caption in captions:
                    said = mirrored(caption) if flipped else caption
                    own.append(self.text(said, content))
                    if pace != 1.0:
                        own.append(self.text(paced(said, pace, draw), content))
                self.clips.append(
                    {
                        "take": len(self.takes) - 1,
                        "first": 0,
                        "last": len(joints),
                        "mirrored": flipped,
                        "speed": pace,
                        "texts": own,
                        "labels": [content, -1],
                        "part": part,
                        "weight": weight * share,
                        "id": name,
                    }
                )

    def write(self, folder: Path) -> None:
        """Write the corpus; its texts are embedded where the training is, see ``embed_texts``."""
        folder.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(folder / "motions.npz", **pack_joints(self.takes))  # type: ignore[arg-type]
        strings = [text for text, _ in self.texts]
        corpus = {
            "clips": self.clips,
            "texts": strings,
            "text_labels": [list(labels) for _, labels in self.texts],
            "text_sides": [int(left) + 2 * int(right) for left, right in map(sides, strings)],
        }
        (folder / "corpus.json").write_text(json.dumps(corpus, separators=(",", ":")) + "\n", "utf-8")
        (folder / TEXTS).unlink(missing_ok=True)


def embed_texts(folder: Path, device: torch.device) -> Path:
    """Pass the corpus's texts through the core's text tower and keep what comes out beside it."""
    import torch

    from mmkit.encoders.mini import WEIGHTS as MINI
    from mmkit.encoders.mini.model import MiniModel
    from mmkit.encoders.mini.tokenizer import MiniTokenizer, pad_ids

    strings = json.loads((folder / "corpus.json").read_text("utf-8"))["texts"]
    rows = MiniTokenizer(MINI / "tokenizer.json", max_tokens=_MOST_TOKENS).rows(strings)
    tower = MiniModel.load(MINI, device=device)
    pooled = np.zeros((len(rows), 384), np.float16)
    order = np.argsort([len(row) for row in rows])
    with torch.inference_mode():
        for start in range(0, len(order), 256):
            some = order[start : start + 256]
            ids, mask = pad_ids([rows[number] for number in some])
            vectors = tower.sentence_vectors(torch.from_numpy(ids).to(device), torch.from_numpy(mask).to(device))
            pooled[some] = vectors.float().cpu().numpy()
    body = [row[1:-1] for row in rows]
    vocabulary = sorted({token for row in body for token in row})
    place = {token: number for number, token in enumerate(vocabulary)}
    tokens = np.zeros((len(body), max(map(len, body))), np.uint16)
    for number, row in enumerate(body):
        tokens[number, : len(row)] = [place[token] for token in row]
    np.savez(
        folder / TEXTS,
        tokens=tokens,
        counts=np.array([len(row) for row in body], np.uint8),
        pooled=pooled,
        words=tower.text_tower.words.weight[vocabulary].detach().cpu().numpy().astype(np.float16),
        vocabulary=np.array(vocabulary, np.int32),
    )
    return folder / TEXTS


def prepare_corpus(folder: Path, data: Captioned, *, validation: float, drawn: int, seed: int) -> None:
    """Write a corpus of captioned motions, a share of them for validation, and of drawn clips for each verb."""
    builder = CorpusBuilder(seed)
    draw = random.Random(seed)
    usable = [number for number, clip in enumerate(data.clips) if len(clip.joints) >= _SHORTEST]
    kept = set(draw.sample(usable, round(validation * len(usable))))
    for number in usable:
        part = "validation" if number in kept else "train"
        builder.add_captioned(str(number), data.clips[number].joints, data.captions[number], part=part)
    for action in ACTIONS if drawn else ():
        for number in range(drawn):
            joints, texts = draw_clip(action, draw)
            builder.add_captioned(f"drawn {action} {number}", joints, texts)
    builder.write(folder)
