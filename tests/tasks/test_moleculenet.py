import gzip
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from molecules.cache import file_sha256
from molecules.errors import DataError, TooFewRecordsError
from tasks.catalogue import TASKS, get_task, load_records
from tasks.moleculenet import DELANEY, TOX21
from tasks.task import DataOptions, Kind
from tests.real_data import real_file, wehi_smiles
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


# The header of every file as its source writes it.
HEADERS = {
    "toxcast": ("toxcast_data.csv.gz", ["smiles", *TASKS["toxcast"].targets]),
    "clintox": ("clintox.csv.gz", ["smiles", "FDA_APPROVED", "CT_TOX"]),
    "sider": ("sider.csv.gz", ["smiles", *TASKS["sider"].targets]),
    "bbbp": ("BBBP.csv", ["num", "name", "p_np", "smiles"]),
    "bace": ("bace.csv", ["mol", "CID", "Class", "Model", "pIC50", "MW"]),
    "bace-regression": ("bace.csv", ["mol", "CID", "Class", "Model", "pIC50", "MW"]),
    "hiv": ("HIV.csv", ["smiles", "activity", "HIV_active"]),
    "muv": ("muv.csv.gz", [*TASKS["muv"].targets, "mol_id", "smiles"]),
    "freesolv": ("SAMPL.csv", ["iupac", "smiles", "expt", "calc"]),
    "lipophilicity": ("Lipophilicity.csv", ["CMPD_CHEMBLID", "exp", "smiles"]),
    "qm7": ("qm7.csv", ["smiles", "u0_atom"]),
    # the four columns of PBE0 stand there twice
    "qm8": (
        "qm8.csv.gz",
        ["smiles", *TASKS["qm8"].targets[:8], *TASKS["qm8"].targets[4:8], *TASKS["qm8"].targets[8:]],
    ),
}


def entry(task, row, column):
    """Return the label of a row: every fifth one missing where the source has missing ones."""
    if len(task.targets) > 2 and (row + len(column)) % 5 == 0:
        return ""
    return str((row + len(column)) % 2 if task.kind is Kind.CLASSIFICATION else row / 4 - len(column))


@pytest.mark.parametrize("name", HEADERS)
def test_every_loader_reads_every_row_of_a_small_file(name, tmp_path, capfd):
    task, (file, header) = get_task(name), HEADERS[name]
    molecules = [*wehi_smiles(11), "C1CC"]
    lines = [",".join(f'"{column}"' if "," in column else column for column in header)]
    for row, smiles in enumerate(molecules):
        held = {column: entry(task, row, column) for column in task.targets}
        lines.append(",".join(smiles if c in {"smiles", "mol"} else held.get(c, f"x{row}") for c in header))
        lines += [""] * (name == "hiv")  # as upstream
    path = tmp_path / "moleculenet" / file
    path.parent.mkdir()
    content = "\n".join([*lines, ""]).encode()
    path.write_bytes(gzip.compress(content) if file.endswith(".gz") else content)

    options = DataOptions(data_dir=tmp_path, download=False, verify=False)
    assert task.files(task, options) == (path,)
    raw = task.load(task, options)
    assert raw.smiles == molecules
    expected = [[float(entry(task, row, c) or "nan") for c in task.targets] for row in range(12)]
    np.testing.assert_allclose(raw.labels, expected, rtol=1e-12)
    assert raw.targets == task.targets
    assert raw.test is None
    assert capfd.readouterr() == ("", "")


def test_a_file_of_unknown_checksum_is_not_downloaded_by_itself(tmp_path):
    with pytest.raises(DataError, match=r"sider.csv.gz was not found .* checksum is not known \(--no-verify"):
        get_task("sider").load(get_task("sider"), DataOptions(data_dir=tmp_path))


def test_labels_of_another_release_are_refused(tox21_folder):
    swapped = replace(TOX21, targets=TOX21.targets[::-1])
    with pytest.raises(DataError, match=r"DeepChem reads other labels from .* constraints.txt"):
        swapped.load(swapped, DataOptions(data_dir=tox21_folder, download=False, verify=False))


def test_picked_labels_are_read_with_their_columns(tox21_folder):
    task = get_task("tox21:SR-p53+NR-AR")
    options = DataOptions(data_dir=tox21_folder, download=False, verify=False)
    raw, whole = task.load(task, options), TOX21.load(TOX21, options)
    np.testing.assert_array_equal(raw.labels, whole.labels[:, [0, 11]])
    assert raw.targets == ("NR-AR", "SR-p53")
    assert raw.smiles == whole.smiles


SMALL = ["tox21", "delaney", "clintox", "bbbp", "bace", "bace-regression", "freesolv", "lipophilicity", "qm8"]
LARGE = [pytest.param(name, marks=pytest.mark.slow) for name in ("toxcast", "hiv", "muv")]


def real_path(name):
    file = {"tox21": "tox21.csv.gz", "delaney": "delaney-processed.csv"}.get(name) or HEADERS[name][0]
    return real_file(f"moleculenet/{file}")


@pytest.mark.data
@pytest.mark.parametrize("name", [*SMALL, *LARGE])
def test_real_files_equal_pandas_and_have_the_stated_counts(name):
    task, path = get_task(name), real_path(name)
    options = DataOptions(data_dir=path.parents[1], download=False)
    raw = task.load(task, options)
    frame = pd.read_csv(path)
    smiles = frame["mol" if "mol" in frame else "smiles"]
    assert [text.strip() for text in raw.smiles] == smiles.str.strip().tolist()
    np.testing.assert_array_equal(raw.labels, frame[list(task.targets)].to_numpy(float))
    report = load_records(task, options).report
    assert (report.rows, report.kept) == (task.rows, task.records)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "unparseable", "duplicates", "conflicting"),
    [
        ("tox21", 8, 0, 0),
        ("delaney", 0, 11, 0),
        ("clintox", 4, 19, 19),
        ("bbbp", 11, 64, 10),
        ("qm8", 0, 20, 3),
    ],
)
def test_real_files_have_the_known_defects(name, unparseable, duplicates, conflicting):
    options = DataOptions(data_dir=real_path(name).parents[1], download=False)
    report = load_records(get_task(name), options).report
    found = (report.unparseable, report.duplicates, report.conflicting_molecules)
    assert found == (unparseable, duplicates, conflicting)
    assert report.empty == 0
