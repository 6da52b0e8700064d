"""What site file and profiles mean to the rooms that do not read them: Terms for safety, Wisher for plan."""

from __future__ import annotations

from math import inf, sqrt
from typing import Any

from controller.config.site import Meter, Pcs, Unit
from controller.devices.check import CheckedSite
from controller.devices.profile import Profile
from controller.plan.wish import Wisher
from controller.safety.terms import (
    SETTLE_S,
    TOLERANCE_KW,
    CellRow,
    CellTable,
    FallbackTerms,
    Part,
    SetPart,
    Shed,
    Terms,
)

TOLERANCE_PU = 0.05  # F20

GUARDED = ("pcs", "bms", "meters")  # gensets and switches concern the fallback alone


def terms(checked: CheckedSite) -> Terms:
    """The numbers that safety needs, each the tightest of site file and profile."""
    site = checked.site
    ramp_up_kw_per_s, ramp_down_kw_per_s = site.utility.ramps_kw_per_s(site.control.ramp_kw_per_s_max)
    curtailed_kw = site.grid.curtailed_kw()
    return Terms(
        parts=tuple(
            part(unit, checked.profiles[unit.profile]) for path, unit in site.units() if path[0] in GUARDED
        ),
        voltage_v=site.grid.voltage_v / sqrt(3.0),
        frequency_hz=float(site.grid.frequency_hz),
        enter_service_s=site.grid.enter_service_s,
        import_kw_max=site.grid.import_kw_max,
        export_kw_max=site.grid.export_kw_max,
        curtailed_import_kw_max=curtailed_kw[0],
        curtailed_export_kw_max=curtailed_kw[1],
        soc_pct_min=site.battery.soc_pct_min,
        soc_pct_max=site.battery.soc_pct_max,
        ramp_up_kw_per_s_max=ramp_up_kw_per_s,
        ramp_down_kw_per_s_max=ramp_down_kw_per_s,
        lease_s=site.control.lease_s,
        clear_hold_s=site.control.clear_hold_s,
        # With sensors at the connection alone the frame's load is already net of the sun.
        pv_kw_max=site.pv.kw_max if "load_ia" in site.sampling.channels else 0.0,
        frame_s=1.0 / site.sampling.rate_hz,
        ports=tuple(site.ports),
        capacity_kwh=site.battery.capacity_kwh,
        round_trip_pu=site.battery.charge_efficiency_pu * site.battery.discharge_efficiency_pu,
        soc_error_pct=site.battery.soc_error_pct,
        full_cell_v=site.battery.full_cell_v,
        empty_cell_v=site.battery.empty_cell_v,
        dc_v_max=inf if site.battery.dc_v_max is None else site.battery.dc_v_max,
        cells=CellTable(
            site.battery.cells.soc_pct,
            tuple(CellRow(x.cell_c, x.charge_pu, x.discharge_pu) for x in site.battery.cells.rows),
        ),
        inputs=tuple(name for name, _ in site.inputs.wired()),
        fallback=fallback(checked),
    )


def fallback(checked: CheckedSite) -> FallbackTerms | None:
    """Life without the grid, where the site has it: the options by their own names."""
    site = checked.site
    if site.fallback is None:
        return None
    options, switch = site.fallback, site.switches[0]
    positions = {"source-1": switch.source_1, "source-2": switch.source_2, "open": "open"}
    times: dict[str, Any] = {}
    for section in (options.island, options.back, options.transfer, options.genset):
        times |= dict(section)
    closed, automatic = times.pop("transition") == "closed", times.pop("black_start") == "automatic"
    return FallbackTerms(
        frequency_hz=float(site.grid.frequency_hz),
        switch=switch.name,
        positions=positions,
        switch_orders={place: state for state, place in positions.items()},
        grid_word="source_1_word" if switch.source_1 == "grid" else "source_2_word",
        switch_stale_s=stale_s(checked, switch),
        ports=tuple(sorted({unit.port for unit in (switch, *site.gensets)})),
        sets=tuple(SetPart(unit.name, unit.kw_max, stale_s(checked, unit)) for unit in site.gensets),
        sheds=tuple(Shed(x.name, x.kw, x.soc_pct) for x in options.sheds),
        shed_hold_s=options.shed_hold_s,
        closed=closed,
        auto_black_start=automatic,
        **times,
    )


def stale_s(checked: CheckedSite, unit: Unit) -> float:
    """Age from which a device's values are stale, s."""
    return part(unit, checked.profiles[unit.profile]).stale_s


def part(unit: Unit, profile: Profile) -> Part:
    """One device: how often it is read, what it may call itself, what it may do."""
    most_kw = profile.rating_kw_max
    limits_kw = (unit.discharge_kw_max, unit.charge_kw_max) if isinstance(unit, Pcs) else (0.0, 0.0)
    discharge_kw_max, charge_kw_max = (kw if most_kw is None else min(kw, most_kw) for kw in limits_kw)
    rating_kw = max(discharge_kw_max, charge_kw_max)
    return Part(
        name=unit.name,
        kind=profile.kind,
        period_s=max(read.period_ms for read in profile.reads.values() if read.live) / 1000.0,
        accepted=profile.identity.accepted if profile.identity is not None else (),
        discharge_kw_max=discharge_kw_max,
        charge_kw_max=charge_kw_max,
        can_form={"form", "follow"} <= profile.orders.keys(),
        can_arm=profile.watchdog is not None and "arm" in profile.orders,
        watchdog_s=_watchdog_s(profile),
        measures=unit.measures if isinstance(unit, Meter) else "",
        order_states={name: order.states for name, order in profile.orders.items() if order.states},
        port=unit.port,
        settle_s=settle_s(unit) if isinstance(unit, Pcs) else SETTLE_S,
        tells_cell_c=profile.kind == "bms" and {"cell_c_min", "cell_c_max"} <= profile.points.keys(),
        tolerance_kw=max(TOLERANCE_PU * rating_kw, TOLERANCE_KW),
    )


def _watchdog_s(profile: Profile) -> float:
    """After which time a silent converter has ended its command; a watchdog that our reads feed ends nothing."""
    watchdog = profile.watchdog
    return watchdog.timeout_s if watchdog is not None and watchdog.fed_by == "write" else inf


def settle_s(pcs: Pcs) -> float:
    """Setpoint sent to its power measured, at worst: a full swing by the unit's own ramp, then five lags."""
    return SETTLE_S + pcs.dead_time_ms / 1000.0 + 5.0 * pcs.lag_ms / 1000.0 + 2.0 / pcs.slew_pu_per_s


def wisher(checked: CheckedSite) -> Wisher:
    """The slow wish of the site."""
    site = checked.site
    rating_kw = sum(max(pcs.discharge_kw_max, pcs.charge_kw_max) for pcs in site.pcs)
    ramp_kw_per_s = site.control.ramp_kw_per_s_max
    battery, valley_kw = site.battery, site.control.valley_kw
    kept_kwh = battery.reserve_kwh + battery.fallback_kwh
    soc_pct_low = battery.soc_pct_min + 100.0 * kept_kwh / battery.capacity_kwh
    return Wisher(
        battery.soc_pct_target, rating_kw, ramp_kw_per_s, site.tariff, sun(checked), valley_kw, battery.reserve_kw,
        soc_pct_low,
    )  # fmt: skip


def sun(checked: CheckedSite) -> tuple[str, ...]:
    """Meters whose power the sensors of the load do not see; at the connection alone it is in their load already."""
    if "load_ia" not in checked.site.sampling.channels:
        return ()
    return tuple(meter.name for meter in checked.site.meters if meter.measures == "pv")
