"""The frame is plain C: no Python object, call or lock in what runs at 10 kHz."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from Cython.Compiler.Main import CompilationOptions, compile

from tests.tidy.source import HOUSE, files, read

DEFINED = re.compile(r"^[ ]*cdef\s+[^(=\n]*?(\w+)\([^)]*\)[^:\n]*\bnogil:\s*(?:#.*)?$", re.M)
PYTHON = re.compile(r"\b(__Pyx_\w+|Py(?!_ssize_t\b|MODINIT)[A-Z_]\w*)")


def nogil_names(text: str) -> set[str]:
    """Names of the functions a .pyx defines without the GIL."""
    return {hit[1] for hit in DEFINED.finditer(text)}


def bodies(text: str, name: str) -> list[str]:
    """Every C definition of a cdef function: from its head to the brace in the first column."""
    head = re.compile(
        rf"^(?:static |CYTHON_INLINE )[^;\n]*\b__pyx_f_\w*?_{name}\([^;\n]*\{{.*?^\}}", re.M | re.S
    )
    return [re.sub(r"/\*.*?\*/", "", hit[0], flags=re.S) for hit in head.finditer(text)]


def python_calls(pyx: str, c: str) -> list[str]:
    """`function: call` for each Python API name in the C of the functions without the GIL."""
    found = []
    for name in sorted(nogil_names(pyx)):
        code = bodies(c, name)
        if not code:
            found.append(f"{name}: not found in the generated C")
        found += [f"{name}: {call}" for body in code for call in sorted(set(PYTHON.findall(body)))]
    return found


def cythonize(folder: Path, body: str) -> tuple[Path, int]:
    """Runs Cython, as setup.py would, on a planted function; returns the file and its errors."""
    pyx = folder / "planted.pyx"
    pyx.write_text(f"cdef void law_step(double *x) noexcept nogil:\n    {body}\n")
    directives = dict.fromkeys(("boundscheck", "wraparound", "initializedcheck"), False) | {"cdivision": True}
    options = CompilationOptions(language_level=3, compiler_directives=directives)
    return pyx, compile(str(pyx), options).num_errors


def planted_calls(folder: Path, body: str) -> list[str]:
    """python_calls() of a planted function."""
    pyx, errors = cythonize(folder, body)
    assert errors == 0
    return python_calls(read(pyx), read(pyx.with_suffix(".c")))


@pytest.mark.parametrize("pyx", files(HOUSE / "ext", ".pyx"), ids=lambda path: path.stem)
def test_the_frame_calls_no_python(pyx: Path) -> None:
    """Goal: the C of every nogil function has no Python API. Method: read what the build generated."""
    c = HOUSE / "build" / "cython" / "ext" / pyx.with_suffix(".c").name
    assert c.is_file(), "not built. Run: python setup.py build_ext --inplace"
    assert nogil_names(read(pyx)), "the reader must see the functions at all"
    assert python_calls(read(pyx), c.read_text()) == []


@pytest.mark.parametrize("body", ["print(x[0])", "a = [x[0]]", "len('abc')"])
def test_a_planted_python_call_stops_the_build(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], body: str
) -> None:
    """Goal: nogil is a proof. Method: Cython must refuse a Python call in such a function, and say why."""
    _, errors = cythonize(tmp_path, body)
    assert errors > 0
    assert "without gil" in capsys.readouterr().err


@pytest.mark.parametrize(
    "body", ["with gil:\n        x[0] = float('1')", "raise ValueError", "assert x[0] > 0"]
)
def test_a_lock_taken_inside_is_caught(tmp_path: Path, body: str) -> None:
    """Goal: what Cython allows under nogil but takes the lock is seen in the C. Method: plant it."""
    assert planted_calls(tmp_path, body) != []


def test_plain_arithmetic_passes(tmp_path: Path) -> None:
    """Goal: no false alarm. Method: division, loop and libc-free arithmetic."""
    assert planted_calls(tmp_path, "x[0] = x[1] / x[2] + x[3]") == []
