"""Local checkpoints of other libraries, by stand-ins for the libraries: they are no dependency."""

import importlib.util
import sys
import types

import numpy as np
import pytest
import torch
from torch import nn

from models.encoders.chemprop_checkpoint import Chemprop
from models.encoders.choice import CHECKPOINTS
from models.encoders.huggingface import HuggingFace
from molecules.errors import DataError, MolmisError

SMILES = ["CCO", "c1ccccc1", "N"]


class Tokens(dict):
    def to(self, device):
        return self


class Tokenizer:
    def __call__(self, texts, padding, truncation, return_tensors):
        assert (padding, truncation, return_tensors) == (True, True, "pt")
        longest = max(map(len, texts))
        ids = torch.tensor([[ord(c) for c in text] + [0] * (longest - len(text)) for text in texts])
        return Tokens(input_ids=ids, attention_mask=(ids > 0).long())


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(128, 4)

    def forward(self, input_ids, attention_mask):
        return types.SimpleNamespace(last_hidden_state=self.table(input_ids))


@pytest.fixture
def transformers(monkeypatch):
    asked = []

    def loading(made):
        class Auto:
            @staticmethod
            def from_pretrained(path, local_files_only):
                assert local_files_only  # never a download
                asked.append(path)
                if "broken" in path:
                    raise OSError("no config.json\nin it")
                return made

        return Auto

    torch.manual_seed(0)
    model = Model()
    module = types.ModuleType("transformers")
    module.AutoTokenizer, module.AutoModel = loading(Tokenizer()), loading(model)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "transformers", module)
    return model, asked


def folder(path, content="weights"):
    path.mkdir()
    (path / "model.bin").write_text(content)
    return path


def test_hugging_face_embeddings_are_means_over_tokens(transformers, tmp_path, monkeypatch):
    model, asked = transformers
    encoder = HuggingFace(folder(tmp_path / "bert"))
    assert asked == []  # loaded when needed
    found = encoder.encode(SMILES)
    for row, text in zip(found, SMILES, strict=True):
        expected = model.table(torch.tensor([ord(c) for c in text])).mean(0).detach().numpy()
        np.testing.assert_allclose(row, expected, rtol=1e-5)
    assert encoder.parameters == 512
    assert not encoder.quantizable
    before = len(asked)
    assert HuggingFace(tmp_path / "bert").parameters == 512
    assert len(asked) == before  # counted once: files alone do not tell
    assert HuggingFace(folder(tmp_path / "other", "others")).parameters == 512
    assert len(asked) > before
    assert encoder.name == "hf-bert"
    with pytest.raises(MolmisError, match="no weights to quantize"):
        encoder.quantized(None)  # type: ignore[arg-type]


def test_a_folder_without_a_model_is_told_in_one_line(transformers, tmp_path):
    with pytest.raises(
        DataError, match=r"broken is no checkpoint that transformers can load \(no config.json in it\)"
    ):
        HuggingFace(folder(tmp_path / "broken")).encode(SMILES)


@pytest.mark.parametrize("prefix", list(CHECKPOINTS))
def test_the_recipe_is_the_content(prefix, tmp_path):
    kind = CHECKPOINTS[prefix]

    def made(name, content):
        place = tmp_path / name
        place.mkdir()
        (place / "model.pt").write_text(content)
        return kind(place)

    assert made("a", "1").key == made("b", "1").key != made("c", "2").key
    assert made("d", "1").options() == {"outside": f"{prefix}:d"}
    with pytest.raises(DataError, match="there is no such file"):
        kind(tmp_path / "absent")


