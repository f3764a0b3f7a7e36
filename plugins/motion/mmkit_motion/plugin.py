"""What this plugin offers. Names only: the code behind a name is imported when it is first used."""

from __future__ import annotations

api = 1
