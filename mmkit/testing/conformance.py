"""The suite as a pytest class for plugin authors to inherit."""

from __future__ import annotations

from typing import ClassVar

from mmkit.plugins import PluginInfo
from mmkit.testing import checks
from mmkit.testing.result import CheckResult

__all__ = ["PluginConformance"]


class PluginConformance:
    """Inherit in a class whose name begins with ``Test`` and set ``plugin``.

    Attributes:
        plugin: the name of the plugin's entry point.
        encoders: full names to check of encoder families that take an argument.
    """

    plugin: ClassVar[str]
    encoders: ClassVar[tuple[str, ...]] = ()

    def test_loads(self) -> None:
        assert self._info.status == "active", self._info.reason

    def test_discovery(self) -> None:
        _none_failed(checks.check_discovery(self._info))

    def test_targets(self) -> None:
        _none_failed(checks.check_targets(self._info))

    def test_commands(self) -> None:
        _none_failed(checks.check_commands(self._info))

    def test_encoders(self) -> None:
        _none_failed(checks.check_encoders(self._info, also=self.encoders))

    def test_steps(self) -> None:
        _none_failed(checks.check_steps(self._info))

    def test_models(self) -> None:
        _none_failed(checks.check_models(self._info))

    @property
    def _info(self) -> PluginInfo:
        return checks.find_plugin(self.plugin)


def _none_failed(results: list[CheckResult]) -> None:
    failed = [f"{result.name}: {result.detail}" for result in results if result.state == "failed"]
    assert not failed, "\n".join(failed)
