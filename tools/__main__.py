"""The command `stillwatt`: the zero-writer by its own door (controller.__main__), any other verb by tools.cli."""

import os
import sys
from typing import NoReturn


def main() -> NoReturn:
    """The verb, and the end."""
    # Before numpy: its own threads would turn beside the frame's, for sums that are too small to share.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if sys.argv[1:2] == ["zero"]:
        from controller.__main__ import main as box

        box()
    if sys.argv[1:2] == ["run"]:
        from controller.runtime.installed import prove

        prove()
    from tools.cli import main as serve

    serve()


if __name__ == "__main__":
    main()
