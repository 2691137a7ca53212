"""The tables of TDC's archive, as they are packed and unpacked."""

import hashlib
import io
import re
import zipfile

import numpy as np
import pandas as pd
import pytest
from rdkit import Chem

from molecules.errors import DataError, UnknownNameError
from tasks import tdc
from tasks.catalogue import TASKS, get_task, load_records
from tasks.data_report import data_report
from tasks.task import OFFICIAL, DataOptions, Kind
from tests.real_data import real_file, wehi_smiles

ADMET = [name for name, task in TASKS.items() if task.split == OFFICIAL]
ABSENT = ["ames", "caco2_wang", "dili", "vdss_lombardo"]
#: The molecules of both tables: the test table begins with the last one of the training table.
TRAIN, TEST = [*wehi_smiles(110), "OCC"], ["CCO", *wehi_smiles(130)[110:], "C1CC"]


def tables(kind: Kind) -> dict[str, bytes]:
    """The two tables in the exact format of TDC; classes are written as 1 or as 1.0."""
    made, row = {}, 0
    for name, molecules in (("train_val.csv", TRAIN), ("test.csv", TEST)):
        lines = ["Drug_ID,Drug,Y"]
        for smiles in molecules:
            row += 1
            label = f"{row % 2}.0" if kind is Kind.CLASSIFICATION else f"{row / 8}"
            lines.append(f'"2-{row},4-name",{smiles},{label}')
        made[name] = "\n".join([*lines, ""]).encode()
    return made


def unpack(folder, name, kind=Kind.CLASSIFICATION):
    place = folder / name
    place.mkdir(parents=True)
    for file, content in tables(kind).items():
        (place / file).write_bytes(content)
    return place


@pytest.mark.parametrize("name", ADMET)
def test_every_task_reads_both_tables(name, tmp_path):
    task = get_task(name)
    place = unpack(tmp_path / "tdc" / "admet_group", name, task.kind)
    raw = task.load(task, DataOptions(data_dir=tmp_path, download=False, verify=False))
    assert raw.smiles == [*TRAIN, *TEST]
    np.testing.assert_array_equal(np.flatnonzero(raw.test), np.arange(len(TRAIN), len(TRAIN) + len(TEST)))
    rows = np.arange(1, len(TRAIN) + len(TEST) + 1)
    expected = rows % 2 if task.kind is Kind.CLASSIFICATION else rows / 8
    np.testing.assert_array_equal(raw.labels[:, 0], expected)
    assert (raw.origin, raw.targets) == (str(place), ("Y",))


def test_a_molecule_of_both_tables_is_a_record_of_the_test_set_alone(tmp_path):
    task = get_task("herg")
    unpack(tmp_path / "tdc" / "admet_group", "herg")
    records = load_records(task, DataOptions(data_dir=tmp_path, download=False, verify=False))
    assert len(set(records.smiles)) == len(records) == 131
    assert records.test.sum() == 21
    assert records.test[records.smiles.index("CCO")]
    assert records.labels[records.smiles.index("CCO"), 0] == 0  # row 112, of the test table
    report = records.report
    assert (report.overlapping, report.overlapping_rows, report.unparseable) == (1, 1, 1)
    assert report.examples["unparseable"] == (("row 22 of test.csv", "C1CC"),)
    assert report.examples["overlapping"] == (("row 111 of train_val.csv", "CCO"),)
    told = data_report(records)
    assert (told.official_test, told.scored_rows, told.test_rows) == (21, 21, 22)


def test_an_impossible_label_is_told_by_its_own_table(tmp_path):
    place = unpack(tmp_path / "tdc" / "admet_group", "ld50_zhu", Kind.REGRESSION)
    (place / "test.csv").write_text("Drug_ID,Drug,Y\n1,C,1\n2,N,inf\n")
    options = DataOptions(data_dir=tmp_path, download=False, verify=False)
    with pytest.raises(DataError, match=r"label inf in row 2 of test\.csv, column 'Y'"):
        load_records(get_task("ld50_zhu"), options)


@pytest.mark.parametrize("inner", ["tdc/admet_group", "admet_group", "."])
def test_places_of_an_unpacked_archive(inner, tmp_path):
    place = unpack(tmp_path / inner, "herg")
    task = get_task("herg")
    files = task.files(task, DataOptions(data_dir=tmp_path, download=False, verify=False))
    assert files == (place / "train_val.csv", place / "test.csv")


def test_a_table_of_another_task_is_not_taken_by_its_name(tmp_path):
    (tmp_path / "train_val.csv").write_bytes(tables(Kind.CLASSIFICATION)["train_val.csv"])
    with pytest.raises(DataError, match=r"admet_group/herg/train_val.csv was not found"):
        get_task("herg").files(get_task("herg"), DataOptions(data_dir=tmp_path, download=False))


