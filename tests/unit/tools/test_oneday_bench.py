"""The one-day bench: ours is the hand's optimum by the printed digit; an environment without EMHASS is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tools.bench.oneday import HOURS, by_hand, main, no_worse, ours


def test_ours_is_the_optimum_by_hand() -> None:
    """Goal: cost and peak to the digit. Method: 26000 kWh, 0.0851 of each kWh lost, 21 a kW: 49054.64 and 1090.10."""
    mine, hand = ours(np.ones(HOURS)), by_hand()
    assert (f"{mine.cost:.2f}", f"{mine.peak_kw:.2f}") == ("49054.64", "1090.10")
    assert (f"{hand.cost:.2f}", f"{hand.peak_kw:.2f}") == ("49054.64", "1090.10")
    assert no_worse(mine, hand, sharp=True)
    assert not no_worse(ours(np.full(HOURS, 1.0001)), hand, sharp=False)


def test_an_environment_without_emhass_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Goal: a mistake, not a traceback. Method: a Python that is not there."""
    assert main(["--python", str(tmp_path / "python")]) == 2
    assert "pip install emhass" in capsys.readouterr().out
