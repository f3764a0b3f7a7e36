"""Discovery: whatever a plugin does wrong, it alone is left out, and its one line says why."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mmkit.errors import MissingExtra, PluginError
from mmkit.hookspecs import EncoderEntry, hookimpl
from mmkit.plugins import CORE, PluginInfo, Registry, collect_specs, discover, load_target, registry

SPECS = "from mmkit.hookspecs import *\nfrom mmkit.hookspecs import hookimpl\napi = 1\n"


def hook(kind: str, *specs: str) -> str:
    return f"{SPECS}@hookimpl\ndef mmkit_{kind}():\n    return [{', '.join(specs)}]\n"


def command(name: str, target: str = "json:dumps") -> str:
    return f"CommandEntry({name!r}, {target!r}, 'a command')"


def found(name: str, loaded: Registry | None = None) -> PluginInfo:
    return next(info for info in (loaded or discover()).plugins if info.name == name)


def test_the_core_offers_its_own_parts_through_the_same_hooks() -> None:
    core = found(CORE)
    assert core.status == "active"
    assert {"commands", "encoders", "steps", "models"} <= set(core.provides)
    assert discover(only=[]).commands.keys() == {*core.provides["commands"]}


def test_a_good_plugin_is_active_and_its_specs_are_registered(site: Any) -> None:
    site.add("good", hook("commands", command("fly")), distribution="good-plugin")
    loaded = discover()
    info = found("good", loaded)
    assert (info.status, info.reason, info.warning) == ("active", "", "")
    assert (info.distribution, info.version, info.module) == (
        "site-good-plugin",
        "0.1.0",
        "site_good_plugin.plugin",
    )
    assert info.provides == {"commands": ("fly",)}
    assert loaded.commands["fly"].target == "json:dumps"
    assert loaded.origins["commands", "fly"] == "good"


BROKEN = {
    "raises": ("raise ValueError('two\\nlines')", "ValueError: two lines"),
    "exits": ("import sys\nsys.exit(3)", "SystemExit: 3"),
    "imports": ("import surely_not_installed", "No module named 'surely_not_installed'"),
    "does-not-parse": ("def (", "SyntaxError"),
    "future": (f"{SPECS}\napi = 99", "it speaks api 99, and this mmkit speaks api 1"),
    "future-spec": (hook("commands", "CommandEntry('x', 'a:b', 's', api=99)"), "it speaks api 99"),
    "clash": (hook("commands", command("match")), "the command 'match' is already taken by core"),
    "clash-encoder": (
        hook("encoders", "EncoderEntry('mini', 'a:b', 's', ('image',))"),
        "the encoder 'mini' is already taken by core",
    ),
    "twice": (hook("commands", command("x"), command("x")), "it offers the command 'x' twice"),
    "wrong-type": (
        hook("steps", command("x")),
        "Expected StepSpec from mmkit_steps, but received CommandEntry",
    ),
    "no-spec": (hook("commands", "'x'"), "Expected CommandEntry from mmkit_commands, but received str"),
    "no-list": (f"{SPECS}@hookimpl\ndef mmkit_commands():\n    return 5", "TypeError"),
    "hook-raises": (f"{SPECS}@hookimpl\ndef mmkit_commands():\n    1 / 0", "ZeroDivisionError"),
    "hook-exits": (f"{SPECS}@hookimpl\ndef mmkit_commands():\n    raise SystemExit", "SystemExit"),
    "takes-arguments": (f"{SPECS}@hookimpl\ndef mmkit_commands(app):\n    return []", "app"),
    "unknown-hook": (
        f"{SPECS}@hookimpl\ndef mmkit_themes():\n    return []",
        "it implements mmkit_themes, which is not a hook of api 1",
    ),
    "unmarked": (f"{SPECS}\ndef mmkit_steps():\n    return []", "its mmkit_steps lacks the mark @hookimpl"),
    "upper-case": (hook("commands", command("Fly")), "the name 'Fly' of a CommandEntry is malformed"),
    "dotted": (hook("commands", command(".fly")), "the name '.fly' of a CommandEntry is malformed"),
    "space": (hook("commands", command("a b")), "the name 'a b' of a CommandEntry is malformed"),
    "nameless": (hook("commands", command("")), "the name '' of a CommandEntry is malformed"),
    "no-name": (hook("commands", "CommandEntry(None, 'a:b', 's')"), "the name None of a CommandEntry is malformed"),
    "no-suffix": (hook("readers", "ReaderEntry(('bvh',), 'motion', 'a:b')"), "the name 'bvh' of a ReaderEntry"),
    "no-attribute": (hook("commands", command("fly", "module")), "the target 'module' is not of the form"),
    "code": (hook("commands", "CommandEntry('fly', print, 's')"), "is not of the form 'module:attribute'"),
    "shell": (hook("commands", command("fly", "os:system('x')")), "is not of the form 'module:attribute'"),
    "no-card": (
        hook("models", "ModelEntry('m', 'ocr', 'card.toml')"),
        "is not of the form 'package:path/to/card.toml'",
    ),
    "no-summary": (
        hook("commands", "CommandEntry('fly', 'a:b', None)"),
        "Expected a text for the summary of a CommandEntry, but received None",
    ),
    "no-panel": (hook("commands", "CommandEntry('fly', 'a:b', 's', None)"), "Expected a text for the panel"),
}


@pytest.mark.parametrize(("name", "reason"), [(name, reason) for name, (_, reason) in BROKEN.items()])
def test_a_broken_plugin_is_skipped_and_says_why_in_one_line(name: str, reason: str, site: Any) -> None:
    site.add(name, BROKEN[name][0])
    site.add("other", hook("commands", command("other")))
    loaded = discover()
    info = found(name, loaded)
    assert info.status == "skipped"
    assert reason in info.reason
    assert loaded.warnings == [f"plugin {name} skipped: {info.reason}"]
    assert "\n" not in info.reason
    assert found("other", loaded).status == "active"
    assert loaded.commands.keys() == {*discover(only=["other"]).commands}


def test_an_entry_point_that_leads_nowhere_is_skipped(site: Any) -> None:
    package = site.add("lost", "")
    (site.path / package / "plugin.py").unlink()
    assert "No module named 'site_lost.plugin'" in found("lost").reason


def test_what_a_plugin_prints_at_import_does_not_reach_stdout(site: Any, capsys: pytest.CaptureFixture[str]) -> None:
    site.add("chatty", "print('hello')\napi = 1")
    assert found("chatty").status == "active"
    out, err = capsys.readouterr()
    assert (out, err) == ("", "hello\n")


def test_of_two_plugins_of_one_name_the_first_is_loaded_and_the_second_explained(site: Any) -> None:
    site.add("same", hook("commands", command("one")), distribution="a")
    site.add("same", hook("commands", command("two")), distribution="b")
    loaded = discover()
    assert [info.status for info in loaded.plugins if info.name == "same"] == ["active", "skipped"]
    assert loaded.warnings == ["plugin same skipped: another plugin of this name is loaded"]
    assert "one" in loaded.commands
    assert "two" not in loaded.commands


def test_no_plugin_can_pass_for_the_core(site: Any) -> None:
    site.add("core", hook("commands", command("fly")), distribution="impostor")
    assert [info.status for info in discover().plugins if info.name == CORE] == ["active", "skipped"]


def test_the_order_is_that_of_the_names_whatever_the_order_on_disk(site: Any) -> None:
    for name in ("zebra", "ant", "moth"):
        site.add(name, hook("commands", command("shared"), command(name)))
    first, second = discover(), discover()
    assert [info.name for info in first.plugins] == [CORE, "ant", "moth", "zebra"]
    assert first.origins["commands", "shared"] == "ant"
    assert list(first.commands) == list(second.commands)
    assert [info.status for info in first.plugins] == ["active", "active", "skipped", "skipped"]


def test_plugins_can_be_chosen_and_left_out(site: Any) -> None:
    for name in ("a", "b", "c"):
        site.add(name, hook("commands", command(f"{name}-verb")))
    assert [i.name for i in discover(only=["a", "b"], without=["b"]).plugins if i.status == "active"] == [CORE, "a"]
    left_out = found("c", discover(without=["c"]))
    assert (left_out.status, left_out.reason, left_out.warning) == ("disabled", "left out on request", "")


def test_a_plugin_that_is_left_out_is_not_even_imported(site: Any) -> None:
    site.add("noisy", "raise SystemExit('must not run')")
    assert found("noisy", discover(without=["noisy"])).status == "disabled"
    assert "site_noisy.plugin" not in sys.modules


def test_the_variables_restrict_the_registry_of_a_process(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b", "c"):
        site.add(name, hook("commands", command(f"{name}-verb")))
    monkeypatch.setenv("MMKIT_PLUGINS", "a, b")
    monkeypatch.setenv("MMKIT_NO_PLUGIN", "b")
    assert {info.name for info in registry().plugins if info.status == "active"} == {CORE, "a"}
    registry.cache_clear()
    monkeypatch.setenv("MMKIT_PLUGINS", "")
    assert {info.name for info in registry().plugins if info.status == "active"} == {CORE}


def test_a_plugin_may_be_an_object_with_methods() -> None:
    class Plugin:
        api = 1

        @hookimpl
        def mmkit_encoders(self) -> list[EncoderEntry]:
            return [EncoderEntry("toy", "a:b", "s", ("text",))]

    assert [spec.name for spec in collect_specs(Plugin())["encoders"]] == ["toy"]
    assert collect_specs(SimpleNamespace(api=1)) == {}


def test_a_target_is_imported_when_it_is_asked_for() -> None:
    assert load_target("os:path.join") is os.path.join


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("raise SystemExit(0)", "SystemExit: 0"),
        ("1 / 0", "ZeroDivisionError"),
        ("import surely_not_installed", "No module named 'surely_not_installed'"),
        ("other = 1", "has no attribute 'main'"),
    ],
)
def test_a_target_that_does_not_import_is_one_line(body: str, said: str, tmp_path: Path, site: Any) -> None:
    site.add("target", "api = 1", files={"code.py": body})
    with pytest.raises(PluginError, match=said) as caught:
        load_target("site_target.code:main")
    assert str(caught.value).startswith("cannot import site_target.code:main: ")


def test_a_package_that_an_extra_brings_is_told_apart_from_a_mistake(site: Any) -> None:
    site.add("target", "api = 1", files={"code.py": "import surely_not_installed"})
    with pytest.raises(MissingExtra, match=r"the wing needs the package surely_not_installed; .*'mmkit\[wings\]'"):
        load_target("site_target.code:main", extra="wings", feature="the wing")
    with pytest.raises(PluginError, match=r"site_target\.nothing"):
        load_target("site_target.nothing:main", extra="wings")
