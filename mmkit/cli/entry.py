"""The one place where errors become messages and exit codes."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence

from mmkit.errors import EXIT_ERROR, EXIT_INTERRUPTED, EXIT_OK, EXIT_PIPE, EXIT_USAGE, MmkitError

__all__ = ["main", "run"]


def main() -> int:
    """The console script."""
    if sys.stdout is None:
        # Closed by the caller, who wants no results.
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A name that the terminal's encoding lacks is shown escaped and stops nothing.
        sys.stdout.reconfigure(errors="backslashreplace")
    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = _broken_pipe()
    except OSError as error:
        _discard_stdout()
        code = _fail(f"the results cannot be written to stdout: {error.strerror or error}", EXIT_ERROR)
    return code


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; every error has been printed."""
    try:
        arguments, debug = _take_global_flags(list(arguments))
    except MmkitError as error:
        return _fail(str(error), error.exit_code)
    try:
        from mmkit.cli.app import app, warn_of_skipped_plugins

        warn_of_skipped_plugins(arguments)
        result = app(arguments, standalone_mode=False, prog_name="mmkit")
        if result == EXIT_INTERRUPTED:
            # How the parser hands on Ctrl-C, without a word.
            return _fail("interrupted", EXIT_INTERRUPTED)
        return result if isinstance(result, int) else EXIT_OK
    except KeyboardInterrupt:
        return _fail("interrupted", EXIT_INTERRUPTED)
    except BrokenPipeError:
        return _broken_pipe()
    except SystemExit as stop:
        if isinstance(stop.__context__, BrokenPipeError):
            # The parser makes this of a reader that went away.
            return _broken_pipe()
        # A plugin's command may end the way that scripts do.
        if stop.code is None or isinstance(stop.code, int):
            return stop.code or EXIT_OK
        return _fail(str(stop.code), EXIT_ERROR)
    except Exception as error:
        if debug and not _is_of_the_parser(error):
            import traceback

            traceback.print_exc()
        return _fail(str(error), error.exit_code) if isinstance(error, MmkitError) else _unforeseen(error)


def _take_global_flags(arguments: list[str]) -> tuple[list[str], bool]:
    """Take ``--debug`` and ``--no-plugin NAME`` out, wherever they stand before ``--``.

    Both must act before the plugins are loaded, which is before a parser could see them.
    """
    from mmkit.errors import UsageError

    kept: list[str] = []
    debug = os.environ.get("MMKIT_DEBUG", "") not in ("", "0")
    without = [name for name in (os.environ.get("MMKIT_NO_PLUGIN"),) if name]
    position = 0
    while position < len(arguments):
        argument = arguments[position]
        if argument == "--":
            kept += arguments[position:]
            break
        if argument == "--debug":
            debug = True
        elif argument == "--no-plugin":
            position += 1
            if position == len(arguments):
                raise UsageError("--no-plugin needs the name of a plugin", mend="see: mmkit plugins list")
            without.append(arguments[position])
        elif argument.startswith("--no-plugin="):
            without.append(argument.partition("=")[2])
        else:
            kept.append(argument)
        position += 1
    if without:
        # In the environment, so that worker processes leave the same plugins out.
        os.environ["MMKIT_NO_PLUGIN"] = ",".join(without)
    return kept, debug


def _unforeseen(error: Exception) -> int:
    if type(error).__name__ == "Abort":
        return _fail("interrupted", EXIT_INTERRUPTED)
    if _is_of_the_parser(error):
        if type(error).__name__ == "NoArgsIsHelpError":
            error.show(file=sys.stdout)  # type: ignore[attr-defined]
            return EXIT_USAGE
        error.show()  # type: ignore[attr-defined]
        return EXIT_USAGE
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return _fail(f"{where}{error.strerror}", EXIT_ERROR)
    if isinstance(error, MemoryError):
        return _fail("out of memory; use a smaller --batch", EXIT_ERROR)
    text = " ".join(str(error).split())
    return _fail(f"unforeseen {type(error).__name__}: {text}; run it again with --debug for the traceback", EXIT_ERROR)


def _is_of_the_parser(error: Exception) -> bool:
    # typer has moved the classes of its errors between its releases, and this pair of attributes stayed.
    return hasattr(error, "format_message") and hasattr(error, "show")


def _fail(message: str, code: int) -> int:
    for line in message.splitlines() or [""]:
        print(f"mmkit: error: {line}", file=sys.stderr)
    return code


def _broken_pipe() -> int:
    _discard_stdout()
    return EXIT_PIPE


def _discard_stdout() -> None:
    # What is still buffered can go nowhere; without this the interpreter would complain while it exits.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
