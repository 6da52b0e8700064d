"""The connection to the grid: what the contract allows, and what is left of it while the operator curtails."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from controller.config.option import REQUIRED, Fault, Section, option

CURTAILED = ("curtailed_import_kw_max", "curtailed_export_kw_max")


class Grid(Section):
    """The connection to the grid."""

    voltage_v: float = option(REQUIRED, "line to line at the connection", low=100, high=400_000)
    frequency_hz: Literal[50, 60] = option(50, "nominal frequency", why="Europe and most of the world")
    import_kw_max: float = option(REQUIRED, "most that may be drawn, of the contract", low=0, high=1_000_000)
    export_kw_max: float = option(REQUIRED, "most that may be fed in", low=0, high=1_000_000)
    curtailed_import_kw_max: float | None = option(
        None, "most that may be drawn while `inputs.curtail` is active or no longer read (F61)",
        low=0, high=1_000_000, why="most contracts curtail one direction alone",
    )  # fmt: skip
    curtailed_export_kw_max: float | None = option(
        None, "most that may be fed in while `inputs.curtail` is active or no longer read (F61)",
        low=0, high=1_000_000, why="most contracts curtail one direction alone",
    )  # fmt: skip
    enter_service_s: float = option(
        300, "how long the grid must be healthy before power flows", low=0, high=3600,
        why="IEEE 1547 default; a bench feeder may use less",
    )  # fmt: skip

    def curtailed_kw(self) -> tuple[float, float]:
        """Most import and export while the grid operator curtails, kW: the contract's where none is stated."""
        import_kw, export_kw = self.curtailed_import_kw_max, self.curtailed_export_kw_max
        return (
            self.import_kw_max if import_kw is None else import_kw,
            self.export_kw_max if export_kw is None else export_kw,
        )

    def faults(self) -> Iterator[Fault]:
        """A curtailment leaves no more than the contract."""
        for name in ("import_kw_max", "export_kw_max"):
            kw, contract_kw = getattr(self, f"curtailed_{name}"), getattr(self, name)
            if kw is not None and kw > contract_kw:
                yield Fault(
                    (f"curtailed_{name}",),
                    f"is {kw:g}; {name} is {contract_kw:g} and holds always. Lower it.",
                )

    def curtailment_faults(self, wired: bool) -> Iterator[Fault]:
        """A curtailment has its contact and at least one limit, or neither. Paths are the site's."""
        stated = [name for name in CURTAILED if getattr(self, name) is not None]
        if wired and not stated:
            yield Fault(
                ("inputs", "curtail"),
                f"curtails nothing: grid has neither {' nor '.join(CURTAILED)}. Add what the grid operator leaves.",
            )
        if stated and not wired:
            yield Fault(
                ("grid", stated[0]),
                "never holds: inputs has no curtail. Wire the contact or remove the line.",
            )
