"""Drawn motions for common verbs of which no free recording was to be had: a puppet moved between key poses.

They are crude, and they teach the models what is up and down, left and right, near the ground or in the air, once or
thrice. The verbs are the frequent ones of HumanML3D's captions.

T frames. Angles in degrees, lengths in metres.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from mmkit_motion.features import straighten
from mmkit_motion.skeleton import BONE_LENGTHS, FPS, PARENTS, index_of

__all__ = ["ACTIONS", "draw_clip"]

Floats = NDArray[np.float64]

#: Channels of the puppet: forward speed, heading, height over the ground, pitch of the whole body, spine, limbs.
_CHANNELS: Final = (
    *("speed", "yaw", "up", "pitch", "bend", "lean", "twist"),
    *(f"{side}_{name}" for side in "lr" for name in ("hip", "out", "knee", "arm", "side", "elbow", "turn")),
)
_STAND: Final = {"l_side": 8.0, "r_side": 8.0, "l_elbow": 12.0, "r_elbow": 12.0, "l_out": 3.0, "r_out": 3.0}


@dataclass(slots=True)
class _Score:
    """Key poses in time, and swings laid over them."""

    time: float = 0.0
    keys: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    swings: list[tuple[str, float, float, float, float, float]] = field(default_factory=list)

    def key(self, after: float, **values: float) -> None:
        """Reach a pose ``after`` seconds from now; channels not named keep what they are."""
        for name, value in values.items():
            line = self.keys.setdefault(name, [(0.0, _STAND.get(name, 0.0))])
            if line[-1][0] < self.time:
                line.append((self.time, line[-1][1]))
            line.append((self.time + after, value))
        self.time += after

    def swing(self, name: str, amount: float, rate: float, phase: float, seconds: float) -> None:
        """A sine of so many turns a second from now on."""
        self.swings.append((name, amount, rate, phase, self.time, self.time + seconds))

    def rest(self, after: float = 0.6) -> None:
        """Back to standing, on the heading and height there are."""
        kept = ("yaw", "up")
        self.key(after, **{name: _STAND.get(name, 0.0) for name in self.keys if name not in kept})

    def play(self) -> dict[str, Floats]:
        """Every channel, frame by frame."""
        times = np.arange(0, self.time, 1 / FPS)
        out = {}
        for name in _CHANNELS:
            line = self.keys.get(name, [(0.0, _STAND.get(name, 0.0))])
            at, values = np.array(line).T
            place = np.clip(np.searchsorted(at, times, side="right") - 1, 0, len(at) - 1)
            after = np.minimum(place + 1, len(at) - 1)
            share = np.clip((times - at[place]) / np.maximum(at[after] - at[place], 1e-6), 0, 1)
            share = share * share * (3 - 2 * share)
            out[name] = values[place] + (values[after] - values[place]) * share
        for name, amount, rate, phase, start, end in self.swings:
            inside = np.clip(np.minimum(times - start, end - times) / 0.25, 0, 1)
            out[name] = out[name] + amount * inside * np.sin(2 * np.pi * (rate * (times - start) + phase))
        return out


def _joints(play: dict[str, Floats], *, grounded: str) -> Floats:
    """Forward kinematics of the puppet, (T, 22, 3); its lowest foot, or lowest joint, stands on the ground."""
    count = len(play["yaw"])

    def turn(axis: str, angle: Floats | float) -> Rotation:
        return Rotation.from_euler(axis, np.broadcast_to(np.asarray(angle, np.float64), count)[:, None], degrees=True)

    offsets = np.zeros((22, 3))
    for name, way in {
        "left_hip": (0.56, -0.82, -0.1),
        "right_hip": (-0.56, -0.82, -0.1),
        "spine1": (0, 1, -0.1),
        "spine2": (0, 1, 0),
        "spine3": (0, 1, 0.1),
        "neck": (0, 1, -0.05),
        "head": (0, 0.8, 0.5),
        "left_collar": (0.6, 0.78, 0),
        "right_collar": (-0.6, 0.78, 0),
        "left_shoulder": (1, 0.1, 0),
        "right_shoulder": (-1, 0.1, 0),
    }.items():
        offsets[index_of(name)] = np.array(way) / np.linalg.norm(way)
    for name in (
        "left_knee",
        "right_knee",
        "left_ankle",
        "right_ankle",
        "left_elbow",
        "right_elbow",
        "left_wrist",
        "right_wrist",
    ):
        offsets[index_of(name)] = (0, -1, 0)
    for name in ("left_foot", "right_foot"):
        offsets[index_of(name)] = (0, -0.4, 0.92)
    offsets *= BONE_LENGTHS[:, None]
    whole = turn("y", play["yaw"]) * turn("x", play["pitch"])
    turns = [whole] * 22
    third = turn("y", play["twist"] / 3) * turn("z", -play["lean"] / 3) * turn("x", play["bend"] / 3)
    for name in ("spine1", "spine2", "spine3"):
        whole = whole * third
        turns[index_of(name)] = whole
    for name in ("neck", "head", "left_collar", "right_collar"):
        turns[index_of(name)] = whole
    for letter, side, sign in (("l", "left", 1.0), ("r", "right", -1.0)):
        leg = turns[0] * turn("z", sign * play[f"{letter}_out"]) * turn("x", -play[f"{letter}_hip"])
        turns[index_of(f"{side}_hip")] = leg
        leg = leg * turn("x", play[f"{letter}_knee"])
        turns[index_of(f"{side}_knee")] = turns[index_of(f"{side}_ankle")] = leg
        arm = whole * turn("z", sign * play[f"{letter}_side"]) * turn("x", -play[f"{letter}_arm"])
        arm = arm * turn("y", -sign * play[f"{letter}_turn"])
        turns[index_of(f"{side}_shoulder")] = arm
        turns[index_of(f"{side}_elbow")] = arm * turn("x", -play[f"{letter}_elbow"])
    out = np.zeros((count, 22, 3))
    for joint, parent in enumerate(PARENTS):
        if parent >= 0:
            out[:, joint] = out[:, parent] + turns[parent].apply(np.tile(offsets[joint], (count, 1)))
    feet = [index_of(f"{side}_{name}") for side in ("left", "right") for name in ("ankle", "foot")]
    low = out[:, feet if grounded == "feet" else slice(None), 1].min(axis=1)
    ahead = np.radians(play["yaw"])
    step = np.stack([np.sin(ahead), np.cos(ahead)], axis=-1) * play["speed"][:, None] / FPS
    place = np.cumsum(step, axis=0)
    out[..., 0] += place[:, None, 0]
    out[..., 2] += place[:, None, 1]
    out[..., 1] += (play["up"] - low)[:, None]
    return out


# Every action moves a score and says what it did; `d` draws its chances.


def _walk(s: _Score, d: random.Random, seconds: float | None = None, speed: float | None = None) -> str:
    seconds, speed = seconds or d.uniform(1.5, 4), speed or d.uniform(0.8, 1.4)
    rate = 0.55 + 0.3 * speed
    s.key(0.2, speed=speed)
    _stride(s, seconds, rate, 22 + 8 * speed, d.uniform(10, 25), 30 + 10 * speed)
    s.key(seconds - 0.2)
    s.key(0.2, speed=0)
    return d.choice(("walks forward", "walks", "takes a few steps", "walks ahead"))


def _stride(s: _Score, seconds: float, rate: float, hip: float, arm: float, knee: float) -> None:
    for letter, phase in (("l", 0.0), ("r", 0.5)):
        s.swing(f"{letter}_hip", hip, rate, phase, seconds)
        s.swing(f"{letter}_knee", knee / 2, rate, phase + 0.15, seconds)
        s.swing(f"{letter}_arm", arm, rate, phase + 0.5, seconds)


def _run(s: _Score, d: random.Random) -> str:
    seconds = d.uniform(1.5, 3)
    s.key(0.2, speed=d.uniform(2.2, 4), bend=12, l_elbow=85, r_elbow=85, l_knee=25, r_knee=25)
    _stride(s, seconds, d.uniform(1.2, 1.6), 42, 40, 70)
    s.swing("up", 0.06, 2.8, 0, seconds)
    s.key(seconds)
    s.rest(0.3)
    return d.choice(("runs", "runs forward", "jogs forward", "is running"))


def _turn(s: _Score, d: random.Random) -> str:
    angle = d.choice((90, -90, 180, -180, 360, -360))
    now = s.keys.get("yaw", [(0, 0.0)])[-1][1]
    seconds = abs(angle) / d.uniform(90, 160)
    _stride(s, seconds, 1.1, 10, 5, 20)
    s.key(seconds, yaw=now + angle)
    side = "left" if angle > 0 else "right"
    if abs(angle) == 360:
        return d.choice((f"spins around to the {side}", f"turns in a full circle to the {side}"))
    return d.choice(
        (f"turns {side}", f"turns to the {side}", "turns around" if abs(angle) == 180 else f"makes a {side} turn")
    )


def _jump(s: _Score, d: random.Random) -> str:
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


def _climb(s: _Score, d: random.Random) -> str:
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


def _stairs(s: _Score, d: random.Random) -> str:
    up, seconds = s.time > 0 or d.random() < 0.5, d.uniform(2.5, 4)
    if not up:
        s.key(0.05, up=1.2)
    s.key(0.2, speed=0.6)
    _stride(s, seconds, 0.75, 35, 15, 60)
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


def _hang(s: _Score, d: random.Random) -> str:
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


def _crouch(s: _Score, d: random.Random) -> str:
    s.key(0.5, l_hip=70, r_hip=70, l_knee=95, r_knee=95, bend=60)
    s.key(0.2, speed=0.6)
    _stride(s, 1.5, 0.9, 15, 5, 10)
    s.key(1.4)
    s.rest(0.6)
    return d.choice(
        ("crouches and walks", "walks while crouching low", "bends down low and walks on", "sneaks forward in a crouch")
    )


def _sit(s: _Score, d: random.Random) -> str:
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


def _squat(s: _Score, d: random.Random) -> str:
    times = d.choice((1, 2, 3))
    for _ in range(times):
        s.key(0.6, l_hip=100, r_hip=100, l_knee=120, r_knee=120, bend=30, l_arm=80, r_arm=80, l_out=18, r_out=18)
        s.rest(0.6)
    return (
        d.choice(("squats down", "does squats", "crouches down and stands up"))
        if times > 1
        else d.choice(("squats", "crouches down low", "squats down and gets up"))
    )


def _pick_up(s: _Score, d: random.Random) -> str:
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


def _punch(s: _Score, d: random.Random) -> str:
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


def _kick(s: _Score, d: random.Random) -> str:
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


def _throw(s: _Score, d: random.Random) -> str:
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


def _sword(s: _Score, d: random.Random) -> str:
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


def _wash(s: _Score, d: random.Random) -> str:
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


def _wave(s: _Score, d: random.Random) -> str:
    a, seconds = d.choice("lr"), d.uniform(1.5, 3)
    s.key(0.5, **{f"{a}_arm": 20.0, f"{a}_side": 110.0, f"{a}_elbow": 70.0})
    s.swing(f"{a}_side", 18, 1.8, 0, seconds)
    s.key(seconds)
    s.rest(0.5)
    side = "left" if a == "l" else "right"
    return d.choice(
        (f"waves with the {side} hand", f"waves their {side} arm", f"raises the {side} hand and waves hello")
    )


def _balance(s: _Score, d: random.Random) -> str:
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


def _kneel(s: _Score, d: random.Random) -> str:
    s.key(0.9, l_hip=5, r_hip=5, l_knee=95, r_knee=95)
    s.key(d.uniform(1, 2))
    s.rest(0.9)
    return d.choice(
        ("kneels down and stands back up", "gets down on both knees", "kneels on the ground", "drops to the knees")
    )


def _crawl(s: _Score, d: random.Random) -> str:
    s.key(0.9, pitch=80, l_hip=85, r_hip=85, l_knee=85, r_knee=85, l_arm=85, r_arm=85, l_elbow=5, r_elbow=5)
    seconds = d.uniform(2, 4)
    s.key(0.1, speed=0.4)
    for letter, phase in (("l", 0.0), ("r", 0.5)):
        s.swing(f"{letter}_hip", 18, 0.9, phase, seconds)
        s.swing(f"{letter}_arm", 18, 0.9, phase + 0.5, seconds)
    s.key(seconds)
    s.key(0.1, speed=0)
    return d.choice(("crawls forward on hands and knees", "gets down and crawls", "is crawling on the floor"))


def _jacks(s: _Score, d: random.Random) -> str:
    for _ in range(d.randint(2, 5)):
        s.key(0.28, l_side=160, r_side=160, l_out=25, r_out=25, up=0.08)
        s.key(0.28, l_side=8, r_side=8, l_out=3, r_out=3, up=0.0)
    return d.choice(("does jumping jacks", "performs jumping jacks", "is exercising with jumping jacks"))


def _stretch(s: _Score, d: random.Random) -> str:
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


def _drink(s: _Score, d: random.Random) -> str:
    a = d.choice("lr")
    s.key(0.7, **{f"{a}_arm": 55.0, f"{a}_elbow": 135.0, f"{a}_turn": 25.0})
    s.key(d.uniform(0.8, 1.5), bend=-8)
    s.rest(0.7)
    side = "left" if a == "l" else "right"
    return d.choice(
        (f"drinks from a cup with the {side} hand", f"brings the {side} hand to the mouth", "takes a drink")
    )


def _clap(s: _Score, d: random.Random) -> str:
    s.key(0.4, l_arm=65, r_arm=65, l_elbow=50, r_elbow=50, l_turn=20, r_turn=20)
    seconds = d.uniform(1.5, 3)
    for letter in "lr":
        s.swing(f"{letter}_turn", 22, 2.2, 0, seconds)
    s.key(seconds)
    s.rest(0.4)
    return d.choice(("claps", "claps both hands", "applauds"))


def _stand(s: _Score, d: random.Random) -> str:
    s.swing("lean", 2, 0.3, 0, 2.5)
    s.key(d.uniform(1.5, 3))
    return d.choice(("stands still", "is standing", "stands in place"))


#: Each with what of the body touches the ground.
ACTIONS: Final[dict[str, tuple[Callable[[_Score, random.Random], str], str]]] = {
    **{
        name: (action, "feet")
        for name, action in {
            "walk": _walk,
            "run": _run,
            "turn": _turn,
            "jump": _jump,
            "climb": _climb,
            "stairs": _stairs,
            "hang": _hang,
            "crouch": _crouch,
            "sit": _sit,
            "squat": _squat,
            "pick_up": _pick_up,
            "punch": _punch,
            "kick": _kick,
            "throw": _throw,
            "sword": _sword,
            "wash": _wash,
            "wave": _wave,
            "balance": _balance,
            "jacks": _jacks,
            "stretch": _stretch,
            "drink": _drink,
            "clap": _clap,
            "stand": _stand,
        }.items()
    },
    "kneel": (_kneel, "body"),
    "crawl": (_crawl, "body"),
}
_BEFORE: Final = ("walk", "turn", "stand", "walk")


def draw_clip(action: str, d: random.Random) -> tuple[NDArray[np.float32], list[str]]:
    """Joints (T, 22, 3) of an action, at times with a walk or a turn before or after it, and sentences for it."""
    score = _Score()
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
    for name in _CHANNELS:
        if name not in ("yaw", "up", "speed"):
            play[name] = (
                play[name] * size + d.gauss(0, 1.5) + 1.2 * np.sin(np.arange(pace) * d.uniform(0.05, 0.25) + d.random())
            )
    joints = _joints(play, grounded=grounded)
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
