"""Documents into pages: TIFF, EXIF, PDF, stdin, and what cannot be read."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from mmkit_ocr.pages.inputs import documents, page_numbers, pages_of
from pages_kitchen import drawn
from PIL import Image
from reportlab.pdfgen.canvas import Canvas

from mmkit.errors import BadInput, UsageError
from mmkit.types import Failure, Item


def opened(path: Path, **options):
    return list(pages_of(Item.from_path(path, "image"), **options))


@pytest.fixture
def pdf(tmp_path: Path) -> Path:
    canvas = Canvas(str(tmp_path / "typed.pdf"), pagesize=(300, 200))
    for text in ("first page", "second page"):
        canvas.setFont("Helvetica", 20)
        canvas.drawString(30, 150, text)
        canvas.showPage()
    canvas.save()
    return tmp_path / "typed.pdf"


def test_every_page_of_a_tiff_is_upright_and_in_colour(tmp_path: Path):
    first, second = Image.new("1", (40, 30), 1), Image.new("L", (20, 50), 7)
    first.save(tmp_path / "two.tif", save_all=True, append_images=[second], dpi=(200, 200))
    pages = opened(tmp_path / "two.tif")
    assert [page.pixels.shape for page in pages] == [(30, 40, 3), (50, 20, 3)]
    assert [(page.number, page.last) for page in pages] == [(1, False), (2, True)]
    assert pages[0].dpi == 200 and int(pages[1].pixels.max()) == 7


def test_exif_turns_a_page(tmp_path: Path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 20)).save(tmp_path / "turned.jpg", exif=exif)
    assert opened(tmp_path / "turned.jpg")[0].pixels.shape == (40, 20, 3)


def test_a_pdf_is_drawn_at_the_wanted_resolution(pdf: Path):
    pages = opened(pdf, dpi=144, numbers=frozenset([2, 9]))
    assert [(page.number, page.width, page.height, page.dpi) for page in pages] == [(2, 600, 400, 144)]
    assert pages[0].pixels.min() < 50 < 250 < pages[0].pixels.max()


def test_the_text_layer_of_a_pdf_stands_where_its_ink_is(pdf: Path):
    page = opened(pdf, dpi=72, text_layer=True)[1]
    assert page.lines is not None and [line.text for line in page.lines] == ["second page"]
    ink = np.argwhere(page.pixels[..., 0] < 128)
    (top, left), (bottom, right) = ink.min(axis=0), ink.max(axis=0)
    quad = page.lines[0].quad
    assert quad[:, 0].min() == pytest.approx(left, abs=3) and quad[:, 0].max() == pytest.approx(right, abs=3)
    assert quad[:, 1].min() < top + 2 and quad[:, 1].max() > bottom - 2
    assert opened(pdf)[0].lines is None


def test_an_encrypted_pdf_says_what_it_needs(tmp_path: Path):
    canvas = Canvas(str(tmp_path / "locked.pdf"), encrypt="sesame")
    canvas.drawString(50, 700, "secret")
    canvas.save()
    with pytest.raises(BadInput, match=r"encrypted.*--password"):
        opened(tmp_path / "locked.pdf")
    with pytest.raises(BadInput, match="not its password"):
        opened(tmp_path / "locked.pdf", password="wrong")
    assert len(opened(tmp_path / "locked.pdf", password="sesame", dpi=50)) == 1


@pytest.mark.parametrize("kind", ["png", "jpg", "tif", "pdf"])
def test_a_truncated_document_is_one_clear_reason(tmp_path: Path, kind: str, pdf: Path):
    whole = tmp_path / f"whole.{kind}"
    if kind == "pdf":
        whole = pdf
    else:
        drawn().save(whole)
    cut = tmp_path / f"cut.{kind}"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(BadInput, match="truncated or damaged") as error:
        opened(cut)
    assert "\n" not in str(error.value) and "cut" in str(error.value)


def test_pages_before_a_damaged_one_are_kept(tmp_path: Path):
    path = tmp_path / "three.tif"
    drawn().save(path, save_all=True, append_images=[drawn(), drawn()])
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 9 // 10])
    pages = pages_of(Item.from_path(path, "image"))
    # The directory of frames lies behind the pixels of each, so what is left of the file decides.
    assert [next(pages).number, next(pages).number] == [1, 2]
    with pytest.raises(BadInput, match="page 3"):
        next(pages)


@pytest.mark.parametrize("kind", ["png", "tif"])
def test_a_page_over_the_limit_is_refused_in_colour_and_reduced_in_grey(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
):
    monkeypatch.setenv("MMKIT_MAX_PIXELS", "10000")
    path = tmp_path / f"large.{kind}"
    for mode, size in (("RGB", (200, 100)), ("L", (401, 100))):
        Image.new(mode, size).save(path)
        with pytest.raises(BadInput, match="MMKIT_MAX_PIXELS"):
            opened(path)
    for mode in ("L", "1"):
        Image.new(mode, (200, 100), 1).save(path, dpi=(300, 300))
        (page,) = opened(path)
        assert page.pixels.shape == (50, 100, 3) and page.dpi == pytest.approx(150, abs=1)


def test_a_jpeg_over_the_limit_is_decoded_smaller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MMKIT_MAX_PIXELS", "10000")
    Image.new("L", (200, 100)).save(tmp_path / "large.jpg", dpi=(300, 300))
    (page,) = opened(tmp_path / "large.jpg")
    assert page.pixels.shape == (50, 100, 3) and page.dpi == 150


def test_page_numbers_are_numbers_and_ranges():
    assert page_numbers("1-3,7") == {1, 2, 3, 7} and page_numbers(None) is None
    for text in ("", "0", "a", "3-", "1;2"):
        with pytest.raises(UsageError, match="1-3,7"):
            page_numbers(text)


def test_a_folder_gives_pictures_and_pdfs_and_passes_over_the_rest(tmp_path: Path, pdf: Path):
    drawn().save(tmp_path / "a.png")
    (tmp_path / "notes.txt").write_text("no page")
    found = list(documents([str(tmp_path), str(tmp_path / "gone.png")]))
    assert [item.id.rsplit("/", 1)[1] for item in found] == ["a.png", "typed.pdf", "gone.png"]
    assert isinstance(found[2], Failure)


def test_stdin_is_a_picture_or_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def given(data: bytes) -> list[Item | Failure]:
        stream = SimpleNamespace(buffer=io.BufferedReader(io.BytesIO(data)))
        monkeypatch.setattr(sys, "stdin", stream)
        return list(documents(["-"]))

    drawn().save(tmp_path / "a.png")
    (item,) = given((tmp_path / "a.png").read_bytes())
    assert isinstance(item, Item) and len(list(pages_of(item))) == 1
    (item,) = given(f"{tmp_path / 'a.png'}\n".encode())
    assert isinstance(item, Item) and item.path == tmp_path / "a.png"
    assert given(b"") == []
