"""From what a user gives to an encoder, and what an encoder must not have seen."""

import json

import numpy as np
import pytest

from benchmark.encoder_text import seen_text
from models.encoders.base import ENCODERS
from models.encoders.choice import chosen_encoder, published_encoder
from models.encoders.declaration import declaration_of
from models.encoders.ecfp import Ecfp
from models.encoders.embedding_file import EmbeddingFile
from models.encoders.gcn import Gcn
from models.encoders.gin import Gin
from models.encoders.objective_name import Objective, PretrainObjective
from models.encoders.seen import refuse_fitted, seen_of
from molecules.errors import DataError, MolmisError, UnknownNameError
from tasks.catalogue import get_task

TASK = get_task("chembl2321810")


@pytest.fixture
def file(tmp_path):
    np.savez(tmp_path / "a.npz", smiles=np.array(["CCO", "CCN"]), embeddings=np.eye(2))
    return tmp_path / "a.npz"


@pytest.fixture
def library(tmp_path):
    path = tmp_path / "library.smi"
    path.write_text("\n".join("C" * n + "O" for n in range(1, 150)))
    return path


def test_names_files_and_checkpoints(file, tmp_path, monkeypatch):
    assert type(chosen_encoder(TASK, None)) is Gin
    assert type(chosen_encoder(TASK, "gcn")) is Gcn
    assert type(chosen_encoder(TASK, str(file))) is EmbeddingFile
    assert chosen_encoder(TASK, f"hf:{tmp_path}").options() == {"outside": f"hf:{tmp_path.name}"}
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gin").write_text("a file called like an encoder")
    assert type(chosen_encoder(TASK, "gin")) is Gin


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("gim", UnknownNameError, ["gim", "gin"]),
        ("absent.npz", DataError, ["absent.npz"]),
        ("a/model.bin", DataError, [".npz", "hf:PATH", "chemprop:PATH"]),
        ("hf:absent", DataError, ["hf:absent"]),
    ],
)
def test_what_is_no_encoder_is_told(text, error, words):
    with pytest.raises(error) as caught:
        chosen_encoder(TASK, text)
    assert all(word in str(caught.value) for word in words)


def test_pretraining_is_chosen(library):
    usual = chosen_encoder(TASK, "gcn")
    masked = chosen_encoder(TASK, "gcn", objective=PretrainObjective.MASKING)
    own = chosen_encoder(TASK, "gcn", library)
    assert chosen_encoder(TASK, "gcn", objective=PretrainObjective.DESCRIPTORS).key == usual.key
    assert len({usual.key, masked.key, own.key}) == 3
    assert type(masked.pretraining.objective) is Objective
    assert len(own.seen()) == 149
    for encoder in (usual, masked, own):  # and the same is made again where a head is used
        assert published_encoder("gcn", encoder.options()).key == encoder.key
    assert usual.options() == {}
    assert str(library) not in str(own.options())


@pytest.mark.parametrize("name", ["ecfp", "gin-random", "rdkit2d"])
def test_what_is_not_pretrained_cannot_be_pretrained_otherwise(name, library):
    with pytest.raises(MolmisError, match=f"{name} is not pretrained.*gin, "):
        chosen_encoder(TASK, name, library)


def test_outside_encoders_are_pretrained_already_and_take_molecules(file):
    with pytest.raises(MolmisError, match="pretrained already"):
        chosen_encoder(TASK, str(file), objective=PretrainObjective.MASKING)
    with pytest.raises(MolmisError, match="vectors"):
        chosen_encoder(get_task("gaussian-modes"), str(file))


def test_encoders_of_published_heads(file):
    options = EmbeddingFile(file).options()
    assert published_encoder("file-a", options, str(file)).key == EmbeddingFile(file).key
    with pytest.raises(
        MolmisError, match=r"your copy of a\.npz; molecules that are not in it cannot be embedded"
    ):
        published_encoder("file-a", options)
    with pytest.raises(MolmisError, match="leave it out"):
        published_encoder("ecfp", {}, str(file))


def test_all_encoders_here_declare_that_they_saw_no_label():
    for encoder in map(ENCODERS.__getitem__, ENCODERS):
        assert encoder().labels() == ()


class Fitted(Ecfp):
    """Says that it was fitted on labels, or that it does not know."""

    declared: tuple[str, ...] | None = None
    molecules: list[str] | None = None

    def labels(self):
        return self.declared

    def seen(self):
        return self.molecules


