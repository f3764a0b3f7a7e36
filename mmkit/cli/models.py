"""``mmkit models``: list, inspect, fetch and verify models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any

import typer

from mmkit.cli.options import JsonOption, OfflineOption, chosen_settings, new_app
from mmkit.cli.output import emit, emit_json, note, table
from mmkit.cli.progress import Progress
from mmkit.errors import EXIT_ERROR, EXIT_OK
from mmkit.plugins import registry

app = new_app("List, inspect, fetch and verify models.")

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="A bundled model, or hf:org/name.")]


@app.command("list")
def list_command(json: JsonOption = False) -> None:
    """List the models that ship with mmkit and its plugins, and the families of encoders.

    \b
    Example:
      mmkit models list
    """
    from mmkit.models import broken_cards, model_cards

    rows = [["model", "task", "source", "licence", "use", "size"]]
    for name, card in model_cards().items():
        record = {
            "name": name,
            "task": card.task,
            "source": "bundled",
            "licence": card.licence,
            "use": card.use,
            "bytes": card.sizes.get("bytes", 0),
        }
        if json:
            emit_json(record)
        rows.append([name, card.task, "bundled", card.licence, card.use, f"{card.sizes.get('bytes', 0) / 1e6:.1f} MB"])
    for name, entry in registry().encoders.items():
        if not entry.takes_argument:
            continue
        if json:
            emit_json({"name": f"{name}:…", "task": "encoder", "source": "hub or local", "summary": entry.summary})
        rows.append([f"{name}:…", "encoder", "hub or local", "each model's own", "", ""])
    if not json:
        table(rows)
    for error in broken_cards().values():
        note(f"warning: {error}")


@app.command()
def info(name: NameArgument, json: JsonOption = False) -> None:
    """Show a model's card: what it is, what it was trained on, how well it measures, under which licence.

    \b
    Example:
      mmkit models info mini
    """
    from mmkit.models import model_card

    card = model_card(name)
    facts = asdict(card)
    if json:
        emit_json(facts)
        return
    for key, value in facts.items():
        if key not in ("training_data", "measured", "extra") and value not in ("", {}):
            shown = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
            emit(f"{key:<17} {shown}")
    for source in card.training_data:
        emit(f"{'trained on':<17} {source.name} ({source.licence})")
    for measured in card.measured:
        emit(f"{'measured':<17} {measured.metric} {measured.value:g} on {measured.data}: {measured.command}")


@app.command()
def pull(name: NameArgument, offline: OfflineOption = False) -> None:
    """Fetch a model from the hub into the local cache, so that it works offline afterwards.

    \b
    Examples:
      mmkit models pull hf:sentence-transformers/all-MiniLM-L6-v2
      mmkit models pull openclip:ViT-B-32/laion2b_s34b_b79k
    """
    from mmkit.models import pull as fetch_model

    fetch: Callable[..., Any] = fetch_model
    chosen = chosen_settings(offline=offline)
    family = name.partition(":")[0]
    if family in registry().encoders and registry().encoders[family].takes_argument:
        fetch, name = _family_pull(name)
    with Progress(f"fetching {name}") as progress:
        there = 0

        def advance(done: int, wanted: int) -> None:
            nonlocal there
            progress.set_total(wanted)
            progress.advance(done - there)
            there = done

        fetched = fetch(name, settings=chosen, progress=advance)
    emit(str(getattr(fetched, "path", fetched)))


def _family_pull(name: str) -> tuple[Callable[..., Any], str]:
    """The ``pull`` beside an encoder family's ``load``, and what it takes."""
    from mmkit.encoders import encoder_entry
    from mmkit.plugins import load_target

    entry, argument = encoder_entry(name)
    target = f"{entry.target.partition(':')[0]}:pull"
    return load_target(target, extra=entry.extra, feature=f"the encoder {entry.name}"), argument or ""


@app.command()
def verify(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAMES...", help="Default: all bundled models.")] = None,
    json: JsonOption = False,
) -> int:
    """Compare the weights of models with the hashes on their cards. Exit code 1 where they differ.

    \b
    Example:
      mmkit models verify mini
    """
    from mmkit.models import broken_cards, model_card, model_cards
    from mmkit.models import verify as problems_of

    code = EXIT_OK
    wanted = names or [*model_cards(), *broken_cards()]
    for name in wanted:
        broken = broken_cards().get(name)
        problems = [str(broken)] if broken else problems_of(model_card(name))
        if json:
            emit_json({"name": name, "problems": problems})
        else:
            emit(f"{name}: " + ("; ".join(problems) or "weights match its card"))
        code = EXIT_ERROR if problems else code
    if not wanted:
        note("no model ships with what is installed")
    return code


@app.command()
def path(name: NameArgument, offline: OfflineOption = False) -> None:
    """Print where a model's files lie on this machine.

    \b
    Example:
      ls -l "$(mmkit models path mini)"
    """
    from mmkit.models import path as path_of

    emit(str(path_of(name, settings=chosen_settings(offline=offline))))
