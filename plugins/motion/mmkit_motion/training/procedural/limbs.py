"""What arms and legs do: strike, throw, wash, wave.

Every action moves a score and says what it did; ``d`` draws its chances. Angles in degrees, lengths in metres.
"""

from __future__ import annotations

import random

from mmkit_motion.training.procedural.score import Score

__all__ = ["clap", "drink", "kick", "punch", "sword", "throw", "wash", "wave"]


def punch(s: Score, d: random.Random) -> str:
    times, hand = d.randint(1, 6), d.choice(("r", "l", "rl"))
    s.key(0.4, l_arm=55, r_arm=55, l_elbow=115, r_elbow=115, l_hip=15, r_hip=-10, l_knee=15, r_knee=15)
    for number in range(times):
        a = hand[number % len(hand)]
        s.key(0.14, **{f"{a}_arm": 88.0, f"{a}_elbow": 5.0, "twist": 25.0 if a == "r" else -25.0})
        s.key(d.uniform(0.15, 0.35), **{f"{a}_arm": 55.0, f"{a}_elbow": 115.0, "twist": 0.0})
    s.rest(0.4)
    if len(hand) == 2:
        return d.choice(("punches with both hands", "throws several punches", "boxes", "is boxing the air"))
    side = "right" if hand == "r" else "left"
    return d.choice(
        (f"punches with the {side} hand", f"throws a {side} punch", f"punches forward with their {side} arm")
    )


def kick(s: Score, d: random.Random) -> str:
    a, b = d.choice(("lr", "rl"))
    times = d.choice((1, 1, 2))
    for _ in range(times):
        s.key(0.3, **{f"{a}_hip": -20.0, f"{a}_knee": 60.0, f"{b}_knee": 15.0})
        s.key(0.18, **{f"{a}_hip": d.uniform(70, 100), f"{a}_knee": 5.0, "bend": -10.0})
        s.key(0.4, **{f"{a}_hip": 0.0, f"{a}_knee": 5.0, "bend": 0.0})
    s.rest(0.3)
    side = "left" if a == "l" else "right"
    return d.choice(
        (
            f"kicks with the {side} leg",
            f"kicks the {side} foot forward",
            f"does a {side} kick",
            f"kicks something with their {side} foot",
        )
    )


def throw(s: Score, d: random.Random) -> str:
    a = d.choice("lr")
    sign = 1 if a == "r" else -1
    s.key(0.5, **{f"{a}_arm": -20.0, f"{a}_side": 95.0, f"{a}_elbow": 95.0, "twist": -30.0 * sign})
    s.key(0.2, **{f"{a}_arm": 110.0, f"{a}_side": 20.0, f"{a}_elbow": 10.0, "twist": 30.0 * sign, "bend": 15.0})
    s.key(0.3, **{f"{a}_arm": 40.0})
    s.rest(0.5)
    side = "left" if a == "l" else "right"
    return d.choice(
        (
            f"throws something with the {side} hand",
            f"throws a ball with their {side} arm",
            f"tosses an object with the {side} hand",
        )
    )


def sword(s: Score, d: random.Random) -> str:
    for _ in range(d.randint(2, 5)):
        lean = d.choice((-1, 1))
        s.key(
            d.uniform(0.35, 0.6),
            l_arm=140,
            r_arm=150,
            l_elbow=50,
            r_elbow=50,
            l_turn=35,
            r_turn=35,
            twist=35 * lean,
            l_hip=12,
            r_hip=-8,
        )
        s.key(
            d.uniform(0.18, 0.3),
            l_arm=45,
            r_arm=45,
            l_elbow=10,
            r_elbow=10,
            twist=-35 * lean,
            bend=20,
            l_hip=30,
            l_knee=35,
            r_hip=-12,
        )
        s.key(0.3)
    s.rest(0.5)
    return d.choice(
        (
            "swings a sword with both hands",
            "slashes with a sword",
            "practices sword fighting",
            "swings something heavy around with two hands",
            "strikes downward with a weapon",
        )
    )


def wash(s: Score, d: random.Random) -> str:
    part = d.choice(("left arm", "right arm", "head", "legs", "face"))
    seconds = d.uniform(2.5, 4)
    a = "l" if part == "right arm" else "r"
    b = "r" if a == "l" else "l"
    if part in ("left arm", "right arm"):
        s.key(0.5, **{f"{b}_arm": 60.0, f"{b}_elbow": 40.0, f"{a}_arm": 60.0, f"{a}_elbow": 70.0, f"{a}_turn": 60.0})
        s.swing(f"{a}_elbow", 25, 1.2, 0, seconds)
    elif part in ("head", "face"):
        s.key(
            0.5,
            l_arm=100 if part == "head" else 75,
            r_arm=100 if part == "head" else 75,
            l_elbow=130,
            r_elbow=130,
            l_turn=40,
            r_turn=40,
        )
        for letter, phase in (("l", 0.0), ("r", 0.5)):
            s.swing(f"{letter}_elbow", 12, 1.6, phase, seconds)
            s.swing(f"{letter}_arm", 10, 1.6, phase, seconds)
    else:
        s.key(0.8, bend=70, l_hip=20, r_hip=20, l_arm=70, r_arm=70)
        s.swing("bend", 12, 0.9, 0, seconds)
    s.key(seconds)
    s.rest(0.6)
    return d.choice(
        (
            f"washes their {part}",
            f"wipes their {part} with a hand",
            f"rubs their {part}",
            f"cleans their {part}",
            "washes themselves",
        )
    )


def wave(s: Score, d: random.Random) -> str:
    a, seconds = d.choice("lr"), d.uniform(1.5, 3)
    s.key(0.5, **{f"{a}_arm": 20.0, f"{a}_side": 110.0, f"{a}_elbow": 70.0})
    s.swing(f"{a}_side", 18, 1.8, 0, seconds)
    s.key(seconds)
    s.rest(0.5)
    side = "left" if a == "l" else "right"
    return d.choice(
        (f"waves with the {side} hand", f"waves their {side} arm", f"raises the {side} hand and waves hello")
    )


def drink(s: Score, d: random.Random) -> str:
    a = d.choice("lr")
    s.key(0.7, **{f"{a}_arm": 55.0, f"{a}_elbow": 135.0, f"{a}_turn": 25.0})
    s.key(d.uniform(0.8, 1.5), bend=-8)
    s.rest(0.7)
    side = "left" if a == "l" else "right"
    return d.choice(
        (f"drinks from a cup with the {side} hand", f"brings the {side} hand to the mouth", "takes a drink")
    )


def clap(s: Score, d: random.Random) -> str:
    s.key(0.4, l_arm=65, r_arm=65, l_elbow=50, r_elbow=50, l_turn=20, r_turn=20)
    seconds = d.uniform(1.5, 3)
    for letter in "lr":
        s.swing(f"{letter}_turn", 22, 2.2, 0, seconds)
    s.key(seconds)
    s.rest(0.4)
    return d.choice(("claps", "claps both hands", "applauds"))