@pytest.mark.parametrize(
    ("declared", "task", "targets", "refused"),
    [
        ("tox21", "tox21", ("NR-AR", "SR-p53"), True),
        ("tox21", "tox21:NR-AR", ("NR-AR",), True),
        ("tox21:NR-AR", "tox21", ("NR-AR", "SR-p53"), True),
        ("tox21:NR-AR", "tox21:NR-AR", ("NR-AR",), True),
        ("tox21:NR-AR", "tox21:SR-p53", ("SR-p53",), False),
        ("toxcast", "tox21", ("NR-AR",), False),
        ("file:assay", "file:assay", ("y",), True),
        ("file:assay:y", "file:assay", ("y",), True),
        ("file:other", "file:assay", ("y",), False),
        ("file", "file:assay", ("y",), False),
        ("abc123", "file:assay", ("y",), True),
    ],
)
def test_an_encoder_fitted_on_the_labels_is_refused(declared, task, targets, refused):
    encoder = Fitted()
    encoder.declared = ("something else", declared)
    if refused:
        with pytest.raises(MolmisError, match="was fitted on labels of"):
            refuse_fitted(encoder, task, targets, "abc123")
    else:
        refuse_fitted(encoder, task, targets, "abc123")


def test_what_was_seen_is_counted_and_told():
    encoder = Fitted()
    encoder.declared, encoder.molecules = (), ["CCO", "CCN", "CCC"]
    facts = seen_of(encoder, ["CCO", "CCC", "CCCC"]).facts()
    assert facts == {"molecules": 2, "of": 3, "labels_declared": True}
    assert seen_text(facts) == (
        "The encoder saw 2 of 3 molecules of this task in pretraining, without labels."
    )
    encoder.declared = encoder.molecules = None
    said = seen_text(seen_of(encoder, ["CCO"]).facts())
    assert "does not say which molecules" in said
    assert "does not say on which labels" in said
    assert seen_text(seen_of(Ecfp(), ["CCO"]).facts()) == seen_text(None) == ""


def test_declarations(file, library, tmp_path):
    beside = tmp_path / "a.npz.json"
    assert declaration_of(file).labels is None
    assert EmbeddingFile(file).seen() is None
    beside.write_text(json.dumps({"labels": ["tox21"], "molecules": "library.smi"}))
    encoder = EmbeddingFile(file)
    assert encoder.labels() == ("tox21",)
    assert len(encoder.seen()) == 149
    for text in (
        "[]",
        "no json",
        '{"labels": "tox21"}',
        '{"label": []}',
        '{"labels": [1]}',
        '{"molecules": 1}',
    ):
        beside.write_text(text)
        with pytest.raises(DataError, match=r"a\.npz\.json"):
            declaration_of(file)
    beside.write_text(json.dumps({"molecules": "absent.smi"}))
    with pytest.raises(DataError, match="absent"):
        declaration_of(file)


@pytest.mark.parametrize(("declared", "audited"), [("bbbp", "bbb_martins"), ("bace", "bace-regression")])
def test_measurements_of_another_name_are_labels_all_the_same(declared, audited):
    encoder = Fitted()
    encoder.declared = (declared,)
    with pytest.raises(MolmisError, match=f"fitted on labels of {declared}"):
        refuse_fitted(encoder, audited, ["y"], "abc123")


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("HIA_Hou", "unknown task 'HIA_Hou'"),
        ("hia_ho", "nearest: hia_hou"),
        ("tox21:NR-AX", "'NR-AX'"),
        ("clint0x:CT_TOX", "'clint0x'"),
    ],
)
def test_labels_that_are_misspelt_are_refused(label, said, tmp_path):
    known = ["hia_hou", "tox21:NR-AR", "a" * 64, "file:assay", "our own assay"]
    (tmp_path / "a.npz.json").write_text(json.dumps({"labels": known}))
    assert declaration_of(tmp_path / "a.npz").labels == tuple(known)
    (tmp_path / "a.npz.json").write_text(json.dumps({"labels": [*known, label]}))
    with pytest.raises(DataError, match=said):
        declaration_of(tmp_path / "a.npz")


def test_tasks_of_the_same_measurements_are_there():
    from tasks.catalogue import SAME_MEASUREMENTS, TASKS

    assert all(name in TASKS for same in SAME_MEASUREMENTS for name in same)
