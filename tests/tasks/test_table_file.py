import gzip

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rdkit import Chem

from molecules.errors import DataError, UnknownNameError
from tasks.catalogue import TASKS, load_records
from tasks.table_file import read_table, table_task
from tasks.task import DataOptions, Kind
from tests.real_data import wehi_smiles

NAN = np.nan


def make(folder, text, name="mine.csv"):
    path = folder / name
    data = text.encode()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def labels_of(task):
    return task.load(task, DataOptions()).labels


def one(folder, *values, kind=None):
    return table_task(
        make(folder, "\n".join(["smiles,y", *(f"CCO,{value}" for value in values)])), "smiles", ["y"], kind
    )


@pytest.mark.parametrize(
    ("name", "separator"),
    [("a.csv", ","), ("a.csv", ";"), ("a.csv", "\t"), ("a.tsv", "\t"), ("a.csv.gz", ","), ("a.tsv.gz", "\t")],
)
def test_separators_and_compression(tmp_path, name, separator):
    text = "\r\n".join(
        separator.join(row)
        for row in [
            ("id", "smiles", "y"),
            ("1", "CCO", "0.5"),
            ("2", "C", "7"),
            ("3", "CC", ""),
            ("4", "N", "-1e-3"),
        ]
    )
    task = table_task(make(tmp_path, text + "\r\n\r\n", name), "smiles", ["y"])
    raw = task.load(task, DataOptions())
    assert raw.smiles == ["CCO", "C", "CC", "N"]
    np.testing.assert_array_equal(raw.labels, [[0.5], [7], [NAN], [-0.001]])
    assert (task.name, task.slug) == ("file:a", "file-a")
    assert raw.kind is task.kind is Kind.REGRESSION


def test_quotes_byte_order_mark_and_blank_lines(tmp_path):
    path = make(tmp_path, '\ufeffsmiles,"y, long name"\n"CCO",1.5\n\nC,2\nCC,3\n')
    raw_task = table_task(path, "smiles", ["y, long name"])
    assert raw_task.load(raw_task, DataOptions()).smiles == ["CCO", "C", "CC"]
    np.testing.assert_array_equal(labels_of(raw_task)[:, 0], [1.5, 2, 3])


@pytest.mark.parametrize(
    ("values", "expected", "mapping"),
    [
        (("0", "1", "", "1.0"), [0, 1, NAN, 1], ""),
        (("TRUE", "false", "NA"), [1, 0, NAN], "'false' = 0, 'true' = 1"),
        (("yes", "No", "nan"), [1, 0, NAN], "'no' = 0, 'yes' = 1"),
        (("active", "inactive", "null"), [1, 0, NAN], "'inactive' = 0, 'active' = 1"),
        (("2", "1", "2"), [1, 0, 1], "1 = 0, 2 = 1"),
        (("-1", "1"), [0, 1], "-1 = 0, 1 = 1"),
        (("toxic", "safe"), [1, 0], "'safe' = 0, 'toxic' = 1"),
        (("active", "active"), [1, 1], "'inactive' = 0, 'active' = 1"),
        (("1", "1"), [1, 1], ""),
    ],
)
def test_two_values_are_classes_and_the_mapping_is_stated(tmp_path, values, expected, mapping):
    task = one(tmp_path, *values)
    assert task.kind is Kind.CLASSIFICATION
    np.testing.assert_array_equal(labels_of(task)[:, 0], expected)
    assert (f"y ({mapping})" in task.description) if mapping else ("y of mine.csv" in task.description)


def test_more_numbers_are_regression_and_the_kind_can_be_forced(tmp_path):
    assert one(tmp_path, "0", "1", "2").kind is Kind.REGRESSION
    forced = one(tmp_path, "1", "2", kind="regression")
    assert forced.kind is Kind.REGRESSION
    np.testing.assert_array_equal(labels_of(forced)[:, 0], [1, 2])


@pytest.mark.parametrize(("values", "count"), [(("5", ">10", "6", ">10"), 2), (("5", ">10"), 1)])
def test_a_word_among_numbers_names_row_column_value_and_count(tmp_path, values, count):
    with pytest.raises(
        DataError, match=rf"mine.csv, row 2, column 'y': '>10' is not a number \({count} such rows\); "
    ):
        one(tmp_path, *values)


