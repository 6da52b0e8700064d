"""The unit suffixes, the sign convention and the few conversions. kW, kWh, V, A, Hz, _c, _pct, _s, _ns."""

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
NS_PER_US = 1_000

SUFFIXES = (
    "kw", "kwh", "kvar", "v", "a", "hz", "c", "pct", "pu", "s", "ms", "us", "ns",
    "kw_per_s", "pu_per_s", "a_per_v", "v_per_v", "counts", "h", "per_kw", "per_kwh", "per_eur", "pct_per_h",
)  # fmt: skip


def ns(seconds: float) -> int:
    """Seconds to whole nanoseconds."""
    return round(seconds * NS_PER_S)


def seconds(t_ns: int) -> float:
    """Nanoseconds to seconds."""
    return t_ns / NS_PER_S
