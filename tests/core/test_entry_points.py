"""Entry points found by reading files: the same ones that importlib.metadata finds."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

import pytest

from mmkit.entry_points import EntryPoint, installed_entry_points


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.setattr(sys, "path", [str(folder)])
    return folder


def install(site: Path, metadata: str, text: str | bytes) -> None:
    folder = site / metadata
    folder.mkdir()
    raw = text if isinstance(text, bytes) else text.encode()
    (folder / "entry_points.txt").write_bytes(raw)


def test_what_is_really_installed_is_what_importlib_finds() -> None:
    group = "console_scripts"
    expected = {(e.name, e.value.partition("[")[0].strip()) for e in importlib.metadata.entry_points(group=group)}
    found = {(e.name, e.value) for e in installed_entry_points(group)}
    assert len(found) > 3
    assert found == expected


def test_name_distribution_and_version_come_from_the_folder(site: Path) -> None:
    install(site, "mmkit_ocr-1.2.dist-info", "[other]\nx = y\n\n[mmkit]\n# a comment\nocr = mmkit_ocr.plugin [fast]\n")
    assert installed_entry_points("mmkit") == [EntryPoint("ocr", "mmkit_ocr.plugin", "mmkit-ocr", "1.2")]


def test_they_come_sorted_by_name(site: Path) -> None:
    install(site, "a-1.dist-info", "[mmkit]\nzebra = z\nbee = b\n")
    install(site, "b-1.dist-info", "[mmkit]\nant = a\n")
    assert [e.name for e in installed_entry_points("mmkit")] == ["ant", "bee", "zebra"]


def test_the_first_of_two_copies_counts_however_it_is_spelled(site: Path, tmp_path: Path) -> None:
    second = tmp_path / "second"
    second.mkdir()
    sys.path.append(str(second))
    install(site, "mmkit_ocr-2.dist-info", "[mmkit]\nocr = new\n")
    install(second, "mmkit_ocr-1.dist-info", "[mmkit]\nocr = old\n")
    install(second, "Mmkit_OCR.egg-info", "[mmkit]\nocr = older\n")
    assert [e.value for e in installed_entry_points("mmkit")] == ["new"]


def test_what_cannot_be_read_is_passed_over(site: Path) -> None:
    install(site, "broken-1.dist-info", b"[mmkit]\nx = \xff\xfe\n")
    (site / "none-1.dist-info").mkdir()
    (site / "file-1.dist-info").write_text("")
    install(
        site,
        "odd-1.dist-info",
        "no section = here\n[mmkit]\nwithout an equals sign\n= nameless:x\nvalueless =\n[mmkit]\nok = m\n",
    )
    sys.path += [str(site / "missing"), str(site / "file-1.dist-info"), "a.zip"]
    assert [(e.name, e.value) for e in installed_entry_points("mmkit")] == [("ok", "m")]


def test_a_plugin_in_the_working_folder_is_found(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(site, "here-1.dist-info", "[mmkit]\nhere = h\n")
    monkeypatch.chdir(site)
    monkeypatch.setattr(sys, "path", [""])
    assert [e.name for e in installed_entry_points("mmkit")] == ["here"]


def test_loading_reaches_modules_attributes_and_attributes_of_those() -> None:
    assert EntryPoint("a", "json", "", "").load() is sys.modules["json"]
    assert EntryPoint("a", "json : decoder.JSONDecoder", "", "").load() is sys.modules["json"].decoder.JSONDecoder
    with pytest.raises(AttributeError):
        EntryPoint("a", "json:nothing", "", "").load()
