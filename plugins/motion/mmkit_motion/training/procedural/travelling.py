"""Getting about: on foot, in the air, up and down, on hands and knees.

Every action moves a score and says what it did; ``d`` draws its chances. Angles in degrees, lengths in metres.
"""

from __future__ import annotations

import random

from mmkit_motion.training.procedural.score import Score

__all__ = ["climb", "crawl", "crouch", "hang", "jump", "run", "stairs", "stride", "turn", "walk"]


def walk(s: Score, d: random.Random, seconds: float | None = None, speed: float | None = None) -> str:
    seconds, speed = seconds or d.uniform(1.5, 4), speed or d.uniform(0.8, 1.4)
    rate = 0.55 + 0.3 * speed
    s.key(0.2, speed=speed)
    stride(s, seconds, rate, 22 + 8 * speed, d.uniform(10, 25), 30 + 10 * speed)
    s.key(seconds - 0.2)
    s.key(0.2, speed=0)
    return d.choice(("walks forward", "walks", "takes a few steps", "walks ahead"))


def stride(s: Score, seconds: float, rate: float, hip: float, arm: float, knee: float) -> None:
    for letter, phase in (("l", 0.0), ("r", 0.5)):
        s.swing(f"{letter}_hip", hip, rate, phase, seconds)
        s.swing(f"{letter}_knee", knee / 2, rate, phase + 0.15, seconds)
        s.swing(f"{letter}_arm", arm, rate, phase + 0.5, seconds)


def run(s: Score, d: random.Random) -> str:
    seconds = d.uniform(1.5, 3)
    s.key(0.2, speed=d.uniform(2.2, 4), bend=12, l_elbow=85, r_elbow=85, l_knee=25, r_knee=25)
    stride(s, seconds, d.uniform(1.2, 1.6), 42, 40, 70)
    s.swing("up", 0.06, 2.8, 0, seconds)
    s.key(seconds)
    s.rest(0.3)
    return d.choice(("runs", "runs forward", "jogs forward", "is running"))


def turn(s: Score, d: random.Random) -> str:
    angle = d.choice((90, -90, 180, -180, 360, -360))
    now = s.keys.get("yaw", [(0, 0.0)])[-1][1]
    seconds = abs(angle) / d.uniform(90, 160)
    stride(s, seconds, 1.1, 10, 5, 20)
    s.key(seconds, yaw=now + angle)
    side = "left" if angle > 0 else "right"
    if abs(angle) == 360:
        return d.choice((f"spins around to the {side}", f"turns in a full circle to the {side}"))
    return d.choice(
        (f"turns {side}", f"turns to the {side}", "turns around" if abs(angle) == 180 else f"makes a {side} turn")
    )


def jump(s: Score, d: random.Random) -> str:
    times, ahead = d.choice((1, 1, 2, 3, 4)), d.random() < 0.5
    for _ in range(times):
        s.key(0.25, l_hip=50, r_hip=50, l_knee=85, r_knee=85, bend=25, l_arm=-30, r_arm=-30)
        s.key(0.15, l_hip=0, r_hip=0, l_knee=5, r_knee=5, bend=0, l_arm=100, r_arm=100, up=0.1, speed=1.8 * ahead)
        s.key(0.15, up=d.uniform(0.3, 0.5), l_knee=25, r_knee=25)
        s.key(0.2, up=0.0, l_knee=10, r_knee=10)
        s.key(0.15, l_hip=30, r_hip=30, l_knee=60, r_knee=60, l_arm=10, r_arm=10, speed=0)
    s.rest(0.3)
    count = {1: "once", 2: "twice", 3: "three times", 4: "four times"}[times]
    way = d.choice(("forward", "ahead")) if ahead else d.choice(("up", "in place", "up and down", "into the air"))
    return f"jumps {way}" if times == 1 and d.random() < 0.6 else f"{d.choice(('jumps', 'hops'))} {way} {count}"


