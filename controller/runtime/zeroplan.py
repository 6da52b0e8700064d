"""What the zero-writer of a dead service needs, written down by the run itself: lines, units, octets (F65)."""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any

from controller.config.site import Pcs
from controller.devices.check import CheckedSite
from controller.devices.profile import Profile
from controller.runtime import field
from controller.runtime.mistakes import MistakeError
from controller.runtime.zero import FORMAT, PLAN

FORM = "form_word"  # point of a converter that can form a bus: 1 while it does
WAY = ("rs485", "rts_on_send", "rx_trigger_bytes", "echo")


def plan_of(checked: CheckedSite) -> dict[str, Any]:
    """The plan as plain data. fault: why a port cannot be used at all; form: how a unit is asked whether it forms."""
    by_port = groupby(sorted(checked.site.pcs, key=lambda pcs: pcs.port), key=lambda pcs: pcs.port)
    ports = [_port(checked, name, list(units)) for name, units in by_port]
    return {"format": FORMAT, "site": checked.site.name, "ports": ports}


def keep_plan(checked: CheckedSite, record_folder: Path) -> None:
    """Write it beside the state record. Raises OSError."""
    record_folder.mkdir(parents=True, exist_ok=True)
    draft = record_folder / f"{PLAN}.new"
    draft.write_text(json.dumps(plan_of(checked)), encoding="utf-8")
    draft.replace(record_folder / PLAN)


def _port(checked: CheckedSite, name: str, units: list[Pcs]) -> dict[str, Any]:
    """One line with its units; a fault of one is that of all, as nothing of it can be told zero."""
    try:
        settings = field.site_port(checked, name, Path())
        rows = [_unit(checked, unit) for unit in units]
    except MistakeError as error:
        return {"fault": str(error), "units": [{"name": unit.name} for unit in units]}
    way = {key: getattr(settings.host, key) for key in WAY}
    line = {"path": str(settings.path), "baud": settings.baud, "parity": settings.parity}
    return {"fault": "", **line, "way": way, "units": rows}


def _unit(checked: CheckedSite, unit: Pcs) -> dict[str, Any]:
    profile = checked.profiles[unit.profile]
    wanted = field.named_write(checked, unit.name, "setpoint", 0.0)
    form = _form(unit, profile) if FORM in profile.points else None
    return {"name": unit.name, "write": asdict(wanted), "form": form}


def _form(unit: Pcs, profile: Profile) -> dict[str, Any]:
    point = profile.points[FORM]
    question = {"unit": unit.unit, "function": profile.reads[point.read].function, "address": point.address,
                "count": point.size, "timeout_s": profile.wire.timeout_ms / 1000}  # fmt: skip
    return {
        "question": question,
        "words": field.registers(1.0, str(point.type), point.scale, point.low_word_first),
    }
