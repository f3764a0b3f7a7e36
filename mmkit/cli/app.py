"""The root command: verbs are listed from their specs and imported when they are called."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

from mmkit import __version__
from mmkit.errors import PluginError
from mmkit.plugins import CORE, load_target, registry

__all__ = ["COMPLETION_VARIABLE", "app", "warn_of_skipped_plugins"]

_EXAMPLES = """\b
mmkit index add photos.mm ~/Pictures          build a store from a folder
mmkit match "a cup of coffee" --in photos.mm  find pictures by words
mmkit match cup.jpg --in photos.mm            find pictures by a picture
mmkit classify *.jpg --labels cat,dog,bird    sort pictures into classes
mmkit run recipes/quickstart.toml             run a pipeline"""


#: Set by the completion scripts when they ask for what fits.
COMPLETION_VARIABLE: Final = "_MMKIT_COMPLETE"


class LazyGroup(TyperGroup):
    """A group whose commands are the registry's; a command's module is imported when it is called."""

    _listing = False

    def list_commands(self, ctx: Any) -> list[str]:
        return list(registry().commands)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        entry = registry().commands.get(cmd_name)
        if entry is None:
            # The parser offers near names from here, and only then.
            self.commands = dict.fromkeys(registry().commands)  # type: ignore[assignment]
            return None
        if self._listing:
            return TyperCommand(cmd_name, short_help=entry.summary)
        return _as_command(load_target(entry.target), cmd_name)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """The verbs that fit, from their specs: none is imported for it, so one that is broken hides no other."""
        self._listing = True
        try:
            return super().shell_complete(ctx, incomplete)
        finally:
            self._listing = False

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        panels: dict[str, list[tuple[str, str]]] = {}
        for entry in registry().commands.values():
            panels.setdefault(entry.panel, []).append((entry.name, entry.summary))
        width = max(len(name) for rows in panels.values() for name, _ in rows)
        for panel, rows in panels.items():
            with formatter.section(panel):
                formatter.write_dl([(name.ljust(width), summary) for name, summary in rows])
        with formatter.section("Examples"):
            for line in _EXAMPLES.splitlines()[1:]:
                formatter.write(f"  {line}\n")


def warn_of_skipped_plugins(arguments: Sequence[str]) -> None:
    """One line on stderr for each plugin that broke, except where the verb shows them itself."""
    verb = next((argument for argument in arguments if not argument.startswith("-")), "")
    if verb not in ("plugins", "doctor", "completions") and COMPLETION_VARIABLE not in os.environ:
        known = {info.name for info in registry().plugins}
        unknown = [name for name in os.environ.get("MMKIT_NO_PLUGIN", "").split(",") if name and name not in known]
        for warning in [
            *registry().warnings,
            *(f"no plugin is called {name}, so none is left out" for name in unknown),
        ]:
            print(f"mmkit: warning: {warning}", file=sys.stderr)


def _as_command(target: Any, name: str) -> Any:
    """An app of one function, of several, or a bare function, as the command called ``name``."""
    if not isinstance(target, typer.Typer):
        if not callable(target):
            raise PluginError(f"the command {name} names a {type(target).__name__}; Expected an app or a function")
        wrapped = typer.Typer(rich_markup_mode=None, add_completion=False)
        wrapped.command()(target)
        target = wrapped
    command = typer.main.get_command(target)
    command.name = name
    return command


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"mmkit {__version__}")
        raise typer.Exit


app = typer.Typer(
    cls=LazyGroup,
    rich_markup_mode=None,
    # Only then: the parser's completion adds two options to the help, and time to every start.
    add_completion=COMPLETION_VARIABLE in os.environ,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    no_plugin: Annotated[
        list[str] | None, typer.Option("--no-plugin", metavar="NAME", help="Leave a plugin out; may be repeated.")
    ] = None,
) -> None:
    """Work with pictures, sound, motion, text and records through one embed/match interface."""
    broken_core = [info for info in registry().plugins if info.name == CORE and info.status != "active"]
    if broken_core:
        raise PluginError(f"mmkit's own parts do not load: {broken_core[0].reason}", mend="install mmkit again")
