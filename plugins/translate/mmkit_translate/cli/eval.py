"""``mmkit translate eval``: BLEU and chrF, beside what a prefix that says nothing, or the wrong thing, reaches."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mmkit.cli.options import DeviceOption, JsonOption, OfflineOption
from mmkit_translate.cli.options import (
    BatchTokensOption,
    BeamOption,
    Int8Option,
    LengthPenaltyOption,
    ModelOption,
    PrefixOption,
)


def evaluate(
    src: Annotated[Path, typer.Option("--src", metavar="FILE", help="Lines to translate.")],
    ref: Annotated[Path, typer.Option("--ref", metavar="FILE", help="The same lines as people translated them.")],
    source: Annotated[str, typer.Option("--from", metavar="LANG", help="The language of --src.")],
    to: Annotated[str, typer.Option("--to", metavar="LANG", help="The language of --ref.")],
    images: Annotated[
        Path | None, typer.Option("--images", metavar="FILE", help="A picture a line, for right and wrong pictures.")
    ] = None,
    controls: Annotated[bool, typer.Option("--controls/--no-controls", help="Zero and wrong prefixes too.")] = True,
    beam: BeamOption = 4,
    length_penalty: LengthPenaltyOption = 1.0,
    batch_tokens: BatchTokensOption = 4096,
    prefix: PrefixOption = "text",
    model: ModelOption = "bundled",
    int8: Int8Option = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Keep the translations.")
    ] = None,
    json: JsonOption = False,
    offline: OfflineOption = False,
    device: DeviceOption = None,
) -> int:
    """Measure BLEU and chrF by sacrebleu on raw text, cased, with 13a tokens.

    The controls translate again with a prefix of zeros, of the vector of a wrong sentence and, with --images, of the
    right and of a wrong picture; each is compared by paired bootstrap: the difference in BLEU, its 95 % interval.

    \b
    Example:
      mmkit translate eval --src test.en --ref test.de --from en --to de --json
    """
    import time

    from mmkit.cli.options import chosen_settings
    from mmkit.cli.output import emit, emit_json
    from mmkit.errors import UsageError
    from mmkit_translate.evaluate import scores
    from mmkit_translate.opening import open_translator
    from mmkit_translate.text.sources import read_all_lines
    from mmkit_translate.translating import Search, check_pair

    sources, wanted = read_all_lines(str(src)), read_all_lines(str(ref))
    pictures = None if images is None else [line.strip() for line in read_all_lines(str(images))]
    for name, lines in ((ref, wanted), (images, pictures)):
        if lines is not None and len(lines) != len(sources):
            raise UsageError(f"Expected {len(sources)} lines, as in {src}, but found {len(lines)}", where=str(name))
    translator = open_translator(model, settings=chosen_settings(device=device, offline=offline), int8=int8)
    check_pair(translator, source, to)
    search = Search(beam, length_penalty, 1, batch_tokens, prefix)
    started = time.perf_counter()
    own = [
        best[0].text
        for best in translator.translate(sources, target=to, sources=[source] * len(sources), search=search)
    ]
    seconds = time.perf_counter() - started
    result: dict[str, Any] = {"model": translator.name, "from": source, "to": to, "lines": len(own)}
    result |= {"beam": beam, "prefix": prefix, "int8": int8} | scores(own, wanted)
    result["lines_per_second"] = round(len(own) / seconds, 1) if seconds else 0.0
    if controls and translator.takes_pictures:
        from mmkit_translate.controls import prefix_controls

        folder = Path() if images is None else images.parent
        result["controls"] = prefix_controls(translator, sources, wanted, own, source, to, search, pictures, folder)
    if output is not None:
        output.write_text("".join(f"{line}\n" for line in own), encoding="utf-8")
    if json:
        emit_json(result)
        return 0
    for name, value in result.items():
        if name != "controls":
            emit(f"{name}: {value}")
    for name, row in result.get("controls", {}).items():
        emit(f"{name}: {row}")
    return 0