def test_forced_kinds_that_do_not_fit(tmp_path):
    with pytest.raises(DataError, match=r"row 1, column 'y': 'yes' is not a number"):
        one(tmp_path, "yes", "no", kind=Kind.REGRESSION)
    with pytest.raises(
        DataError, match=r"'y' holds 3 different values \(1, 2, 3\) and classification needs two"
    ):
        one(tmp_path, "1", "2", "3", kind="classification")
    with pytest.raises(DataError, match=r"'y' holds 3 different values \('a', 'b', 'c'\)"):
        one(tmp_path, "a", "b", "c")
    with pytest.raises(
        DataError, match=r"kind 'ranking' is not known; it is one of classification, regression"
    ):
        one(tmp_path, "1", "2", kind="ranking")
    with pytest.raises(DataError, match=r"'y' is empty in every row"):
        one(tmp_path, "", "NA")


def test_mixed_kinds_are_refused_with_advice(tmp_path):
    path = make(tmp_path, "smiles,a,b\nC,0,1.5\nCC,1,2.5\nCCC,1,3.5\n")
    with pytest.raises(DataError, match=r"differ in kind \(a: classification, b: regression\); give"):
        table_task(path, "smiles", ["a", "b"])
    assert labels_of(table_task(path, "smiles", ["a", "b"], "regression")).shape == (3, 2)


def test_unknown_columns_name_the_file_and_the_nearest(tmp_path):
    path = make(tmp_path, "SMILES,activity\nC,1\nCC,0\n")
    with pytest.raises(
        UnknownNameError, match=r"unknown column 'activty'; nearest: activity\. Looked in .*mine.csv"
    ):
        table_task(path, "SMILES", ["activty"])
    with pytest.raises(UnknownNameError, match=r"unknown column 'smiles'; nearest: SMILES"):
        table_task(path, "smiles", ["activity"])


def test_the_column_of_smiles_is_guessed_when_there_is_one(tmp_path):
    assert (
        "SMILES in 'Drug'"
        in table_task(make(tmp_path, "Drug_ID,Drug,Y\n1,C,1\n2,CC,0\n"), None, ["Y"]).description
    )
    with pytest.raises(DataError, match=r"several columns may hold SMILES \(SMILES, Drug\)"):
        table_task(make(tmp_path, "SMILES,Drug,Y\nC,C,1\nC,C,0\n"), None, ["Y"])
    with pytest.raises(DataError, match=r"no column is called like SMILES.*Columns: a, Y"):
        table_task(make(tmp_path, "a,Y\nC,1\nC,0\n"), None, ["Y"])