@pytest.mark.parametrize("prefix", list(CHECKPOINTS))
def test_an_absent_library_is_told_in_one_line(prefix, tmp_path, monkeypatch):
    (tmp_path / "model.pt").write_text("1")
    for module in ("transformers", "chemprop", "chemprop.models"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(
        MolmisError, match=r"needs the package .* pip install 'molmis\[pretrained\]'"
    ) as caught:
        CHECKPOINTS[prefix](tmp_path / "model.pt").prepare()
    assert "\n" not in str(caught.value)


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.message_passing, self.predictor = nn.Linear(1, 3), nn.Linear(3, 1)

    def encoding(self, bmg, V_d, X_d, i):
        assert (V_d, X_d, i) == (None, None, 0)
        return self.message_passing(bmg.lengths)


@pytest.fixture
def chemprop(monkeypatch):
    torch.manual_seed(0)
    network, loaded = Network(), []

    def load(path, map_location):
        loaded.append((path.name, map_location))
        return network

    class Graphs:
        def __init__(self, texts) -> None:
            self.lengths = torch.tensor([[float(len(text))] for text in texts])

        def to(self, device):
            return self

    def loader(points, batch_size, num_workers, shuffle):
        assert (batch_size, num_workers, shuffle) == (len(points), 0, False)
        return [types.SimpleNamespace(bmg=Graphs(points), V_d=None, X_d=None)]

    parts = {
        "chemprop": {},
        "chemprop.models": {"MPNN": types.SimpleNamespace(load_from_checkpoint=load, load_from_file=load)},
        "chemprop.data": {
            "MoleculeDatapoint": types.SimpleNamespace(from_smi=str),
            "MoleculeDataset": list,
            "build_dataloader": loader,
        },
    }
    for name, content in parts.items():
        module = types.ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
    return network, loaded


def test_chemprop_embeddings_are_those_before_the_predictor(chemprop, tmp_path):
    network, loaded = chemprop
    (tmp_path / "best.ckpt").write_text("1")
    encoder = Chemprop(tmp_path)
    expected = network.message_passing(torch.tensor([[3.0], [8.0], [1.0]])).detach().numpy()
    np.testing.assert_allclose(encoder.encode(SMILES), expected, rtol=1e-5)
    assert loaded == [("best.ckpt", "cpu")]
    assert encoder.parameters == 6
    again = Chemprop(tmp_path)
    assert again.parameters == 6
    assert len(loaded) == 1  # what is known of the content needs no library
    (tmp_path / "other.pt").write_text("1")
    with pytest.raises(DataError, match="holds 2 files"):
        Chemprop(tmp_path)


@pytest.mark.skipif(importlib.util.find_spec("transformers") is None, reason="transformers is not installed")
def test_a_real_folder_of_transformers(tmp_path):
    from transformers import BertConfig, BertModel, BertTokenizer

    place = tmp_path / "bert"
    place.mkdir()
    (place / "vocab.txt").write_text(
        "\n".join(
            ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"cCnNoO1()=", *(f"##{c}" for c in "cCnNoO1()=")]
        )
    )
    BertTokenizer(str(place / "vocab.txt"), do_lower_case=False).save_pretrained(place)
    sizes = {"vocab_size": 30, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    BertModel(BertConfig(**sizes)).save_pretrained(place)
    encoder = HuggingFace(place)
    assert encoder.parameters == sum(value.numel() for value in BertModel(BertConfig(**sizes)).parameters())
    found = encoder.encode(SMILES)
    assert found.shape == (3, 8)
    np.testing.assert_allclose(encoder.encode(SMILES[1:]), found[1:], atol=1e-5)  # padding is not seen


@pytest.mark.skipif(importlib.util.find_spec("chemprop") is None, reason="chemprop is not installed")
def test_a_real_model_of_chemprop(tmp_path):
    from chemprop import nn as layers
    from chemprop.models import MPNN, save_model

    model = MPNN(
        layers.BondMessagePassing(d_h=8, depth=2), layers.MeanAggregation(), layers.RegressionFFN(input_dim=8)
    )
    save_model(tmp_path / "model.pt", model)
    encoder = Chemprop(tmp_path / "model.pt")
    assert encoder.parameters == sum(value.numel() for value in model.message_passing.parameters())
    found = encoder.encode(SMILES)
    assert found.shape == (3, 8)
    np.testing.assert_allclose(encoder.encode(SMILES[1:]), found[1:], atol=1e-5)
