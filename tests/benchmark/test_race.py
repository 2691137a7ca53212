"""The race for the plain indicator, from the command's settings to the rows of a cell."""

from dataclasses import replace

import numpy as np
import pytest

from benchmark.execute import Settings, measure
from benchmark.privacy.indicator import resolution
from models.heads import HeadConfig
from tasks.catalogue import get_task
from tasks.task import DataOptions


@pytest.fixture
def settings(tmp_path):
    return Settings(
        None, ("float32", "sign", "ternary-90"), 4, results=tmp_path / "results", head=HeadConfig((16,), 12),
        attacks=False, device="cpu",
    )  # fmt: skip


def test_a_raced_cell_has_the_rows_of_the_whole_one_but_for_its_resolution(settings, own_cache):
    task = get_task("gaussian-modes")
    whole = measure(task, DataOptions(), settings)
    raced = measure(task, DataOptions(), replace(settings, race=True))
    assert (whole.facts["race"], raced.facts["race"]) == (False, True)
    assert whole.facts["key"] != raced.facts["key"]
    plain = ["rate", "rate_corrected", "reference"]
    np.testing.assert_array_equal(raced.rows.drop(columns=plain), whole.rows.drop(columns=plain))
    floor = resolution(int(whole.rows["records"].iloc[0]))
    assert ((raced.rows["rate"] - whole.rows["rate"]).abs() <= floor).all()
    assert np.isclose(raced.rows["rate"], whole.rows["rate"], rtol=1e-9).any()
    assert not np.array_equal(raced.rows["rate"], whole.rows["rate"])  # in its last digits at least
