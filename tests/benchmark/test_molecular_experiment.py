"""The two molecular experiments: verdicts against plain computations, and the figure."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from benchmark import suite_run
from benchmark.cell_runs import CellRuns
from benchmark.execute import Settings, measure
from benchmark.molecular_experiment import FIGURES, SPARSER, Loss, losses, rows_of, sentences, sparsity_steps
from benchmark.reproduce import app
from benchmark.reproductions.drawing.molecular import draw
from models.heads import HeadConfig
from molecules.errors import DataError
from tasks.task import DataOptions, Kind
from tests.benchmark.test_execute import HEAD, task

NAMES = [*SPARSER, "uniform-4", "sign"]


def measured(kind: Kind, folder: Path):
    settings = Settings("ecfp", NAMES, 6, results=folder, head=HeadConfig((12,), 4), attacks=False)
    return measure(task(kind=kind), DataOptions(), settings)


def test_rows_hold_the_figures_of_the_table(tmp_path):
    from benchmark.tables import summarise

    result = measured(Kind.REGRESSION, tmp_path)
    rows, table = rows_of(result), summarise(result)
    assert list(rows.columns) == ["task", "encoder", "kind", "quantizer", *FIGURES, "sparser_is_more_private"]
    for name in FIGURES:
        pd.testing.assert_series_equal(rows[name], table[name])
    steps = rows.set_index("quantizer")["sparser_is_more_private"]
    assert set(steps.index[steps != ""]) == set(SPARSER[1:])


def test_sparsity_is_judged_by_the_paired_difference(tmp_path, monkeypatch):
    runs = CellRuns(measured(Kind.REGRESSION, tmp_path))
    point, resampled = np.full(len(runs.names), 1.0), np.ones((len(runs.names), 100))
    noise = np.random.default_rng(0).normal(size=100)
    for name, value, spread in (
        ("ternary-33", 1.0, 1.0),
        ("ternary-50", 2.0, 1.0),  # the same noise as the one before: surely larger
        ("ternary-75", 1.5, 1.0),
        ("ternary-90", 1.5, -1.0),  # as large, and the noise does not cancel
    ):
        place = runs.names.index(name)
        point[place], resampled[place] = value, value + 0.3 * spread * noise
    monkeypatch.setattr(runs, "compared", lambda figure: (point, resampled))
    assert dict(sparsity_steps(runs)) == {
        "ternary-50": "confirmed",
        "ternary-75": "refuted",
        "ternary-90": "undecided",
    }
    point[runs.names.index("ternary-50")] = np.nan
    assert dict(sparsity_steps(runs))["ternary-50"] == "undecided"


def rows(kind: Kind, values: dict[str, list[float]], encoders: int = 2) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "task": f"{kind}-{place}",
                "encoder": f"e{encoder}",
                "kind": str(kind),
                "quantizer": name,
                "relative_performance": value + 0.01 * encoder,
                "no_skill": False,
                "sparser_is_more_private": "",
            }
            for name, column in {**values, "float32": [1.0] * len(next(iter(values.values())))}.items()
            for place, value in enumerate(column)
            for encoder in range(encoders)
        ]
    )


def test_losses_are_means_over_tasks_with_intervals_over_tasks():
    classification = rows(
        Kind.CLASSIFICATION, {"sign": [0.9, 0.8, 0.85, 0.95, 0.875], "uniform-8": [1, 1, 1, 1, 1]}
    )
    regression = rows(
        Kind.REGRESSION, {"sign": [0.5, 0.4, 0.45, 0.5, 0.4], "uniform-8": [1, 0.99, 1.01, 0.99, 1.01]}
    )
    found = losses(pd.concat([classification, regression]))
    sign = found["sign"]
    assert sign.classification == pytest.approx(1 - 0.875 - 0.005)
    assert sign.regression == pytest.approx(1 - 0.45 - 0.005)
    assert sign.difference == pytest.approx(sign.regression - sign.classification)
    assert sign.low < sign.difference < sign.high
    assert sign.verdict == "confirmed"
    assert found["uniform-8"].verdict == "undecided"
    assert Loss(0.5, 0.1, -0.4, -0.5, -0.3, 5).verdict == "refuted"
    assert Loss(0, 0, 0.0002, 0.0001, 0.0003, 5).verdict == "undecided"  # surely, and nothing
    assert Loss(0.5, 0.1, -0.4, -0.5, -0.3, 4).verdict == "undecided, from 4 tasks of a kind"
    assert losses(regression) == {}


def test_cells_without_skill_and_figures_that_are_missing_are_left_out():
    regression = rows(Kind.REGRESSION, {"sign": [0.5, 0.4, 0.45, 0.5, 0.4, 0.3]})
    regression.loc[regression["task"] == "regression-5", "no_skill"] = True
    missing = (regression["task"] == "regression-0") & (regression["quantizer"] == "sign")
    regression.loc[missing, "relative_performance"] = np.nan
    found = losses(pd.concat([rows(Kind.CLASSIFICATION, {"sign": [1.0] * 6}), regression]))["sign"]
    assert found.tasks == 4
    assert found.regression == pytest.approx(1 - np.mean([0.4, 0.45, 0.5, 0.4]) - 0.005)
    said = list(sentences(regression, rows(Kind.CLASSIFICATION, {"sign": [1.0] * 6}), []))
    assert any("2 cells are left out" in text for text in said)


def test_sentences_say_what_became_of_both_statements():
    regression = rows(Kind.REGRESSION, {"ternary-33": [0.5, 0.4], "ternary-50": [0.4, 0.3]})
    regression.loc[regression["quantizer"] == "ternary-50", "sparser_is_more_private"] = [
        *["confirmed"] * 3,
        "undecided",
    ]
    said = "\n".join(sentences(regression, None, ["a · b: no file"]))
    assert "4 cells: 2 tasks, 2 encoders." in said
    assert "ternary-50 against ternary-33: confirmed in 3, undecided in 1 of 4 cells." in said
    assert "not measured yet" in said
    assert "Not measured: a · b: no file" in said
    other = rows(Kind.CLASSIFICATION, {"ternary-33": [1, 0.9], "ternary-50": [1, 0.95]})
    said = "\n".join(sentences(regression, other, []))
    assert "ternary-33: classification 0.045, regression 0.545, difference 0.500" in said


def test_the_figure_shows_every_task_and_encoder(tmp_path):
    made = rows_of(measured(Kind.REGRESSION, tmp_path))
    figure = draw(pd.concat([made, made.assign(task="other", encoder="gin")]))
    titles = [axis.get_title(loc="left") for axis in figure.axes if axis.get_visible()]
    assert titles == ["toy", "other"]
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert set(labels) >= {*NAMES, "ecfp", "gin"}


def test_both_commands_end_to_end(tmp_path, monkeypatch):
    def known(name: str):
        if name == "lost":
            raise DataError("no file of lost")
        return task(kind=Kind.CLASSIFICATION if name == "classes" else Kind.REGRESSION)

    monkeypatch.setattr(suite_run, "get_task", known)
    monkeypatch.setattr("tasks.catalogue.get_task", known)
    monkeypatch.setattr("benchmark.execute.HeadConfig", lambda: HEAD)
    folder = ["--out", str(tmp_path / "out"), "--results", str(tmp_path / "results"), "--encoder", "ecfp"]
    one = CliRunner().invoke(app, ["fig3", *folder, "--tasks", "classes"])
    assert one.exit_code == 0, one.output
    assert "not measured yet" in one.output
    two = CliRunner().invoke(app, ["fig4", *folder, "--tasks", "numbers"])
    assert two.exit_code == 0, two.output
    assert "Loss of relative performance" in two.output
    for name in ("fig3", "fig4"):
        assert {path.suffix for path in (tmp_path / "out").glob(f"{name}.*")} == {".csv", ".png", ".svg"}
    wrong = CliRunner().invoke(app, ["fig3", *folder, "--tasks", "numbers"])
    assert wrong.exit_code == 2
    assert "numbers is no task of classification" in wrong.output
