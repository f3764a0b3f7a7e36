"""Drawn motions for common verbs of which no free recording was to be had: a puppet moved between key poses.

They are crude, and they teach the models what is up and down, left and right, near the ground or in the air, once or
thrice. The verbs are the frequent ones of HumanML3D's captions.

T frames. Angles in degrees, lengths in metres.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmkit_motion.features import straighten
from mmkit_motion.training.procedural import limbs, postures, travelling
from mmkit_motion.training.procedural.puppet import pose
from mmkit_motion.training.procedural.score import CHANNELS, Score

__all__ = ["ACTIONS", "draw_clip"]

#: Each with what of the body touches the ground.
ACTIONS: Final[dict[str, tuple[Callable[[Score, random.Random], str], str]]] = {
    **{
        name: (action, "feet")
        for name, action in {
            "walk": travelling.walk,
            "run": travelling.run,
            "turn": travelling.turn,
            "jump": travelling.jump,
            "climb": travelling.climb,
            "stairs": travelling.stairs,
            "hang": travelling.hang,
            "crouch": travelling.crouch,
            "sit": postures.sit,
            "squat": postures.squat,
            "pick_up": postures.pick_up,
            "punch": limbs.punch,
            "kick": limbs.kick,
            "throw": limbs.throw,
            "sword": limbs.sword,
            "wash": limbs.wash,
            "wave": limbs.wave,
            "balance": postures.balance,
            "jacks": postures.jacks,
            "stretch": postures.stretch,
            "drink": limbs.drink,
            "clap": limbs.clap,
            "stand": postures.stand,
        }.items()
    },
    "kneel": (postures.kneel, "body"),
    "crawl": (travelling.crawl, "body"),
}
_BEFORE: Final = ("walk", "turn", "stand", "walk")


def draw_clip(action: str, d: random.Random) -> tuple[NDArray[np.float32], list[str]]:
    """Joints (T, 22, 3) of an action, at times with a walk or a turn before or after it, and sentences for it."""
    score = Score()
    said = []
    move, grounded = ACTIONS[action]
    alone = action in ("kneel", "crawl") or d.random() < 0.45
    if not alone and action not in _BEFORE and d.random() < 0.7:
        said.append(ACTIONS[d.choice(_BEFORE)][0](score, d))
    main = move(score, d)
    said.append(main)
    if not alone and action not in ("sit", "climb", "crawl") and d.random() < 0.5:
        said.append(ACTIONS[d.choice(_BEFORE)][0](score, d))
    score.key(0.2)
    play = score.play()
    size, pace = d.uniform(0.85, 1.1), len(play["yaw"])
    for name in CHANNELS:
        if name not in ("yaw", "up", "speed"):
            play[name] = (
                play[name] * size + d.gauss(0, 1.5) + 1.2 * np.sin(np.arange(pace) * d.uniform(0.05, 0.25) + d.random())
            )
    joints = pose(play, grounded=grounded)
    people = ("a person", "someone", "the person", "a man", "the figure")
    links = (", then ", " and then ", " and ")
    texts = []
    for _ in range(3):
        whole = said[0]
        for part in said[1:]:
            link = d.choice(links)
            whole += link + part
        texts.append(f"{d.choice(people)} {whole}")
    texts.append(f"{d.choice(people)} {main}")
    return straighten(joints).astype(np.float32), list(dict.fromkeys(texts))
