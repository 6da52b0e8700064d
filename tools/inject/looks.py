"""What shows on the averaged site that a fault has been met: the looks of the injectors."""

from __future__ import annotations

from collections.abc import Callable
from math import isnan

from controller.image import Mode
from tools.averaged.run import AveragedRun

Look = Callable[[AveragedRun], bool]


def pcs_name(run: AveragedRun, place: int = 0) -> str:
    """One converter's name."""
    return list(run.world.pcs)[place % len(run.world.pcs)]


def device_of(run: AveragedRun, kind: str) -> str:
    """The first device of a kind."""
    if kind == "ats" and run.terms.fallback is not None:
        return run.terms.fallback.switch
    return next(part.name for part in run.terms.parts if part.kind == kind)


def zero(run: AveragedRun) -> bool:
    """No power of ours is allowed any more."""
    limits = run.limits
    return limits is not None and not sum(limits.discharge_kw_max) + sum(limits.charge_kw_max)


def left_out(place: int, others: bool = False) -> Look:
    """That converter is allowed nothing; others: the site goes on, and they are allowed something."""

    def seen(run: AveragedRun) -> bool:
        if run.limits is None:
            return False
        kw = [
            give + take
            for give, take in zip(run.limits.discharge_kw_max, run.limits.charge_kw_max, strict=True)
        ]
        here = place % len(run.world.pcs)
        carried = run.mode == Mode.GRID_TIED and sum(kw[:here] + kw[here + 1 : len(run.world.pcs)]) > 0.0
        return kw[here] == 0.0 and (carried or not others)

    return seen


def derated(share_pu: float) -> Look:
    """The site goes on with that share of its power, both ways, at most."""

    def seen(run: AveragedRun) -> bool:
        if run.limits is None or run.mode != Mode.GRID_TIED:
            return False
        give_kw, take_kw = sum(run.limits.discharge_kw_max), sum(run.limits.charge_kw_max)
        most_kw = share_pu * run.terms.discharge_kw_max, share_pu * run.terms.charge_kw_max
        return 0.0 < give_kw <= most_kw[0] + 1e-6 and 0.0 < take_kw <= most_kw[1] + 1e-6

    return seen


def curtailed(run: AveragedRun) -> bool:
    """The site goes on, and draws no more than a curtailment leaves."""
    limits = run.limits
    return (
        limits is not None
        and run.mode == Mode.GRID_TIED
        and sum(limits.discharge_kw_max) > 0.0
        and limits.import_kw_max == run.terms.curtailed_import_kw_max
    )


def within_word(discharge_kw: float, charge_kw: float) -> Look:
    """The first converter is told no more than it says it can do, in both directions."""

    def seen(run: AveragedRun) -> bool:
        limits = run.limits
        return (
            limits is not None
            and limits.discharge_kw_max[0] <= discharge_kw
            and limits.charge_kw_max[0] <= charge_kw
        )

    return seen


def no_charge(run: AveragedRun) -> bool:
    """The lease allows no charging."""
    return run.limits is not None and sum(run.limits.charge_kw_max) == 0.0


def told(code: str) -> Look:
    """A condition with this id is active."""
    return lambda run: any(c.code == code for c in run.state.conditions.active)


def told_and_kept(code: str) -> Look:
    """The same, and no limit has changed."""
    return lambda run: told(code)(run) and limits_kept(run)


def in_mode(*modes: Mode) -> Look:
    """The site is in one of these modes."""
    return lambda run: run.mode in modes


def frozen(run: AveragedRun) -> bool:
    """Told, and no closing is ordered any more."""
    fallback, orders = run.terms.fallback, run.outputs.orders if run.outputs is not None else {}
    if fallback is None or not told("F53")(run):
        return False
    return orders.get(fallback.switch, "") in ("", fallback.switch_orders["open"])


def refused(run: AveragedRun) -> bool:
    """A command of the last cycle was refused."""
    return run.outputs is not None and bool(run.outputs.refused)


def limits_kept(run: AveragedRun) -> bool:
    """Full limits, finite, at a healthy site whatever the wish says."""
    limits = run.limits
    return (
        limits is not None and run.mode == Mode.GRID_TIED and sum(limits.discharge_kw_max) > 0.0
        and limits.import_kw_max == run.terms.import_kw_max and not isnan(limits.leak_kw + limits.gain)
        and 0.0 <= limits.gain <= 1.0 and 0.0 <= limits.ramp_up_kw_per_s_max <= run.terms.ramp_up_kw_per_s_max
    )  # fmt: skip


def set_carried(run: AveragedRun) -> bool:
    """No genset carries more than nine tenths of its rating."""
    return all(g.kw <= 0.9 * g.kw_max + 1.0 for g in run.world.gensets.values())


def starts_bounded(run: AveragedRun) -> bool:
    """No genset was started more often than an hour allows."""
    most = run.terms.fallback.starts_per_h_max if run.terms.fallback is not None else 0
    return all(genset.starts <= most for genset in run.world.gensets.values())


def in_step(run: AveragedRun) -> bool:
    """No source was ever closed onto a live bus out of step."""
    return run.world.switch.clashes == 0


def no_backfeed(run: AveragedRun) -> bool:
    """No converter ever formed a bus that is tied to a dead grid."""
    return run.world.backfeed_s == 0.0


def discharge_bounded(run: AveragedRun) -> bool:
    """What may be discharged is no more than the load takes and the contract lets out."""
    limits = run.limits
    return (
        limits is not None
        and sum(limits.discharge_kw_max) <= run.world.load_kw + run.terms.export_kw_max + 1.0
    )


def shed(run: AveragedRun) -> bool:
    """A stage of load is off."""
    return run.state.hall.shed_stage > 0


def barred(run: AveragedRun) -> bool:
    """No power, and nothing is written to a port."""
    return zero(run) and run.limits is not None and run.limits.permit >= 256


def silent(run: AveragedRun) -> bool:
    """Nothing may be written at all."""
    return run.limits is not None and run.limits.permit == 0 and zero(run)


def power_gone(run: AveragedRun) -> bool:
    """Every converter is at zero."""
    return all(c.kw == 0.0 for c in run.world.pcs.values())
