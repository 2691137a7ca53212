"""records.csv, its pictures and its sentence, from exposures made by hand."""

from dataclasses import replace

import matplotlib.image
import numpy as np
import pandas as pd
import pytest

from benchmark.cell_runs import CellRuns
from benchmark.record_report import picture_path, ranked, record_frame, record_text, shown_quantizers
from benchmark.report import Report
from benchmark.results import CellResult
from tests.benchmark.test_attack_table import attacked

SMILES = ["CCO", "c1ccccc1O", "CCN", "C1CC1", "CCCl"]


def records(
    quantizer: str, exposure: list[float], p_value: list[float], **labels: list[float]
) -> pd.DataFrame:
    area = np.array(exposure)
    figures = {
        "quantizer": quantizer,
        "record": range(len(SMILES)),
        "smiles": SMILES,
        "exposure": area,
        "exposure_low": area - 0.1,
        "exposure_high": np.minimum(area + 0.1, 1),
        "p_value": p_value,
        "score_difference": [1.0, 2.0, 3.0, 4.0, np.nan],
        "member_runs": [8, 9, 7, 8, 16],
    }
    return pd.DataFrame(figures | (labels or {"label_0": [0.5, 1.5, 2.5, 3.5, 4.5]}))


FRAME = pd.concat(
    [
        records("float32", [0.6, 0.9, 0.9, 0.5, np.nan], [0.2, 0.001, 0.01, 0.5, np.nan]),
        records("good", [0.5, 0.6, 0.5, 0.5, np.nan], [0.5, 0.2, 0.5, 0.5, np.nan]),
        records("coarse", [0.5] * 4 + [np.nan], [0.5] * 4 + [np.nan]),
    ],
    ignore_index=True,
)


def sixteen(**changes: object) -> CellResult:
    """The cell of the other tests, its four runs four times over."""
    made = attacked()
    rows = [made.rows.assign(run=made.rows["run"] + 4 * k) for k in range(4)]
    facts = made.facts | {"targets": ["pIC50"], "runs": 16} | changes
    return replace(made, rows=pd.concat(rows, ignore_index=True), facts=facts, attacks=None, records=FRAME)


def with_attacks(result: CellResult) -> CellResult:
    made = attacked().attacks
    assert made is not None
    told = made["reason"] == ""
    many = [made[told].assign(run=made.loc[told, "run"] + 4 * k) for k in range(4)]
    return replace(result, attacks=pd.concat([*many, made[~told]], ignore_index=True))


def test_columns_and_ranks_by_hand():
    frame = record_frame(CellRuns(sixteen()))
    assert frame.columns.tolist() == [
        "quantizer", "record", "smiles", "exposure", "exposure_low", "exposure_high", "rank", "scaffold",
        "label_pIC50", "member_runs", "p_value", "exposed", "score_difference",
    ]  # fmt: skip
    assert len(frame) == 15
    own = frame[frame["quantizer"] == "float32"].set_index("smiles")
    # of equal exposures the one with the smaller p-value is first; without an exposure there is no rank
    assert own.index.tolist() == ["c1ccccc1O", "CCN", "CCO", "C1CC1", "CCCl"]
    assert own["rank"].tolist()[:4] == [1, 2, 3, 4]
    assert pd.isna(own.loc["CCCl", "rank"])
    assert own["exposed"].tolist() == [True, True, False, False, False]
    assert own["scaffold"].tolist() == ["c1ccccc1", "", "", "C1CC1", ""]
    assert own["label_pIC50"].tolist() == [1.5, 2.5, 0.5, 3.5, 4.5]
    assert own["member_runs"].tolist() == [9, 7, 8, 8, 16]


def test_sentence():
    runs = CellRuns(sixteen())
    assert record_text(runs, ["float32", "good"]) == [
        "Exposure of single records (AUC of LiRA over runs; permutation test, Benjamini-Hochberg 5 %): "
        "under float32 2 of 5 are exposed beyond chance (the most exposed: 0.90 [0.80, 1.00]), mean 0.725; "
        "under good 0 of 5 are exposed beyond chance, mean 0.525."
    ]


def test_few_runs_are_told_in_one_line_and_nothing_is_drawn(tmp_path):
    report = Report.of(attacked())
    assert "Records: 4 runs are too few to tell single records; it takes 16." in report.notes()
    names = [path.name for path in report.write(tmp_path)]
    assert "records.csv" not in names
    assert not any("exposed" in name for name in names)


def test_without_records_there_are_no_rows():
    runs = CellRuns(replace(sixteen(), records=None))
    assert len(record_frame(runs)) == 0
    assert record_text(runs, ["float32"]) == []
    empty = pd.DataFrame({"smiles": [], "quantizer": []})
    assert len(record_frame(CellRuns(replace(sixteen(), records=empty)))) == 0
    assert record_text(CellRuns(replace(sixteen(), records=empty)), ["float32"]) == []


def test_what_is_written(tmp_path):
    report = Report.of(with_attacks(sixteen()), max_drop=0.3)
    assert shown_quantizers(report.runs, report.table, 0.3) == ["float32", "good"]
    paths = {path.name: path for path in report.write(tmp_path)}
    assert len(pd.read_csv(paths["records.csv"])) == 15
    for name in ("most_exposed.png", "most_exposed_good.png"):
        picture = matplotlib.image.imread(paths[name])
        assert (picture < 0.9).any()
    assert any("2 of 5 are exposed beyond chance" in note for note in report.notes())
    # nothing is recommended: the most private one by r
    assert shown_quantizers(report.runs, report.table, 0.0) == ["float32", "coarse"]


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        ("regression", {"a": [1.5]}, "a 1.5"),
        ("regression", {"a": [1.5], "b": [2.0], "c": [3.0]}, "a 1.5, b 2 +1"),
        ("classification", {"a": [1.0]}, "a 1"),
        ("classification", {"a": [1.0], "b": [np.nan], "c": [1.0], "d": [1.0]}, "positive: a, c +1"),
        ("classification", {"a": [0.0], "b": [np.nan], "c": [0.0]}, "negative in all 2 labels known"),
    ],
)
def test_labels_under_a_molecule(kind, values, expected, monkeypatch):
    from benchmark import record_report
    from molecules import pictures

    made = sixteen(kind="regression", targets=[*values])
    runs = CellRuns(made)
    monkeypatch.setattr(runs, "kind", record_report.Kind(kind))
    labels = {f"label_{place}": value * 5 for place, value in enumerate(values.values())}
    runs.records = records("float32", [0.9, 0.8, 0.7, 0.6, np.nan], [0.1] * 4 + [np.nan], **labels)
    legends: list[str] = []
    monkeypatch.setattr(pictures, "molecule_grid", lambda smiles, said: legends.extend(said) or b"")
    record_report.most_exposed(runs, ranked(runs, "float32"))
    assert legends[0] == f"rank 1: exposure 0.90 [0.80, 1.00]\n{expected}"
    assert len(legends) == 4  # none without an exposure


def test_pictures_of_specifications_have_plain_names(tmp_path):
    assert picture_path(tmp_path, "float32").name == "most_exposed.png"
    assert picture_path(tmp_path, "ternary:sparsity=0.6").name == "most_exposed_ternary-sparsity-0.6.png"
