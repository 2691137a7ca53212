"""A table read row by row says what it says when it is read whole, mistakes included."""

import gzip
from pathlib import Path

import pytest

from molecules.errors import DataError, MolmisError
from tasks import table_stream
from tasks.table_file import read_table
from tasks.table_stream import TableStream

TABLES = {
    "plain": "smiles,name\nCCO,a\nCCN,b\n",
    "no line end": "smiles,name\nCCO,a\nCCN,b",
    "windows": "smiles,name\r\nCCO,a\r\n\r\nCCN,b\r\n",
    "old macintosh": "smiles,name\rCCO,a\rCCN,b\r",
    "mark and blanks": "\ufeff\n\n smiles , name \nCCO , a\n\n\nCCN,b \n",
    "semicolons": "smiles;name\nCCO;1,5\nCCN;2,5\n",
    "tabs": "smiles\tname\nCCO\ta,b\nCCN\tc;d\n",
    "quotes": 'smiles,name\n"CCO","a, ""b""\r\nc"\nCCN,\n',
    "one column": "smiles\nCCO\nCCN\n",
    "separator told late": "smiles,name\n" + "C,a\n" * 30 + "CC,b\n",
    "no text": "smiles,name\n,\nCCO,\n",
    "word and blanks": "smiles,name\n   ,  \nCCO,x y\n",
}


def make(folder: Path, text: str, name: str = "table.csv") -> Path:
    path, data = folder / name, text.encode()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


@pytest.mark.parametrize("name", ["table.csv", "table.csv.gz"])
@pytest.mark.parametrize("text", TABLES.values(), ids=TABLES)
def test_rows_are_those_of_the_table_read_whole(text, name, tmp_path):
    path = make(tmp_path, text, name)
    whole, stream = read_table(path, labels=False), TableStream.of(path)
    assert stream.header == whole.header
    assert list(stream.rows(stream.header)) == whole.rows
    assert list(stream.rows(["smiles"])) == [[text] for text in whole.column("smiles")]
    assert stream.smiles_column() == "smiles"


WRONG = {
    "empty": "",
    "web page": "<!DOCTYPE html><html>",
    "too wide": "smiles,name\nC,a\nCC,b,c\n",
    "too narrow": "smiles,name\n" + "C,a\n" * 25 + "CC\n",
    "binary": "smiles,name\nC,\0\n",
}


@pytest.mark.parametrize("name", ["table.csv", "table.csv.gz"])
@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG)
def test_mistakes_are_told_as_of_the_table_read_whole(text, name, tmp_path):
    path = make(tmp_path, text, name)
    with pytest.raises(DataError) as whole:
        read_table(path, labels=False)
    with pytest.raises(DataError) as streamed:
        list(TableStream.of(path).rows(["smiles"]))
    assert str(streamed.value) == str(whole.value)


@pytest.mark.parametrize("column", ["Smiles", "twice"])
def test_columns_are_named_as_of_the_table_read_whole(column, tmp_path):
    path = make(tmp_path, "smiles,twice,twice\nC,1,2\n")
    with pytest.raises(MolmisError) as whole:
        read_table(path).column(column)
    with pytest.raises(MolmisError) as streamed:
        next(TableStream.of(path).rows([column]))
    assert str(streamed.value) == str(whole.value)


def test_what_is_wrong_far_in_the_file(tmp_path):
    rows = "smiles,name\n" + "C,a\n" * 50_000
    cut = tmp_path / "cut.csv.gz"
    cut.write_bytes(gzip.compress(rows.encode())[:-12])
    with pytest.raises(DataError, match="truncated or corrupt gzip"):
        list(TableStream.of(cut).rows(["smiles"]))
    latin = tmp_path / "latin.csv"
    latin.write_bytes(rows.encode() + "C,ü\n".encode("latin-1"))
    with pytest.raises(DataError, match="UTF-8"):
        list(TableStream.of(latin).rows(["smiles"]))
    quote = make(tmp_path, rows + '"C,a\n' + rows)
    with pytest.raises(DataError, match="cannot be read as a table"):
        list(TableStream.of(quote).rows(["smiles"]))


@pytest.mark.parametrize(
    ("name", "words"),
    [("absent.csv", "check the path"), ("a.sdf", "row by row"), ("a.parquet", ".csv"), ("a.gz", ".csv")],
)
def test_files_that_are_not_read(name, words, tmp_path):
    with pytest.raises(DataError, match=words):
        TableStream.of(tmp_path / name)


def test_not_gzip_data_and_a_header_alone(tmp_path):
    (tmp_path / "a.csv.gz").write_text("smiles,name\nC,a\n")
    with pytest.raises(DataError, match="not gzip data"):
        TableStream.of(tmp_path / "a.csv.gz")
    with pytest.raises(DataError, match="no rows"):
        TableStream.of(make(tmp_path, "smiles,name\n"))


def test_a_line_without_an_end_does_not_fill_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(table_stream, "_LONGEST", 1000)
    with pytest.raises(DataError, match="line of 1,000 characters"):
        TableStream.of(make(tmp_path, "smiles,name\nC," + "a" * 5000))


def test_rows_are_read_as_they_are_needed_and_bytes_are_told(tmp_path):
    path = make(tmp_path, "smiles,name\n" + "C,a\n" * 100_000)
    told: list[int] = []
    rows = TableStream.of(path).rows(["smiles"], told.append)
    next(rows)
    assert sum(told) < 20_000
    assert sum(1 for _ in rows) == 99_999
    assert sum(told) == path.stat().st_size
    assert len(told) > 20
