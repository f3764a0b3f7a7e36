"""The whole body in place: down and up again, on one leg, stretched, still.

Every action moves a score and says what it did; ``d`` draws its chances. Angles in degrees, lengths in metres.
"""

from __future__ import annotations

import random

from mmkit_motion.training.procedural.score import Score

__all__ = ["balance", "jacks", "kneel", "pick_up", "sit", "squat", "stand", "stretch"]


def sit(s: Score, d: random.Random) -> str:
    s.key(
        d.uniform(0.8, 1.3),
        l_hip=88,
        r_hip=88,
        l_knee=90,
        r_knee=90,
        bend=12,
        l_arm=35,
        r_arm=35,
        l_elbow=50,
        r_elbow=50,
    )
    s.key(d.uniform(0.8, 2))
    if d.random() < 0.5:
        s.rest(0.9)
        return d.choice(
            ("sits down and stands up again", "sits down on a chair then gets up", "takes a seat and rises")
        )
    return d.choice(("sits down", "sits down on a chair", "takes a seat", "lowers into a sitting position"))


def squat(s: Score, d: random.Random) -> str:
    times = d.choice((1, 2, 3))
    for _ in range(times):
        s.key(0.6, l_hip=100, r_hip=100, l_knee=120, r_knee=120, bend=30, l_arm=80, r_arm=80, l_out=18, r_out=18)
        s.rest(0.6)
    return (
        d.choice(("squats down", "does squats", "crouches down and stands up"))
        if times > 1
        else d.choice(("squats", "crouches down low", "squats down and gets up"))
    )


def pick_up(s: Score, d: random.Random) -> str:
    times, high = d.choice((1, 1, 2)), d.random() < 0.4
    for _ in range(times):
        s.key(0.8, bend=85, l_hip=35, r_hip=35, l_knee=45, r_knee=45, l_arm=50, r_arm=60, r_elbow=5)
        s.key(0.3)
        s.key(
            0.8,
            bend=0,
            l_hip=0,
            r_hip=0,
            l_knee=3,
            r_knee=3,
            l_arm=10,
            r_arm=150 if high else 50,
            r_elbow=10 if high else 60,
        )
    s.rest(0.5)
    if high:
        return d.choice(
            ("picks up an object and lifts it above the head", "bends over and then reaches up with the right arm")
        )
    return d.choice(
        (
            "bends down to pick something up",
            "picks something up from the floor",
            "leans over and touches the ground",
            "bends over and scoops something up",
        )
    )


def balance(s: Score, d: random.Random) -> str:
    a, seconds = d.choice("lr"), d.uniform(2, 4)
    s.key(0.7, **{f"{a}_hip": 55.0, f"{a}_knee": 80.0, "l_side": 80.0, "r_side": 80.0})
    s.swing("lean", 6, 0.7, 0, seconds)
    s.key(seconds)
    s.rest(0.6)
    side = "right" if a == "l" else "left"
    return d.choice(
        (
            f"balances on the {side} leg",
            "balances on one leg",
            f"stands on the {side} foot with both arms out",
            "tries to keep balance",
        )
    )


def kneel(s: Score, d: random.Random) -> str:
    s.key(0.9, l_hip=5, r_hip=5, l_knee=95, r_knee=95)
    s.key(d.uniform(1, 2))
    s.rest(0.9)
    return d.choice(
        ("kneels down and stands back up", "gets down on both knees", "kneels on the ground", "drops to the knees")
    )


def jacks(s: Score, d: random.Random) -> str:
    for _ in range(d.randint(2, 5)):
        s.key(0.28, l_side=160, r_side=160, l_out=25, r_out=25, up=0.08)
        s.key(0.28, l_side=8, r_side=8, l_out=3, r_out=3, up=0.0)
    return d.choice(("does jumping jacks", "performs jumping jacks", "is exercising with jumping jacks"))


def stretch(s: Score, d: random.Random) -> str:
    kind = d.choice(("up", "side", "wide"))
    if kind == "up":
        s.key(0.9, l_arm=170, r_arm=170, l_elbow=3, r_elbow=3, bend=-10)
    elif kind == "wide":
        s.key(0.9, l_side=90, r_side=90, l_elbow=3, r_elbow=3)
    else:
        s.key(0.9, l_side=170, lean=-30)
        s.key(0.8, l_side=8, lean=0)
        s.key(0.9, r_side=170, lean=30)
    s.key(d.uniform(0.5, 1.5))
    s.rest(0.8)
    return {
        "up": d.choice(
            ("stretches both arms overhead", "raises both arms above the head", "reaches up with both hands")
        ),
        "wide": d.choice(
            ("spreads both arms to the sides", "holds the arms straight out", "makes a T-pose with the arms")
        ),
        "side": d.choice(
            ("stretches from side to side", "leans left and right with an arm overhead", "bends sideways to stretch")
        ),
    }[kind]


def stand(s: Score, d: random.Random) -> str:
    s.swing("lean", 2, 0.3, 0, 2.5)
    s.key(d.uniform(1.5, 3))
    return d.choice(("stands still", "is standing", "stands in place"))
