"""Who may import whom: the table of the design, read from every import and cimport."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.tidy.source import HOUSE, imports, module_of, modules, plant

# The frame's order. A module may cimport image, and what stands before it here. port and atomic come early:
# they hold the nouns rtu and guard write into, and know nothing but image.
PIPELINE = (
    *(
        "ext.image",
        "ext.atomic",
        "ext.clock",
        "ext.thread",
        "ext.port",
        "ext.sampler",
        "ext.lock",
        "ext.align",
    ),
    *(
        "ext.wiring",
        "ext.power",
        "ext.mailbox",
        "ext.fast",
        "ext.support",
        "ext.dwell",
        "ext.lines",
        "ext.preview",
        "ext.shape",
        "ext.follow",
        "ext.law",
        "ext.share",
    ),
    *(
        "ext.pdu",
        "ext.poll",
        "ext.trail",
        "ext.rtu",
        "ext.guard",
        "ext.cycle",
        "ext.bus",
        "ext.witness",
        "ext.watch",
    ),
)
SCHEMA = (
    "controller.image",
    "controller.state",
    "controller.records",
    "controller.units",
    "controller.config",
)
ROOMS: dict[str, tuple[str, ...]] = {
    "controller.units": (),
    "controller.image": ("controller.records",),
    "controller.state": ("controller.image", "controller.records"),
    "controller.records": (),
    "controller.config": ("controller.units",),
    "controller.plan": SCHEMA,
    "controller.safety": SCHEMA,
    "controller.devices": SCHEMA,
    "controller.feeds": SCHEMA,
    "controller.runtime": (
        *SCHEMA,
        "controller.plan",
        "controller.safety",
        "controller.devices",
        "controller.feeds",
    ),
    "controller.gateway": SCHEMA,
    "controller.cli": (*SCHEMA, "controller.devices", "controller.runtime"),
    "controller.__main__": ("controller.cli", "controller.runtime.installed", "controller.runtime.zero"),
    "tools": ("controller", "ext", "boards"),
    "boards": (),
}
PURE = ("controller.plan", "controller.safety")
PURE_STDLIB = {"__future__", "bisect", "collections", "cython", "dataclasses", "enum", "functools",
               "itertools", "math", "operator", "types", "typing"}  # fmt: skip
# The plan also counts: arrays, the LP solver, and the calendar of a bill; none of them looks at the world.
PLAN_ALSO = {"numpy", "highspy", "datetime", "zoneinfo"}
DOOR = "controller.runtime.fastlink"


def inside(module: str, rooms: tuple[str, ...]) -> bool:
    """True when module is one of the rooms or lies in one."""
    return any(module == room or module.startswith(room + ".") for room in rooms)


def ext_may(module: str, target: str) -> bool:
    """Arrows between compiled modules."""
    if module == "ext.guard":
        return target in ("ext.image", "ext.pdu", "ext.rtu", "ext.port", "ext.atomic", "ext.guard")
    if module not in PIPELINE or target not in PIPELINE:
        return target == module
    return PIPELINE.index(target) <= PIPELINE.index(module)


def may(module: str, target: str) -> bool:
    """True when the table allows module to import target, both ours or from outside."""
    top = target.split(".")[0]
    if module.startswith("ext."):
        return (
            ext_may(module, target) if top == "ext" else top not in ("controller", "tools", "boards", "tests")
        )
    room = next((name for name in ROOMS if inside(module, (name,))), None)
    if room is None:
        return not module.startswith("controller.") or top not in ("controller", "ext", "tools", "tests")
    if inside(room, PURE) and top != "controller":
        return top in PURE_STDLIB or (room == "controller.plan" and top in PLAN_ALSO)
    if room in ("controller.units", "controller.records", "controller.image"):  # leaves
        return top in sys.stdlib_module_names or target in (*ROOMS[room], module)
    if target == "controller":
        return True
    if top == "ext" and room != "tools":
        return module == DOOR
    if top in ("controller", "ext", "boards", "tools", "tests"):
        return inside(target, (*ROOMS[room], room))
    return True


def wrong_arrows(root: Path) -> list[str]:
    """`file:line: module imports target` for every import against the table."""
    return [
        f"{path.relative_to(root)}:{line}: {module} imports {target}"
        for module, paths in modules(root).items()
        if module.split(".")[0] in ("controller", "ext", "tools", "boards")
        for path in paths
        for line, target in imports(root, path)
        if not may(module, target)
    ]


def cycles(root: Path) -> list[str]:
    """`a -> b -> a` for every ring of imports, each once."""
    known = modules(root)
    graph = {name: {t for p in paths for _, t in imports(root, p) if t in known and t != name}
             for name, paths in known.items()}  # fmt: skip
    done: set[str] = set()
    found: list[str] = []

    def walk(name: str, trail: tuple[str, ...]) -> None:
        if name in trail:
            found.append(" -> ".join([*trail[trail.index(name) :], name]))
        elif name not in done:
            for target in sorted(graph[name]):
                walk(target, (*trail, name))
            done.add(name)

    for name in sorted(graph):
        walk(name, ())
    return found


def test_the_house_keeps_its_arrows() -> None:
    """Goal: every import is in the table. Method: read them all."""
    assert len(modules(HOUSE)) > 20, "the reader must see the house at all"
    assert wrong_arrows(HOUSE) == []


def test_the_house_has_no_cycles() -> None:
    """Goal: no ring of imports. Method: depth-first over all modules."""
    assert cycles(HOUSE) == []


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("controller/safety/modes.py", "from controller.plan import wish"),
        ("controller/safety/modes.py", "import time"),
        ("controller/safety/modes.py", "import structlog"),
        ("controller/plan/wish.py", "from ..safety import modes"),
        ("controller/plan/wish.py", "def f():\n    import random"),
        ("controller/safety/modes.py", "import numpy"),
        ("controller/devices/roster.py", "from controller.runtime import supervisor"),
        ("controller/config/site.py", "from controller import devices"),
        ("controller/runtime/supervisor.py", "import ext.cycle"),
        ("controller/runtime/supervisor.py", "from tools import sim"),
        ("controller/image.py", "import numpy"),
        ("controller/image.py", "from controller import units"),
        ("controller/gateway/http.py", "from controller.runtime import fastlink"),
        ("controller/newroom/thing.py", "from controller.safety import modes"),
        ("ext/guard.pyx", "from ext.law cimport Law"),
        ("ext/guard.pxd", "    cimport ext.share"),
        ("ext/power.pyx", "from ext.law cimport law_step"),
        ("ext/law.pyx", "from controller.units import ns"),
        ("tools/sim.py", "from tests.tidy import source"),
    ],
)
def test_a_wrong_arrow_is_caught(tmp_path: Path, path: str, line: str) -> None:
    """Goal: the table bites. Method: a planted house with one wrong import among right ones."""
    for target in ("controller/plan/wish.py", "controller/safety/modes.py", "controller/devices/roster.py",
                   "controller/runtime/supervisor.py", "controller/units.py",
                   "ext/law.pyx", "ext/share.pyx", "tests/tidy/source.py", "tools/sim.py"):  # fmt: skip
        plant(tmp_path, target, '"""Planted."""\n')
    plant(
        tmp_path, "controller/runtime/fastlink.py", "import ext.cycle\nfrom controller.safety import modes\n"
    )
    assert wrong_arrows(tmp_path) == []
    planted = plant(tmp_path, path, f'"""Planted."""\n{line}\n')
    caught = wrong_arrows(tmp_path)
    assert len(caught) == 1
    assert module_of(tmp_path, planted) in caught[0]


def test_a_cycle_is_caught(tmp_path: Path) -> None:
    """Goal: a ring over a .pyx and its .pxd is seen. Method: plant law -> share -> law."""
    plant(tmp_path, "ext/law.pyx", "from ext.share cimport Share\n")
    plant(tmp_path, "ext/share.pyx", "cdef int a\n")
    assert cycles(tmp_path) == []
    plant(tmp_path, "ext/share.pxd", "from ext cimport law\n")
    assert cycles(tmp_path) == ["ext.law -> ext.share -> ext.law"]
