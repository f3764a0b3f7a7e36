from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from mmkit.errors import BadInput
from mmkit.hookspecs import ReaderEntry
from mmkit.media import walk
from mmkit.media.detect import detect_modality
from mmkit.media.inputs import content_of, expand_inputs, plain_bytes
from mmkit.types import Failure, Item


def png(colour: str = "red") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), colour).save(buffer, "PNG")
    return buffer.getvalue()


def names(found: Iterator[Item | Failure], root: Path | None = None) -> list[str]:
    prefix = f"{root}/" if root else ""
    return [f"{'!' if isinstance(one, Failure) else ''}{one.id.removeprefix(prefix)}" for one in found]


def failure(found: Iterator[Item | Failure]) -> str:
    (one,) = found
    assert isinstance(one, Failure)
    assert "\n" not in one.reason
    return one.reason


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (
        "b.png",
        "a.jpg",
        "sub/c.webp",
        "sub/deeper/d.gif",
        "notes.txt",
        "data.bin",
        ".hidden.png",
        ".git/e.png",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png())
    return tmp_path


def test_a_directory_gives_its_media_sorted_without_hidden_and_other_files(folder: Path) -> None:
    assert names(expand_inputs([str(folder)]), folder) == ["a.jpg", "b.png", "sub/c.webp", "sub/deeper/d.gif"]
    assert names(expand_inputs([str(folder)], recursive=False), folder) == ["a.jpg", "b.png"]


def test_texts_of_a_directory_come_only_when_asked_for(folder: Path) -> None:
    (folder / "notes.txt").write_text("one\n\ntwo\n")
    items = list(expand_inputs([str(folder)], modality="text"))
    assert [(item.text, item.modality) for item in items if isinstance(item, Item)] == [
        ("one", "text"),
        ("two", "text"),
    ]


def test_globs_match_as_in_a_shell(folder: Path) -> None:
    assert names(expand_inputs([f"{folder}/*.png"]), folder) == ["b.png"]
    assert names(expand_inputs([f"{folder}/.*.png"]), folder) == [".hidden.png"]
    assert names(expand_inputs([f"{folder}/**/*.gif"]), folder) == ["sub/deeper/d.gif"]
    assert names(expand_inputs([f"{folder}/[ab].*"]), folder) == ["a.jpg", "b.png"]
    assert names(expand_inputs([f"{folder}/**"]), folder) == ["a.jpg", "b.png", "sub/c.webp", "sub/deeper/d.gif"]
    assert names(expand_inputs([f"{folder}/**/**/d.*"]), folder) == ["sub/deeper/d.gif"]
    assert names(expand_inputs([f"{folder}/**/sub/**/*.*"]), folder) == ["sub/c.webp", "sub/deeper/d.gif"]
    assert names(expand_inputs([f"{folder}/su?"]), folder) == ["sub/c.webp", "sub/deeper/d.gif"]
    assert failure(expand_inputs([f"{folder}/*.tiff"])) == "no file matches the pattern"


def test_relative_globs_start_here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert names(expand_inputs(["**/*.gif", "*.png", "./sub/*.webp"])) == ["sub/deeper/d.gif", "b.png", "./sub/c.webp"]


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(tmp_path: Path) -> None:
    (tmp_path / "a[1].png").write_bytes(png())
    assert names(expand_inputs([f"{tmp_path}/a[1].png"]), tmp_path) == ["a[1].png"]


def test_directory_loops_end_and_each_real_directory_comes_once(folder: Path) -> None:
    (folder / "sub" / "up").symlink_to(folder)
    (folder / "again").symlink_to(folder / "sub")
    (folder / "self").symlink_to(folder / "self")
    (folder / "dead.png").symlink_to(folder / "gone.png")
    found = names(expand_inputs([str(folder)]), folder)
    assert found == ["a.jpg", "again/c.webp", "again/deeper/d.gif", "b.png", "!dead.png"]
    assert names(expand_inputs([f"{folder}/**/*.gif"]), folder) == ["again/deeper/d.gif"]


