"""The conformance suite: what every plugin must keep to, for ``mmkit plugins check`` and for plugin authors' tests.

A plugin's own tests inherit it::

    from mmkit.testing import PluginConformance

    class TestConformance(PluginConformance):
        plugin = "ocr"
"""

from __future__ import annotations

from mmkit.testing.checks import CheckResult, check_plugin
from mmkit.testing.conformance import PluginConformance
from mmkit.testing.encoders import check_encoder
from mmkit.testing.samples import sample_items

__all__ = ["CheckResult", "PluginConformance", "check_encoder", "check_plugin", "sample_items"]
