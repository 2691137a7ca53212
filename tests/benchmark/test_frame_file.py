"""Frames on disk: what is not what was written is never read."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmark.frame_file import parse_frame, read_frame, write_frame
from molecules.errors import DataError

FRAME = pd.DataFrame(
    {"run": [0, 1, 2], "rate": [0.1, np.nan, -0.0], "constant": [True, False, True], "reason": ["", "é", "x"]}
)


def test_round_trip_is_exact(tmp_path):
    write_frame(tmp_path / "f.parquet", FRAME, {"key": "k", "sizes": [1, 2]})
    frame, facts = read_frame(tmp_path / "f.parquet")
    pd.testing.assert_frame_equal(frame, FRAME, check_dtype=False, check_exact=True)
    assert np.signbit(frame["rate"][2])
    assert facts == {"key": "k", "sizes": [1, 2]}


def overwrite(path: Path, frame: pd.DataFrame) -> None:
    """Change the rows of a file and leave what it says of them."""
    metadata = pq.read_schema(path).metadata
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(metadata), path)


@pytest.mark.parametrize("column", list(FRAME))
def test_changed_rows_are_noticed(tmp_path, column):
    path = tmp_path / "f.parquet"
    write_frame(path, FRAME, {"key": "k"})
    changed = FRAME.copy()
    changed[column] = changed[column].iloc[::-1].to_numpy()
    if column == "constant":
        changed[column] = ~changed[column]
    overwrite(path, changed)
    with pytest.raises(DataError, match=r"f\.parquet is damaged \(its rows"):
        read_frame(path)


def test_changed_facts_are_noticed(tmp_path):
    path = tmp_path / "f.parquet"
    write_frame(path, FRAME, {"key": "k", "seed": 0})
    table = pq.read_table(path)
    metadata = {
        name: text.replace(b'"seed": 0', b'"seed": 1') for name, text in table.schema.metadata.items()
    }
    pq.write_table(table.replace_schema_metadata(metadata), path)
    with pytest.raises(DataError, match=r"f\.parquet is damaged \(what it says"):
        read_frame(path)


@pytest.mark.parametrize(("was", "instead"), [(b"numpy_type", b"numpy_typo"), (b'"columns"', b'"colunms"')])
def test_a_damaged_description_of_the_columns_is_damage(tmp_path, was, instead):
    path = tmp_path / "f.parquet"
    write_frame(path, FRAME, {"key": "k"})
    table = pq.read_table(path)
    metadata = {name: text.replace(was, instead) for name, text in table.schema.metadata.items()}
    pq.write_table(table.replace_schema_metadata(metadata), path)
    with pytest.raises(DataError, match=r"f\.parquet is damaged"):
        read_frame(path)


def test_no_flipped_bit_changes_a_figure(tmp_path):
    path = tmp_path / "f.parquet"
    write_frame(path, FRAME, {"key": "k", "seed": 0})
    whole, expected = path.read_bytes(), read_frame(path)
    rng = np.random.default_rng(0)
    noticed = 0
    for place, bit in zip(rng.integers(0, len(whole), 300), rng.integers(0, 8, 300), strict=True):
        data = bytearray(whole)
        data[place] ^= 1 << int(bit)
        try:
            frame, facts = parse_frame(bytes(data), path)
        except DataError:
            noticed += 1
            continue
        pd.testing.assert_frame_equal(frame, expected[0], check_exact=True)
        assert facts == expected[1]
    assert 0 < noticed < 300


def test_files_of_earlier_versions_have_no_hash_of_their_facts(tmp_path):
    path = tmp_path / "f.parquet"
    write_frame(path, FRAME, {"key": "k"})
    table = pq.read_table(path)
    facts = json.loads(table.schema.metadata[b"molmis"])
    del facts["told"], facts["facts are hashed"]
    pq.write_table(
        table.replace_schema_metadata({**table.schema.metadata, b"molmis": json.dumps(facts)}), path
    )
    assert read_frame(path)[1] == {"key": "k"}


def test_facts_are_read_as_they_were_written(tmp_path):
    path = tmp_path / "f.parquet"
    write_frame(path, FRAME, {"sizes": (1, 2), "names": {2: "b", 10: "a"}, "unknown": float("nan")})
    facts = read_frame(path)[1]
    assert facts["sizes"] == [1, 2]
    assert facts["names"] == {"2": "b", "10": "a"}


def test_a_folder_in_the_place_of_a_file_is_named(tmp_path):
    (tmp_path / "f.parquet").mkdir()
    with pytest.raises(DataError, match=r"f\.parquet cannot be read"):
        read_frame(tmp_path / "f.parquet")


def test_lost_rows_and_columns_are_noticed(tmp_path):
    path = tmp_path / "f.parquet"
    for part in (FRAME.iloc[:2], FRAME.drop(columns="rate")):
        write_frame(path, FRAME, {})
        metadata = pq.read_schema(path).metadata
        pq.write_table(
            pa.Table.from_pandas(part, preserve_index=False).replace_schema_metadata(metadata), path
        )
        with pytest.raises(DataError, match="its rows"):
            read_frame(path)


@pytest.mark.parametrize("data", [b"", b"PAR1", b"quantizer,r\n"])
def test_what_is_no_frame_is_named(tmp_path, data):
    path = tmp_path / "f.parquet"
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"f\.parquet is damaged"):
        read_frame(path)


def test_a_frame_of_another_program_is_named(tmp_path):
    path = tmp_path / "f.parquet"
    FRAME.to_parquet(path)
    with pytest.raises(DataError, match="no result of molmis"):
        read_frame(path)


@pytest.mark.parametrize(("kind", "bits"), [(np.float32, 0xFFC00001), (np.float64, 0xFFF8000000000001)])
def test_a_missing_number_is_missing_whichever_nan_it_was(tmp_path, kind, bits):
    whole = np.uint32 if kind is np.float32 else np.uint64
    values = np.array([bits, 0], dtype=whole).view(kind)
    write_frame(tmp_path / "f.parquet", pd.DataFrame({"label": values}), {})
    frame, _ = read_frame(tmp_path / "f.parquet")
    assert frame["label"].isna().tolist() == [True, False]
    assert frame["label"].dtype == kind
