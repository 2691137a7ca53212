"""Heads trained on the whole pool, against training them plainly, and what the table says of them."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from benchmark import full_pool as module
from benchmark.execute import Settings, measure
from benchmark.full_pool import SEEDS, full_pool
from benchmark.report import Report
from benchmark.tables import summarise
from benchmark.training_set import TrainOn
from models.quantizers import QUANTIZERS
from models.train_bank import train_block
from tasks.task import DataOptions, Kind
from tests.benchmark.test_evaluate import cell
from tests.benchmark.test_execute import HEAD, task
from tests.listener import Listener


def test_rows_are_those_of_heads_that_saw_every_record():
    base = cell(4)
    found = full_pool(base)
    assert found.groupby("quantizer").size().to_dict() == {"float32": SEEDS, "sign": SEEDS}
    from benchmark.cell_data import cell_data

    data = cell_data(base)
    everyone = np.ones((SEEDS, len(data.pool)), dtype=bool)
    bank = train_block(data.kind, data.pool, data.pool_labels, everyone, base.protocol.head, 0, 1_000_000)
    for name in ("float32", "sign"):
        rows = found[found["quantizer"] == name]
        for run in range(SEEDS):
            hidden = data.test
            weights = [QUANTIZERS[name].quantize(w[run, -1]).dequantize() for w in bank.snapshots.weights]
            for place, (weight, bias) in enumerate(zip(weights, bank.snapshots.biases, strict=True)):
                hidden = hidden @ weight.T + bias[run, -1]
                hidden = hidden.relu() if place < len(weights) - 1 else hidden
            predicted = hidden * bank.spread[run] + bank.centre[run]
            error = float((predicted - data.test_labels).square().mean().sqrt())
            assert rows["rmse"].iloc[run] == pytest.approx(error, rel=1e-4)
    assert found["rmse"].nunique() == 2 * SEEDS  # other initial weights each


def test_what_is_there_is_not_trained_again(monkeypatch):
    whole = full_pool(cell(4))
    monkeypatch.setattr(module, "train_block", None)
    pd.testing.assert_frame_equal(full_pool(cell(4)), whole)


@pytest.mark.parametrize("kind", list(Kind))
def test_the_table_tells_mean_and_deviation(kind, tmp_path):
    settings = Settings("ecfp", ["sign"], 4, results=tmp_path, head=HEAD, attacks=False, train_on=TrainOn.ALL)
    result = measure(task(kind=kind), DataOptions(), settings)
    assert result.full_pool is not None
    table, metric = summarise(result).set_index("quantizer"), result.facts["metric"]
    values = result.full_pool.pivot_table(index="quantizer", columns="run", values=str(metric))
    for name in ("float32", "sign"):
        row = table.loc[name]
        assert row["full_performance"] == pytest.approx(values.loc[name].mean())
        assert row["full_sd"] == pytest.approx(np.std(values.loc[name], ddof=1))
        assert row["full_runs"] == SEEDS
    assert table.loc["float32", "full_relative"] == 1
    report = Report.of(result)
    assert "whole pool" in report.markdown()
    assert any(note.startswith("whole pool: ") for note in report.notes())


def test_what_the_source_asks_for_is_told_where_its_split_is_followed(tmp_path):
    settings = Settings("ecfp", ["sign"], 4, results=tmp_path, head=HEAD, attacks=False, train_on=TrainOn.ALL)
    asked = replace(task(), protocol="The source asks for seven heads.")
    result = measure(asked, DataOptions(), settings)
    assert result.facts["source_protocol"] == asked.protocol
    assert asked.protocol not in Report.of(result).notes()  # split otherwise, it is not followed at all
    official = replace(result, facts={**result.facts, "split": "official"})
    assert asked.protocol in Report.of(official).notes()
    assert asked.protocol not in Report.of(replace(official, full_pool=None)).notes()


def test_halves_alone_say_nothing_of_the_whole_pool_and_either_is_kept(tmp_path):
    halves = Settings("ecfp", ["sign"], 4, results=tmp_path, head=HEAD, attacks=False)
    first = measure(task(), DataOptions(), halves)
    assert first.full_pool is None
    assert summarise(first)["full_performance"].isna().all()
    assert "whole pool" not in Report.of(first).markdown()
    measure(task(), DataOptions(), replace(halves, train_on=TrainOn.ALL))
    listener = Listener()
    again = measure(task(), DataOptions(), replace(halves, train_on=TrainOn.ALL), listener)
    assert any("results: reused" in note for note in listener.notes)
    assert again.full_pool is not None
    listener = Listener()
    halves_again = measure(task(), DataOptions(), halves, listener)
    assert halves_again.full_pool is None  # what is shown depends on what was asked for alone
