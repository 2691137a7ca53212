import csv
from pathlib import Path

import numpy as np
import pytest
from rdkit import RDConfig

from molecules.errors import DataError
from molecules.progress import SILENT
from tasks.bundled import ACTIVE, PAINS, POTENCY, pains_labels
from tasks.catalogue import load_records
from tasks.task import DataOptions, Kind
from tests.real_data import wehi_smiles

OPTIONS = DataOptions(download=False)
FOLDER = Path(RDConfig.RDContribDir) / "FreeWilson" / "data"


def test_potency_is_joined_by_name():
    raw = POTENCY.load(POTENCY, OPTIONS)
    activities = dict(list(csv.reader((FOLDER / "CHEMBL2321810_act.csv").open()))[1:])
    lines = [line.split() for line in (FOLDER / "CHEMBL2321810.smi").read_text().splitlines()]
    assert len(raw.smiles) == len(lines) == 1017
    for row in (0, 500, 1016):
        assert raw.smiles[row] == lines[row][0]
        assert raw.labels[row, 0] == float(activities[lines[row][1]])
    assert raw.kind is Kind.REGRESSION


def test_active_is_potency_from_7():
    potency, active = POTENCY.load(POTENCY, OPTIONS), ACTIVE.load(ACTIVE, OPTIONS)
    np.testing.assert_array_equal(active.labels == 1, potency.labels >= 7)
    records = load_records(ACTIVE, OPTIONS)
    assert len(records) == 1017 == ACTIVE.records == ACTIVE.rows
    assert records.labels.mean() == pytest.approx(0.347, abs=0.001)


def test_named_molecules_and_the_filters():
    # p-Benzoquinone and rhodanine-like alkylidenes are PAINS; aspirin and benzene are not.
    smiles = ["O=C1C=CC(=O)C=C1", "O=C1NC(=S)SC1=Cc1ccccc1", "CC(=O)Oc1ccccc1C(=O)O", "c1ccccc1", "C1CC"]
    np.testing.assert_array_equal(pains_labels(smiles, SILENT), [1, 1, 0, 0, np.nan])


@pytest.fixture
def few(monkeypatch, tmp_path):
    """The PAINS task on 300 of its 10,000 compounds."""
    path = tmp_path / "few.csv"
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([text, "name"] for text in wehi_smiles(300))
    monkeypatch.setattr("tasks.bundled._pains_files", lambda _, __: (path,))
    return PAINS


def test_computed_labels_are_kept_and_a_damaged_copy_is_made_again(few, own_cache, listener):
    options = DataOptions(progress=listener)
    first = few.load(few, options).labels
    assert listener.stages == {"PAINS filters": [300, 300]}
    listener.stages.clear()
    np.testing.assert_array_equal(few.load(few, options).labels, first)
    assert listener.stages == {}  # from the cache
    (kept,) = (own_cache / "labels").glob("*.npy")
    for damage in (kept.read_bytes()[:50], b"", b"\x93NUMPY"):
        kept.write_bytes(damage)
        np.testing.assert_array_equal(few.load(few, options).labels, first)
        assert "damaged and made again" in listener.notes.pop()


@pytest.mark.slow
def test_all_wehi_compounds_and_their_share_of_pains():
    records = load_records(PAINS, OPTIONS)
    assert len(records) == 10_000 == PAINS.records == PAINS.rows
    assert records.labels.mean() == pytest.approx(0.084, abs=0.0005)


def test_an_rdkit_without_its_data(monkeypatch, tmp_path):
    monkeypatch.setattr(RDConfig, "RDContribDir", str(tmp_path))
    with pytest.raises(DataError, match="comes without its data"):
        POTENCY.load(POTENCY, OPTIONS)
