"""Status and tables as a person reads them in a terminal."""

from __future__ import annotations

from typing import Any


def status(seen: dict[str, Any], age_s: float, stale: bool) -> str:
    """What status.json holds, in words; age_s: since it was written."""
    head = f"{seen['site']}: {seen['mode']} for {seen['mode_s']:.0f} s ({seen['reason']})"
    lines = [f"not running: the last status is {age_s:.0f} s old", head] if stale else [head]
    if seen["waiting"]:
        lines.append(f"  {seen['waiting']}")
    powers = ("load_kw", "grid_kw", "pcs_kw", "target_kw", "soc_pct", "soc_pct_low", "soc_pct_high")
    lines.append("  " + "  ".join(f"{name} {_number(seen[name])}" for name in powers))
    lines += _planned(seen.get("plan"))
    if seen["slow_law"]:
        lines.append(f"  {seen['slow_law']}")
    for name, used in seen["follows"].items():
        source = "measured" if used["measured"] else "by the site file"
        numbers = f"dead time {used['dead_time_ms']:.1f} ms, lag {used['lag_ms']:.1f} ms"
        lines.append(f"  {name:<16} {numbers}, slew {used['slew_pu_per_s']:.3g} ratings/s, {source}")
    for name, device in seen["devices"].items():
        lines.append(f"  {name:<16} {device['state']:<10} age {_number(device['age_s'])} s")
    for found in seen["conditions"]:
        lines.append(
            f"  {found['code']} {found['name']} ({found['unit']}): {found['cause']}. Cure: {found['cure']}"
        )
    return "\n".join(lines)


def _planned(plan: dict[str, Any] | None) -> list[str]:
    """The slow loop: where the decision comes from, how old the plan is, how each feed fares."""
    if plan is None:
        return []
    age = "no plan" if plan["age_s"] is None else f"plan {plan['age_s'] / 60:.0f} min old"
    lines = [f"  {plan['rung']}: {plan['pcs_kw']:.0f} kW, {plan['reason']}; {age}"]
    for feed in plan["feeds"]:
        state = "believed" if feed["used"] else "not believed"
        fault = f"; {feed['fault']}" if feed["fault"] else ""
        lines.append(f"  feed {feed['name']:<11} {state:<13} age {_number(feed['age_s'])} s{fault}")
    return lines


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def grid(rows: list[dict[str, Any]]) -> str:
    """Rows as aligned text, the names on top."""
    cells = [list(rows[0])] + [[_cell(value) for value in row.values()] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join("  " + "  ".join(map(str.ljust, line, widths)).rstrip() for line in cells)


def _cell(value: Any) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)
