from __future__ import annotations

import json
import re
from pathlib import Path

from mmkit.media import expand_inputs, image_size, read_image

SAMPLES = Path(__file__).parents[2] / "recipes" / "samples"
PICTURES = sorted((SAMPLES / "pictures").iterdir())


def test_there_are_enough_small_pictures() -> None:
    assert len(PICTURES) >= 40
    assert sum(path.stat().st_size for path in PICTURES) <= 4_000_000
    assert max(max(image_size(path)) for path in PICTURES) <= 640


def test_every_picture_is_read_and_found_as_an_input() -> None:
    for path in PICTURES:
        assert read_image(path).mode == "RGB"
    assert len(list(expand_inputs([str(SAMPLES / "pictures")]))) == len(PICTURES)


def test_every_picture_has_captions_and_a_stated_free_licence() -> None:
    lines = [json.loads(line) for line in (SAMPLES / "captions.jsonl").read_text(encoding="utf-8").splitlines()]
    names = {f"pictures/{path.name}" for path in PICTURES}
    assert {line["file"] for line in lines} == names
    assert all(len(line["captions"]) == 2 for line in lines)
    table = (SAMPLES / "LICENCES.md").read_text("utf-8").partition("\n## ")[0]
    rows = re.findall(r"^\| (\S+\.(?:jpg|png)) \|.*\| (.+?) \| .+? \|$", table, re.M)
    assert {f"pictures/{name}" for name, _ in rows} == names
    assert all(licence.startswith(("CC0-1.0", "public domain")) for _, licence in rows)


def test_every_other_sample_is_named_with_its_licence_alone_or_by_its_folder() -> None:
    text = (SAMPLES / "LICENCES.md").read_text("utf-8")
    for path in SAMPLES.glob("*/*"):
        assert path.name in text or f"`{path.parent.name}/" in text or f"{path.parent.name}/{path.name}" in text, path
