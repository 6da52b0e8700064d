"""The command `stillwatt`: the zero-writer by its own door (controller.__main__), any other verb by tools.cli."""

import sys
from typing import NoReturn


def main() -> NoReturn:
    """The verb, and the end."""
    if sys.argv[1:2] == ["zero"]:
        from controller.__main__ import main as box

        box()
    from tools.cli import main as serve

    serve()


if __name__ == "__main__":
    main()
