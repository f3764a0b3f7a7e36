"""``mmkit plugins``: list, inspect, check and start plugins."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmkit.cli.options import JsonOption, OverwriteOption, new_app
from mmkit.cli.output import emit, emit_json, note, table
from mmkit.errors import EXIT_ERROR, EXIT_OK, PluginError
from mmkit.plugins import PluginInfo, registry

app = new_app("List, inspect, check and start plugins.")


@app.command("list")
def list_command(json: JsonOption = False) -> None:
    """List the installed plugins, what each offers, and why any was skipped.

    \b
    Example:
      mmkit plugins list --json
    """
    rows = [["plugin", "version", "status", "offers"]]
    for info in registry().plugins:
        if json:
            emit_json(_record(info))
            continue
        offers = info.reason or ", ".join(f"{len(names)} {kind}" for kind, names in info.provides.items() if names)
        rows.append([info.name, info.version or "-", info.status, offers])
    if not json:
        table(rows)


def _record(info: PluginInfo) -> dict[str, object]:
    return {
        "name": info.name,
        "distribution": info.distribution,
        "version": info.version,
        "module": info.module,
        "status": info.status,
        "reason": info.reason,
        "import_ms": round(info.import_ms, 2),
        "provides": {kind: list(names) for kind, names in info.provides.items()},
    }


def _found(name: str) -> PluginInfo:
    plugins = registry().plugins
    found = next((info for info in plugins if info.name == name), None)
    if found is None:
        installed = ", ".join(dict.fromkeys(info.name for info in plugins))
        raise PluginError(f"no plugin is called {name!r}", mend=f"installed: {installed}")
    return found


@app.command("info")
def info_command(name: Annotated[str, typer.Argument(metavar="NAME")], json: JsonOption = False) -> None:
    """Show one plugin: where it comes from and every name it offers.

    \b
    Example:
      mmkit plugins info core
    """
    info = _found(name)
    if json:
        emit_json(_record(info))
        return
    for key, value in _record(info).items():
        if key != "provides":
            emit(f"{key:<13} {value}")
    for kind, names in info.provides.items():
        emit(f"{kind:<13} {', '.join(names)}")


@app.command()
def check(name: Annotated[str, typer.Argument(metavar="NAME")], json: JsonOption = False) -> int:
    """Run the conformance suite on a plugin: contract, speed of discovery, batches, order, safety, cards.

    \b
    Example:
      mmkit plugins check core
    """
    from mmkit.testing import check_plugin

    info = _found(name)
    if info.status == "disabled":
        raise PluginError(f"the plugin {name} was left out on request", mend="drop --no-plugin or MMKIT_PLUGINS")
    results = check_plugin(name)
    for result in results:
        if json:
            emit_json({"check": result.name, "state": result.state, "detail": result.detail})
        else:
            emit(f"{result.state:<7} {result.name}{': ' + result.detail if result.detail else ''}")
    failed = sum(result.state == "failed" for result in results)
    note(f"{name}: {len(results)} checks, {failed} failed")
    return EXIT_ERROR if failed else EXIT_OK


@app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Lower case, such as 'blur'.")],
    folder: Annotated[Path | None, typer.Option("--in", metavar="DIR", help="Where to make it; default: here.")] = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Write a working plugin: a command, an encoder, a step, its packaging and its tests.

    \b
    Example:
      mmkit plugins new blur && pip install -e ./mmkit-blur && mmkit blur --help
    """
    from mmkit.testing.scaffold import write_plugin

    target = write_plugin(name, folder or Path(), overwrite=overwrite)
    emit(str(target))
    note(f"try: pip install -e {target} && mmkit plugins check {name}")
