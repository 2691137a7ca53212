"""Embeddings that were computed elsewhere: every format, and one clear error for whatever is wrong."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from rdkit import Chem

from models.encoders.base import embed
from models.encoders.embedding_file import EmbeddingFile
from models.encoders.seen import refuse_fitted
from molecules.errors import DataError, MolmisError
from tests.listener import Listener

WRITTEN = ["OCC", "c1ccccc1O", "C(=O)(O)C", "C[C@@H](N)C(O)=O"]
CANONICAL = [Chem.CanonSmiles(text) for text in WRITTEN]
VECTORS = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
INCHIKEYS = [Chem.MolToInchiKey(Chem.MolFromSmiles(text)) for text in WRITTEN]


def columns(key: str, names, vectors=VECTORS) -> pd.DataFrame:
    return pd.DataFrame({key: names, **{f"e{n}": vectors[:, n] for n in range(vectors.shape[1])}})


def npz(path, key="smiles", names=WRITTEN, vectors=VECTORS):
    np.savez(path, **{key: np.array(names), "embeddings": vectors})
    return path


FORMATS = {
    "a.npz": lambda path, key, names: npz(path, key, names),
    "a.csv": lambda path, key, names: columns(key, names).to_csv(path, index=False),
    "a.tsv.gz": lambda path, key, names: columns(key, names).to_csv(path, index=False, sep="\t"),
    "a.parquet": lambda path, key, names: columns(key, names).to_parquet(path),
    "list.parquet": lambda path, key, names: pd.DataFrame(
        {key: names, "embedding": [list(map(float, row)) for row in VECTORS]}
    ).to_parquet(path),
}


@pytest.mark.parametrize("name", list(FORMATS))
@pytest.mark.parametrize(
    ("key", "names"),
    [("smiles", WRITTEN), ("SMILES", WRITTEN), ("inchikey", INCHIKEYS), ("InChIKey", INCHIKEYS)],
)
def test_molecules_are_found_however_they_are_written(name, key, names, tmp_path):
    FORMATS[name](tmp_path / name, key, names)
    encoder = EmbeddingFile(tmp_path / name)
    np.testing.assert_allclose(encoder.encode(CANONICAL[::-1]), VECTORS[::-1], rtol=1e-6)
    assert encoder.encode(CANONICAL).dtype == np.float32


@pytest.mark.parametrize("key", ["smiles", "inchikey"])
def test_molecules_that_are_missing_are_told_in_one_line(key, tmp_path):
    encoder = EmbeddingFile(npz(tmp_path / "a.npz", key, WRITTEN if key == "smiles" else INCHIKEYS))
    with pytest.raises(DataError) as caught:
        encoder.encode([*CANONICAL, "CCN", "CCCN"])
    said = str(caught.value)
    words = ["a.npz", "2 of 6", "CCN, CCCN", "add them", "InChIKey" if key == "inchikey" else "SMILES"]
    assert all(word in said for word in words)
    assert "\n" not in said


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ({"vectors": np.where(np.eye(4, 3), np.nan, VECTORS)}, ["3 of 4", "not finite", "OCC"]),
        ({"vectors": VECTORS.astype(np.float64) * 1e300}, ["not finite"]),
        ({"names": ["OCC", "CCO", "N", "C"]}, ["1 molecules have several", "CCO"]),
        ({"names": WRITTEN[:3]}, ["3 molecules", "(4, 3)"]),
        ({"vectors": VECTORS[0]}, ["(3,)"]),
        ({"vectors": VECTORS[:, :0]}, ["(4, 0)"]),
        ({"names": ["x1", "x2", "x3", "x4"]}, ["none of 4 rows"]),
        ({"key": "molecule_id"}, ["smiles", "inchikey", "molecule_id"]),
        ({"vectors": np.array([["a"] * 3] * 4)}, ["not all embeddings are numbers"]),
    ],
)
def test_what_is_wrong_with_a_file_is_told(made, words, tmp_path):
    path = npz(tmp_path / "a.npz", **made)
    with pytest.raises(DataError) as caught:
        EmbeddingFile(path)
    assert all(word in str(caught.value) for word in [*words, "a.npz"]), str(caught.value)


@pytest.mark.parametrize(
    ("name", "write", "words"),
    [
        ("absent.npz", lambda path: None, ["there is no file"]),
        ("a.npz", lambda path: path.write_bytes(b"no zip"), ["cannot be read as arrays"]),
        ("a.npz", lambda path: np.savez(path, smiles=np.array(WRITTEN)), ["called embeddings"]),
        (
            "a.npz",
            lambda path: np.savez(path, smiles=np.array(WRITTEN, dtype=object), embeddings=VECTORS),
            ["numpy.str_"],
        ),
        ("a.parquet", lambda path: path.write_bytes(b"no parquet"), ["cannot be read as Parquet"]),
        (
            "a.parquet",
            lambda path: pd.DataFrame({"smiles": ["C", "N"], "e": [[1.0], [1.0, 2.0]]}).to_parquet(path),
            ["different lengths"],
        ),
        (
            "a.parquet",
            lambda path: pd.DataFrame({"smiles": ["C"], "e": [[1.0]], "f": [2.0]}).to_parquet(path),
            ["a column of vectors, e, and others"],
        ),
        ("a.csv", lambda path: path.write_text("smiles,e\nC,one\n"), ["not all embeddings are numbers"]),
        ("a.csv", lambda path: path.write_text("smiles,e\nC,\n"), ["not all embeddings are numbers"]),
    ],
)
def test_files_that_cannot_be_read_are_told(name, write, words, tmp_path):
    write(tmp_path / name)
    with pytest.raises(DataError) as caught:
        EmbeddingFile(tmp_path / name)
    assert all(word in str(caught.value) for word in [*words, name])


def test_equal_repeats_are_one_and_rows_without_a_molecule_are_told(tmp_path):
    names, vectors = ["OCC", "CCO", "no molecule", ""], VECTORS.copy()
    vectors[1] = vectors[0]
    encoder, listener = EmbeddingFile(npz(tmp_path / "a.npz", "smiles", names, vectors)), Listener()
    encoder.prepare(progress=listener)
    assert encoder.encode(["CCO"]).tolist() == vectors[:1].tolist()
    assert ["2 rows name no molecule" in note for note in listener.notes] == [True]


@pytest.mark.parametrize(("scale", "told"), [(1e-4, True), (1.0, False), (1e4, True)])
def test_unusual_numbers_are_told(scale, told, tmp_path):
    listener = Listener()
    EmbeddingFile(npz(tmp_path / "a.npz", vectors=VECTORS * scale)).prepare(progress=listener)
    assert bool(listener.notes) is told


def test_the_recipe_is_the_content_and_the_cache_is_used(tmp_path, own_cache):
    path = npz(tmp_path / "a.npz")
    first = EmbeddingFile(path)
    (tmp_path / "elsewhere").mkdir()
    copy = shutil.copy(path, tmp_path / "elsewhere" / "b.npz")
    assert EmbeddingFile(copy).key == first.key
    assert EmbeddingFile(npz(tmp_path / "c.npz", vectors=VECTORS + 1)).key != first.key
    (tmp_path / "a.npz.json").write_text(json.dumps({"labels": []}))
    assert EmbeddingFile(path).key != first.key
    found = embed(first, CANONICAL)
    assert found.tolist() == embed(first, CANONICAL).tolist() == VECTORS.tolist()
    assert first.parameters == 0
    assert not first.quantizable


@pytest.mark.parametrize("name", ["Unnamed: 0", "index", "__index_level_0__"])
def test_numbers_of_rows_are_no_embedding(name, tmp_path):
    columns("smiles", WRITTEN).assign(**{name: range(4)}).to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(DataError, match="looks like numbers of rows"):
        EmbeddingFile(tmp_path / "a.csv")
    columns("smiles", WRITTEN).to_csv(tmp_path / "b.csv")  # as pandas writes it where nobody says otherwise
    with pytest.raises(DataError, match="looks like numbers of rows"):
        EmbeddingFile(tmp_path / "b.csv")


def test_a_label_among_the_dimensions_is_refused(tmp_path):
    columns("smiles", WRITTEN).assign(PIC50=[1.0, 2, 3, 4]).to_csv(tmp_path / "a.csv", index=False)
    encoder = EmbeddingFile(tmp_path / "a.csv")
    with pytest.raises(MolmisError, match="have a column 'pIC50', a label of toy; take it out"):
        refuse_fitted(encoder, "toy", ["pIC50"], "0")
    refuse_fitted(encoder, "toy", ["logP"], "0")


def test_endings_in_capitals_bytes_and_arrays_of_another_kind(tmp_path):
    np.savez(tmp_path / "a.npz", smiles=np.array(WRITTEN, dtype="S"), embeddings=VECTORS)
    shutil.copy(tmp_path / "a.npz", tmp_path / "B.NPZ")
    for name in ("a.npz", "B.NPZ"):
        np.testing.assert_allclose(EmbeddingFile(tmp_path / name).encode(CANONICAL), VECTORS)
    np.save(tmp_path / "c.npy", VECTORS)
    (tmp_path / "c.npy").rename(tmp_path / "c.npz")
    with pytest.raises(DataError, match="cannot be read as arrays"):
        EmbeddingFile(tmp_path / "c.npz")
    columns("smiles", WRITTEN).assign(E0=1.0).to_parquet(tmp_path / "d.parquet")
    assert EmbeddingFile(tmp_path / "d.parquet").encode(CANONICAL).shape == (4, 4)
