"""``mmkit classify`` and ``mmkit embed``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as parquet
import pytest


def test_pictures_are_sorted_into_the_classes_named(cli: Any, pictures: Path) -> None:
    result = cli("classify", pictures, "-l", "coffee, cat, rocket ,guitar", "--json")
    assert (result.code, result.err) == (0, "")
    labels = {Path(record["id"]).name: record["label"] for record in result.records}
    assert labels["tabby-cat.jpg"] == "cat"
    assert labels["guitar-drawing.png"] == "guitar"
    assert labels["espresso.jpg"] == "coffee"
    for record in result.records:
        shares = [each["probability"] for each in record["classes"]]
        assert shares == sorted(shares, reverse=True)
        assert len(shares) == 3
        assert record["probability"] == shares[0]


def test_classes_come_from_a_file_and_templates_are_averaged(cli: Any, pictures: Path) -> None:
    Path("names.txt").write_text("cat\n\n rocket \n", "utf-8")
    arguments = ["--template", "a photo of a {}.", "--template", "a {}", "--labels-file", "names.txt", "-k", 1]
    result = cli("classify", pictures / "tabby-cat.jpg", *arguments)
    assert result.code == 0
    name, share = result.out.rstrip("\n").split("\t")
    assert Path(name).name == "tabby-cat.jpg"
    assert share.startswith("cat ")
    assert share.endswith("%")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "classify needs class names"),
        (["-l", " , "], 2, "classify needs class names"),
        (["-l", "a,b,a"], 2, "the class 'a' is named twice"),
        (["-l", "a,b", "--template", "no braces"], 2, "the template 'no braces' has no {}"),
        (["--labels-file", "none.txt"], 1, "none.txt: no such file"),
        (["-l", "a,b", "-e", "nope"], 4, "no encoder is called 'nope'; known encoders: mini"),
    ],
)
def test_what_classify_refuses(arguments: list[str], code: int, said: str, cli: Any, pictures: Path) -> None:
    result = cli("classify", pictures / "latte.jpg", *arguments)
    assert (result.code, result.out) == (code, "")
    assert said in result.error


def test_nothing_to_classify_is_nothing_and_no_error(cli: Any) -> None:
    Path("empty").mkdir()
    assert cli("classify", "empty", "-l", "a,b") == cli("embed", "empty")


def test_vectors_go_to_stdout_with_their_names(cli: Any, pictures: Path) -> None:
    result = cli("embed", "-t", "a cat", pictures / "tabby-cat.jpg", "--json")
    text, picture = result.records
    assert (text["id"], text["modality"], picture["modality"]) == ("a cat", "text", "image")
    for record in (text, picture):
        assert record["shape"] == [len(record["vector"])]
        assert np.linalg.norm(record["vector"]) == pytest.approx(1, abs=1e-3)
    name, numbers = cli("embed", "-t", "a cat").out.rstrip("\n").split("\t")
    assert name == "a cat"
    assert np.allclose([float(number) for number in numbers.split()], text["vector"], atol=2e-6)


def test_vectors_go_to_files_of_three_kinds_in_order(cli: Any) -> None:
    texts = [argument for text in ("b", "a", "b") for argument in ("-t", text)]
    for name in ("v.npy", "v.parquet", "v.jsonl"):
        assert cli("embed", *texts, "-o", name).code == 0
    ids = ["b", "a", "b (2)"]
    assert Path("v.ids.txt").read_text().splitlines() == ids
    vectors = np.load("v.npy", allow_pickle=False)
    assert vectors.dtype == np.float32
    assert np.array_equal(vectors[0], vectors[2])
    assert parquet.read_table("v.parquet").column("id").to_pylist() == ids
    assert [json.loads(line)["id"] for line in Path("v.jsonl").read_text().splitlines()] == ids
    assert sorted(path.name for path in Path().iterdir()) == ["v.ids.txt", "v.jsonl", "v.npy", "v.parquet"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "embed needs inputs"),
        (["-t", "a", "-o", "there.npy"], "there.npy: is there already; give --overwrite to replace it"),
        (["-t", "a", "-o", "v.xyz"], "Expected a name ending in .parquet, .npy, .jsonl"),
        (["-t", "a", "-o", "no/v.npy"], "no/v.npy: its folder does not exist"),
    ],
)
def test_what_embed_refuses(arguments: list[str], said: str, cli: Any) -> None:
    Path("there.npy").write_bytes(b"precious")
    result = cli("embed", *arguments)
    assert (result.code, result.out) == (2, "")
    assert said in result.error
    assert [path.read_bytes() for path in Path().iterdir()] == [b"precious"]


def test_a_text_that_is_not_utf8_is_a_failure_and_stops_no_other(cli: Any) -> None:
    result = cli("embed", "-t", "na\udcefve", "-t", "fine", "--json")
    assert result.code == 3
    assert [record["id"] for record in result.records] == ["fine"]
    assert "na\\xefve" in result.err


def test_pictures_are_not_classified_by_an_encoder_of_texts_alone(cli: Any, site: Any, pictures: Path) -> None:
    encoder = (
        "import numpy as np\n"
        "from mmkit.types import Embeddings, EncoderSpec\n"
        "class Letters:\n"
        "    spec = EncoderSpec('letters', space='letters', modalities=('text',), dim=2, fingerprint='letters-1')\n"
        "    def prepare(self, item): return len(item.text)\n"
        "    def encode(self, batch, modality):\n"
        "        return Embeddings(np.array([[1, 0]] * len(batch), np.float32).reshape(-1, 2))\n"
        "def load(argument, *, settings): return Letters()\n"
    )
    site.add(
        "letters",
        "from mmkit.hookspecs import EncoderEntry, hookimpl\napi = 1\n@hookimpl\ndef mmkit_encoders():\n"
        "    return [EncoderEntry('letters', 'site_letters.code:load', 'by length', ('text',))]\n",
        files={"code.py": encoder},
    )
    for arguments in (["classify", "-l", "a,b"], ["embed"], ["index", "add", "a.mm"]):
        result = cli(*arguments, pictures / "latte.jpg", "--encoder", "letters")
        assert (result.code, result.out) == (2, "")
        assert "needs an encoder of image, and letters encodes text" in result.error
