"""Small items of every modality, made here, the same on every machine."""

from __future__ import annotations

from mmkit.types import Item, Modality

__all__ = ["sample_items"]

_TEXTS = (
    "a cup of coffee on a wooden table",
    "two dogs run across a field of grass",
    "a red bus",
    "an aeroplane above the clouds",
    "the quick brown fox jumps over the lazy dog while the sun sets behind the hills",
)


def sample_items(modality: Modality, count: int = 5) -> list[Item]:
    """``count`` distinct items: pictures of differing sizes, texts of differing lengths, sounds, motions, records."""
    import numpy as np

    rng = np.random.default_rng(0)
    items: list[Item] = []
    for number in range(count):
        name = f"{modality}-{number}"
        if modality == "text":
            items.append(Item.from_text(f"{_TEXTS[number % len(_TEXTS)]} {number // len(_TEXTS) or ''}".strip()))
        elif modality == "image":
            height, width = 40 + 17 * number, 64 + 5 * number
            rows = np.linspace(0, 255, height)[:, None, None] * rng.uniform(0, 1, 3)
            noise = rng.uniform(0, 40, (height, width, 3))
            items.append(Item("image", name, array=np.clip(rows + noise, 0, 255).astype(np.uint8)))
        elif modality == "audio":
            rate = 16000
            times = np.arange(rate // 2 + 800 * number) / rate
            samples = 0.5 * np.sin(2 * np.pi * (220 + 110 * number) * times)
            items.append(Item("audio", name, array=samples.astype(np.float32), rate=float(rate)))
        elif modality == "motion":
            joints = rng.normal(0, 0.3, (1, 22, 3)) + np.linspace(0, 1 + number, 40)[:, None, None]
            items.append(Item("motion", name, array=joints.astype(np.float32), rate=20.0))
        else:
            items.append(Item("record", name, record={"name": _TEXTS[number % len(_TEXTS)], "number": number}))
    return items
