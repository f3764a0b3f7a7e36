"""The command ``mmkit translate``: a group whose verb ``text`` is meant where no verb is named."""

from __future__ import annotations

from mmkit.cli.options import new_app
from mmkit_translate.cli.eval import evaluate
from mmkit_translate.cli.languages import languages
from mmkit_translate.cli.pack import pack
from mmkit_translate.cli.text import text
from mmkit_translate.cli.train import train

__all__ = ["app"]

app = new_app("Translate text between languages, with pictures or without.", default="text")
app.command()(text)
app.command()(languages)
app.command("eval")(evaluate)
app.command()(pack)
app.command()(train)
