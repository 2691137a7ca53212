"""The real MoleculeNet files through the whole way, where they are."""

import pytest

from benchmark.execute import Settings, measure
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
