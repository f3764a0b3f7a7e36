"""The command ``mmkit separate``: a group whose verb ``mix`` is meant where no verb is named.

``mmkit separate song.wav -q violin`` is ``mmkit separate mix song.wav -q violin``. A mixture whose name is that of a
verb is reached as ``./train``.
"""

from __future__ import annotations

from mmkit.cli.options import new_app
from mmkit_separate.cli.evaluating import evaluate
from mmkit_separate.cli.separating import mix
from mmkit_separate.cli.tagging import tag
from mmkit_separate.cli.training import train

__all__ = ["app"]

app = new_app("Take the sound that words, a picture or an example ask for out of a mixture.", default="mix")
app.command()(mix)
app.command()(tag)
app.command()(train)
app.command("eval")(evaluate)
