from __future__ import annotations

from mmkit.testing import PluginConformance


class TestConformance(PluginConformance):
    plugin = "translate"
