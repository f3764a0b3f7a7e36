"""``mmkit completions``: the completion script of a shell."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from mmkit.cli.app import COMPLETION_VARIABLE
from mmkit.cli.options import new_app
from mmkit.cli.output import emit
from mmkit.errors import UsageError

__all__ = ["SHELLS", "app", "completion_script"]

SHELLS: Final = ("bash", "zsh", "fish")

app = new_app("Print the completion script of a shell.")


@app.command()
def completions(
    shell: Annotated[str, typer.Argument(metavar="SHELL", help="bash, zsh or fish.", show_default=False)],
) -> None:
    """Print the completion script of a shell; it offers the verbs and options of the plugins that are installed.

    \b
    Examples:
      mmkit completions bash > ~/.local/share/bash-completion/completions/mmkit
      mmkit completions zsh > "${fpath[1]}/_mmkit"
      mmkit completions fish > ~/.config/fish/completions/mmkit.fish
    """
    if shell not in SHELLS:
        raise UsageError(f"Expected {', '.join(SHELLS)}, but received {shell!r}", where="SHELL")
    emit(completion_script(shell))


def completion_script(shell: str) -> str:
    """The script that asks mmkit itself what fits, so that it never goes stale."""
    from typer import completion

    return completion.get_completion_script(  # type: ignore[attr-defined]
        prog_name="mmkit", complete_var=COMPLETION_VARIABLE, shell=shell
    )
