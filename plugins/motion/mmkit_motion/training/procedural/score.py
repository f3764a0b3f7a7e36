"""A score: key poses in time and swings laid over them, played frame by frame.

T frames. Angles in degrees, lengths in metres.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmkit_motion.skeleton import FPS

__all__ = ["CHANNELS", "Score"]

Floats = NDArray[np.float64]

#: Channels of the puppet: forward speed, heading, height over the ground, pitch of the whole body, spine, limbs.
CHANNELS: Final = (
    *("speed", "yaw", "up", "pitch", "bend", "lean", "twist"),
    *(f"{side}_{name}" for side in "lr" for name in ("hip", "out", "knee", "arm", "side", "elbow", "turn")),
)
_STAND: Final = {"l_side": 8.0, "r_side": 8.0, "l_elbow": 12.0, "r_elbow": 12.0, "l_out": 3.0, "r_out": 3.0}


@dataclass(slots=True)
class Score:
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
        for name in CHANNELS:
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
