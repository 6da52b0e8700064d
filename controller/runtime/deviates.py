"""Where the fault tables are otherwise than the catalogue, reference/safety.md section 4, and why: level, reset class,
time, name, or what is looked at. What stands here is told by `stillwatt explain`; a test holds every row against it."""

from __future__ import annotations

DEVIATES: dict[str, str] = {  # id: what is otherwise, and its reason
    "F01": "D3, the catalogue's last resort: no other source is as quick as the frame needs it",
    "F02": "a turned meter is found after 3 s, not 1 s: it lags behind the waveform",
    "F03": "a swap of phases alone is seen, and latched at D3, for every power is wrong then; a wrong scale has no row",
    "F04": "D3: no other source is as quick as the frame needs it",
    "F06": "D3: power fades to zero, for no other source is as quick; the frame acts in time, the row tells it 0.2 s "
    "later",
    "F09": "D0: no limit and no plan is made of this sensor; it serves F10's cut and the fit of converters alone",
    "F11": "D0: the frame holds the last value for as long as F06 allows, and judges by itself what is longer",
    "F12": "the second row, D3, is the catalogue's own second step: no power after 60 s",
    "F15": "latched after 2 s, not 0.1 s: a switch on its way stands at none of its positions; closing is barred at "
    "once",
    "F16": "D0 for one that has never answered: it was told nothing in this run, so it is left out and named",
    "F19": "class B alone: a setpoint that is refused is not confirmed, and F16 judges how long that may last",
    "F25": "class B, not C: it is judged as F24 and armed again; the fourth time within an hour becomes class C",
    "F26": "class B alone: the retry clears it; the fourth time within an hour becomes class C",
    "F30": "SAFE_STOP and a latch, not MAINT: the key at the box alone leads to MAINT",
    "F31": "D0: the numbers in use stay until the next commissioning; F64 takes gain where the grid swings for it",
    "F37": "the latch at 60 degC comes after 1 s, not a cycle: one reading may be forged; the power ends at 55 degC",
    "F39": "class B for a contact that is no longer read: that is no fire, and ends by itself",
    "F44": "D0 and class A for a contact that is no longer read: no contactor is known to be welded",
    "F45": "class B, after 2 s, for a contact that is no longer read: that is no insulation fault",
    "F50": "class A: nothing stops, so nothing is tried again; the hold of IL-20 ends by itself",
    "F55": "class A: the row only tells it; the set's own lock is the latch of class C",
    "F58": "the 3 s are those of the catalogue's own detection",
    "F59": "told at 25 % of the tank, not 24, 12 and 4 h before its end: nothing tells what a set burns in an hour",
    "F64": "D0 at first: the gain alone is reduced, for D1 would take the plan, which does not swing; D3 where lower "
    "gain does not end it",
    "F67": "0.1 s, and 0.1 s more, not 50 ms: a frame that hangs sends nothing, and the health relay and the "
    "converters' own watchdogs do not wait for this row",
    "F68": "D3, not D2: of a supervisor that hangs the lease ends first (N1), and then nobody plans",
    "F76": "D0: at D1 the charge would drift for as long as nobody sets the clock; the tariff is flat instead",
    "F83": "D0: what it does to the frame is judged by F66",
    "F86": "class B where the two spoil each other's replies (F16), C where one calls itself otherwise (F28)",
}
