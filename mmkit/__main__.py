"""``python -m mmkit``."""

from __future__ import annotations

import sys

from mmkit.cli.entry import main

if __name__ == "__main__":
    sys.exit(main())
