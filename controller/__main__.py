"""`python -m controller`: hands over to the verbs; `zero` has a door of its own, for it must not wait (F65)."""

import sys
from typing import NoReturn


def main() -> NoReturn:
    """The verb, and the end."""
    if sys.argv[1:2] == ["zero"]:
        from controller.runtime.zero import quick

        code = quick(sys.argv[2:])
        if code is not None:
            sys.exit(code)
    if sys.argv[1:2] == ["run"]:
        from controller.runtime.installed import prove

        prove()
    from controller.cli import main as serve

    serve()


if __name__ == "__main__":
    main()
