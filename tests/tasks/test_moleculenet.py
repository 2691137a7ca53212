import numpy as np
import pandas as pd
import pytest

from molecules.cache import file_sha256
from molecules.errors import DataError, TooFewRecordsError
from tasks.catalogue import get_task, load_records
from tasks.moleculenet import DELANEY, TOX21
from tasks.task import DataOptions
from tests.real_data import real_file
from tests.tasks.conftest import ESOL


def test_deepchem_reads_every_row_of_a_small_tox21(tox21_folder, capfd):
    options = DataOptions(data_dir=tox21_folder, download=False, verify=False)
    raw = TOX21.load(TOX21, options)
    path = tox21_folder / "moleculenet" / "tox21.csv.gz"
    frame = pd.read_csv(path)
    assert raw.smiles == frame["smiles"].tolist()
    assert raw.smiles[-1] == "C1CC"  # left to our own cleaning
    np.testing.assert_array_equal(raw.labels, frame[list(TOX21.targets)].to_numpy(float))
    assert np.isnan(raw.labels).sum() == 45
    assert (raw.origin, raw.sha256) == (str(path), file_sha256(path))
    assert capfd.readouterr() == ("", "")


def test_a_small_tox21_differs_from_the_known_file(tox21_folder):
    with pytest.raises(DataError, match="--no-verify"):
        TOX21.load(TOX21, DataOptions(data_dir=tox21_folder, download=False))


def test_too_small_to_audit(tox21_folder):
    with pytest.raises(TooFewRecordsError, match="tox21: 19 records"):
        load_records(TOX21, DataOptions(data_dir=tox21_folder, download=False, verify=False))


def test_small_delaney_becomes_records(delaney_folder):
    records = load_records(DELANEY, DataOptions(data_dir=delaney_folder, download=False, verify=False))
    assert records.labels.shape == (129, 1)
    assert (records.report.rows, records.report.duplicates) == (130, 1)
    assert records.labels[0, 0] == pytest.approx(-0.05)  # mean of 0 and -0.1
    assert records.targets == (ESOL,)


def test_a_word_among_the_labels(delaney_folder):
    path = delaney_folder / "delaney-processed.csv"
    path.write_text(path.read_text().replace(",-0.05,", ",insoluble,"))
    with pytest.raises(DataError, match=r"DeepChem cannot read .*delaney-processed.csv.*insoluble"):
        DELANEY.load(DELANEY, DataOptions(data_dir=delaney_folder, download=False, verify=False))


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "file", "kept", "unparseable", "duplicates"),
    [("tox21", "tox21.csv.gz", 7823, 8, 0), ("delaney", "delaney-processed.csv", 1117, 0, 11)],
)
def test_real_files_equal_pandas_and_have_the_known_counts(name, file, kept, unparseable, duplicates):
    path = real_file(f"moleculenet/{file}")
    task, options = get_task(name), DataOptions(data_dir=path.parents[1], download=False)
    raw = task.load(task, options)
    frame = pd.read_csv(path)
    assert [text.strip() for text in raw.smiles] == frame["smiles"].str.strip().tolist()
    np.testing.assert_array_equal(raw.labels, frame[list(task.targets)].to_numpy(float))
    report = load_records(task, options).report
    assert (report.kept, report.unparseable, report.duplicates) == (kept, unparseable, duplicates)
    assert report.conflicting_molecules == report.empty == report.unlabelled == 0
