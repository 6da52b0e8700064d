"""Rows of the fault table about the waveform's inputs: what the frame marks, and what other instruments contradict."""

from __future__ import annotations

from math import isnan, nan

from controller.image import Quality
from controller.safety.look import Look, Number, Row, at
from controller.state import Effect
from controller.units import ns

WIRED_PU_MIN = 0.1  # F02: power, of the import limit, whose direction is beyond doubt
TURNED_S = 3.0  # F02: longer than a meter lags behind
DC_DRIFT_PU = 0.02  # F09: the bus sensor against the converter's
DC_OVER_PU = 1.02  # F10: beyond the BMS's limit by more than the sensor may be wrong
MISSED_MAX, MISSED_S = 5, 1.0  # F11


def _waveform(bit: Quality) -> Number:
    """1 while the frame marks a feeder with this bit; nan before the first sample."""

    def signal(look: Look) -> float:
        track = look.telemetry.track
        absent = track.grid_quality & Quality.ABSENT
        marks = track.quality if absent else track.quality | track.grid_quality
        return float(bool(marks & bit)) if track.t_ns else nan

    return signal


def _grid_turned(look: Look) -> float:
    """1 while transformers at the connection and the grid meter see the power flow in opposite directions."""
    track, least_kw = look.telemetry.track, WIRED_PU_MIN * look.terms.import_kw_max
    if look.part is None or look.part.measures != "grid" or not look.fresh or look.device is None:
        return nan
    meter_kw = look.device.values.get("power_kw", nan)
    if track.grid_quality & Quality.ABSENT or isnan(meter_kw):
        return nan
    low_kw, high_kw = sorted((meter_kw, track.grid_200ms_kw))
    return float(low_kw < -least_kw and high_kw > least_kw)


def _dc_drift_pu(look: Look) -> float:
    dc_v = look.device.values.get("dc_v", nan) if look.device is not None and look.fresh else nan
    track = look.telemetry.track
    return nan if track.dc_quality or not dc_v > 0 else abs(track.dc_v - dc_v) / dc_v


def _dc_over_pu(look: Look) -> float:
    v_max = look.device.values.get("charge_v_max", nan) if look.device is not None and look.fresh else nan
    track = look.telemetry.track
    return nan if track.dc_quality or not v_max > 0 else track.dc_v / v_max


def _charge_cuts(look: Look) -> float:
    """Cuts of the frame since the last cycle: the bus may be calm again by now."""
    return float(look.telemetry.frame.charge_cuts - look.previous.frame.charge_cuts)


def _discharge_cuts(look: Look) -> float:
    return float(look.telemetry.frame.discharge_cuts - look.previous.frame.discharge_cuts)


def _missed(look: Look) -> float:
    """Ticks of the last second that brought no sample; nan: not watched for so long."""
    since_ns = look.t_ns - ns(MISSED_S)
    old = next((counts for counts in reversed(look.previous.counts) if counts.t_ns <= since_ns), None)
    return nan if old is None else float(look.telemetry.frame.samples_missed - old.missed)


WAVEFORM_ROWS = (
    Row("F01", "ct-open", "site", _waveform(Quality.OPEN), at(0.5), "A", Effect.STOP,
        "one phase of a current or voltage input carries next to nothing while its sisters do",
        "look for an open secondary circuit: short it at the terminals before you touch it"),
    Row("F02", "ct-reversed", "site", _waveform(Quality.REVERSED), at(0.5), "C", Effect.STOP,
        "a current or voltage input is turned around",
        "turn the transformer's two wires, or the sign of a_per_v, of the phase whose power is negative"),
    Row("F02", "ct-reversed", "meter", _grid_turned, at(0.5), "C", Effect.STOP,
        "the waveform at the connection and {subject} see the power flow in opposite directions",
        "turn the sign of a_per_v of the pcc_i channels, or of the meter's power in its profile", hold_s=TURNED_S),
    Row("F03", "ct-swapped", "site", _waveform(Quality.SWAPPED), at(0.5), "C", Effect.STOP,
        "phases are swapped among the current or voltage inputs",
        "exchange the inputs of the two phases in sampling.channels; the order is a, b, c clockwise"),
    Row("F04", "adc-stuck", "site", _waveform(Quality.STUCK), at(0.5), "A", Effect.STOP,
        "a waveform input has shown the same code 200 times", "check the converter and its cable"),
    Row("F05", "adc-saturated", "site", _waveform(Quality.SATURATED), at(0.5), "A", Effect.NOTE,
        "a waveform input is at the converter's rail", "use a smaller burden or a larger range", clear_s=1.0),
    Row("F07", "not-finite", "site", _waveform(Quality.NOT_FINITE), at(0.5), "A", Effect.STOP,
        "the calibration of a waveform input is no number", "mend the channel, or the scale in the ring's header"),
    Row("F09", "dcbus-drift", "pcs", _dc_drift_pu, at(DC_DRIFT_PU), "A", Effect.NOTE,
        "the DC bus input and {subject} differ by {value:.1%} in voltage, allowed {limit:.0%}",
        "calibrate dc_v: v_per_v and offset_counts", hold_s=1.0),
    Row("F10", "dcbus-overvoltage", "bms", _dc_over_pu, at(DC_OVER_PU), "B", Effect.NO_CHARGE,
        "the DC bus is at {value:.1%} of what {subject} allows", "none: charging waits until the voltage is back"),
    Row("F10", "dcbus-overvoltage", "site", _charge_cuts, at(0.5), "B", Effect.NO_CHARGE,
        "the DC bus was above its limit, and the frame has cut the charge",
        "none: charging waits until the voltage is back; often: see what lifts it"),
    Row("F11", "sample-jitter", "site", _missed, at(MISSED_MAX), "A", Effect.NOTE,
        "{value:.0f} ticks within a second brought no sample, allowed {limit:.0f}",
        "look at the clock of the converter, its cable and the load of the program that fills the sample ring"),
    Row("F63", "load-rejection", "site", _discharge_cuts, at(0.5), "A", Effect.NOTE,
        "power flowed out of the source beyond what is allowed, and the frame has cut the discharge",
        "none once: the load has gone; often: look for power that no sensor sees, or a slower converter than thought",
        clear_s=1.0),
)  # fmt: skip
