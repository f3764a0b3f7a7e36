"""Settings: defaults, then the file, then variables, then options; what does not exist is refused."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from mmkit.config import Settings, cache_home, config_path, settings
from mmkit.errors import UsageError


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for field in fields(Settings):
        monkeypatch.delenv(f"MMKIT_{field.name.upper()}", raising=False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("MMKIT_CONFIG", str(tmp_path / "config.toml"))
    return tmp_path / "config.toml"


def test_defaults_hold_where_nothing_is_set() -> None:
    assert settings() == Settings(cache_dir=cache_home())


def test_each_source_overrides_the_one_before(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text('device = "cpu"\nbatch = 8\nworkers = 3\n')
    monkeypatch.setenv("MMKIT_BATCH", "16")
    monkeypatch.setenv("MMKIT_WORKERS", "4")
    found = settings(workers=5, device=None)
    assert (found.device, found.batch, found.workers) == ("cpu", "16", 5)


def test_an_empty_variable_counts_as_not_set(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text('batch = 8\ncache_dir = "/some/where"\n')
    for name in ("BATCH", "CACHE_DIR", "ENCODER", "OFFLINE"):
        monkeypatch.setenv(f"MMKIT_{name}", "")
    found = settings()
    assert (found.batch, found.cache_dir, found.encoder, found.offline) == ("8", Path("/some/where"), "mini", False)


@pytest.mark.parametrize("text", ["1", "true", "YES", "on"])
def test_the_hubs_own_variable_switches_offline_on(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", text)
    assert settings().offline


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("colour = 1", "unknown setting 'colour'"),
        ("batch = 0", "batch"),
        ("batch = true", "batch"),
        ('batch = "many"', "batch"),
        ('dtype = "int8"', "dtype"),
        ("workers = -1", "workers"),
        ('offline = "maybe"', "offline"),
        ("device = ", "cannot be read"),
    ],
)
def test_a_wrong_file_is_refused_by_name(line: str, said: str, file: Path) -> None:
    file.write_text(line)
    with pytest.raises(UsageError, match=said) as caught:
        settings()
    assert caught.value.where == str(file)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_utf8_is_refused(file: Path) -> None:
    file.write_bytes(b'device = "caf\xe9"')
    with pytest.raises(UsageError, match="cannot be read"):
        settings()


def test_a_wrong_variable_and_a_wrong_option_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="--batch: Expected 'auto' or a whole number above 0 for batch"):
        settings(batch="none")
    monkeypatch.setenv("MMKIT_DTYPE", "half")
    with pytest.raises(UsageError, match="MMKIT_DTYPE: Expected auto, float32"):
        settings()


def test_an_override_that_is_no_setting_is_a_programming_error() -> None:
    with pytest.raises(TypeError, match="'colour'"):
        settings(colour="red")


def test_folders_follow_the_platform_and_their_own_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.delenv("MMKIT_CONFIG")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "c"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "s"))
    assert cache_home() == tmp_path / "c" / "mmkit"
    assert config_path() == tmp_path / "s" / "mmkit" / "config.toml"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MMKIT_CACHE_DIR", "~/elsewhere")
    assert settings().cache_dir == cache_home() == tmp_path / "elsewhere"
