"""The command ``mmkit link`` and its verbs."""

from __future__ import annotations

from mmkit.cli.options import new_app
from mmkit_link.cli.explaining import explain
from mmkit_link.cli.learning import evaluate, train
from mmkit_link.cli.linking import dedupe, match

__all__ = ["app"]

app = new_app("Link and deduplicate records by text, numbers and pictures.")
app.command()(match)
app.command()(dedupe)
app.command()(train)
app.command("eval")(evaluate)
app.command()(explain)
