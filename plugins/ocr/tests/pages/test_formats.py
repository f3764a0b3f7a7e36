"""Text, rows, hOCR and searchable PDF of a page."""

from __future__ import annotations

import io
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pypdfium2
import pytest
from mmkit_ocr.pages.draw import page_drawing
from mmkit_ocr.pages.formats import page_rows, page_text
from mmkit_ocr.pages.output import FileOutput, FolderOutput, Names, StreamOutput
from mmkit_ocr.pages.page import Line, Page, Word
from pages_kitchen import box, line, page_of

from mmkit.errors import BadInput, UsageError

NAME = "{http://www.w3.org/1999/xhtml}"


@pytest.fixture
def page() -> Page:
    return page_of(
        [
            line("Total & <due>", 50, 40, 250, 60, block=1, paragraph=1),
            line("9.50", 400, 40, 450, 60, block=1, paragraph=1),
            line("second row", 50, 70, 250, 90, block=1, paragraph=1),
            line("another paragraph", 50, 200, 300, 220, block=2, paragraph=2),
        ],
        source='odd "name" & more.png',
    )


def test_text_joins_rows_and_parts_paragraphs(page: Page):
    assert page_text(page) == "Total & <due>    9.50\nsecond row\n\nanother paragraph\n"
    assert page_text(page_of([])) == ""


def test_rows_hold_boxes_and_a_confidence_a_character(page: Page):
    rows = list(page_rows(page))
    assert [row["line"] for row in rows] == [1, 2, 3, 4] and rows[3]["paragraph"] == 2
    assert rows[0]["box"] == [[50, 40], [250, 40], [250, 60], [50, 60]]
    assert all(len(row["characters"]) == len(row["text"]) for row in rows)
    assert [word["text"] for word in rows[0]["words"]] == ["Total", "&", "<due>"]


def test_hocr_is_well_formed_and_keeps_text_and_boxes(page: Page):
    out = io.StringIO()
    with StreamOutput(out, "hocr") as stream:
        stream.add(page)
        stream.add(page_of([]))
    tree = ElementTree.fromstring(out.getvalue())
    kinds = [element.get("class") for element in tree.iter() if element.get("class")]
    assert [kinds.count(kind) for kind in ("ocr_page", "ocr_carea", "ocr_par", "ocr_line", "ocrx_word")] == [
        2,
        2,
        2,
        4,
        8,
    ]
    words = [element for element in tree.iter(f"{NAME}span") if element.get("class") == "ocrx_word"]
    assert words[2].text == "<due>" and words[0].get("title", "").startswith(
        "bbox 50 40 110 60; x_wconf 90; x_confs 90"
    )
    identities = [element.get("id") for element in tree.iter() if element.get("id")]
    assert len(identities) == len(set(identities))


def test_a_searchable_pdf_holds_the_words_of_any_script_where_they_stand(tmp_path: Path):
    quad = np.roll(box(500, 300, 530, 500), -1, axis=0)
    words = ("Grüße", "Ελλάδα", "東京都", "привет")
    lines = [line(text, 50, 40 + 60 * n, 250, 70 + 60 * n) for n, text in enumerate(words)]
    lines.append(Line("down", 0.9, (0.9,) * 4, quad, (Word("down", 0.9, (0.9,) * 4, quad),)))
    with FileOutput(tmp_path / "out.pdf", "pdf") as out:
        out.add(page_of(lines))
        out.add(page_of([]))
    document = pypdfium2.PdfDocument(tmp_path / "out.pdf")
    assert len(document) == 2
    width, height = document[0].get_size()
    text = document[0].get_textpage()
    found = text.get_text_range()
    assert all(word in found for word in words)
    scale = height / 800
    start = text.search("привет").get_next()[0]
    left, bottom, _, _ = text.get_charbox(start)
    # The baseline lies a little above the lower edge of the box.
    assert left == pytest.approx(50 * scale, abs=4) and height - bottom == pytest.approx(244 * scale, abs=4)
    assert document[0].render(scale=0.5).to_numpy().min() > 250, "the text must not be seen"
    assert width / height == pytest.approx(600 / 800)


def test_a_file_is_there_whole_or_not_at_all(tmp_path: Path, page: Page):
    path = tmp_path / "out.txt"
    with pytest.raises(RuntimeError), FileOutput(path, "text") as out:
        out.add(page)
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(BadInput, match="cannot be written"), FileOutput(tmp_path / "no" / "folder.txt", "text"):
        pass


def test_a_folder_gets_a_file_a_document_and_replaces_none(tmp_path: Path, page: Page):
    pages = [page_of([line("one", 0, 0, 9, 9)], source=f"{folder}/scan.png") for folder in "ab"]
    with FolderOutput(tmp_path / "out", "text", overwrite=False) as out:
        for each in (pages[0], pages[0], pages[1]):
            out.add(each)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["scan-2.txt", "scan.txt"]
    assert (tmp_path / "out" / "scan.txt").read_text("utf-8") == "one\n\fone\n"
    with (
        pytest.raises(UsageError, match="there already"),
        FolderOutput(tmp_path / "out", "text", overwrite=False) as out,
    ):
        out.add(pages[0])


def test_names_are_distinct_and_stay():
    names = Names()
    given = [names(source) for source in ("x/a.png", "y/a.jpg", "a-2.tif", "x/a.png", "t.tar/a.png")]
    assert given[3] == given[0] == "a" and len(set(given)) == 4


def test_a_drawing_shows_the_page_and_the_text_beside_it(page: Page):
    drawing = page_drawing(page)
    pixels = np.asarray(drawing)
    half = (drawing.width - 8) // 2
    assert drawing.height == 2 * 800
    assert (pixels[:, half + 8 :] < 100).any(), "text is written beside the page"
    assert (pixels[:, :half].max(axis=2) - pixels[:, :half].min(axis=2)).max() > 100, "boxes are coloured"
