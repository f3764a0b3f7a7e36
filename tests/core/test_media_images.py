from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from mmkit.errors import BadInput, UsageError
from mmkit.media.images import MAX_PIXELS_VARIABLE, image_size, read_image, write_image
from mmkit.types import Item

# pytest collects warnings that the reader keeps from the user; test_oddities_leave_nothing_on_stderr is about those.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")


def gradient(width: int = 64, height: int = 48) -> Image.Image:
    across = np.linspace(0, 255, width)[None, :].repeat(height, 0)
    down = np.linspace(0, 255, height)[:, None].repeat(width, 1)
    return Image.fromarray(np.stack([across, down, 255 - across], axis=2).astype(np.uint8))


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()


def blank_png(width: int, height: int, bits: int = 1) -> bytes:
    """A gray PNG of any size, written without holding its pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    packer = zlib.compressobj()
    row = bytes(1 + (width * bits + 7) // 8)
    body = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def mean_difference(one: Image.Image, other: Image.Image) -> float:
    return float(np.abs(np.asarray(one, float) - np.asarray(other, float)).mean())


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF", "WEBP", "JPEG", "PPM", "TGA", "ICO", "JPEG2000", "AVIF"])
def test_every_common_format_is_read(kind: str, tmp_path: Path) -> None:
    Image.init()
    if kind not in Image.SAVE:
        pytest.skip(f"this Pillow does not write {kind}")
    path = tmp_path / f"picture.{kind.lower()}"
    path.write_bytes(encoded(gradient(), kind))
    picture = read_image(path)
    assert picture.mode == "RGB"
    assert picture.size == image_size(path)
    assert mean_difference(picture.resize((64, 48)), gradient()) < 16


def test_an_item_a_path_a_name_and_bytes_give_the_same_picture(tmp_path: Path) -> None:
    data = encoded(gradient(), "PNG")
    path = tmp_path / "a.png"
    path.write_bytes(data)
    sources = [path, str(path), data, Item.from_path(path, "image"), Item("image", "x", data=data)]
    pictures = {read_image(source).tobytes() for source in sources}
    array = Item("image", "x", array=np.asarray(gradient()))
    assert pictures == {read_image(array).tobytes()}


def test_exif_orientation_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(gradient(), "JPEG", exif=exif)
    assert image_size(data) == (48, 64)
    assert read_image(data).size == (48, 64)
    assert mean_difference(read_image(data), gradient().transpose(Image.Transpose.ROTATE_270)) < 4


def test_a_broken_exif_block_does_not_cost_the_picture() -> None:
    data = encoded(gradient(), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff broken")
    assert read_image(data).size == (64, 48)


def test_transparency_is_laid_on_white() -> None:
    clear = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    palette = Image.new("P", (4, 4), 0)
    palette.putpalette([255, 0, 0] * 256)
    for data in (
        encoded(clear, "PNG"),
        encoded(palette, "PNG", transparency=0),
        encoded(Image.new("RGB", (4, 4), (255, 0, 0)), "PNG", transparency=(255, 0, 0)),
        encoded(Image.new("LA", (4, 4), (0, 0)), "PNG"),
    ):
        assert read_image(data).getpixel((1, 1)) == (255, 255, 255)


def test_half_transparent_pixels_are_mixed_with_white() -> None:
    red = read_image(encoded(Image.new("RGBA", (2, 2), (255, 0, 0, 128)), "PNG")).getpixel((0, 0))
    assert red == (255, 127, 127)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_not_clipped(kind: str) -> None:
    values = np.linspace(0, 65535, 256).astype(np.uint16)[None, :].repeat(4, 0)
    picture = np.asarray(read_image(encoded(Image.fromarray(values), kind)))
    assert np.abs(picture[0, :, 0].astype(int) - np.arange(256)).max() <= 1


def test_float_tiff_is_scaled_by_its_range() -> None:
    for values in (np.linspace(0, 1, 256), np.linspace(0, 255, 256), np.linspace(-5e3, 7e3, 256)):
        image = Image.fromarray(values.astype(np.float32)[None, :].repeat(2, 0))
        picture = np.asarray(read_image(encoded(image, "TIFF")))
        assert np.abs(picture[0, :, 0].astype(int) - np.arange(256)).max() <= 1


def test_float_tiff_of_nothing_but_nan_is_black() -> None:
    image = Image.fromarray(np.full((2, 2), np.nan, np.float32))
    assert read_image(encoded(image, "TIFF")).getpixel((0, 0)) == (0, 0, 0)


def test_thirty_two_bit_integers_are_not_clipped() -> None:
    image = Image.fromarray(np.array([[-1_000_000, 1_000_000]], np.int32))
    assert np.asarray(read_image(encoded(image, "TIFF")))[0, :, 0].tolist() == [0, 255]


def test_cmyk_one_bit_and_lab_become_rgb() -> None:
    assert mean_difference(read_image(encoded(gradient().convert("CMYK"), "JPEG", quality=95)), gradient()) < 4
    assert read_image(encoded(Image.new("1", (8, 8), 1), "TIFF")).getpixel((0, 0)) == (255, 255, 255)
    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    lab = ImageCms.applyTransform(gradient(), ImageCms.buildTransform(*profiles, "RGB", "LAB"))
    assert lab is not None
    assert mean_difference(read_image(encoded(lab, "TIFF")), gradient()) < 4


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_an_animation_the_first_frame_is_read(kind: str) -> None:
    red, blue = Image.new("RGB", (8, 8), "red"), Image.new("RGB", (8, 8), "blue")
    data = encoded(red, kind, save_all=True, append_images=[blue])
    assert mean_difference(read_image(data), red) < 4


def test_content_decides_when_the_suffix_lies(tmp_path: Path) -> None:
    path = tmp_path / "really-a-png.jpg"
    path.write_bytes(encoded(gradient(), "PNG"))
    assert read_image(path).tobytes() == gradient().tobytes()


def test_one_pixel_and_one_row_of_thirty_thousand_are_read() -> None:
    assert read_image(encoded(Image.new("RGB", (1, 1)), "JPEG"), min_side=256).size == (1, 1)
    assert read_image(blank_png(30_000, 1)).size == (30_000, 1)
    assert read_image(encoded(Image.new("L", (30_000, 1)), "JPEG"), min_side=256).size == (30_000, 1)


def test_thirty_thousand_squared_is_refused_in_one_line_that_names_limit_and_option(tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    path.write_bytes(blank_png(30_000, 30_000))
    assert image_size(path) == (30_000, 30_000)
    with pytest.raises(BadInput) as caught:
        read_image(path, min_side=256)
    assert "30,000 × 30,000 = 900,000,000 pixels" in str(caught.value)
    assert "134,217,728" in str(caught.value)
    assert MAX_PIXELS_VARIABLE in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_jpeg_is_decoded_small_enough_for_the_limit_when_min_side_allows() -> None:
    data = encoded(gradient(1600, 1200), "JPEG")
    small = read_image(data, min_side=128, max_pixels=100_000)
    assert small.size == (200, 150)
    assert mean_difference(small, gradient(200, 150)) < 3
    with pytest.raises(BadInput, match="more than the limit of 100,000"):
        read_image(data, max_pixels=100_000)


def test_min_side_never_gives_less_than_asked() -> None:
    data = encoded(gradient(1000, 700), "JPEG")
    for side in (1, 87, 88, 175, 176, 350, 351, 700, 5000):
        assert min(read_image(data, min_side=side).size) >= min(side, 700)


def test_a_progressive_jpeg_is_held_to_the_limit_at_full_size() -> None:
    data = encoded(gradient(1600, 1200), "JPEG", progressive=True)
    with pytest.raises(BadInput, match="1,600 × 1,200"):
        read_image(data, min_side=128, max_pixels=100_000)


def test_the_limit_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(gradient(), "PNG")
    monkeypatch.setenv(MAX_PIXELS_VARIABLE, "100")
    with pytest.raises(BadInput, match="limit of 100;"):
        read_image(data)
    monkeypatch.setenv(MAX_PIXELS_VARIABLE, "many")
    with pytest.raises(UsageError, match="'many'"):
        read_image(data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", r"is empty \(0 bytes\)"),
        (b"hello, this is text", "is not a picture"),
        (b"\x89PNG\r\n\x1a\n", "is not a picture"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG drawing"),
        (b"<svg/>", "SVG drawing"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "PostScript"),
        (b"%PDF-1.7\n", "PDF"),
        (b"<!DOCTYPE html><html></html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
    ],
)
def test_what_is_no_picture_is_refused_with_its_reason(data: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(data)
    with pytest.raises(BadInput, match=reason) as caught:
        read_image(path)
    assert str(caught.value).startswith(str(path))


def test_missing_directory_and_pipe_are_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    refused = {"no.png": "no such file", ".": "a directory", "pipe.png": "not a regular file"}
    for name, reason in refused.items():
        path = tmp_path / name
        with pytest.raises(BadInput, match=reason):
            read_image(path)


def test_an_unreadable_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "locked.png"
    path.write_bytes(encoded(gradient(), "PNG"))

    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", denied)  # root may read whatever its mode says
    with pytest.raises(BadInput, match="cannot be read: Permission denied"):
        read_image(path)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "JPEG2000"])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_truncated_pictures_are_refused(kind: str, part: float) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    data = encoded(noise, kind)
    with pytest.raises(BadInput):
        read_image(data[: int(len(data) * part)])


def test_oddities_leave_nothing_on_stderr(tmp_path: Path) -> None:
    (tmp_path / "0.png").write_bytes(blank_png(12_000, 9_000))  # above the size at which Pillow warns
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    for number, compression in enumerate(["tiff_lzw", "jpeg", "tiff_adobe_deflate", "packbits"], start=1):
        data = encoded(noise, "TIFF", compression=compression)
        (tmp_path / f"{number}.tif").write_bytes(data[: len(data) // 2])
        middle = len(data) // 2
        (tmp_path / f"{number}b.tif").write_bytes(data[:middle] + b"\xff\0\xa5" * 40 + data[middle + 120 :])
    script = (
        "import sys, pathlib\nfrom mmkit.media import read_image\nfrom mmkit.errors import BadInput\n"
        "for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):\n"
        "    try:\n        read_image(path)\n    except BadInput:\n        pass\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


HEADS = [
    b"",
    b"BM",
    b"GIF89a",
    b"II*\0\x08\0\0\0",
    b"RIFF0000WEBPVP8 ",
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    b"\xff\xd8\xff\xe0",
]


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(HEADS), st.binary(max_size=300), st.sampled_from([None, 32]))
def test_random_bytes_raise_nothing_but_bad_input(head: bytes, body: bytes, min_side: int | None) -> None:
    for read in (lambda data: read_image(data, min_side=min_side, max_pixels=1 << 20), image_size):
        try:
            read(head + body)
        except BadInput as error:
            assert "\n" not in str(error)


SEEDS: list[Callable[[], bytes]] = [
    lambda: encoded(gradient(16, 16), "PNG"),
    lambda: encoded(gradient(16, 16), "JPEG"),
    lambda: encoded(gradient(16, 16), "GIF"),
    lambda: encoded(gradient(16, 16), "TIFF"),
    lambda: encoded(gradient(16, 16), "WEBP"),
]


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(SEEDS), st.data())
def test_damaged_pictures_raise_nothing_but_bad_input(seed: Callable[[], bytes], data: st.DataObject) -> None:
    damaged = bytearray(seed())
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        picture = read_image(bytes(damaged), max_pixels=1 << 20)
    except BadInput:
        return
    assert picture.mode == "RGB"


def test_many_threads_read_the_same_pictures() -> None:
    sources = [encoded(gradient(200 + n, 150), kind) for n in range(8) for kind in ("JPEG", "PNG", "WEBP")]
    alone = [read_image(source, min_side=64).tobytes() for source in sources]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda source: read_image(source, min_side=64).tobytes(), sources * 3))
    assert together == alone * 3


def test_arrays_of_another_shape_or_type_are_refused() -> None:
    for array in (np.zeros((4, 4)), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(BadInput, match="Expected an"):
            read_image(Item("image", "x", array=array))


def test_write_image_writes_what_the_suffix_says_and_leaves_no_part(tmp_path: Path) -> None:
    clear = Image.new("RGBA", (4, 4), (0, 0, 255, 255))
    write_image(clear, tmp_path / "a.jpg")
    write_image(np.zeros((4, 4, 3), np.uint8), tmp_path / "b.png")
    with Image.open(tmp_path / "a.jpg") as image:
        assert image.format == "JPEG"
    with pytest.raises(UsageError, match=r"'\.xyz'"):
        write_image(clear, tmp_path / "c.xyz")
    with pytest.raises(BadInput, match="cannot be written"):
        write_image(clear, tmp_path / "no" / "d.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jpg", "b.png"]
