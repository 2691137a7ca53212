"""A file of embeddings is read once in a process, and never mistaken for another."""

import os
import shutil

import numpy as np
import pytest

from models.encoders import kept_tables as module
from models.encoders.choice import chosen_encoder
from models.encoders.embedding_file import EmbeddingFile
from models.encoders.embedding_table import read_embeddings
from molecules.cache import file_sha256
from molecules.errors import DataError
from tasks.catalogue import get_task

SMILES = ["C", "CC", "CCC"]


@pytest.fixture
def read(monkeypatch):
    """The files that were read, in order; nothing is kept at first."""
    files = []
    monkeypatch.setattr(module, "_KEPT", type(module._KEPT)())
    monkeypatch.setattr(
        module, "read_embeddings", lambda path: files.append(path.name) or read_embeddings(path)
    )
    return files


def npz(path, value=0.0, dimensions=2):
    vectors = np.full((3, dimensions), value, dtype=np.float32)
    np.savez(path, smiles=np.array(SMILES), embeddings=vectors)
    return path


@pytest.mark.parametrize("name", ["a.npz", "a.parquet", "a.csv", "a.tsv.gz"])
def test_every_task_of_a_suite_has_the_table_that_was_read_first(name, read, tmp_path):
    import pandas as pd

    path, frame = tmp_path / name, pd.DataFrame({"smiles": SMILES, "e": [1.0, 2.0, 3.0]})
    if name == "a.npz":
        npz(path)
    elif name == "a.parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, sep="\t" if ".tsv" in name else ",")
    encoders = [chosen_encoder(get_task(task), str(path)) for task in ("tox21", "delaney", "pains")]
    assert read == [name]
    assert len({id(encoder.table) for encoder in encoders}) == 1
    assert {encoder.recipe()["sha256"] for encoder in encoders} == {file_sha256(path)}
    found = encoders[2].encode(SMILES)
    found += 1  # what is given away is the encoder's no more
    np.testing.assert_array_equal(encoders[1].encode(SMILES), found - 1)
    with pytest.raises(ValueError, match="read-only"):
        encoders[0].table.vectors[0] = 7


def test_other_content_of_the_same_size_and_time_is_read(read, tmp_path):
    path = npz(tmp_path / "a.npz", 1.0)
    before, first = path.stat(), EmbeddingFile(path)
    npz(path, 2.0)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    second = EmbeddingFile(path)
    assert (first.encode(["C"])[0, 0], second.encode(["C"])[0, 0]) == (1, 2)
    assert first.key != second.key
    assert read == ["a.npz", "a.npz"]


def test_a_copy_is_not_read_again_unless_it_is_read_otherwise(read, tmp_path):
    (tmp_path / "a.csv").write_text("smiles,e\nC,1\nCC,2\n")
    for name in ("b.csv", "c.tsv"):
        shutil.copy(tmp_path / "a.csv", tmp_path / name)
    EmbeddingFile(tmp_path / "a.csv")
    EmbeddingFile(tmp_path / "b.csv")
    assert read == ["a.csv"]
    with pytest.raises(DataError, match=r"c\.tsv has one column only"):
        EmbeddingFile(tmp_path / "c.tsv")


def test_memory_is_bounded_and_the_table_used_last_stays(read, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST_BYTES", 2 * 3 * 4 * 4)  # of two tables of three vectors of four numbers
    one, two, three = (npz(tmp_path / f"{n}.npz", n, 4) for n in range(3))
    large = npz(tmp_path / "large.npz", 9, 40)
    for path in (one, two, one, three, one, two):
        EmbeddingFile(path)
    assert read == ["0.npz", "1.npz", "2.npz", "1.npz"]  # 1 made room for 2: 0 had been used since
    read.clear()
    for path in (large, large, one, one):
        EmbeddingFile(path)
    assert read == ["large.npz", "0.npz"]  # larger than all that is kept, and yet there for the next task


def test_what_cannot_be_read_is_one_line_and_not_kept(read, tmp_path):
    path = tmp_path / "a.npz"
    with pytest.raises(DataError, match="there is no file"):
        EmbeddingFile(path)
    path.mkdir()
    with pytest.raises(DataError, match=r"a\.npz cannot be read"):
        EmbeddingFile(path)
    path.rmdir()
    path.write_bytes(b"no zip")
    for _ in range(2):
        with pytest.raises(DataError, match="cannot be read as arrays"):
            EmbeddingFile(path)
    assert EmbeddingFile(npz(path)).encode(["C"]).shape == (1, 2)
