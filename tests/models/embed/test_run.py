"""A file becomes a folder: the same one for every number of processes, and after every interruption."""

import csv
import dataclasses
import gzip
import json
import os
import random
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rdkit import Chem, RDConfig

from models.embed import run
from models.embed.run import embed_file
from models.embed.workers import Work
from models.encoders import pretraining
from models.encoders.base import ENCODERS, Encoder
from models.encoders.choice import chosen_encoder, streaming_encoder
from models.encoders.declaration import declaration_of, declare
from models.encoders.ecfp import Ecfp
from models.encoders.gin import Gin, GinConfig
from models.encoders.pretraining import Pretraining
from models.encoders.rdkit2d import Rdkit2d
from molecules.cache import exclusive
from molecules.descriptors import NAMES
from molecules.errors import DataError, MolmisError
from tasks.catalogue import get_task
from tests.listener import Listener


def written(folder: Path, rows: int = 450, name: str = "library.csv") -> Path:
    """Molecules of the NCI set, some twice and otherwise written, some unreadable."""
    lines = (Path(RDConfig.RDDataDir) / "NCI" / "first_5K.smi").read_text().splitlines()
    drawn = random.Random(0)
    table = [["ID", "structure"]]
    for row in range(rows):
        text = lines[row % 300].split()[0]
        if row % 50 == 7:
            text = drawn.choice(["", "nonsense", "C(C"])
        elif row >= 300 and (mol := Chem.MolFromSmiles(text)) is not None:
            text = Chem.MolToRandomSmilesVect(mol, 1, randomSeed=row)[0]
        table.append([f"m{row}", text])
    path = folder / name
    with (gzip.open if name.endswith(".gz") else open)(path, "wt", newline="") as stream:
        csv.writer(stream).writerows(table)
    return path


def files(folder: Path) -> dict[str, bytes]:
    """All files of a folder but the lock."""
    paths = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    return written(tmp_path_factory.mktemp("source"))


def embedded(source, out, encoder=None, **changes):
    options = {"smiles": "structure", "names": "ID", "part_size": 100, "most_workers": 2, **changes}
    return embed_file(source, encoder or Ecfp(), out, **options)


