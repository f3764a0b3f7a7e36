"""Sentences from labels: many ways to say one motion, and the same sentence for a mirrored or a slower one."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from typing import Final

__all__ = ["CONTENTS", "STYLES", "caption", "mirrored", "mirrored_content", "paced", "sides"]

_SUBJECTS: Final = ("a person", "someone", "the person", "a man", "a figure", "a human", "a woman", "this person")

#: What Bandai-Namco's contents are, as verb phrases in the third person.
CONTENTS: Final[dict[str, tuple[str, ...]]] = {
    "walk": (
        "walks",
        "walks forward",
        "is walking",
        "walks straight ahead",
        "takes several steps forward",
        "strolls forward",
        "is walking along",
        "paces ahead",
    ),
    "run": ("runs", "runs forward", "is running", "jogs forward", "is jogging", "runs straight ahead", "jogs"),
    "dash": ("dashes forward", "sprints", "runs fast", "is sprinting", "runs at full speed", "rushes forward"),
    "walk-back": (
        "walks backwards",
        "walks back",
        "is walking backward",
        "steps backwards",
        "takes several steps back",
        "moves backwards on foot",
    ),
    "walk-left": (
        "walks sideways to the left",
        "sidesteps to the left",
        "steps to their left",
        "moves left with side steps",
        "walks to the left side",
        "shuffles left",
    ),
    "walk-right": (
        "walks sideways to the right",
        "sidesteps to the right",
        "steps to their right",
        "moves right with side steps",
        "walks to the right side",
        "shuffles right",
    ),
    "walk-turn-left": (
        "walks and turns left",
        "walks forward then turns to the left",
        "turns left while walking",
        "walks around a corner to the left",
        "walks in a curve to the left",
        "walks and makes a left turn",
    ),
    "walk-turn-right": (
        "walks and turns right",
        "walks forward then turns to the right",
        "turns right while walking",
        "walks around a corner to the right",
        "walks in a curve to the right",
        "walks and makes a right turn",
    ),
    "bow": ("bows", "is bowing", "bends forward at the waist to bow", "takes a bow", "bows in greeting"),
    "bye": (
        "says goodbye with a hand",
        "waves goodbye briefly",
        "gives a short wave",
        "lifts a hand to say bye",
        "waves bye",
    ),
    "byebye": (
        "waves goodbye again and again",
        "waves a hand to say bye-bye",
        "is waving goodbye",
        "waves farewell with an arm",
        "keeps waving bye-bye",
    ),
    "call": ("calls someone over", "beckons", "gestures for someone to come", "waves someone over", "calls out"),
    "guide": (
        "shows the way",
        "gestures to guide someone",
        "points the way with an open hand",
        "guides a guest with an arm",
        "invites someone to go ahead",
    ),
    "respond": (
        "responds",
        "answers a call with a gesture",
        "reacts to someone",
        "gives a response",
        "replies by gesture",
    ),
    "kick": ("kicks", "is kicking", "performs kicks", "throws kicks into the air", "does a kick", "kicks with a leg"),
    "punch": ("punches", "is punching", "throws punches", "boxes", "punches the air", "does jabs and punches"),
    "slash": (
        "slashes with a sword",
        "swings a sword",
        "is swinging a blade",
        "cuts the air with a sword",
        "strikes with a weapon",
        "performs sword slashes",
    ),
    "dance-long": ("dances", "is dancing", "performs a dance", "dances for a while", "does a dance routine"),
    "dance-short": ("dances", "is dancing briefly", "performs a short dance", "does some dance moves"),
    "raise-up-both-hands": (
        "raises both hands",
        "raises both arms",
        "lifts both arms up",
        "puts both hands up in the air",
        "raises their arms above the head",
        "holds both hands up",
    ),
    "raise-up-left-hand": (
        "raises the left hand",
        "raises their left arm",
        "lifts the left arm up",
        "puts the left hand up",
        "raises the left hand above the head",
        "holds up a left hand",
    ),
    "raise-up-right-hand": (
        "raises the right hand",
        "raises their right arm",
        "lifts the right arm up",
        "puts the right hand up",
        "raises the right hand above the head",
        "holds up a right hand",
    ),
    "wave-both-hands": (
        "waves both hands",
        "waves with both arms",
        "is waving both hands in the air",
        "waves both arms from side to side",
        "greets by waving both hands",
    ),
    "wave-left-hand": (
        "waves the left hand",
        "waves with their left arm",
        "is waving with the left hand",
        "lifts the left hand and waves",
        "greets with a wave of the left hand",
    ),
    "wave-right-hand": (
        "waves the right hand",
        "waves with their right arm",
        "is waving with the right hand",
        "lifts the right hand and waves",
        "greets with a wave of the right hand",
    ),
}

#: Ways of moving; the empty one says nothing of it.
STYLES: Final[dict[str, tuple[str, ...]]] = {
    "normal": ("", "", "", "normally", "in a normal way", "at a normal pace"),
    "active": ("actively", "with energy", "energetically", "in a lively way", "full of energy"),
    "angry": ("angrily", "in an angry way", "as if angry", "in anger", "furiously"),
    "childish": ("like a child", "childishly", "in a childlike way", "as a little kid would"),
    "chimpira": ("like a thug", "like a street punk", "with a swagger", "in a tough, menacing way", "like a hoodlum"),
    "feminine": ("in a feminine way", "like a lady", "femininely", "gracefully, as a woman"),
    "giant": ("like a giant", "heavily, like a giant", "with huge heavy movements", "as a giant would"),
    "happy": ("happily", "in a happy mood", "joyfully", "cheerfully", "as if happy"),
    "masculine": ("in a masculine way", "like a macho man", "manfully", "with manly strength"),
    "musical": ("to music", "as in a musical", "rhythmically, like a musical actor", "theatrically"),
    "not-confident": ("without confidence", "timidly", "unsurely", "shyly", "hesitantly"),
    "elderly": ("like an old person", "as an elderly person", "with the frailty of old age", "like an old man"),
    "proud": ("proudly", "with pride", "in a proud way", "with the chest out, proudly"),
    "sad": ("sadly", "in a sad way", "as if depressed", "unhappily", "with sorrow"),
    "exhausted": ("as if exhausted", "tiredly", "wearily", "in an exhausted way", "as if very tired"),
    "youthful": ("youthfully", "like a young person", "in a youthful way", "with the spring of youth"),
}
#: The same manner under another name in Bandai-Namco's first set.
_SAME: Final = {"masculinity": "masculine", "old": "elderly", "tired": "exhausted", "children": "childish"}

_LATERAL: Final = {
    "left": "right",
    "right": "left",
    "clockwise": "counterclockwise",
    "counterclockwise": "clockwise",
    "anticlockwise": "clockwise",
    "leftward": "rightward",
    "rightward": "leftward",
    "leftwards": "rightwards",
    "rightwards": "leftwards",
    "lefthand": "righthand",
    "righthand": "lefthand",
}
_WORDS: Final = re.compile(r"counter[\s-]clockwise|[a-z]+", re.I)
_SLOW: Final = ("slowly", "at a slow pace", "in slow motion", "unhurriedly")
_FAST: Final = ("quickly", "at a fast pace", "fast", "rapidly")


def style_of(label: str) -> str:
    """The name of a style in ``STYLES``."""
    return _SAME.get(label, label)


def mirrored_content(label: str) -> str:
    """The content that a mirrored clip of ``label`` has."""
    return mirrored(label)


def mirrored(text: str) -> str:
    """Left for right and right for left, clockwise for counterclockwise, in any sentence."""

    def swap(match: re.Match[str]) -> str:
        word = match.group().lower()
        plain = "counterclockwise" if word.startswith("counter") and "clockwise" in word else word
        other = _LATERAL.get(plain)
        return match.group() if other is None else other

    return _WORDS.sub(swap, text)


def sides(text: str) -> tuple[bool, bool]:
    """Whether a sentence speaks of left and of right."""
    words = set(re.findall(r"[a-z]+", text.lower()))
    return any(word.startswith("left") for word in words), any(word.startswith("right") for word in words)


def paced(text: str, speed: float, draw: random.Random) -> str:
    """The sentence of a clip played at ``speed`` times its pace."""
    if speed == 1.0:
        return text
    return f"{text.rstrip('. ')} {draw.choice(_SLOW if speed < 1 else _FAST)}"


def caption(content: str, style: str | None, draw: random.Random, *, subjects: Sequence[str] = _SUBJECTS) -> str:
    """One sentence for a content and a manner of Bandai-Namco, or for the content alone."""
    verb = draw.choice(CONTENTS[content])
    manner = draw.choice(STYLES[style_of(style)]) if style else ""
    who = draw.choice(tuple(subjects))
    if not manner:
        return f"{who} {verb}"
    if draw.random() < 0.25:
        return f"{manner}, {who} {verb}"
    return f"{who} {verb} {manner}"
