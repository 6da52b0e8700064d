"""Builds the compiled frame and plant, installs the rooms and the command `stillwatt`."""

import os
import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, find_packages, setup

# One image runs on every board of an architecture and replays bit-equal: no -march=native, no fused multiply-add.
# Complex products are of numbers, never of infinities. -z now resolves every symbol at load, so the first frame meets
# no lazy binding. -g0 saves a third of the time to build.
CFLAGS = [
    "-O2", "-g0", "-ffp-contract=off", "-fno-math-errno", "-fcx-limited-range", "-Wno-unreachable-code",
]  # fmt: skip
# What runs in every frame, with the same bits: a tenth faster by -O3, and by up to 5 % without vectors, since its loops
# are of a few turns.
FRAME = ["-O3", "-fno-tree-vectorize"]
# What runs at start or a few times a second, and in no frame: a third of the time to compile.
GLUE = {"ext.bus", "ext.shared", "ext.witness", "tools.plant.serve", "tools.plant.site", "tools.plant.solo"}
LDFLAGS = ["-Wl,-z,now", "-pthread"]
SANITIZE = os.environ.get("STILLWATT_SANITIZE", "")  # "address,undefined" for the fuzz bench
DIRECTIVES = {
    "language_level": 3, "boundscheck": False, "wraparound": False, "cdivision": True,
    "initializedcheck": False, "embedsignature": True,
}  # fmt: skip


SHARED = (
    "ext.shared"  # what Cython would write into every module that takes arrays: a third of the time to build
)


def extensions() -> list[Extension]:
    """One module a .pyx: path == import name, for the frame and for the tools that drive it; and SHARED."""
    extra = [f"-fsanitize={SANITIZE}", "-g"] if SANITIZE else []
    found = sorted([*Path("ext").rglob("*.pyx"), *Path("tools").rglob("*.pyx")])
    only = os.environ.get("STILLWATT_ONLY", "")  # comma-separated module names: rebuild just these
    sources = {".".join(path.with_suffix("").parts): [str(path)] for path in found} | {SHARED: []}
    return [
        Extension(name, source,
                  extra_compile_args=CFLAGS + FRAME * name.startswith("ext.") + extra + ["-Og"] * (name in GLUE),
                  extra_link_args=LDFLAGS + extra,
                  libraries=["m"])
        for name, source in sources.items()
        if not only or name in only.split(",")
    ]  # fmt: skip


IN_PLACE = {"--inplace", "editable_wheel", "develop"}


def safety() -> list[Extension]:
    """The safety step, compiled from the very files that run interpreted in the tests (coverage, mutation).

    Left out of a build in place: beside its source the compiled one would shadow what a developer edits.
    """
    wanted = os.environ.get("STILLWATT_ONLY", "controller.safety") == "controller.safety"
    if IN_PLACE & set(sys.argv) or not wanted:
        return []
    found = [path for path in sorted(Path("controller/safety").glob("*.py")) if path.stem != "__init__"]
    return [Extension(".".join(path.with_suffix("").parts), [str(path)], extra_compile_args=["-O1", "-g0"],
                      extra_link_args=LDFLAGS) for path in found]  # fmt: skip


def modules() -> list[Extension]:
    """Frame and tools with the directives of C, the safety step with those of Python: equal traces (P11)."""
    python = {"language_level": 3, "annotation_typing": False}
    both = ((extensions(), DIRECTIVES, SHARED), (safety(), python, None))
    return [module for found, rules, shared in both if found
            for module in cythonize(found, nthreads=2, build_dir="build/cython", compiler_directives=rules,
                                    shared_utility_qualified_name=shared)]  # fmt: skip


setup(
    name="stillwatt",
    version="0.1.0",
    description="Keeps the grid still while GPUs swing: a battery controller for GPU sites",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=find_packages(include=["controller*", "ext*", "boards*", "tools*"]),
    package_data={"ext": ["*.pxd"], "tools": ["**/*.pxd", "**/*.yaml", "**/*.html", "**/*.gz", "**/LICENSE*"],
                  "boards": ["**/*.yaml", "**/*.service", "**/*.rules", "**/*.json", "**/*.csv.gz", "**/*.md",
                             "**/LICENSE", "**/NOTICE"]},
    ext_modules=modules(),
    install_requires=[
        "numpy>=2.0,<3", "PyYAML>=6.0,<7", "pydantic>=2.7,<3", "pymodbus>=3.16,<4", "pyserial>=3.5,<4",
        "structlog>=24.1", "typer>=0.12,<1", "rich>=13,<17", "highspy>=1.9,<2", "tzdata>=2024.1",
    ],
    extras_require={
        "bench": ["scipy>=1.11,<2"],  # a second opinion on the LP
        "report": ["matplotlib>=3.8,<4"],
        "dev": ["pytest>=8", "pytest-timeout>=2.3", "pytest-xdist>=3.5", "pytest-cov>=5", "hypothesis>=6.100",
                "ruff>=0.6", "pysunspec2>=1.3,<2",
                "minimalmodbus>=2.1,<3",
                "setuptools>=68", "cython>=3.2,<4"],
        "style": ["mypy>=1.11", "cython-lint>=0.16", "types-PyYAML"],
    },
    entry_points={"console_scripts": ["stillwatt = tools.__main__:main"]},
    zip_safe=False,
)  # fmt: skip
