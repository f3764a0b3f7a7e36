"""Sound devices: play a stem, record a mixture, separate a microphone as it speaks.

sounddevice is imported here alone, and only when one of the three is asked for.

Legend: C channels, n samples of a piece.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmkit.errors import BadInput, ModelUnavailable

__all__ = ["LiveSeparator", "play", "record", "run_live", "sound_device"]

Samples = NDArray[np.float32]
_CONTEXT_S: Final = 3.0
_STEP_S: Final = 0.5
_FADE_S: Final = 0.05


def sound_device(feature: str) -> Any:
    """The module sounddevice. Raises ModelUnavailable where it, PortAudio or a device is missing."""
    try:
        import sounddevice
    except ImportError:
        raise ModelUnavailable(
            f"{feature} needs the package sounddevice", mend="install it with: pip install sounddevice"
        ) from None
    except OSError as error:
        raise ModelUnavailable(
            f"{feature} needs the library PortAudio ({error})",
            mend="install it, as with: apt install libportaudio2, or: brew install portaudio",
        ) from None
    try:
        devices = sounddevice.query_devices()
    except Exception as error:  # PortAudioError is only there where PortAudio is
        raise ModelUnavailable(f"{feature}: the sound system does not answer ({error})") from None
    if len(devices) == 0:
        raise ModelUnavailable(f"{feature} needs a sound device, and this machine has none")
    return sounddevice


def play(path: Path) -> None:
    """Play a sound file to its end. Raises ModelUnavailable without a device."""
    device = sound_device("--play")
    from mmkit.media.audio import read_audio

    samples, rate = read_audio(path)
    try:
        device.play(samples.T, rate, blocking=True)
    except device.PortAudioError as error:
        raise ModelUnavailable(f"--play: the sound device refuses ({error})") from None


def record(path: Path, seconds: float, *, rate: int = 44100) -> None:
    """Record the default microphone into a sound file. Raises ModelUnavailable without a device."""
    device = sound_device("--record")
    from mmkit.media.audio import write_audio

    try:
        samples = device.rec(round(seconds * rate), samplerate=rate, channels=1, dtype="float32", blocking=True)
    except device.PortAudioError as error:
        raise ModelUnavailable(f"--record: the microphone refuses ({error})") from None
    if not np.any(samples):
        raise BadInput("gave nothing but silence", where="the microphone", mend="is it muted?")
    write_audio(path, samples.T, rate)


class LiveSeparator:
    """Separates a stream step by step: each step is heard with the seconds before it.

    What comes out lies ``latency`` seconds behind what went in, beside the time of the computation itself.

    Args:
        separate: (C, n) samples to the (C, n) stem.
        rate: samples a second.
    """

    def __init__(
        self, separate: Callable[[Samples], Samples], rate: int, channels: int = 1, *, step: float = _STEP_S
    ) -> None:
        self._separate = separate
        self.step = max(2, round(step * rate))
        self.fade = max(1, min(round(_FADE_S * rate), self.step // 2))
        self._heard = np.zeros((channels, round(_CONTEXT_S * rate)), np.float32)
        self._tail = np.zeros((channels, self.fade), np.float32)
        self.latency = (self.step + self.fade) / rate

    def push(self, samples: Samples) -> Samples:
        """(C, step) new samples to as many of the stem, ``fade`` samples behind them."""
        self._heard = np.concatenate([self._heard[:, samples.shape[1] :], samples], axis=1)
        stem = self._separate(self._heard)[:, -(samples.shape[1] + self.fade) :]
        rise = (np.arange(self.fade, dtype=np.float32) + 0.5) / self.fade
        stem[:, : self.fade] = self._tail * (1 - rise) + stem[:, : self.fade] * rise
        self._tail = stem[:, -self.fade :].copy()
        return stem[:, : samples.shape[1]]


def run_live(
    separate: Callable[[Samples, int], Samples], *, report: Callable[[str], None], seconds: float | None = None
) -> None:
    """Microphone to speaker until interrupted.

    Args:
        separate: samples (C, n) and their rate to the stem.
        report: takes the latency, and each time that the computation does not keep up.
        seconds: stop after so many.

    Raises:
        ModelUnavailable: no device.
    """
    device = sound_device("--live")
    rate = 16000
    live = LiveSeparator(lambda heard: separate(heard, rate), rate)
    given: queue.Queue[Samples] = queue.Queue()
    ready: queue.Queue[Samples] = queue.Queue()

    def exchange(incoming: Any, outgoing: Any, frames: int, clock: Any, status: Any) -> None:
        given.put(np.array(incoming.T, np.float32))
        try:
            outgoing[:] = ready.get_nowait().T
        except queue.Empty:
            outgoing[:] = 0

    started = time.monotonic()
    live.push(np.zeros((1, live.step), np.float32))  # the first pass of a network is the slowest
    begin = time.monotonic()
    live.push(np.zeros((1, live.step), np.float32))
    cost = time.monotonic() - begin
    if cost > live.step / rate:
        report(f"a step of {live.step / rate:.1f} s takes {cost:.1f} s here: there will be gaps")
    try:
        with device.Stream(
            samplerate=rate, blocksize=live.step, channels=1, dtype="float32", callback=exchange
        ) as stream:
            devices = sum(stream.latency)
            report(f"latency {live.latency + live.step / rate + devices:.2f} s; Ctrl-C ends")
            while seconds is None or time.monotonic() - started < seconds:
                ready.put(live.push(given.get()))
    except device.PortAudioError as error:
        raise ModelUnavailable(f"--live: the sound device refuses ({error})") from None