def test_names_that_are_not_utf8_are_read_and_shown_escaped(tmp_path: Path) -> None:
    raw = os.fsencode(tmp_path) + b"/caf\xe9\n.png"
    with open(raw, "wb") as file:
        file.write(png())
    (item,) = expand_inputs([str(tmp_path)])
    assert isinstance(item, Item)
    assert item.id == f"{tmp_path}/caf\\xe9\\x0a.png"
    item.id.encode("utf-8")
    assert plain_bytes(item) == png()
    (named,) = expand_inputs(["-"], stdin=[raw.replace(b"\n", b"?") + b"\n"])
    assert isinstance(named, Failure)
    assert "caf\\xe9?" in named.id


@pytest.mark.parametrize(
    ("argument", "reason"),
    [
        ("nowhere.png", "no such file"),
        ("dead.png", "broken link"),
        ("pipe.png", "not a regular file"),
        ("nul\0.png", "cannot be read"),
        ("x" * 5000, "cannot be read"),
        ("https://example.org/a.png", "is a URL"),
        ("s3://bucket/a.png", "is a URL"),
        ("data.bin", "is not a picture, sound, motion or text"),
        ("drawing.svg", "SVG"),
        ("table.csv", "--column: a, b"),
    ],
)
def test_what_is_named_and_cannot_be_had_is_a_failure(
    argument: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe.png")
    Path("dead.png").symlink_to("gone.png")
    Path("data.bin").write_bytes(b"\0\1")
    Path("drawing.svg").write_text("<svg/>")
    Path("table.csv").write_text("a,b\n1,2\n")
    assert reason in failure(expand_inputs([argument]))


def test_a_named_file_of_another_modality_is_a_failure_and_in_a_directory_passed_over(folder: Path) -> None:
    assert "received image" in failure(expand_inputs([f"{folder}/b.png"], modality="audio"))
    assert list(expand_inputs([str(folder)], modality="audio")) == []


def test_an_unreadable_directory_is_a_failure_and_the_rest_goes_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.scandir

    def scandir(path: str) -> object:
        if path.endswith("sub"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(walk.os, "scandir", scandir)  # root may enter whatever the mode says
    assert names(expand_inputs([str(folder)]), folder) == ["a.jpg", "b.png", "!sub"]


def test_a_huge_directory_is_not_listed_before_its_first_item(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(50):
        (tmp_path / f"{number:02}.png").write_bytes(png())
    monkeypatch.setattr(walk, "RUN", 10)
    taken = 0
    real = os.scandir

    class Counting:
        def __init__(self, path: str) -> None:
            self.scan = real(path)

        def __enter__(self) -> Iterator[os.DirEntry[str]]:
            return self.entries()

        def __exit__(self, *_: object) -> None:
            self.scan.close()

        def entries(self) -> Iterator[os.DirEntry[str]]:
            nonlocal taken
            for entry in self.scan:
                taken += 1
                yield entry

    monkeypatch.setattr(walk.os, "scandir", Counting)
    found = expand_inputs([str(tmp_path)])
    next(found)
    assert taken == 10
    assert len(list(found)) == 49


def test_stdin_gives_texts_or_paths(folder: Path) -> None:
    texts = expand_inputs(
        ["-"], modality="text", stdin=[b"\xef\xbb\xbfa cat\r\n", b"\n", b"b\xff\n", "Käse\n".encode()]
    )
    assert names(texts) == ["a cat", "!stdin:3", "Käse"]
    lines = [f"{folder}/a.jpg\n", "gone.png\n", f"{folder}/sub"]
    assert names(expand_inputs(["-"], stdin=lines), folder) == ["a.jpg", "!gone.png", "sub/c.webp", "sub/deeper/d.gif"]


def test_stdin_is_read_line_by_line() -> None:
    def endless() -> Iterator[str]:
        while True:
            yield "a text\n"

    found = expand_inputs(["-"], modality="text", stdin=endless())
    assert names(islice(found, 3)) == ["a text"] * 3


def test_a_text_file_gives_one_text_a_line_and_tells_the_line_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "queries.txt"
    path.write_bytes(b"a cat\r\n\r\na dog\nb\xe9\n")
    found = list(expand_inputs([str(path)]))
    assert names(iter(found), tmp_path) == ["a cat", "a dog", "!queries.txt:4"]
    listed = tmp_path / "queries.list"
    listed.write_text("a cow\n")
    assert names(expand_inputs([str(listed)], modality="text")) == ["a cow"]


def write_tar(path: Path, members: list[tuple[str, bytes]], mode: str = "w") -> None:
    with tarfile.open(path, mode) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


SAMPLES = [
    ("0001.txt", b"a red square"),
    ("0001.png", png()),
    ("0001.json", json.dumps({"year": 2020}).encode()),
    ("x/0002.jpg", png("blue")),
    ("x/0002.cls", b"3"),
    ("x/._0002.jpg", b"junk of another system"),
    ("x/readme.md", b"nothing"),
    ("0003.txt", b"a text alone"),
]


@pytest.mark.parametrize(("name", "mode"), [("a.tar", "w"), ("a.tar.gz", "w:gz"), ("a.tgz", "w:gz")])
def test_a_tar_gives_its_samples_with_their_metadata(name: str, mode: str, tmp_path: Path) -> None:
    write_tar(tmp_path / name, SAMPLES, mode)
    items = list(expand_inputs([str(tmp_path / name)]))
    assert names(iter(items), tmp_path / name) == ["0001.png", "x/0002.jpg", "0003.txt"]
    first, second, third = (item for item in items if isinstance(item, Item))
    assert (first.data, first.metadata) == (png(), {"txt": "a red square", "year": 2020})
    assert second.metadata == {"cls": "3"}
    assert (third.modality, third.text) == ("text", "a text alone")


def test_a_glob_opens_archives_and_with_a_column_tables(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", SAMPLES)
    (tmp_path / "b.csv").write_text("text\na cat\n")
    assert names(expand_inputs([f"{tmp_path}/*"]), tmp_path / "a.tar") == ["0001.png", "x/0002.jpg", "0003.txt"]
    assert names(expand_inputs([f"{tmp_path}/*.csv"], column="text")) == ["a cat"]


def test_of_a_tar_only_the_wanted_modality_is_taken(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", SAMPLES)
    texts = [item.text for item in expand_inputs([f"{tmp_path}/a.tar"], modality="text") if isinstance(item, Item)]
    assert texts == ["a red square", "a text alone"]
    assert list(expand_inputs([f"{tmp_path}/a.tar"], modality="audio")) == []


def test_tar_members_never_escape_and_links_and_devices_are_passed_over(tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(png("green"))
    inner = tmp_path / "inner"
    inner.mkdir()
    with tarfile.open(inner / "evil.tar", "w") as archive:
        for name, kind, target in (
            ("link.png", tarfile.SYMTYPE, "../secret.png"),
            ("hard.png", tarfile.LNKTYPE, str(secret)),
            ("device.png", tarfile.CHRTYPE, ""),
            ("pipe.png", tarfile.FIFOTYPE, ""),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            archive.addfile(info)
        info = tarfile.TarInfo("../../outside.png")
        info.size = len(png())
        archive.addfile(info, io.BytesIO(png()))
    items = list(expand_inputs([str(inner / "evil.tar")]))
    assert [item.data for item in items if isinstance(item, Item)] == [png()]
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["evil.tar", "inner", "secret.png"]


def test_a_truncated_tar_gives_what_was_whole_and_then_a_failure(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).bytes(40_000)
    write_tar(tmp_path / "a.tar", [("1.png", png()), ("2.png", noise)])
    whole = (tmp_path / "a.tar").read_bytes()
    (tmp_path / "a.tar").write_bytes(whole[:20_000])
    assert names(expand_inputs([f"{tmp_path}/a.tar"]), tmp_path) == ["a.tar/1.png", "!a.tar"]
    (tmp_path / "b.tar.gz").write_bytes(gzip.compress(whole)[:20_000])
    assert names(expand_inputs([f"{tmp_path}/b.tar.gz"]), tmp_path)[-1] == "!b.tar.gz"
    for content in (b"", b"not a tar archive", b"\0" * 100):
        (tmp_path / "c.tar").write_bytes(content)
        assert failure(expand_inputs([f"{tmp_path}/c.tar"]))


def test_a_broken_json_in_a_tar_costs_its_metadata_only(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", [("1.png", png()), ("1.json", b"{"), ("1.txt", b"\xff")])
    assert names(expand_inputs([f"{tmp_path}/a.tar"]), tmp_path / "a.tar") == ["!1.json", "!1.txt", "1.png"]


def test_a_column_of_paths_is_relative_to_the_table(folder: Path) -> None:
    (folder / "t.csv").write_text('picture,title\nb.png,"one, two"\nsub/c.webp,2\ngone.png,3\n,4\n')
    items = list(expand_inputs([f"{folder}/t.csv"], column="picture"))
    assert names(iter(items)) == ["b.png", "sub/c.webp", "!gone.png", f"!{folder}/t.csv:4"]
    assert isinstance(items[0], Item)
    assert items[0].path == folder / "b.png"
    assert items[0].metadata == {"title": "one, two"}


def test_a_column_of_texts_gives_texts(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"caption": "a cat", "n": 1}\n\n{"caption": "a dog", "n": 2}\n')
    items = [item for item in expand_inputs([f"{tmp_path}/t.jsonl"], column="caption") if isinstance(item, Item)]
    assert [(item.text, item.metadata) for item in items] == [("a cat", {"n": 1}), ("a dog", {"n": 2})]


def test_bytes_in_parquet_as_hugging_face_keeps_them(tmp_path: Path) -> None:
    cells = [{"bytes": png(), "path": "one.png"}, {"bytes": png("blue"), "path": None}, {"bytes": b"??", "path": None}]
    pq.write_table(pa.table({"image": cells, "label": [1, 2, 3], "raw": [png()] * 3}), tmp_path / "t.parquet")
    items = list(expand_inputs([f"{tmp_path}/t.parquet"], column="image"))
    assert names(iter(items), tmp_path) == ["one.png", "t.parquet:2", "!t.parquet:3"]
    assert isinstance(items[0], Item)
    assert (items[0].data, items[0].metadata["label"]) == (png(), 1)
    assert len(names(expand_inputs([f"{tmp_path}/t.parquet"], column="raw"))) == 3


def test_rows_are_items_when_records_are_wanted(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text("name\tcity\nAda\tLondon\n")
    (item,) = expand_inputs([f"{tmp_path}/t.tsv"], modality="record")
    assert isinstance(item, Item)
    assert item.record == {"name": "Ada", "city": "London"}


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("t.csv", "a,b\n1,2\n", "no column 'picture'; its columns are a, b"),
        ("t.csv", "picture,b\n1,2,3\n", "Expected 2 columns, got 3"),
        ("t.jsonl", '{"picture": "a.png"\n', "is not JSON"),
        ("t.parquet", "nothing", "is not a readable parquet file"),
        ("t.csv.gz", "nothing", "is not a readable csv file"),
        ("t.csv", "", "is empty"),
    ],
)
def test_broken_tables_are_a_failure(name: str, content: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    assert reason in failure(expand_inputs([f"{tmp_path}/{name}"], column="picture"))


def test_readers_of_plugins_add_their_suffixes(tmp_path: Path) -> None:
    (tmp_path / "walk.bvh").write_text("HIERARCHY")
    readers = {".bvh": ReaderEntry((".bvh",), "motion", "plugin:read")}
    assert names(expand_inputs([str(tmp_path)], readers=readers), tmp_path) == ["walk.bvh"]
    assert list(expand_inputs([str(tmp_path)])) == []


def test_the_content_decides_where_there_is_no_suffix(tmp_path: Path) -> None:
    (tmp_path / "picture").write_bytes(png())
    (tmp_path / "noise").write_bytes(b"\1\2\3")
    np.save(tmp_path / "motion.npy", np.zeros((5, 22, 3), np.float32))
    np.save(tmp_path / "vectors.npy", np.zeros((5, 512), np.float32))
    np.savez(tmp_path / "m.npz", positions=np.zeros((5, 22, 3), np.float32), fps=20)
    found = {path.name: detect_modality(path) for path in tmp_path.iterdir()}
    assert found == {"picture": "image", "noise": None, "motion.npy": "motion", "vectors.npy": None, "m.npz": "motion"}


def test_tables_of_numbers_are_motion_where_motion_is_asked_for(tmp_path: Path) -> None:
    np.save(tmp_path / "features.npy", np.zeros((5, 263), np.float32))
    np.save(tmp_path / "joints.npy", np.zeros((5, 22, 3), np.float32))
    np.save(tmp_path / "mean.npy", np.zeros(263, np.float32))
    assert names(expand_inputs([str(tmp_path)]), tmp_path) == ["joints.npy"]
    assert names(expand_inputs([str(tmp_path)], modality="motion"), tmp_path) == ["features.npy", "joints.npy"]
    mean = str(tmp_path / "mean.npy")
    assert names(expand_inputs([mean], modality="motion"), tmp_path) == ["mean.npy"]
    assert "is not a picture that mmkit knows" in failure(expand_inputs([mean], modality="image"))


def test_content_is_the_same_wherever_it_lies_and_differs_where_it_differs(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png())
    assert plain_bytes(Item.from_path(path, "image")) == plain_bytes(Item("image", "other", data=png())) == png()
    assert content_of(Item.from_path(path, "image")) == path
    assert content_of(Item.from_text("Käse")) == "Käse".encode()

    def key(array: object = None, rate: float | None = None, record: dict[str, object] | None = None) -> bytes | Path:
        return content_of(Item("record", "x", array=array, rate=rate, record=record))

    contents = [
        key(np.zeros((2, 3), np.float32)),
        key(np.zeros((3, 2), np.float32)),
        key(np.zeros((2, 3), np.float64)),
        key(np.zeros((2, 3), np.float32), rate=16_000.0),
        key(record={"a": 1, "b": Item("image", "x", data=png())}),
        key(record={"a": 1, "b": Item("image", "x", data=png("blue"))}),
    ]
    assert len(set(contents)) == len(contents)
    assert key(record={"a": 1, "b": 2}) == key(record={"b": 2, "a": 1})
    with pytest.raises(BadInput, match="holds a object"):
        key(record={"a": object()})


def test_importing_the_room_loads_no_heavy_library() -> None:
    script = (
        "import sys, mmkit.media, mmkit.media.inputs\n"
        "print([name for name in ('torch', 'numpy', 'pyarrow', 'PIL') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(
        ["x.tar", "x.tar.gz", "x.csv", "x.csv.gz", "x.jsonl", "x.parquet", "x.arrow", "x.txt", "x.npz", "x"]
    ),
    content=st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")),
)
def test_random_files_give_items_or_failures_and_no_exception(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    for one in expand_inputs([f"{tmp_path}/{name}"], column="a"):
        assert isinstance(one, (Item, Failure))


@settings(deadline=None, max_examples=100)
@given(st.text(max_size=30))
def test_random_arguments_give_items_or_failures_and_no_exception(argument: str) -> None:
    for one in islice(expand_inputs([f"./no-such-place/{argument}"]), 5):
        assert isinstance(one, (Item, Failure))
