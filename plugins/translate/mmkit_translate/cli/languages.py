"""``mmkit translate languages``: what a model translates."""

from __future__ import annotations

from mmkit.cli.options import JsonOption, OfflineOption
from mmkit_translate.cli.options import ModelOption


def languages(model: ModelOption = "bundled", json: JsonOption = False, offline: OfflineOption = False) -> int:
    """List the languages that a model reads and writes.

    \b
    Example:
      mmkit translate languages --model hf:facebook/mbart-large-50-many-to-many-mmt
    """
    from mmkit.cli.options import chosen_settings
    from mmkit.cli.output import emit, emit_json
    from mmkit_translate.opening import open_translator

    translator = open_translator(model, settings=chosen_settings(offline=offline))
    if json:
        emit_json({"model": translator.name, "from": translator.sources, "to": translator.targets})
    else:
        emit(f"from: {' '.join(translator.sources)}")
        emit(f"to: {' '.join(translator.targets)}")
    return 0
