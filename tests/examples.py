"""How many examples a property is tried on: all that are asked for; in the loop one works in, a fifth of them."""

from __future__ import annotations

import os

QUICK = "STILLWATT_QUICK"  # set by tools/check --quick


def few(count: int) -> int:
    """`count`, or a fifth of it under QUICK."""
    return count // 5 if os.environ.get(QUICK) else count
