"""A command that does one thing when it is called with inputs, and others when called with their verbs."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

__all__ = ["group_with_default"]


def group_with_default(name: str) -> type[TyperGroup]:
    """A group class under which arguments that begin with no verb are given to the verb ``name``.

    So ``mmkit separate mix.wav -q violin`` is ``mmkit separate mix mix.wav -q violin`` where the default is ``mix``.
    An input that is called like a verb is written ``./train``.
    """

    class GroupWithDefault(TyperGroup):
        default_verb = name

        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            asks_for_help = bool(args) and args[0] in ctx.help_option_names
            if args and args[0] not in self.commands and not asks_for_help:
                args = [name, *args]
            return super().parse_args(ctx, args)

        def format_help(self, ctx: Any, formatter: Any) -> None:
            """The default's own page, which is what most people look for, and the other verbs under it."""
            default = self.commands[name]
            inner = default.make_context(ctx.info_name, [], parent=ctx.parent, resilient_parsing=True)
            default.format_help(inner, formatter)
            with formatter.section(f"Verbs (without one: {name})"):
                verbs = [(verb, self.commands[verb]) for verb in self.list_commands(ctx)]
                formatter.write_dl([(verb, command.get_short_help_str()) for verb, command in verbs])

    return GroupWithDefault
