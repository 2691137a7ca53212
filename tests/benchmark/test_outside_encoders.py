"""Embeddings from elsewhere, and pretraining of the user's choice, from settings to a head that predicts."""

import json

import numpy as np
import pytest

from benchmark.execute import Settings, measure
from benchmark.export_head import Chosen, export_head
from benchmark.scope import Scope
from benchmark.tables import summarise
from models.artefact import unpack, write_artefact
from models.encoders import pretraining_molecules
from models.encoders.gcn import Gcn, GcnConfig
from models.encoders.objective_name import PretrainObjective
from models.encoders.pretraining import Pretraining
from models.heads import HeadConfig
from models.predict import predict
from molecules.errors import MolmisError
from tasks.catalogue import get_task
from tasks.task import DataOptions, Kind, RawRecords, Task
from tests.listener import Listener

SMILES = ["C" * i + "O" for i in range(1, 121)]


def task() -> Task:
    labels = np.random.default_rng(0).normal(size=(120, 1))
    raw = RawRecords(SMILES, labels, ("y",), Kind.REGRESSION, "nowhere", "0")
    return Task("toy", Kind.REGRESSION, ("y",), "toy", "none", "none", load=lambda task, options: raw)


@pytest.fixture
def file(tmp_path):
    vectors = np.random.default_rng(1).normal(size=(120, 5))
    np.savez(
        tmp_path / "mine.npz", smiles=np.array(["O" + "C" * i for i in range(1, 121)]), embeddings=vectors
    )
    return tmp_path / "mine.npz"


@pytest.fixture
def settings(tmp_path):
    head = HeadConfig(hidden=(6,), epochs=2)
    return lambda encoder, **more: Settings(
        str(encoder),
        ["sign"],
        2,
        results=tmp_path / "results",
        head=head,
        device="cpu",
        attacks=False,
        **more,
    )


def test_embeddings_of_a_file_are_measured_exported_and_used(file, settings, tmp_path):
    listener = Listener()
    result = measure(task(), DataOptions(), settings(file), listener)
    assert result.facts["encoder"] == "file-mine"
    assert result.facts["encoder_parameters"] == 0
    assert result.facts["encoder_seen"] == {"molecules": None, "of": 120, "labels_declared": False}
    assert any("does not say on which labels" in note for note in listener.notes)
    assert len(summarise(result)) == 2
    made = export_head(task(), DataOptions(), settings(file), Chosen(runs=2))
    write_artefact(tmp_path / "m", made)
    head = unpack(tmp_path / "m")
    assert str(tmp_path) not in (tmp_path / "m").read_bytes().decode("latin1")  # no place of this machine
    found = predict(head, ["OCC", "CCCO"], given=str(file)).values
    assert np.isfinite(found).all()
    with pytest.raises(MolmisError, match=r"has no embedding for 1 of 2 molecules, such as CCN"):
        predict(head, ["OCC", "CCN"], given=str(file))
    with pytest.raises(MolmisError, match=r"give --encoder with your copy of mine\.npz"):
        predict(head, ["OCC"])
    other = tmp_path / "other.npz"
    np.savez(other, smiles=np.array(["CCO"]), embeddings=np.ones((1, 5)))
    with pytest.raises(MolmisError, match=r"other embeddings than those of .*, which was called mine"):
        predict(head, ["OCC"], given=str(other))


def test_what_was_made_elsewhere_does_not_go_into_a_file(file, settings, monkeypatch):
    monkeypatch.setattr("benchmark.export_head.trained_block", None)  # training would fail
    with pytest.raises(MolmisError, match=r"--with-encoder: mine\.npz was made elsewhere .*leave it out"):
        export_head(task(), DataOptions(), settings(file), Chosen(runs=2, encoder=True))


def test_an_encoder_without_weights_adds_nothing_and_says_so(settings, tmp_path):
    listener = Listener()
    made = [
        export_head(task(), DataOptions(), settings("ecfp"), Chosen(runs=2, encoder=own), listener)
        for own in (True, False)
    ]
    assert listener.notes.count("--with-encoder: ecfp has no weights, so the file needs none of it") == 1
    sizes = [write_artefact(tmp_path / str(place), head) for place, head in enumerate(made)]
    assert sizes[0] - sizes[1] in range(64)  # a word in the header
    assert np.isfinite(predict(unpack(tmp_path / "0"), ["CCO"]).values).all()


def test_vectors_have_no_encoder_to_publish(settings):
    vectors = get_task("gaussian-modes:m=200,d=4")
    with pytest.raises(MolmisError, match=r"--with-encoder: the records of .* are vectors"):
        export_head(vectors, DataOptions(), settings("none"), Chosen(runs=2, encoder=True))


def test_a_file_without_weights_is_not_quantized_and_one_fitted_on_the_labels_not_measured(file, settings):
    with pytest.raises(MolmisError, match="file-mine has no weights to quantize"):
        measure(task(), DataOptions(), settings(file, scope=Scope.MODEL))
    declared = file.with_name("mine.npz.json")
    declared.write_text(json.dumps({"labels": ["toy"]}))
    with pytest.raises(MolmisError, match="fitted on labels of toy"):
        measure(task(), DataOptions(), settings(file))
    declared.write_text(json.dumps({"labels": []}))
    result = measure(task(), DataOptions(), settings(file))
    assert result.facts["encoder_seen"]["labels_declared"] is True


def test_an_encoder_pretrained_on_the_molecules_of_the_task_says_so(settings, tmp_path, monkeypatch):
    library = tmp_path / "library.smi"
    library.write_text("\n".join([*SMILES[:110], *("N" + "C" * i for i in range(1, 30))]))
    monkeypatch.setattr(Gcn, "config_type", staticmethod(lambda: GcnConfig(8, layers=1, dimensions=4)))
    monkeypatch.setattr(Gcn, "usual", Pretraining(epochs=1, batch_size=32))
    chosen = settings("gcn", pretrain_on=library, objective=PretrainObjective.MASKING)
    listener = Listener()
    result = measure(task(), DataOptions(), chosen, listener)
    assert result.facts["encoder_seen"] == {"molecules": 110, "of": 120, "labels_declared": True}
    assert result.facts["encoder_options"]["objective"] == "masking"
    said = "The encoder saw 110 of 120 molecules of this task in pretraining, without labels."
    assert said in listener.notes
    for name, with_encoder in (("head", False), ("both", True)):
        head = export_head(task(), DataOptions(), chosen, Chosen(runs=2, encoder=with_encoder))
        write_artefact(tmp_path / name, head)
    library.unlink()
    found = predict(unpack(tmp_path / "head"), ["CCO", "CCN"]).values  # the weights are in the cache
    monkeypatch.setenv("MOLMIS_CACHE", str(tmp_path / "empty"))
    np.testing.assert_array_equal(predict(unpack(tmp_path / "both"), ["CCO", "CCN"]).values, found)
    pretraining_molecules._READ.clear()  # as in another process
    with pytest.raises(MolmisError, match="--with-encoder"):
        predict(unpack(tmp_path / "head"), ["CCO", "CCN"])
