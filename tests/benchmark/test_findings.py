"""The paper's two findings on tables made by hand."""

import numpy as np
import pytest

from benchmark.findings import findings
from benchmark.privacy.indicator_name import Indicator
from tests.benchmark.test_tables import result, rows

#: Deviations of four runs around a mean.
WIDE = np.array([-1.0, 1, -1, 1])


def made(**effects):
    """Return a cell whose quantizers have these effects, of every run or one for each."""
    of = {"float32": 0.9, **{name.replace("_", "-"): effect for name, effect in effects.items()}}
    rates = np.full(4, 1e-3)
    return result(*(rows(name, rates, 1.0, 0.2).assign(effect=effect) for name, effect in of.items()))


@pytest.mark.parametrize(
    ("effects", "expected"),
    [
        (
            {"sign": 0.6, "ternary_33": 0.5, "ternary_90": 0.1},
            ["confirmed: ternary-90 is the most private", "confirmed: sign is less private than ternary-33"],
        ),
        (
            {"sign": 0.05, "ternary_33": 0.5, "ternary_90": 0.1},
            [
                "refuted: sign is the most private, ternary-90 the 2. of 4",
                "refuted: sign is more private than ternary-33",
            ],
        ),
        (
            {"sign": 0.5 + WIDE, "ternary_33": 0.5 - WIDE, "ternary_90": 0.1},
            [
                "confirmed: ternary-90 is the most private, though not told apart from sign, ternary-33",
                "neither confirmed nor refuted: sign and ternary-33 are not told apart",
            ],
        ),
        (
            {"sign": 0.5, "ternary_33": 0.05 + 0.3 * WIDE, "ternary_90": 0.1},
            [
                "neither confirmed nor refuted: ternary-33 is not told apart from ternary-90",
                "confirmed: sign is less private than ternary-33",
            ],
        ),
    ],
)
def test_findings_by_the_membership_effect(effects, expected):
    assert list(findings(made(**effects), Indicator.MEMBERSHIP)) == expected


def test_findings_by_the_plain_indicator_go_by_its_own_figures():
    steps = np.arange(4) * 1e-4
    rates = {"float32": 1e-3, "sign": 5e-3, "ternary-33": 4e-3, "ternary-90": 2e-3}
    cell = result(*(rows(name, rate + steps, 1.0, 0.2) for name, rate in rates.items()))
    assert list(findings(cell, Indicator.PLAIN)) == [
        "refuted: sign is the most private, ternary-90 the 3. of 4",
        "refuted: sign is more private than ternary-33",
    ]