def climb(s: Score, d: random.Random) -> str:
    rungs, rung = d.randint(3, 6), d.uniform(0.25, 0.35)
    height = s.keys.get("up", [(0, 0.0)])[-1][1]
    s.key(0.5, l_arm=120, r_arm=140, l_elbow=40, r_elbow=30)
    for step in range(rungs):
        a, b = ("l", "r") if step % 2 else ("r", "l")
        height += rung
        pose = {f"{a}_hip": 75.0, f"{a}_knee": 90.0, f"{b}_hip": 5.0, f"{b}_knee": 8.0}
        pose |= {f"{b}_arm": 150.0, f"{b}_elbow": 25.0, f"{a}_arm": 100.0, f"{a}_elbow": 70.0}
        s.key(d.uniform(0.5, 0.8), up=height, speed=0.1, **pose)
    after = d.random()
    said = d.choice(
        (
            "climbs up a ladder",
            "climbs up something",
            "is climbing",
            "climbs a ladder",
            "climbs upward using hands and feet",
        )
    )
    if after < 0.35:
        for step in range(rungs):
            a, b = ("l", "r") if step % 2 else ("r", "l")
            height -= rung
            pose = {
                f"{a}_hip": 60.0,
                f"{a}_knee": 75.0,
                f"{b}_hip": 5.0,
                f"{b}_knee": 8.0,
                f"{a}_arm": 120.0,
                f"{b}_arm": 90.0,
            }
            s.key(d.uniform(0.5, 0.8), up=max(height, 0.0), speed=-0.1, **pose)
        said = d.choice(
            (
                "climbs up a ladder then climbs back down",
                "climbs up and then down again",
                "goes up a ladder and comes down",
            )
        )
    s.key(0.4)
    return said


def stairs(s: Score, d: random.Random) -> str:
    up, seconds = s.time > 0 or d.random() < 0.5, d.uniform(2.5, 4)
    if not up:
        s.key(0.05, up=1.2)
    s.key(0.2, speed=0.6)
    stride(s, seconds, 0.75, 35, 15, 60)
    s.key(seconds, up=seconds * 0.35 if up else 0.0)
    s.key(0.2, speed=0)
    where = "up" if up else "down"
    return d.choice(
        (
            f"walks {where} the stairs",
            f"goes {where} a flight of stairs",
            f"walks {where} steps",
            f"steps {where} a staircase",
        )
    )


def hang(s: Score, d: random.Random) -> str:
    s.key(0.4, l_arm=170, r_arm=170, l_elbow=5, r_elbow=5)
    s.key(0.5, up=0.5, l_knee=20, r_knee=20)
    seconds = d.uniform(2, 4)
    s.swing("pitch", d.uniform(10, 30), 0.5, 0, seconds)
    for letter in "lr":
        s.swing(f"{letter}_hip", 25, 0.5, 0.25, seconds)
    s.key(seconds)
    s.key(0.4, up=0.0, pitch=0)
    s.rest(0.5)
    return d.choice(
        (
            "hangs from a bar and swings",
            "hangs from something by both hands",
            "swings back and forth hanging by the arms",
            "hangs on with both arms",
        )
    )


def crouch(s: Score, d: random.Random) -> str:
    s.key(0.5, l_hip=70, r_hip=70, l_knee=95, r_knee=95, bend=60)
    s.key(0.2, speed=0.6)
    stride(s, 1.5, 0.9, 15, 5, 10)
    s.key(1.4)
    s.rest(0.6)
    return d.choice(
        ("crouches and walks", "walks while crouching low", "bends down low and walks on", "sneaks forward in a crouch")
    )


def crawl(s: Score, d: random.Random) -> str:
    s.key(0.9, pitch=80, l_hip=85, r_hip=85, l_knee=85, r_knee=85, l_arm=85, r_arm=85, l_elbow=5, r_elbow=5)
    seconds = d.uniform(2, 4)
    s.key(0.1, speed=0.4)
    for letter, phase in (("l", 0.0), ("r", 0.5)):
        s.swing(f"{letter}_hip", 18, 0.9, phase, seconds)
        s.swing(f"{letter}_arm", 18, 0.9, phase + 0.5, seconds)
    s.key(seconds)
    s.key(0.1, speed=0)
    return d.choice(("crawls forward on hands and knees", "gets down and crawls", "is crawling on the floor"))