@pytest.fixture(scope="module")
def whole(source, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "out"
    done = embedded(source, out)
    assert (done.counts.rows, done.counts.parts, done.reused) == (450, 5, 0)
    return out


def test_the_folder_holds_every_row(source, whole):
    given = pd.read_csv(source, keep_default_na=False)
    parts, dropped = pd.read_parquet(whole / "parts"), pd.read_parquet(whole / "dropped")
    assert sorted([*parts["row"], *dropped["row"]]) == list(range(1, 451))
    assert parts["row"].is_monotonic_increasing
    assert parts["id"].tolist() == [given["ID"][row - 1] for row in parts["row"]]
    assert [Chem.CanonSmiles(given["structure"][row - 1]) for row in parts["row"]] == parts["smiles"].tolist()
    np.testing.assert_array_equal(np.stack(parts["embedding"]), Ecfp().encode(parts["smiles"].tolist()))
    told = json.loads((whole / "manifest.json").read_text())
    assert told["counts"]["embedded"] == len(parts)
    assert sum(told["counts"]["dropped"].values()) == len(dropped)
    assert told["counts"]["molecules_in_all"] == parts["smiles"].nunique() < len(parts)
    assert told["source"]["name"] == "library.csv"
    assert told["dimensions"] == 1024


def test_one_process_makes_the_same_bytes(source, whole, tmp_path):
    embedded(source, tmp_path / "out", most_workers=1)
    assert files(tmp_path / "out") == files(whole)


def test_a_packed_file_gives_the_same_parts(whole, tmp_path):
    embedded(written(tmp_path, name="library.csv.gz"), tmp_path / "out")
    for name in ("parts", "dropped"):
        ours, theirs = (pd.read_parquet(folder / name) for folder in (tmp_path / "out", whole))
        pd.testing.assert_frame_equal(ours, theirs)


def test_only_what_is_missing_or_damaged_is_made_again(source, whole, tmp_path):
    out, listener = tmp_path / "out", Listener()
    embedded(source, out)
    parts = out / "parts"
    (parts / "part-000001.parquet").unlink()
    data = (parts / "part-000003.parquet").read_bytes()
    (parts / "part-000003.parquet").write_bytes(data[: len(data) // 2])
    (parts / ".part-000003.parquet.x.part").write_bytes(b"half")
    kept = (parts / "part-000000.parquet").stat().st_mtime_ns
    done = embedded(source, out, progress=listener)
    assert done.reused == 3
    (note,) = listener.notes
    assert "part-000003.parquet is damaged" in note
    assert (parts / "part-000000.parquet").stat().st_mtime_ns == kept
    assert files(out) == files(whole)
    assert "5 parts in" in done.summary()
    assert "3 of them from before" in done.summary()


@pytest.fixture
def tiny(monkeypatch) -> Gin:
    """A network that is pretrained in a moment, on molecules of which a process would read others."""
    few = ["C" * length + tail for length in range(1, 33) for tail in ("O", "N")]
    monkeypatch.setattr(pretraining, "pretraining_smiles", lambda limit, *_: few)
    config = dataclasses.replace(GinConfig(), width=16, layers=2, dimensions=8)
    return Gin(config, Pretraining(epochs=1, molecules=64, batch_size=16))


def test_a_network_is_prepared_once_and_its_state_given_to_processes(tiny, source, tmp_path):
    done = embedded(source, tmp_path / "out", tiny, names=None)
    frame = pd.read_parquet(tmp_path / "out" / "parts")
    assert list(frame.columns) == ["row", "smiles", "embedding"]
    np.testing.assert_allclose(np.stack(frame["embedding"]), tiny.encode(frame["smiles"].tolist()), atol=1e-5)
    assert done.counts.embedded == len(frame)
    embedded(source, tmp_path / "one", tiny, names=None, most_workers=1)
    assert files(tmp_path / "one") == files(tmp_path / "out")


def test_processes_do_not_prepare_what_they_are_given(tiny, monkeypatch, tmp_path):
    work = run._work(tiny, "cpu", tmp_path, "key", Listener())
    expected = tiny.encode(["CCO", "c1ccccc1"])
    monkeypatch.setattr(pretraining, "pretrained_file", None)
    np.testing.assert_array_equal(work.prepared().encode(["CCO", "c1ccccc1"]), expected)


def test_the_scale_of_descriptors_is_given_to_processes(tmp_path, monkeypatch):
    encoder = Rdkit2d(molecules=50)
    work = run._work(encoder, "cpu", tmp_path, "key", Listener())
    monkeypatch.setattr(Rdkit2d, "seen", None)
    np.testing.assert_array_equal(work.prepared().encode(["CCO"]), encoder.encode(["CCO"]))
    assert work.dimensions == len(NAMES)


class Files(Encoder):
    """An encoder that reads files of its own, as those of checkpoints do."""

    name, portable = "files", False
    device = ""

    def recipe(self):
        return {}

    def prepare(self, device="cpu", progress=None):
        self.device = device

    def encode(self, smiles, progress=None):
        return np.full((len(smiles), 2), len(self.device), dtype=np.float32)


def test_an_encoder_of_files_is_prepared_in_every_process(tmp_path):
    work = run._work(Files(), "cpu", tmp_path, "key", Listener())
    assert work.state is None
    assert work.prepared().encode(["C"]).tolist() == [[3, 3]]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"part_size": 99}, "--part-size 100, here 99"),
        ({"names": None}, "--id-column ID, here None"),
        ({"encoder": Files()}, "--encoder ecfp, here files"),
    ],
)
def test_another_command_in_the_same_folder_is_refused(changes, words, source, whole):
    before = files(whole)
    with pytest.raises(DataError, match=words) as caught:
        embedded(source, whole, **changes)
    assert "name another --out" in str(caught.value)
    assert files(whole) == before


def test_another_file_in_the_same_folder_is_refused(whole, tmp_path):
    before, other = files(whole), written(tmp_path, 451, "other.csv")
    with pytest.raises(DataError, match=r"another content of the file: library.csv, .* here other.csv"):
        embedded(other, whole)
    assert files(whole) == before


def test_the_same_file_under_another_name_goes_on(source, whole, tmp_path):
    renamed = tmp_path / "renamed.csv"
    renamed.write_bytes(source.read_bytes())
    before = files(whole)
    assert embedded(renamed, whole).reused == 5
    embedded(source, whole)
    assert files(whole) == before


def test_parts_without_an_account_and_foreign_accounts_are_refused(source, tmp_path):
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "part-000000.parquet").write_bytes(b"")
    with pytest.raises(DataError, match="no manifest"):
        embedded(source, tmp_path)
    (tmp_path / "manifest.json").write_text('{"name": "web app"}')
    with pytest.raises(DataError, match="no account of embeddings"):
        embedded(source, tmp_path)


def test_two_commands_at_once_are_refused(source, tmp_path):
    with exclusive(tmp_path), pytest.raises(DataError, match="another process writes in"):
        embedded(source, tmp_path)


def test_what_is_wrong_in_the_file_is_told_before_anything_is_embedded(tmp_path):
    path = tmp_path / "library.csv"
    path.write_text("structure,ID\n" + "CCO,a\n" * 500 + "CCO\n")
    with pytest.raises(DataError, match="row 501 has 1 entries"):
        embedded(path, tmp_path / "out")
    assert not (tmp_path / "out" / "parts").exists()


def test_a_file_that_changes_while_it_is_read_is_told(source, tmp_path, monkeypatch):
    path, out = written(tmp_path), tmp_path / "out"
    real = run._work

    def changed(*arguments) -> Work:
        path.write_text(path.read_text() + "m451,CCO\n")
        return real(*arguments)

    monkeypatch.setattr(run, "_work", changed)
    with pytest.raises(DataError, match="was changed while it was read"):
        embedded(path, out)
    assert json.loads((out / "manifest.json").read_text())["counts"] is None


