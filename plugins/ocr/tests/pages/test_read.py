"""``mmkit ocr read`` from the shell's side: what is read, and what becomes of bad input."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmkit_ocr.pages.detect import Detector
from mmkit_ocr.pages.page import PageImage
from mmkit_ocr.pages.quads import bounds, cut
from mmkit_ocr.pages.reader import PageReader
from mmkit_ocr.recognisers.rapidocr import RapidOcr
from pages_kitchen import LETTER, Widths, drawn
from PIL import Image, ImageDraw, ImageFont

from mmkit.cli.entry import run as mmkit


@pytest.fixture(scope="module")
def rapidocr() -> RapidOcr:
    return RapidOcr(device="cpu")


@pytest.fixture(scope="module")
def reader(rapidocr: RapidOcr) -> PageReader:
    return PageReader(rapidocr, device="cpu")


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    yield tmp_path


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch, rapidocr: RapidOcr) -> None:
    """One recogniser for all command lines of these tests."""
    monkeypatch.setattr("mmkit_ocr.reading.recogniser", lambda name, device="auto": rapidocr)


@pytest.fixture
def fails(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def run(code: int, *arguments: object) -> str:
        assert mmkit(["ocr", "read", *map(str, arguments)]) == code
        shown = capsys.readouterr().err.strip().splitlines()
        return shown[0] if code != 3 else shown[-1]

    return run


def page(image: Image.Image) -> PageImage:
    return PageImage("a.png", 1, np.asarray(image.convert("RGB")))


def squeezed(text: str) -> str:
    return re.sub(r"\W", "", text).lower()


def test_a_letter_is_read_line_by_line(reader: PageReader):
    read = reader(page(drawn()))
    assert [squeezed(line.text) for line in read.lines] == [squeezed(text) for text in LETTER]
    for line in read.lines:
        assert len(line.characters) == len(line.text) and line.confidence > 0.8
        assert "".join(word.text for word in line.words) == line.text.replace(" ", "")


def test_words_have_boxes_of_their_own(reader: PageReader):
    image = drawn(["alpha beta gamma"])
    (line,) = reader(page(image)).lines
    font, left = ImageFont.load_default(30), 40.0
    assert [word.text for word in line.words] == ["alpha", "beta", "gamma"]
    for word in line.words:
        x0, _, x1, _ = bounds(word.quad)
        assert x0 == pytest.approx(left, abs=6) and x1 == pytest.approx(left + font.getlength(word.text), abs=6)
        left += font.getlength(word.text + " ")


@pytest.mark.parametrize("angle", [90, 180, 270])
def test_a_turned_page_reads_as_the_upright_one_with_boxes_where_its_ink_is(reader: PageReader, angle: int):
    upright = drawn()
    turned = upright.rotate(-angle, expand=True)
    read, wanted = reader(page(turned)), reader(page(upright))
    assert read.angle == angle
    assert [line.text for line in read.lines] == [line.text for line in wanted.lines]
    pixels = np.asarray(turned)
    for line, same in zip(read.lines, wanted.lines, strict=True):
        crop, original = cut(pixels, line.quad).astype(int), cut(np.asarray(upright), same.quad).astype(int)
        assert crop.shape == original.shape and np.abs(crop - original).mean() < 3


def test_text_that_runs_up_the_margin_is_read_too(reader: PageReader):
    image = drawn(height=420)
    margin = drawn(["margin note"], width=300, height=100).rotate(90, expand=True)
    image.paste(margin, (440, 110))
    read = reader(page(image))
    assert read.angle == 0
    assert squeezed(read.lines[-1].text) == "marginnote"
    along = read.lines[-1].quad[1] - read.lines[-1].quad[0]
    assert along[1] < -100 and abs(along[0]) < 20, "the first side runs upwards"


def test_a_page_askew_is_read(reader: PageReader):
    image = drawn(height=320).rotate(7, expand=True, fillcolor="white", resample=Image.Resampling.BICUBIC)
    assert [squeezed(line.text) for line in reader(page(image)).lines] == [squeezed(text) for text in LETTER]


def test_blank_and_tiny_pages_are_empty(reader: PageReader):
    noise = np.random.default_rng(0).integers(248, 255, (200, 300, 3), np.uint8)
    for pixels in (np.full((200, 300, 3), 255, np.uint8), np.zeros((1, 1, 3), np.uint8), noise[:1, :40], noise):
        assert reader(PageImage("a.png", 1, pixels)).lines == ()


def test_a_page_of_20000_pixels_is_read_in_tiles_of_bounded_size(reader: PageReader, monkeypatch: pytest.MonkeyPatch):
    image = Image.new("RGB", (20_000, 700), "white")
    ImageDraw.Draw(image).text((18_900, 300), "at the far end", "black", ImageFont.load_default(90))
    seen: list[tuple[int, ...]] = []
    original = Detector._tile

    def spied(self: Detector, tile: Any) -> Any:
        seen.append(tile.shape)
        return original(self, tile)

    monkeypatch.setattr(Detector, "_tile", spied)
    (line,) = reader(page(image)).lines
    assert squeezed(line.text) == "atthefarend"
    assert line.quad[:, 0].min() == pytest.approx(18_900, abs=40)
    assert seen and max(max(shape) for shape in seen) <= 2048


def test_small_print_on_a_large_page_is_found(reader: PageReader):
    image = Image.new("RGB", (6000, 3000), "white")
    ImageDraw.Draw(image).text((4000, 2000), "small print here", "black", ImageFont.load_default(26))
    assert [squeezed(line.text) for line in reader(page(image)).lines] == ["smallprinthere"]


def test_a_recogniser_of_words_is_given_words():
    words = Widths(lines=False)
    read = PageReader(words, device="cpu", upright=True)(page(drawn(["three words here"])))
    assert len(words.seen) == 3 and [line.text for line in read.lines] == ["word word word"]


def test_rows_of_json_and_drawings(work: Path, loaded: None, capsys: pytest.CaptureFixture[str]):
    drawn().save("a.png")
    assert mmkit(["ocr", "read", "a.png", "--json", "--visualize", "seen"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["line"] for row in rows] == [1, 2, 3] and rows[0]["source"] == "a.png"
    assert (work / "seen" / "a-1.png").exists()


def test_bad_documents_cost_only_themselves(work: Path, loaded: None, capsys: pytest.CaptureFixture[str]):
    drawn().save("a.png")
    Path("b.png").write_bytes(Path("a.png").read_bytes()[:500])
    Path("c.pdf").write_bytes(b"%PDF-1.7 nothing else")
    Path("d.png").write_bytes(b"")
    assert mmkit(["ocr", "read", *["a.png", "b.png", "c.pdf", "d.png", "gone.png", "a.png"], "-o", "out.txt"]) == 3
    failures = [json.loads(line) for line in Path("failures.jsonl").read_text("utf-8").splitlines()]
    assert [failure["id"] for failure in failures] == ["b.png", "c.pdf", "d.png", "gone.png"]
    assert all("\n" not in failure["reason"] for failure in failures)
    first, _, second = Path("out.txt").read_text("utf-8").partition("\f")
    assert first == second and squeezed(LETTER[0]) in squeezed(first)


def test_strict_stops_at_the_first_failure_and_leaves_no_output(work: Path, loaded: None, fails: Callable[..., str]):
    Path("b.png").write_bytes(b"no picture")
    assert "b.png" in fails(1, "b.png", "--strict", "-o", "out.txt")
    assert not Path("out.txt").exists()


def test_a_blank_page_is_an_empty_result(work: Path, loaded: None, capsys: pytest.CaptureFixture[str]):
    Image.new("RGB", (300, 400), "white").save("blank.png")
    assert mmkit(["ocr", "read", "blank.png"]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("verb", ["read", "words"])
def test_a_folder_without_pictures_is_said_to_hold_nothing(
    verb: str, work: Path, loaded: None, capsys: pytest.CaptureFixture[str]
):
    (work / "empty").mkdir()
    assert mmkit(["ocr", verb, "empty"]) == 0
    assert "nothing to read was found" in capsys.readouterr().err


def test_doubtful_lines_can_be_left_out(work: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("mmkit_ocr.reading.recogniser", lambda name, device="auto": Widths(lines=True))
    drawn().save("a.png")
    assert mmkit(["ocr", "read", "a.png", "-o", "kept.txt", "--min-confidence", "0.85"]) == 0
    assert mmkit(["ocr", "read", "a.png", "-o", "none.txt", "--min-confidence", "0.95"]) == 0
    assert Path("kept.txt").read_text() == "word\nword\nword\n" and Path("none.txt").read_text() == ""


def test_wrong_options_are_told_before_any_work(work: Path, fails: Callable[..., str]):
    drawn().save("a.png")
    Path("there.txt").write_text("mine")
    assert "text, jsonl, hocr, pdf" in fails(2, "a.png", "--format", "docx")
    assert "-o" in fails(2, "a.png", "--format", "pdf")
    assert "--overwrite" in fails(2, "a.png", "-o", "there.txt")
    assert "mkdir" in fails(2, "a.png", "-o", "no/such/folder.txt")
    assert "1-3,7" in fails(2, "a.png", "--pages", "x")
    assert Path("there.txt").read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_one_clear_line(work: Path, loaded: None, fails: Callable[..., str]):
    drawn().save("a.png")
    Path("file").write_text("")
    assert "file/out" in fails(1, "a.png", "-o", "file/out/")
    assert "file/seen" in fails(1, "a.png", "--visualize", "file/seen")


def test_a_missing_tesseract_says_how_to_get_it(work: Path, monkeypatch: pytest.MonkeyPatch, fails: Callable[..., str]):
    drawn().save("a.png")
    monkeypatch.setenv("PATH", str(work))
    assert "apt install tesseract-ocr" in fails(4, "a.png", "-r", "tesseract")
