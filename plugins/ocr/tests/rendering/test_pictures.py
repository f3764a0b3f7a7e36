from __future__ import annotations

import pytest
import torch
from mmkit_ocr.rendering import effects
from mmkit_ocr.rendering.augment import augment
from mmkit_ocr.rendering.compose import compose
from mmkit_ocr.rendering.geometry import Warp, canvas_points, random_warp


def _masks(count: int = 12) -> torch.Tensor:
    """Two bars as ink, of widths that differ from mask to mask."""
    masks = torch.zeros(count, 64, 256, dtype=torch.uint8)
    for index in range(count):
        masks[index, 8:56, 40 : 60 + 10 * index] = 255
    return masks


def _backgrounds() -> torch.Tensor:
    return torch.randint(0, 255, (3, 3, 48, 192), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("count", [1, 12])
def test_composed_pictures_have_the_shape_and_range_of_crops(count: int) -> None:
    pictures = compose(_masks(count), _backgrounds(), _generator())

    assert pictures.shape == (count, 3, 48, 160)
    assert pictures.isfinite().all()
    assert pictures.min() >= 0
    assert pictures.max() <= 1


def test_another_size_can_be_asked_for() -> None:
    assert compose(_masks(2), _backgrounds(), _generator(), size=(32, 128)).shape == (2, 3, 32, 128)


def test_the_same_generator_state_composes_the_same() -> None:
    first = compose(_masks(), _backgrounds(), _generator(4))

    assert torch.equal(first, compose(_masks(), _backgrounds(), _generator(4)))
    assert not torch.equal(first, compose(_masks(), _backgrounds(), _generator(5)))


def test_letters_stand_out_from_their_ground() -> None:
    """Beneath all effects most words differ from what surrounds them; without ink nothing does in this way."""
    masks = torch.zeros(200, 64, 256, dtype=torch.uint8)
    masks[:, :, 64:192:32] = masks[:, :, 65:192:32] = masks[:, 30:34, 64:192] = 255
    flat = torch.full((1, 3, 48, 192), 128, dtype=torch.uint8)

    with_ink = compose(masks, flat, _generator(1)).std((2, 3)).amax(1)

    assert (with_ink > 0.04).float().mean() > 0.85


def test_going_through_a_warp_and_back_ends_where_it_began() -> None:
    warp = random_warp(torch.linspace(0.5, 10, 64), _generator(2), strength=1.5)
    u = warp.aspect.unsqueeze(1) * torch.linspace(-0.5, 0.5, 9)
    points = torch.stack((u, torch.linspace(-0.5, 0.5, 9).expand_as(u)), -1)

    assert torch.allclose(warp.backward(warp.forward(points)), points, atol=2e-3)


def test_a_warp_of_no_strength_leaves_points_where_they_are() -> None:
    warp = random_warp(torch.full((4,), 3.0), _generator(), strength=0.0)
    points = canvas_points(warp.bounds(), (8, 24))

    assert torch.allclose(warp.backward(points), points, atol=0.01)


def test_a_bend_upwards_lifts_the_middle_above_the_ends() -> None:
    flat = torch.eye(3).unsqueeze(0)
    warp = Warp(torch.tensor([4.0]), torch.tensor([3.0]), flat)
    left, middle, right = warp.forward(torch.tensor([[[-2.0, 0.0], [0.0, 0.0], [2.0, 0.0]]]))[0, :, 1].tolist()

    assert middle < left
    assert left == pytest.approx(right, abs=1e-5)


@pytest.mark.parametrize("strength", [0.3, 1.0])
def test_augmented_crops_keep_shape_and_range(strength: float) -> None:
    crops = torch.rand(9, 3, 48, 160, generator=_generator())
    out = augment(crops, _generator(1), strength=strength)

    assert out.shape == crops.shape
    assert out.isfinite().all()
    assert out.min() >= 0
    assert out.max() <= 1
    assert torch.equal(out, augment(crops, _generator(1), strength=strength))


def test_augmenting_without_strength_changes_next_to_nothing() -> None:
    crops = torch.rand(5, 3, 48, 160, generator=_generator())
    crops = torch.nn.functional.avg_pool2d(crops, 9, 1, 4)

    assert (augment(crops, _generator(1), strength=0.0) - crops).abs().mean() < 0.01


EFFECTS = [
    effects.uneven_light,
    effects.lines,
    effects.low_resolution,
    effects.blur,
    effects.colour_shift,
    effects.greyscale,
    effects.negative,
    effects.noise,
    effects.specks,
    effects.jpeg,
]


@pytest.mark.parametrize("effect", EFFECTS)
@pytest.mark.parametrize("count", [1, 9])
def test_an_effect_changes_every_picture_and_keeps_shape_and_range(effect: effects.Effect, count: int) -> None:
    pictures = torch.rand(count, 3, 48, 160, generator=_generator())
    out = effect(pictures, _generator(1))

    assert out.shape == pictures.shape
    assert out.min() >= 0
    assert out.max() <= 1
    assert ((out - pictures).abs().amax((1, 2, 3)) > 1e-3).all()


@pytest.mark.parametrize(("chance", "low", "high"), [(0.0, 0, 0), (0.3, 30, 90), (1.0, 200, 200)])
def test_an_effect_touches_the_wanted_part_of_a_batch(chance: float, low: int, high: int) -> None:
    pictures = torch.rand(200, 3, 8, 8, generator=_generator())
    out = effects.on_some(pictures, _generator(1), chance, effects.negative)

    touched = (out != pictures).flatten(1).any(1)
    assert low <= touched.sum() <= high
    assert torch.equal(out[touched], 1 - pictures[touched])


def test_blur_keeps_a_flat_picture() -> None:
    flat = torch.full((4, 3, 48, 160), 0.3)

    assert torch.allclose(effects.blur(flat, _generator()), flat, atol=1e-5)


def test_jpeg_keeps_a_flat_grey_picture() -> None:
    grey = torch.full((4, 3, 16, 16), 128 / 255)

    assert torch.allclose(effects.jpeg(grey, _generator()), grey, atol=1e-3)


def test_jpeg_loses_less_of_smooth_pictures_than_of_noise() -> None:
    rough = torch.rand(6, 3, 48, 160, generator=_generator())
    smooth = torch.nn.functional.avg_pool2d(rough, 9, 1, 4)

    def loss(pictures: torch.Tensor) -> torch.Tensor:
        return (effects.jpeg(pictures, _generator(1)) - pictures).abs().mean()

    assert loss(smooth) < 0.3 * loss(rough)
