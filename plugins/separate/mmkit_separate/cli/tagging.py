"""``mmkit separate tag``: what a sound is, by the encoder ``sound``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from mmkit.cli.options import DeviceOption, FailuresOption, JsonOption, OfflineOption, StrictOption
from mmkit.cli.output import emit, emit_json, finish, shown_path
from mmkit.errors import BadInput, UsageError

if TYPE_CHECKING:
    from mmkit_separate.encoder import SoundEncoder


def tag(
    sounds: Annotated[
        list[str], typer.Argument(metavar="SOUND...", help="Sound files, globs or folders.", show_default=False)
    ],
    labels: Annotated[
        str | None,
        typer.Option("--labels", metavar="A,B,…", help="The labels to choose from; default: those of the training."),
    ] = None,
    top: Annotated[int, typer.Option("--top", "-k", min=1, help="Labels a sound.")] = 3,
    strict: StrictOption = False,
    failures: FailuresOption = None,
    device: DeviceOption = None,
    offline: OfflineOption = False,
    json: JsonOption = False,
) -> int:
    """Name what is heard: the labels that fit best, with their shares.

    \b
    Examples:
      mmkit separate tag bark.wav
      mmkit separate tag 'clips/*.flac' --labels "dog,siren,rain,people talking" --json
    """
    from mmkit.cli.options import chosen_settings
    from mmkit.encoders import encoder as load_encoder
    from mmkit.errors import MmkitError
    from mmkit.pipeline.sources import items_from
    from mmkit.types import Failure
    from mmkit_separate.encoder import is_silent
    from mmkit_separate.tagging import label_vectors
    from mmkit_separate.tagging import tag as shares_of

    chosen = chosen_settings(device=device, offline=offline)
    encoder = cast("SoundEncoder", load_encoder("sound", device=chosen.device, offline=chosen.offline))
    names = encoder.config["labels"] if labels is None else [name.strip() for name in labels.split(",") if name.strip()]
    if not names:
        raise UsageError("holds no label", where="--labels")
    rows = label_vectors(encoder, names)
    failed: list[Failure] = []
    for item in items_from(sounds, modality="audio"):
        if isinstance(item, Failure):
            failed.append(item)
            continue
        try:
            heard = encoder.prepare(item)
            if is_silent(heard):
                raise BadInput("is silent", where=item.id)
            shares = shares_of(encoder.encode([heard], "audio").vectors, rows)[0]
        except MmkitError as error:
            if strict:
                raise
            failed.append(Failure(item.id, f"{error.what}; {error.mend}" if error.mend else error.what))
            continue
        best = [(names[place], float(shares[place])) for place in (-shares).argsort()[:top]]
        if json:
            found = [{"label": name, "share": round(share, 4)} for name, share in best]
            emit_json({"sound": item.id, "labels": found})
        else:
            emit(f"{shown_path(item.id)}\t" + ", ".join(f"{name} {share:.0%}" for name, share in best))
    return finish(failed, failures or Path("failures.jsonl"))
