"""A part of a file: cleaned as a task is, embedded once a molecule, and known to be whole or not."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from rdkit import Chem, RDConfig

from models.embed.part import Counts, Part, dropped_file, finished_part, make_part, part_file
from models.encoders.base import Encoder
from models.encoders.ecfp import Ecfp
from molecules.clean import clean

#: As in sources: salts, charges, stereochemistry, repeats written otherwise, and what is no molecule.
WRITTEN = [
    "OCC", "C(O)C", "[Na+].[O-]C(C)=O", "CC(=O)[O-].[Na+]", "C[C@@H](N)C(O)=O", "C[C@H](N)C(=O)O",
    " c1ccccc1 ", "C1=CC=CC=C1", "", "   ", "NA", "n/a", "null", "not a molecule", "C(C", "c1ccc1",
    "C[N+](C)(C)C.[Cl-]", "[2H]C", "CCO",
]  # fmt: skip


def nci(rows: int) -> list[str]:
    path = Path(RDConfig.RDDataDir) / "NCI" / "first_5K.smi"
    return [line.split()[0] for line in path.read_text().splitlines()[:rows]]


def made(texts, folder, encoder=None, dimensions=1024, names=None, first=1) -> tuple[Counts, pd.DataFrame]:
    counts = make_part(Part(3, first, texts, names), encoder or Ecfp(), dimensions, folder, "key")
    return counts, pd.read_parquet(part_file(folder, 3))


def test_molecules_and_dropped_rows_are_those_of_a_task(tmp_path):
    texts = WRITTEN + nci(300)
    counts, frame = made(texts, tmp_path)
    dropped = pd.read_parquet(dropped_file(tmp_path, 3))
    # a task takes a row as empty where its SMILES stands for nothing: tasks.table_file
    rows = ["" if text in {"NA", "n/a", "null"} else text for text in texts]
    cleaned = clean(rows, np.ones((len(rows), 1)), True)
    assert list(dict.fromkeys(frame["smiles"])) == cleaned.smiles
    assert frame["smiles"].value_counts().loc[cleaned.smiles].tolist() == cleaned.source_rows.tolist()
    report = cleaned.report
    assert dict(counts.dropped) == {"empty": report.empty, "unparseable": report.unparseable, "not_finite": 0}
    assert dropped["reason"].value_counts().to_dict() == {
        "empty": report.empty,
        "unparseable": report.unparseable,
    }
    assert counts.embedded - counts.molecules == report.duplicates
    assert sum("." in text for text in set(frame["smiles"])) == report.mixtures
    assert (counts.rows, counts.embedded) == (len(texts), len(frame))
    # every row is in one of both files, under its number and as it was written
    assert sorted([*frame["row"], *dropped["row"]]) == list(range(1, len(texts) + 1))
    assert dropped["written"].tolist() == [texts[row - 1] for row in dropped["row"]]
    for row, text in zip(frame["row"], frame["smiles"], strict=True):
        assert Chem.CanonSmiles(texts[row - 1].strip()) == text


def test_vectors_are_those_of_the_encoder(tmp_path):
    _, frame = made(WRITTEN, tmp_path, names=[f"n{row}" for row in range(len(WRITTEN))], first=21)
    assert list(frame.columns) == ["row", "id", "smiles", "embedding"]
    vectors = np.stack(frame["embedding"])
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors, Ecfp().encode(frame["smiles"].tolist()))
    assert frame["id"].tolist() == [f"n{row - 21}" for row in frame["row"]]
    assert pd.read_parquet(dropped_file(tmp_path, 3)).columns.tolist() == ["row", "id", "written", "reason"]


class Counting(Encoder):
    """Length of a SMILES; notes what it is asked for, and gives no number for nitrogen."""

    name = "counting"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def recipe(self):
        return {}

    def encode(self, smiles, progress=None):
        self.asked += smiles
        return np.array([[np.nan if "N" in text else len(text)] for text in smiles], dtype=np.float32)


def test_repeats_are_embedded_once_and_what_is_not_finite_is_dropped(tmp_path):
    encoder = Counting()
    counts, frame = made(["CCO", "CCN", "OCC", "NCC", "C"], tmp_path, encoder, 1)
    assert encoder.asked == ["CCO", "CCN", "C"]
    assert frame["row"].tolist() == [1, 3, 5]
    assert np.stack(frame["embedding"]).ravel().tolist() == [3, 3, 1]
    dropped = pd.read_parquet(dropped_file(tmp_path, 3))
    assert dropped["row"].tolist() == [2, 4]
    assert dropped["written"].tolist() == ["CCN", "NCC"]
    assert set(dropped["reason"]) == {"not_finite"}
    assert (counts.embedded, counts.molecules, counts.dropped["not_finite"]) == (3, 2, 2)


@pytest.mark.parametrize("texts", [["", "x"], ["C"]])
def test_parts_without_molecules_or_without_dropped_rows(texts, tmp_path):
    counts, frame = made(texts, tmp_path)
    assert len(frame) == counts.embedded == sum(text == "C" for text in texts)
    assert dropped_file(tmp_path, 3).exists() == ("x" in texts)
    assert pq.read_schema(part_file(tmp_path, 3)).field("embedding").type.list_size == 1024
    assert finished_part(tmp_path, 3, "key") == (counts, "")


def test_bytes_depend_on_the_rows_alone(tmp_path):
    for folder in ("a", "b"):
        made(WRITTEN, tmp_path / folder)
    for place in (part_file, dropped_file):
        assert place(tmp_path / "a", 3).read_bytes() == place(tmp_path / "b", 3).read_bytes()


def test_a_finished_part_is_known_and_another_is_not(tmp_path):
    counts, _ = made(WRITTEN, tmp_path)
    assert finished_part(tmp_path, 3, "key") == (counts, "")
    assert finished_part(tmp_path, 4, "key") == (None, "")
    found, wrong = finished_part(tmp_path, 3, "other")
    assert found is None
    assert "part-000003.parquet" in wrong
    part_file(tmp_path, 4).write_bytes(part_file(tmp_path, 3).read_bytes())
    assert finished_part(tmp_path, 4, "key")[0] is None


@pytest.mark.parametrize("place", [part_file, dropped_file])
@pytest.mark.parametrize("damage", ["cut", "flipped", "gone"])
def test_a_damaged_part_is_made_again(place, damage, tmp_path):
    made(WRITTEN, tmp_path)
    path = place(tmp_path, 3)
    data = bytearray(path.read_bytes())
    if damage == "gone":
        path.unlink()
    else:
        if damage == "flipped":
            data[len(data) // 4] ^= 1  # among the values, which come before the account at the end
        path.write_bytes(data[: -1 if damage == "cut" else None])
    found, wrong = finished_part(tmp_path, 3, "key")
    assert found is None
    assert bool(wrong) == (place is dropped_file or damage != "gone")


def test_the_account_stands_in_the_file(tmp_path):
    counts, _ = made(WRITTEN, tmp_path)
    told = json.loads(pq.read_schema(part_file(tmp_path, 3)).metadata[b"molmis"])
    assert told["counts"]["rows"] == counts.rows == len(WRITTEN)
    total = counts + counts
    assert (total.rows, total.parts) == (2 * len(WRITTEN), 2)
    assert total.dropped["empty"] == 2 * counts.dropped["empty"]
