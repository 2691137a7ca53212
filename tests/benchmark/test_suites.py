"""Suites: every cell is tried, what fails is recorded, and the summary is the mean over cells."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from benchmark import suite_run
from benchmark.execute import Settings
from benchmark.suite_run import (
    Failed,
    Measured,
    all_tables,
    chosen_suite,
    run_cells,
    summary,
    trainable_suite,
    write_suite,
)
from benchmark.suites import SUITES, Suite, get_suite
from benchmark.tables import STABLE_COLUMNS, summarise
from models.encoders.base import ENCODERS
from molecules.errors import DataError, MolmisError, UnknownNameError
from tasks.catalogue import TASKS
from tasks.task import DataOptions
from tests.benchmark.test_execute import HEAD, task
from tests.listener import Listener


def test_suites_name_tasks_and_encoders_that_are_there():
    for name, suite in SUITES.items():
        assert [task for task in suite.tasks if task not in TASKS] == [], name
        assert [encoder for encoder in suite.encoders if encoder not in ENCODERS] == [], name
        assert len(set(suite.tasks)) == len(suite.tasks)
    assert len(SUITES["admet"].tasks) == 22
    assert len(SUITES["moleculenet"].tasks) == 14
    with pytest.raises(UnknownNameError, match="nearest: embedded"):
        get_suite("embeded")


@pytest.fixture
def settings(tmp_path):
    return Settings(None, ["sign", "ternary-50"], 4, results=tmp_path / "results", head=HEAD, attacks=False)


@pytest.fixture
def tasks(monkeypatch):
    """Three tasks: one whole, one without its file, one that breaks our own code."""

    def known(name: str):
        if name == "lost":
            raise DataError("lost.csv is in none of the folders;\n give --data-dir")
        if name == "broken":
            raise ZeroDivisionError("division by zero")
        return task()

    monkeypatch.setattr(suite_run, "get_task", known)


SUITE = Suite("toy", ("lost", "broken", "whole"), ("ecfp",))


def test_what_fails_is_recorded_and_the_suite_goes_on(tasks, settings, tmp_path):
    listener = Listener()
    cells = list(run_cells(SUITE, DataOptions(), settings, summarise, listener))
    assert [type(cell) for cell in cells] == [Failed, Failed, Measured]
    assert cells[0].reason == "lost.csv is in none of the folders; give --data-dir"
    assert cells[1].reason.startswith("ZeroDivisionError in test_suites.py:")
    assert any("cell 3 of 3: whole · ecfp" in note for note in listener.notes)
    paths = write_suite(tmp_path, cells)
    assert [path.name for path in paths] == ["suite.csv", "summary.csv", "failed.csv"]
    assert pd.read_csv(tmp_path / "failed.csv")["task"].tolist() == ["lost", "broken"]
    assert pd.read_csv(tmp_path / "suite.csv")["quantizer"].tolist() == ["float32", "sign", "ternary-50"]


def test_a_stopped_suite_goes_on_where_it_was(tasks, settings):
    def stop(result):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(run_cells(replace(SUITE, tasks=("whole",)), DataOptions(), settings, stop))
    listener = Listener()
    list(run_cells(replace(SUITE, tasks=("whole",)), DataOptions(), settings, summarise, listener))
    assert any("results: reused" in note for note in listener.notes)


def table(task_name: str, ranks: list[float], relative: list[float]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "task": task_name,
            "encoder": "e",
            "quantizer": ["float32", "sign", "ternary-50"],
            "privacy_rank": pd.array([None if np.isnan(r) else int(r) for r in ranks], dtype="Int64"),
            "relative_performance": relative,
            "lira_auc": [0.7, 0.5, np.nan],
        }
    )


def test_the_summary_is_the_mean_over_cells():
    cells = [
        Measured("a", "e", table("a", [3, 1, 2], [1, 0.5, 0.8])),
        Measured("b", "e", table("b", [2, 1, np.nan], [1, 0.7, 0.9])),
        Failed("c", "e", "lost"),
    ]
    assert len(all_tables(cells)) == 6
    found = summary(cells).set_index("quantizer")
    assert found["cells"].tolist() == [2, 2, 2]
    assert found["privacy"].tolist() == [0.0, 1.0, 0.5]  # places by r from 0 to 1, in the cells that rank it
    assert found["ranked"].tolist() == [2, 2, 1]
    np.testing.assert_allclose(found["relative"], [1, 0.6, 0.85])
    assert found.loc["sign", "relative_low"] == pytest.approx(0.5)
    assert found.loc["sign", "relative_high"] == pytest.approx(0.7)
    assert np.isnan(found.loc["ternary-50", "lira"])
    assert summary([Failed("c", "e", "lost")]).empty


def test_a_cell_that_is_there_twice_counts_its_own_ranks():
    cells = [Measured("a", "e", table("a", [3, 1, 2], [1, 0.5, 0.8]))] * 2
    assert summary(cells).set_index("quantizer")["privacy"].tolist() == [0.0, 1.0, 0.5]


def test_names_are_measured_once_and_files_are_told_apart(tmp_path):
    chosen = chosen_suite(SUITES["embedded"], "ecfp, ecfp,gin", "pains,pains")
    assert (chosen.tasks, chosen.encoders) == (("pains",), ("ecfp", "gin"))
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "emb.csv").write_text(f"smiles,x\nCCO,{ord(folder)}\n")
    both = f"{tmp_path}/a/emb.csv,{tmp_path}/b/emb.csv"
    with pytest.raises(MolmisError, match="would both be called file-emb"):
        chosen_suite(SUITES["embedded"], both)
    with pytest.raises(UnknownNameError):
        chosen_suite(SUITES["embedded"], "ecpf")


def test_a_suite_of_failed_cells_still_has_its_columns(tmp_path):
    write_suite(tmp_path, [Failed("c", "e", "lost")])
    assert list(pd.read_csv(tmp_path / "suite.csv").columns) == list(STABLE_COLUMNS)


def test_encoders_that_cannot_be_trained_are_left_out_with_a_word():
    listener = Listener()
    suite = Suite("toy", ("delaney",), ("gin", "ecfp", "rdkit2d"))
    assert trainable_suite(suite, listener).encoders == ("gin",)
    assert any("ecfp, rdkit2d" in note for note in listener.notes)
    with pytest.raises(MolmisError, match="give --encoder"):
        trainable_suite(replace(suite, encoders=("ecfp",)), listener)
