"""The command ``mmkit ocr`` and its verbs."""

from __future__ import annotations

from mmkit.cli.options import new_app
from mmkit_ocr.cli.eval import evaluate
from mmkit_ocr.cli.export import export
from mmkit_ocr.cli.match import match
from mmkit_ocr.cli.read import read
from mmkit_ocr.cli.render import render
from mmkit_ocr.cli.train import train
from mmkit_ocr.cli.words import words

__all__ = ["app"]

app = new_app("Read pages and word pictures, and match them against words.")
app.command()(read)
app.command()(words)
app.command()(match)
app.command()(train)
app.command("eval")(evaluate)
app.command()(render)
app.command()(export)
