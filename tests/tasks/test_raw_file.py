import gzip
import hashlib

import pytest

from molecules.errors import DataError, UnknownNameError
from tasks.raw_file import RawFile, as_text, check_file, read_content

TABLE = b"smiles,y\nCCO,1\nC,0\n"
FACTS = RawFile(
    "set", "table.csv", "https://example.org/table.csv", hashlib.sha256(TABLE).hexdigest(), ("smiles", "y")
)
PAGE = b"\n<!DOCTYPE html><html><body>Sign in</body></html>"


def write(folder, content, name="table.csv"):
    path = folder / name
    path.write_bytes(content)
    return path


def test_the_known_file_passes_plain_and_compressed(tmp_path):
    check_file(write(tmp_path, TABLE), FACTS, verify=True)
    for level in (1, 9):  # other bytes, same content
        check_file(write(tmp_path, gzip.compress(TABLE, level, mtime=0), "table.csv.gz"), FACTS, verify=True)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("table.csv", b"", "is empty"),
        ("table.csv.gz", b"", "is empty"),
        ("table.csv.gz", gzip.compress(b"", mtime=0), "holds an empty file"),
        ("table.csv", PAGE, "is a web page"),
        ("table.csv.gz", PAGE, "is a web page"),
        ("table.csv.gz", gzip.compress(PAGE, mtime=0), "is a web page"),
        ("table.csv.gz", TABLE, "is not gzip data"),
        ("table.csv.gz", gzip.compress(TABLE * 50, mtime=0)[:-12], "truncated or corrupt gzip"),
        (
            "table.csv.gz",
            gzip.compress(TABLE, mtime=0)[:15] + b"\0\0\0" + gzip.compress(TABLE, mtime=0)[18:],
            "truncated or corrupt",
        ),
        ("table.csv", b"PK\x03\x04\xff\xfe\x00", "is not UTF-8 text"),
        ("table.csv", b"smiles,y\0\n", "is binary data"),
        ("table.csv", b"smiles,y\n", "has a header but no rows"),
    ],
)
@pytest.mark.parametrize("verify", [True, False])
def test_damage_is_told_before_the_checksum(tmp_path, name, content, message, verify):
    path = write(tmp_path, content, name)
    with pytest.raises(DataError, match=message) as caught:
        check_file(path, FACTS, verify)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_column_lists_the_nearest(tmp_path):
    path = write(tmp_path, b"SMILES,y\nC,1\n")
    with pytest.raises(
        UnknownNameError, match=r"unknown column 'smiles'; nearest: SMILES\. Looked in .*table.csv"
    ):
        check_file(path, FACTS, verify=True)


def test_another_version_needs_no_verify(tmp_path):
    path = write(tmp_path, TABLE + b"CC,1\n")
    with pytest.raises(DataError, match=rf"expected {FACTS.sha256}; .*--no-verify"):
        check_file(path, FACTS, verify=True)
    check_file(path, FACTS, verify=False)


def test_a_folder_or_nothing_cannot_be_read(tmp_path):
    for path in (tmp_path, tmp_path / "absent.csv"):
        with pytest.raises(DataError, match=r"cannot be read"):
            read_content(path)


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path):
    assert as_text(tmp_path, b"\xef\xbb\xbfsmiles") == "smiles"