@pytest.mark.parametrize("name", ABSENT)
@pytest.mark.parametrize("download", [True, False])
def test_what_is_absent_says_where_to_get_it(name, download, tmp_path):
    with pytest.raises(DataError) as caught:
        get_task(name).files(get_task(name), DataOptions(data_dir=tmp_path, download=download))
    message = str(caught.value)
    assert "\n" not in message
    for part in (
        f"admet_group/{name}/train_val.csv was not found",
        "checksum is not known" if download else "downloading is off",
        f"admet_group.zip from {tdc.ARCHIVE_URL}",
        f"DIR/tdc/admet_group/{name}/train_val.csv",
        "--data-dir DIR",
    ):
        assert part in message


def test_damaged_tables(tmp_path):
    place = unpack(tmp_path / "tdc" / "admet_group", "herg")
    task, options = get_task("herg"), DataOptions(data_dir=tmp_path, download=False)
    with pytest.raises(DataError, match=r"train_val.csv differs from the known .*--no-verify"):
        task.files(task, options)
    (place / "test.csv").write_text("Drug_ID,Drug,y\n1,C,1\n")
    with pytest.raises(UnknownNameError, match=r"unknown column 'Y'; nearest: y\. Looked in .*test.csv"):
        task.load(task, DataOptions(data_dir=tmp_path, download=False, verify=False))


def test_a_word_among_the_numbers(tmp_path):
    place = unpack(tmp_path / "tdc" / "admet_group", "ld50_zhu", Kind.REGRESSION)
    (place / "test.csv").write_text("Drug_ID,Drug,Y\n1,C,active\n")
    task = get_task("ld50_zhu")
    with pytest.raises(DataError, match=r"test.csv, row 1, column 'Y': 'active' is not a number"):
        task.load(task, DataOptions(data_dir=tmp_path, download=False, verify=False))


@pytest.fixture
def archive():
    """An archive of one task, and the source of that task with the checksums of its tables."""
    content = tables(Kind.CLASSIFICATION)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as made:
        for file, text in content.items():
            made.writestr(f"admet_group/herg/{file}", text)
    hashes = tuple(hashlib.sha256(content[file]).hexdigest() for file in ("train_val.csv", "test.csv"))
    return packed.getvalue(), tdc._Source("herg", hashes)


def test_the_archive_is_downloaded_once_and_its_members_are_checked(archive, web, own_cache, monkeypatch):
    packed, source = archive
    folder, url = web
    (folder / "4426004").write_bytes(packed)
    monkeypatch.setattr(tdc, "ARCHIVE_URL", f"{url}/4426004")
    paths = source.files(get_task("herg"), DataOptions())
    kept = own_cache / "data" / "tdc"
    assert paths == tuple(kept / "admet_group" / "herg" / file for file in ("train_val.csv", "test.csv"))
    (folder / "4426004").unlink()
    assert source.files(get_task("herg"), DataOptions(download=False)) == paths


@pytest.mark.parametrize("damage", [lambda packed: packed[:200], lambda _: b"<html>", lambda _: b""])
def test_an_archive_that_is_damaged_is_not_kept(archive, web, own_cache, monkeypatch, damage):
    packed, source = archive
    folder, url = web
    (folder / "4426004").write_bytes(damage(packed))
    monkeypatch.setattr(tdc, "ARCHIVE_URL", f"{url}/4426004")
    with pytest.raises(DataError, match=r"is no zip archive that holds admet_group/herg/train_val.csv"):
        source.files(get_task("herg"), DataOptions())
    assert not [path for path in (own_cache / "data").rglob("*") if path.is_file()]


def test_a_member_of_another_checksum_is_not_kept(archive, web, own_cache, monkeypatch):
    packed, _ = archive
    folder, url = web
    (folder / "4426004").write_bytes(packed)
    monkeypatch.setattr(tdc, "ARCHIVE_URL", f"{url}/4426004")
    with pytest.raises(DataError, match=r"differs from the known train_val.csv"):
        get_task("herg").files(get_task("herg"), DataOptions())
    assert not [path for path in (own_cache / "data").rglob("*") if path.is_file()]


@pytest.mark.data
@pytest.mark.parametrize("name", sorted(set(ADMET) - set(ABSENT)))
def test_real_tables_equal_pandas_and_have_the_stated_counts(name):
    path = real_file(f"tdc/admet_group/{name}/train_val.csv")
    task, options = get_task(name), DataOptions(data_dir=path.parents[3], download=False)
    raw = task.load(task, options)
    frame = pd.concat([pd.read_csv(path), pd.read_csv(path.with_name("test.csv"))])
    assert raw.smiles == frame["Drug"].str.strip().tolist()
    np.testing.assert_array_equal(raw.labels[:, 0], frame["Y"].to_numpy(float))
    records = load_records(task, options)
    assert (records.report.rows, len(records)) == (task.rows, task.records)
    assert records.report.overlapping == 0
    for pairs in records.report.examples.values():
        for place, smiles in pairs:  # stands in the file and the row that are told
            row, table = re.fullmatch(r"row (\d+) of (\S+)", place).groups()
            written = pd.read_csv(path.with_name(table))["Drug"].iloc[int(row) - 1]
            assert written == smiles or Chem.CanonSmiles(written) == smiles
    assert len(set(records.smiles)) == len(records)
