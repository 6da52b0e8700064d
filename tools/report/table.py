"""Reads a result table: true powers of the site, one row a sampling instant."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.floating[Any]]
NEEDED = ("t_s", "load_kw", "grid_kw", "pcs_kw")
FURTHER = ("setpoint_kw", "soc_pct", "pv_kw", "genset_kw", "mode")
SPAN_S_MIN = 3.0  # below this a change over one second says nothing
RATE_HZ_MIN = 50.0  # the band ends at 20 Hz


class ReportError(ValueError):
    """What a person gave cannot be reported on; the text names place, fault and cure."""


@dataclass(frozen=True)
class Table:
    """Columns of one length in kW, s and %; absent ones are zero, an absent mode is -1."""

    rate_hz: float
    t_s: Column
    load_kw: Column
    grid_kw: Column
    pcs_kw: Column
    setpoint_kw: Column
    soc_pct: Column
    pv_kw: Column
    genset_kw: Column
    mode: Column

    @property
    def before_kw(self) -> Column:
        """What the grid would see without the battery."""
        return self.load_kw - self.pv_kw - self.genset_kw


def make_table(columns: dict[str, Column], place: str) -> Table:
    """Checks the columns of one result. Raises ReportError, its text opening with `place`."""
    missing = [name for name in NEEDED if name not in columns]
    if missing:
        raise ReportError(f"{place}: no column {', '.join(missing)}. Needed: {', '.join(NEEDED)}.")
    t_s = columns["t_s"]
    if t_s.size < 2 or t_s[-1] - t_s[0] < SPAN_S_MIN:
        raise ReportError(f"{place}: shorter than {SPAN_S_MIN:g} s. Record longer.")
    broken = [name for name, column in columns.items() if not np.isfinite(column).all()]
    if broken:
        raise ReportError(f"{place}: {', '.join(broken)} holds a value that is no number. Record it again.")
    step_s = float(t_s[-1] - t_s[0]) / (t_s.size - 1)
    if np.abs(np.diff(t_s) - step_s).max() > 0.5 * step_s or step_s > 1 / RATE_HZ_MIN:
        raise ReportError(f"{place}: t_s must rise evenly, at {RATE_HZ_MIN:g} rows a second or more.")
    absent = {name: np.full(t_s.size, -1.0 if name == "mode" else 0.0) for name in FURTHER}
    return Table(
        rate_hz=1 / step_s, **(absent | {name: columns[name] for name in NEEDED + FURTHER if name in columns})
    )


def read_table(path: Path) -> Table:
    """A result from CSV or CSV.gz with a header; columns of other names are left out."""
    try:
        with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as text:
            header = [name.strip() for name in text.readline().split(",")]
            taken = [position for position, name in enumerate(header) if name in NEEDED + FURTHER]
            if not taken:
                raise ReportError(f"{path}:1: no known column. Needed: {', '.join(NEEDED)}.")
            rows = np.loadtxt(text, delimiter=",", usecols=taken, ndmin=2)
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise ReportError(f"{path}: {error}. Name a result table (CSV or CSV.gz).") from None
    except ValueError as error:
        raise error if isinstance(error, ReportError) else ReportError(f"{path}: {error}") from None
    return make_table({header[position]: rows[:, i] for i, position in enumerate(taken)}, str(path))