@pytest.mark.parametrize(
    ("text", "targets", "message"),
    [
        ("smiles,y\n", ["y"], "has a header but no rows"),
        ("smiles,y\nC,1\nCC\n", ["y"], r"row 2 has 1 entries, the header 2"),
        ("smiles,y\nC,1,2\n", ["y"], r"row 1 has 3 entries, the header 2"),
        ("smiles,y,y\nC,1,2\n", ["y"], "2 columns called 'y'"),
        ("smiles,y\nC,1\n", [], "no label column was named"),
        ("smiles,y\nC,1\n", ["y", "y"], "'y' is named more than once"),
        ("smiles,y\nC,1\n", ["smiles"], "'smiles' is named more than once"),
        ("<html></html>", ["y"], "is a web page"),
        ("", ["y"], "is empty"),
    ],
)
def test_what_is_no_table(tmp_path, text, targets, message):
    with pytest.raises(DataError, match=message) as caught:
        table_task(make(tmp_path, text), "smiles", targets)
    assert "mine.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match=r"absent.csv cannot be read \(No such file"):
        table_task(tmp_path / "absent.csv", "smiles", ["y"])


def test_the_whole_way_to_records(tmp_path):
    rows = [f"{text};{row / 10}" for row, text in enumerate(wehi_smiles(150))]
    path = make(tmp_path, "\n".join(["smiles;pIC50", *rows, ";3", "C1CC;4"]))
    task = table_task(path, None, ["pIC50"])
    records = load_records(task, DataOptions())
    assert records.labels.shape == (150, 1)
    assert (records.report.empty, records.report.unparseable) == (1, 1)
    assert records.task == "file:mine"
    assert records.origin == str(path)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_names_in_quotes_may_hold_any_separator(tmp_path, separator):
    lines = [["smiles", '"IC50; nM, pH 7,4; 37 C;"'], ["CCO", "1.5"], ["C", "2.5"], ["CC", "3"]]
    task = table_task(
        make(tmp_path, "\n".join(map(separator.join, lines))), "smiles", ["IC50; nM, pH 7,4; 37 C;"]
    )
    np.testing.assert_array_equal(labels_of(task)[:, 0], [1.5, 2.5, 3])


def test_line_ends_of_old_macintoshes(tmp_path):
    task = table_task(make(tmp_path, "smiles,y\rCCO,1\rC,2\rCC,3\r"), "smiles", ["y"])
    np.testing.assert_array_equal(labels_of(task)[:, 0], [1, 2, 3])


def test_a_single_column_is_no_table(tmp_path):
    with pytest.raises(DataError, match=r"mine.csv has one column only \('smiles'\); a table"):
        table_task(make(tmp_path, "smiles\nCCO\nC\n"), "smiles", ["y"])


def test_a_file_named_like_a_task_is_not_that_task(tmp_path):
    task = table_task(make(tmp_path, "smiles,y\nC,1\nCC,2\nCCC,3\n", "tox21.csv"), "smiles", ["y"])
    assert task.name == "file:tox21"
    assert task.name not in TASKS


def columns(folder, *values, kind=None, separator=";"):
    rows = [f"CCO{separator}{value}" for value in values]
    return table_task(make(folder, "\n".join([f"smiles{separator}y", *rows])), "smiles", ["y"], kind)


def test_decimals_written_with_a_comma_are_read_and_said(tmp_path):
    task = columns(tmp_path, "7,35", "-0,5", "", "6", "1,2e-3")
    np.testing.assert_array_equal(labels_of(task)[:, 0], [7.35, -0.5, NAN, 6, 0.0012])
    assert "y (decimals written with a comma)" in task.description
    quoted = table_task(make(tmp_path, 'smiles,y\nC,"7,35"\nCC,"1,5"\nN,"2,25"\n'), "smiles", ["y"])
    np.testing.assert_array_equal(labels_of(quoted)[:, 0], [7.35, 1.5, 2.25])


def test_commas_that_may_part_thousands_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"row 1, column 'y': '1,234' is not a number .* thousands without"):
        columns(tmp_path, "1,234", "5,678", "9", kind="regression")


def test_bounds_are_no_measurements(tmp_path):
    with pytest.raises(DataError, match=r"row 2, column 'y': '> 10' is not .* \(2 such rows\); .*a bound"):
        columns(tmp_path, "5", "> 10", "<0.1", "7")


def test_a_third_word_is_named_with_what_to_do(tmp_path):
    with pytest.raises(DataError, match=r"'active', 'inactive', 'inconclusive'\) and .*; empty the entries"):
        columns(tmp_path, "active", "inactive", "inconclusive", "active")


def test_whole_numbers_that_look_like_classes_are_said(tmp_path):
    task = columns(tmp_path, *["0", "1", "2"] * 10)
    assert task.kind is Kind.REGRESSION
    assert (
        "y (3 different whole numbers, read as numbers; as classes there can be two only)" in task.description
    )
    assert "whole numbers" not in columns(tmp_path, *map(str, range(30))).description
    assert "whole numbers" not in columns(tmp_path, *["0.5", "1", "2"] * 10).description


def parquet(folder, columns, name="mine.parquet"):
    path = folder / name
    pq.write_table(pa.table(columns), path)
    return path


def test_parquet(tmp_path):
    columns = {
        "smiles": ["CCO", "C", None, "CC"],
        "y": pa.array([0.5, 7, 3, None], pa.float64()),
        "active": [True, False, True, None],
        "embedding": [[0.1, 0.2], [], [1.0], None],
    }
    task = table_task(parquet(tmp_path, columns), None, ["y"])
    raw = task.load(task, DataOptions())
    assert raw.smiles == ["CCO", "C", "", "CC"]
    np.testing.assert_array_equal(raw.labels[:, 0], [0.5, 7, 3, NAN])
    assert (task.name, task.kind) == ("file:mine", Kind.REGRESSION)
    classes = table_task(parquet(tmp_path, columns, "other.pq"), "smiles", ["active"])
    assert classes.kind is Kind.CLASSIFICATION
    np.testing.assert_array_equal(labels_of(classes)[:, 0], [1, 0, 1, NAN])


