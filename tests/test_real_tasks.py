"""The real MoleculeNet files through the whole way, where they are."""

import pytest

from benchmark.execute import Settings, measure
from benchmark.report import Report
from benchmark.tables import summarise
from tasks.catalogue import get_task
from tasks.task import DataOptions
from tests.real_data import real_file


@pytest.mark.slow
@pytest.mark.data
def test_tox21_is_learned_with_missing_labels_masked(tmp_path):
    data_folder = real_file("moleculenet/tox21.csv.gz").parents[1]
    settings = Settings("ecfp", ["float32", "ternary-90"], runs=4, results=tmp_path)
    result = measure(get_task("tox21"), DataOptions(data_folder, download=False), settings)
    table = summarise(result).set_index("quantizer")
    assert result.facts["pool"] == 6258  # 80 % of 7,823 records
    assert table.loc["float32", "roc_auc"] >= 0.76
    assert table.loc["float32", "generalization_gap"] > 5 * table.loc["ternary-90", "generalization_gap"]
    assert table.loc["ternary-90", "privacy_rank"] == 1


@pytest.mark.data
def test_the_official_test_set_is_what_performance_is_measured_on(tmp_path):
    data_folder = real_file("tdc/admet_group/herg/test.csv").parents[3]
    settings = Settings("ecfp", ["float32"], runs=4, results=tmp_path, attacks=False)
    facts = (result := measure(get_task("herg"), DataOptions(data_folder, download=False), settings)).facts
    assert (facts["split"], facts["pool"], facts["test"]) == ("official", 520, 125)
    assert "scores every row of its test table" in facts["source_protocol"]
    # counted with pandas and RDKit: 132 rows, 128 molecules, 3 of them with both labels in 6 rows
    assert [facts["data"][name] for name in ("official_test", "scored_rows", "test_rows")] == [125, 126, 132]
    assert any("125 molecules made of 126 of the source's 132" in note for note in Report.of(result).notes())
    assert facts["twins"]["inchikey"] == {"across": 1, "within": 1}
    assert summarise(result).set_index("quantizer").loc["float32", "roc_auc"] >= 0.7


@pytest.mark.data
def test_one_label_of_tox21_is_a_task_of_its_own(tmp_path):
    data_folder = real_file("moleculenet/tox21.csv.gz").parents[1]
    settings = Settings("ecfp", ["float32"], runs=4, results=tmp_path, attacks=False)
    result = measure(get_task("tox21:NR-AhR"), DataOptions(data_folder, download=False), settings)
    assert result.facts["targets"] == ["NR-AhR"]
    assert result.facts["data"]["missing_share"] == 0
    assert [path.name.startswith("tox21-NR-AhR") for path in tmp_path.glob("*.parquet")] == [True]
