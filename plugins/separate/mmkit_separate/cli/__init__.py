"""The command ``mmkit separate``: a group whose first verb, ``mix``, is meant where no verb is named.

``mmkit separate song.wav -q violin`` is ``mmkit separate mix song.wav -q violin``. A mixture whose name is that of a
verb is reached as ``./train``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import typer
from typer.core import TyperGroup

from mmkit_separate.cli.evaluating import evaluate
from mmkit_separate.cli.separating import mix
from mmkit_separate.cli.tagging import tag
from mmkit_separate.cli.training import train

__all__ = ["app"]

_DEFAULT: Final = "mix"
_HELP: Final = frozenset({"-h", "--help"})


class _MixUnlessNamed(TyperGroup):
    """A group that puts ``mix`` before arguments whose first is no verb of it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return list(super().parse_args(ctx, self.with_verb(args)))

    def with_verb(self, args: Sequence[str]) -> list[str]:
        """The arguments with their verb."""
        if not args or args[0] in self.commands or args[0] in _HELP:
            return list(args)
        return [_DEFAULT, *args]


app = typer.Typer(
    cls=_MixUnlessNamed,
    help="Take the sound that words, a picture or an example ask for out of a mixture.\n\n"
    "mmkit separate MIX -q WORDS is short for: mmkit separate mix MIX -q WORDS.",
    rich_markup_mode=None,
    add_completion=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(mix)
app.command()(tag)
app.command()(train)
app.command("eval")(evaluate)
