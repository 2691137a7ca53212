"""Files of molecules to pretrain on: every usual form, and what is said of those that cannot be used."""

import gzip

import pytest

from models.encoders import pretraining_molecules
from models.encoders.gin import Gin, GinConfig
from models.encoders.objective_name import PretrainObjective
from models.encoders.pretraining import Pretraining
from models.encoders.pretraining_molecules import MoleculeFile, pretraining_smiles
from molecules.errors import DataError
from molecules.parse import canonical, parse

WRITTEN = ["OCC" + "C" * n for n in range(60)] + ["N" + "C" * n for n in range(1, 60)]
EXPECTED = [canonical(parse(text)) for text in WRITTEN]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.smi", "\n".join(f"{text} molecule-{n}" for n, text in enumerate(WRITTEN))),
        ("tab.smi", "\n".join(f"{text}\tname" for text in WRITTEN)),
        ("plain.txt", "\r\n".join(WRITTEN)),
        ("header.smi", "smiles\n" + "\n".join(WRITTEN)),
        ("a.csv", "id,SMILES,pIC50\n" + "\n".join(f'{n},"{text}",7' for n, text in enumerate(WRITTEN))),
        ("semicolon.csv", "smiles;id\n" + "\n".join(f"{text};1" for text in WRITTEN)),
        ("no-header.csv", "\n".join(f"{text},1" for text in WRITTEN)),
        ("a.tsv", "name\tsmiles\n" + "\n".join(f"x\t{text}" for text in WRITTEN)),
        ("bom.csv", "\ufeffsmiles\n" + "\n".join(WRITTEN)),
        ("defects.smi", "\n".join([*WRITTEN, "", "no molecule", "OCC", *WRITTEN[:5]])),
    ],
)
def test_molecules_are_read_in_order_once_each(name, text, tmp_path):
    path = tmp_path / name
    path.write_bytes(text.encode())
    assert pretraining_smiles(source=MoleculeFile.at(path)) == EXPECTED
    packed = tmp_path / f"{name}.gz"
    packed.write_bytes(gzip.compress(text.encode()))
    assert pretraining_smiles(7, MoleculeFile.at(packed)) == EXPECTED[:7]


def write(path, lines=WRITTEN):
    path.write_text("\n".join(lines))
    return MoleculeFile.at(path)


def test_what_was_read_is_kept_under_the_content(tmp_path, own_cache, monkeypatch):
    source = write(tmp_path / "a.smi")
    pretraining_smiles(source=source)
    pretraining_molecules._READ.clear()
    monkeypatch.setattr(pretraining_molecules, "_raw", None)  # reading the file again would fail
    assert pretraining_smiles(source=MoleculeFile(source.sha256)) == EXPECTED
    (kept,) = own_cache.glob("encoders/molecules-*")
    kept.write_text(kept.read_text().replace("CCCCO", "CCCCN"))
    pretraining_molecules._READ.clear()
    with pytest.raises(TypeError):  # it is noticed that this is not what was written
        pretraining_smiles(source=source)
    pretraining_molecules._READ.clear()


@pytest.mark.parametrize(
    ("lines", "words"),
    [(WRITTEN[:20], ["20 different molecules", "100"]), (["<!DOCTYPE html>"] * 200, ["0 different"])],
)
def test_too_few_molecules_are_refused(lines, words, tmp_path):
    with pytest.raises(DataError) as caught:
        pretraining_smiles(source=write(tmp_path / "a.smi", lines))
    assert all(word in str(caught.value) for word in [*words, "a.smi"])


def test_files_that_are_not_there_or_not_known_are_told(tmp_path):
    with pytest.raises(DataError, match=r"--pretrain-on: .*absent"):
        MoleculeFile.at(tmp_path / "absent.smi")
    with pytest.raises(DataError, match="--with-encoder"):
        pretraining_smiles(source=MoleculeFile("f" * 64))
    (tmp_path / "b.smi.gz").write_bytes(b"no gzip")
    with pytest.raises(DataError, match="cannot be read as a list of SMILES"):
        pretraining_smiles(source=MoleculeFile.at(tmp_path / "b.smi.gz"))


def test_an_encoder_is_that_of_the_content_wherever_it_lies(tmp_path, own_cache):
    one, two = write(tmp_path / "a.smi"), write(tmp_path / "b.smi")
    other = write(tmp_path / "c.smi", WRITTEN[1:])
    config = GinConfig(width=16, layers=1, dimensions=8)

    def encoder(source):
        return Gin(config, Pretraining(epochs=1, batch_size=32, source=source))

    assert encoder(one).key == encoder(two).key
    assert len({encoder(one).key, encoder(other).key, encoder(None).key}) == 3
    assert list(encoder(one).seen()) == EXPECTED
    found = encoder(one).encode(["CCO"])
    assert encoder(MoleculeFile(one.sha256)).encode(["CCO"]).tolist() == found.tolist()  # weights are here


def test_what_a_user_may_ask_for_are_objectives():
    assert set(PretrainObjective) == {"descriptors", "masking", "contrastive"}
