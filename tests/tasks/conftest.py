import contextlib
import gzip
import http.server
import threading
from functools import partial
from pathlib import Path

import pytest

from tasks.moleculenet import DELANEY, TOX21
from tests.real_data import wehi_smiles

ESOL = DELANEY.targets[0]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Give every test its own empty cache, and no data folder but those it names."""
    cache = tmp_path / "cache"
    monkeypatch.setenv("MOLMIS_CACHE", str(cache))
    monkeypatch.delenv("MOLMIS_DATA", raising=False)
    monkeypatch.setattr("tasks.locate.BESIDE_CHECKOUT", tmp_path / "shared" / "datasets")
    return cache


def tox21_rows(count: int) -> list[str]:
    """Rows in the exact format of tox21.csv.gz: 12 labels, mol_id, smiles; some labels missing."""
    rows = []
    for number, smiles in enumerate(wehi_smiles(count)):
        labels = ["" if (number + place) % 5 == 0 else str((number * place) % 2) for place in range(12)]
        rows.append(",".join([*labels, f"TOX{number}", smiles]))
    return rows


@pytest.fixture
def tox21_folder(tmp_path) -> Path:
    """A data folder with a 20-row tox21.csv.gz whose last row cannot be parsed."""
    rows = [*tox21_rows(19), ",".join(["1"] * 12 + ["TOX19", "C1CC"])]
    header = ",".join([*TOX21.targets, "mol_id", "smiles"])
    folder = tmp_path / "data" / "moleculenet"
    folder.mkdir(parents=True)
    (folder / "tox21.csv.gz").write_bytes(gzip.compress("\n".join([header, *rows, ""]).encode()))
    return folder.parent


@pytest.fixture
def delaney_folder(tmp_path) -> Path:
    """A data folder with a 130-row delaney-processed.csv; row 130 repeats the molecule of row 1."""
    header = (
        "Compound ID,ESOL predicted log solubility in mols per litre,Minimum Degree,Molecular Weight,"
        f"Number of H-Bond Donors,Number of Rings,Number of Rotatable Bonds,Polar Surface Area,{ESOL},smiles"
    )
    smiles = wehi_smiles(129)
    rows = [
        f"name {number},-1.5,1,180.2,1,1,1,30.5,{-number / 20},{text} "
        for number, text in enumerate([*smiles, smiles[0]])
    ]
    rows[-1] = rows[-1].replace("-6.45", "-0.1")
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "delaney-processed.csv").write_text("\n".join([header, *rows, ""]))
    return folder


class Listener:
    """A progress listener that keeps what it hears."""

    def __init__(self):
        self.notes, self.stages = [], {}

    def stage(self, name, total):
        self.stages[name] = [total, 0]

        def advance(steps):
            self.stages[name][1] += steps

        return contextlib.nullcontext(advance)

    def note(self, message):
        self.notes.append(message)


@pytest.fixture
def listener():
    return Listener()


@pytest.fixture
def web(tmp_path):
    """A web server on this machine that serves ``tmp_path / "web"``: the folder, and its address."""
    folder = tmp_path / "web"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
