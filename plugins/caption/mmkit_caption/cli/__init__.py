"""The command ``mmkit caption``: a group whose verb ``describe`` is meant where no verb is named.

``mmkit caption photos`` is ``mmkit caption describe photos``. An input that is called like a verb is ``./train``.
"""

from __future__ import annotations

from mmkit.cli.options import new_app
from mmkit_caption.cli.describing import describe
from mmkit_caption.cli.evaluating import evaluate
from mmkit_caption.cli.training import train

__all__ = ["app"]

app = new_app("Describe pictures in a sentence.", default="describe")
app.command()(describe)
app.command()(train)
app.command("eval")(evaluate)