class Deadly(Ecfp):
    """An encoder whose process is killed by a molecule, as by the system where memory is short."""

    def encode(self, smiles, progress=None):
        if "C[Si](C)(C)C" in smiles:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().encode(smiles)


class Failing(Ecfp):
    """An encoder that refuses a molecule in one line."""

    def encode(self, smiles, progress=None):
        if "C[Si](C)(C)C" in smiles:
            raise MolmisError("silicon is not known")
        return super().encode(smiles)


def test_a_killed_process_is_one_line_and_finished_parts_are_kept(source, whole, tmp_path):
    path, out = tmp_path / "library.csv", tmp_path / "out"
    rows = source.read_text().splitlines(keepends=True)
    path.write_text("".join([*rows[:451], "m451,C[Si](C)(C)C\n"]))
    with pytest.raises(DataError) as caught:
        embedded(path, out, Deadly(), most_workers=1)
    assert "a worker process was ended by signal 9 at rows 401 to 451" in str(caught.value)
    assert "the same command goes on" in str(caught.value)
    assert len(list((out / "parts").glob("*.parquet"))) == 4
    with pytest.raises(MolmisError, match="silicon is not known"):
        embedded(path, out, Failing(), most_workers=2)
    done = embedded(path, out, most_workers=2)
    assert (done.reused, done.counts.rows) == (4, 451)
    embedded(path, tmp_path / "whole")
    assert files(out) == files(tmp_path / "whole")


def test_reading_never_runs_ahead(source, monkeypatch, tmp_path):
    """No more parts are read than processes work on, and one."""
    real, ahead = run._Source.parts, []
    finished = Listener()
    done: list[int] = []

    def counted(self):
        for part in real(self):
            yield part
            ahead.append(part.number + 1 - len(done))

    class Steps:
        def __enter__(self):
            return done.append

        def __exit__(self, *_):
            return None

    finished.stage = lambda name, total: Steps()
    monkeypatch.setattr(run._Source, "parts", counted)
    embedded(source, tmp_path / "out", part_size=20, progress=finished)
    assert len(ahead) == 23
    assert max(ahead) <= 3


def test_the_folder_is_an_encoder_of_its_molecules(whole, source, tmp_path):
    encoder = chosen_encoder(get_task("tox21"), str(whole))
    frame = pd.read_parquet(whole / "parts")
    smiles = frame["smiles"].drop_duplicates().tolist()[::-1]
    np.testing.assert_array_equal(encoder.encode(smiles), Ecfp().encode(smiles))
    assert encoder.key == chosen_encoder(get_task("delaney"), str(whole)).key
    with pytest.raises(DataError, match="no embedding for 1 of 1"):
        encoder.encode(["CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCC"])
    assert encoder.labels() == ()
    with pytest.raises(MolmisError, match="list of embeddings"):
        streaming_encoder(str(whole))


def test_what_the_encoder_saw_is_declared_once(tmp_path):
    few = [f"{'C' * length}O" for length in range(1, 121)]
    declare(tmp_path, ("tox21",), few)
    assert declaration_of(tmp_path).labels == ("tox21",)
    assert declaration_of(tmp_path).seen() == few
    declare(tmp_path, (), few)  # what a user wrote into it since then stays
    assert declaration_of(tmp_path).labels == ("tox21",)


def test_what_nobody_says_is_not_declared(tmp_path):
    declare(tmp_path, None, None)
    assert (declaration_of(tmp_path).labels, declaration_of(tmp_path).seen()) == (None, None)


def test_an_unfinished_folder_is_no_encoder(whole, tmp_path):
    out = tmp_path / "out"
    (out / "parts").mkdir(parents=True)
    told = json.loads((whole / "manifest.json").read_text())
    (out / "manifest.json").write_text(json.dumps({**told, "counts": None}))
    with pytest.raises(DataError, match="not finished"):
        chosen_encoder(get_task("tox21"), str(out))
    (out / "manifest.json").write_text(json.dumps(told))
    with pytest.raises(DataError, match="0 of 5 parts"):
        chosen_encoder(get_task("tox21"), str(out))


@pytest.mark.parametrize("name", [name for name, kind in ENCODERS.items() if kind.inputs == "molecules"])
def test_every_encoder_of_molecules_can_be_asked_for(name):
    assert streaming_encoder(name).name == name


def test_encoders_that_cannot_be_asked_for(tmp_path):
    with pytest.raises(MolmisError, match="takes vectors"):
        streaming_encoder("none")
    with pytest.raises(MolmisError, match="gin"):
        streaming_encoder("gim")
    np.savez(tmp_path / "a.npz", smiles=["C"], embeddings=[[1.0]])
    with pytest.raises(MolmisError, match="embeds no other molecules"):
        streaming_encoder(str(tmp_path / "a.npz"))
