"""The command as people call it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from mmkit_translate.cli.eval import evaluate
from mmkit_translate.cli.languages import languages
from mmkit_translate.cli.pack import pack
from mmkit_translate.cli.text import text

from mmkit.errors import BadInput, UsageError
from mmkit.media.tables import read_table


@pytest.fixture(autouse=True)
def loud(shouting, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    monkeypatch.setattr("mmkit_translate.opening.open_translator", lambda *names, **options: shouting)
    return shouting


def options(**own):  # type: ignore[no-untyped-def]
    return {"to": "de", "source": "en"} | own


def test_a_text_and_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert text(["a dog"], **options()) == 0
    assert capsys.readouterr().out == "A DOG\n"
    (tmp_path / "a.txt").write_bytes("one\r\n\r\ntwo\u2028x\nthree".encode())
    assert text([str(tmp_path / "a.txt")], **options()) == 0
    assert capsys.readouterr().out == "ONE\n\nTWO X\nTHREE\n"


def test_stdin(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"one\n\ntwo\n")))
    assert text(["-"], **options(json=True, n_best=2)) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["line"], row["translation"]) for row in rows] == [(1, "ONE"), (2, ""), (3, "TWO")]
    assert rows[0]["alternatives"] == [{"text": "ONE!", "score": -2.0}] and rows[1]["score"] is None
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"")))
    assert text(["-"], **options()) == 0
    assert capsys.readouterr().out == ""


def test_bad_files_are_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "latin.txt").write_bytes("eins\nschön\n".encode("latin-1"))
    with pytest.raises(BadInput, match=r"latin\.txt:2: is not UTF-8"):
        text([str(tmp_path / "latin.txt")], **options())
    with pytest.raises(BadInput, match="no such file"):
        text([str(tmp_path / "missing.txt")], **options())
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a\n\xff\n")))
    with pytest.raises(BadInput, match="stdin:2: is not UTF-8"):
        text(["-"], **options())
    with pytest.raises(BadInput, match="no such file"):
        text(["a"], **options(image=tmp_path / "missing.jpg"))
    (tmp_path / "empty.txt").touch()
    assert text([str(tmp_path / "empty.txt")], **options()) == 0


def test_what_does_not_go_together_is_refused(tmp_path: Path):
    (tmp_path / "a.csv").write_text("caption\na dog\n")
    for wrong in ({"images": "x"}, {"column": "x"}):
        with pytest.raises(UsageError):
            text(["a"], **options(**wrong))
    with pytest.raises(UsageError, match="--column"):
        text([str(tmp_path / "a.csv")], **options())
    with pytest.raises(UsageError, match="Expected one of caption"):
        text([str(tmp_path / "a.csv")], **options(column="x"))
    with pytest.raises(UsageError, match="alone"):
        text([str(tmp_path / "a.csv"), "b"], **options(column="caption"))
    with pytest.raises(UsageError, match="it writes en, de, fr, cs"):
        text(["a"], **options(to="xx"))
    with pytest.raises(UsageError, match="is there already"):
        text(["a"], **options(output=tmp_path / "a.csv"))


def test_a_table_with_pictures_of_which_one_is_bad(loud, tmp_path: Path):  # type: ignore[no-untyped-def]
    (tmp_path / "good.jpg").touch()
    (tmp_path / "a.csv").write_text('n,caption,file\n1,"a dog\ntwo",good.jpg\n2,,\n3,a cat,bad.jpg\n')
    failures = tmp_path / "failures.jsonl"
    code = text([str(tmp_path / "a.csv")], **options(column="caption", images="file", output=tmp_path / "b.parquet",
                failures=failures, n_best=2))  # fmt: skip
    assert code == 3 and "bad.jpg" in failures.read_text()
    table = read_table(tmp_path / "b.parquet")
    assert table.column("caption_de").to_pylist() == ["A DOG\nTWO", "", "A CAT"]
    assert table.column("caption_de_score").to_pylist() == [-1.0, None, -1.0]
    assert table.column("caption_from").to_pylist() == ["en", None, "en"]
    assert loud.given is not None and loud.given.sum(axis=1).tolist() == [3.0, 3.0, 0.0]
    with pytest.raises(BadInput):
        text([str(tmp_path / "a.csv")], **options(column="caption", images="file", strict=True))


def test_subtitles(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "a.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\na dog\nruns\n\n", encoding="utf-8")
    assert text([str(tmp_path / "a.srt")], **options(output=tmp_path / "b.srt")) == 0
    assert (tmp_path / "b.srt").read_text("utf-8") == "1\n00:00:01,000 --> 00:00:02,000\nA DOG\nRUNS\n\n"


def test_languages_are_listed(capsys: pytest.CaptureFixture[str]):
    assert languages() == 0
    assert capsys.readouterr().out == "from: en de fr cs\nto: en de fr cs\n"
    languages(json=True)
    assert json.loads(capsys.readouterr().out)["to"] == ["en", "de", "fr", "cs"]


def test_eval_has_the_keys_and_the_controls(bundled, tmp_path, monkeypatch, capsys):  # type: ignore[no-untyped-def]
    monkeypatch.setattr("mmkit_translate.opening.open_translator", lambda *names, **options: bundled)
    (tmp_path / "a.en").write_text("A dog.\nTwo men cook.\n\n")
    (tmp_path / "a.de").write_text("Ein Hund.\nZwei Männer kochen.\n\n", encoding="utf-8")
    (tmp_path / "images").write_text("missing.jpg\nmissing.jpg\nmissing.jpg\n")
    code = evaluate(tmp_path / "a.en", tmp_path / "a.de", "en", "de", images=tmp_path / "images", json=True,
                    output=tmp_path / "own.de", beam=2)  # fmt: skip
    result = json.loads(capsys.readouterr().out)
    assert code == 0 and {"bleu", "chrf", "signature", "lines_per_second"} <= set(result)
    assert "tok:13a" in result["signature"] and "case:mixed" in result["signature"]
    assert {"zero_prefix", "wrong_sentence", "right_picture", "wrong_picture"} <= set(result["controls"])
    assert result["controls"]["pictures_unread"] == 3
    assert result["controls"]["right_picture"]["own_less_this"]["difference"] == 0.0
    assert len((tmp_path / "own.de").read_text().splitlines()) == 3
    (tmp_path / "a.de").write_text("Ein Hund.\n")
    with pytest.raises(UsageError, match="Expected 3 lines"):
        evaluate(tmp_path / "a.en", tmp_path / "a.de", "en", "de")


def test_pack_writes_data_and_vocabulary(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from mmkit.types import Embeddings, EncoderSpec

    class Toy:
        spec = EncoderSpec(name="toy", space="toy", modalities=("text",), dim=384)

        def prepare(self, item):  # type: ignore[no-untyped-def]
            return item.text

        def encode(self, batch, modality):  # type: ignore[no-untyped-def]
            import numpy as np

            return Embeddings(np.full((len(batch), 384), 384**-0.5, np.float32))

    monkeypatch.setattr("mmkit.encoder", lambda *names, **options: Toy())
    assert pack(corpus, tmp_path / "p.safetensors", pieces=400) == 0
    assert (tmp_path / "p.vocabulary.json").is_file()
    assert pack(corpus, tmp_path / "q.safetensors", pieces=350, vectors=tmp_path / "p.safetensors") == 0
    with pytest.raises(UsageError, match="is there already"):
        pack(corpus, tmp_path / "p.safetensors")