def test_what_is_no_parquet_file(tmp_path):
    good = parquet(tmp_path, {"smiles": ["C"], "y": [1.0]}).read_bytes()
    for content, message in (
        (good[:-20], "is damaged or no Parquet file"),
        (b"smiles,y\nC,1\n", "is damaged or no Parquet file"),
        (b"<html>", "is a web page"),
        (b"", "is empty"),
    ):
        path = tmp_path / "bad.parquet"
        path.write_bytes(content)
        with pytest.raises(DataError, match=message) as caught:
            table_task(path, None, ["y"])
        assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match="has a header but no rows"):
        table_task(parquet(tmp_path, {"smiles": [], "y": []}), None, ["y"])
    with pytest.raises(DataError, match="has one column only"):
        table_task(parquet(tmp_path, {"smiles": ["C"]}), None, ["y"])
    with pytest.raises(UnknownNameError, match=r"unknown column 'Y'; nearest: y\. Looked in .*mine.parquet"):
        table_task(parquet(tmp_path, {"smiles": ["C"], "y": [1.0]}), None, ["Y"])


def sd_file(*molecules, name="mine.sdf", folder):
    """An SD file of (SMILES, properties); the structure of a SMILES of None is damaged."""
    text = ""
    for smiles, properties in molecules:
        block = Chem.MolToMolBlock(Chem.MolFromSmiles(smiles or "CC"))
        text += block if smiles else block.replace(" C ", " Zz")
        text += "".join(f">  <{key}>  (1)\n{value}\n\n" for key, value in properties.items())
        text += "$$$$\n"
    return make(folder, text, name)


@pytest.mark.parametrize("name", ["mine.sdf", "mine.SDF", "mine.sd", "mine.sdf.gz"])
def test_an_sd_file(tmp_path, name):
    path = sd_file(
        ("OCC", {"pIC50": "6.5", "note": "two\nlines"}),
        ("C[C@H](N)O", {"pIC50": "7.5"}),
        (None, {"pIC50": "1"}),
        ("c1ccccc1", {"note": "no label"}),
        name=name,
        folder=tmp_path,
    )
    task = table_task(path, None, ["pIC50"])
    raw = task.load(task, DataOptions())
    assert raw.smiles == ["CCO", "C[C@H](N)O", "structure 3 cannot be read", "c1ccccc1"]
    np.testing.assert_array_equal(raw.labels[:, 0], [6.5, 7.5, 1, NAN])
    assert task.description == f"Regression: pIC50 of {name}, structures as drawn."
    assert read_table(path).column("note")[0] == "two lines"


def test_an_sd_file_with_line_ends_of_windows_and_smiles_of_its_own(tmp_path):
    path = sd_file(("CCO", {"SMILES": "C", "y": "1"}), ("CC", {"SMILES": "N", "y": "2.5"}), folder=tmp_path)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert table_task(path, None, ["y"]).load(None, None).smiles == ["CCO", "CC"]
    named = table_task(path, "SMILES", ["y"])
    assert named.load(named, DataOptions()).smiles == ["C", "N"]


def test_what_is_no_sd_file(tmp_path):
    structures = sd_file(("CCO", {}), ("C", {}), folder=tmp_path)
    with pytest.raises(DataError, match="holds structures without properties"):
        table_task(structures, None, ["y"])
    with pytest.raises(UnknownNameError, match="unknown column 'pIC5'; nearest: pIC50"):
        table_task(sd_file(("C", {"pIC50": "1"}), folder=tmp_path), None, ["pIC5"])
    with pytest.raises(DataError, match="holds no molecule"):
        table_task(make(tmp_path, "smiles,y\nC,1\n", "a.sdf"), None, ["y"])
    twice = make(
        tmp_path,
        sd_file(("C", {"y": "1"}), folder=tmp_path).read_text().replace("$$$$", "> <y>\n2\n\n$$$$"),
        "a.sdf",
    )
    with pytest.raises(DataError, match="molecule 1 has the property 'y' twice"):
        table_task(twice, None, ["y"])


def test_an_unreadable_structure_is_counted_and_not_lost(tmp_path):
    rows = [(smiles, {"y": str(row / 10)}) for row, smiles in enumerate(wehi_smiles(120))]
    task = table_task(sd_file(*rows, (None, {"y": "1"}), folder=tmp_path), None, ["y"])
    report = load_records(task, DataOptions()).report
    assert (report.rows, report.kept, report.unparseable) == (121, 120, 1)
    assert report.examples["unparseable"] == (("row 121", "structure 121 cannot be read"),)
