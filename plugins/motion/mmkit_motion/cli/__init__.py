"""The command ``mmkit motion`` and its verbs."""

from __future__ import annotations

from mmkit.cli.options import new_app
from mmkit_motion.cli.finding import index, search
from mmkit_motion.cli.learning import evaluate, train
from mmkit_motion.cli.making import caption, generate, render

__all__ = ["app"]

app = new_app("Find, describe, draw and make human motion with words.")
app.command()(index)
app.command()(search)
app.command()(caption)
app.command()(generate)
app.command()(render)
app.command()(train)
app.command("eval")(evaluate)
