"""Published heads predict what the head predicts, with the encoder they were trained on, or not at all."""

import csv
import io
from dataclasses import replace

import numpy as np
import pytest
import torch

from models.artefact import PROBE, Artefact, Origin, unpack, write_artefact
from models.encoders.base import ENCODERS, EncoderState, embed
from models.encoders.ecfp import Ecfp
from models.encoders.gin import Gin, GinConfig
from models.encoders.pretraining import Pretraining
from models.predict import predict
from models.prediction_table import predicted_table
from models.quantizers import QUANTIZERS
from molecules.errors import DataError, MolmisError
from molecules.parse import canonical, parse
from tasks.task import Inputs, Kind
from tests.listener import Listener

TINY = {
    "config": GinConfig(width=16, layers=2, dimensions=8),
    "pretraining": Pretraining(epochs=1, molecules=60),
}


class Small(Gin):
    """A GIN of a second."""

    def __init__(self) -> None:
        super().__init__(**TINY)


def published(encoder, kind: Kind = Kind.REGRESSION, dimensions: int = 1024) -> Artefact:
    rng = torch.Generator().manual_seed(0)
    layers = tuple(
        QUANTIZERS["uniform-4"].quantize(torch.randn(shape, generator=rng) * 0.2)
        for shape in ((6, dimensions), (2, 6))
    )
    origin = Origin("toy", kind, ("a", "b, c"), encoder.name, encoder.key, Inputs.MOLECULES)
    centre, spread = torch.tensor([3.0, 0.0]), torch.tensor([2.0, 1.0])
    if kind is Kind.CLASSIFICATION:
        centre, spread = torch.zeros(2), torch.ones(2)
    made = Artefact(
        origin, "q", "0", layers, (torch.ones(6), torch.zeros(2)), centre, spread, torch.zeros(4, 2)
    )
    if dimensions == 1000:  # no embedding fits it
        return made
    return replace(made, probe=made.outputs(torch.from_numpy(embed(encoder, PROBE))))


def test_the_probe_is_canonical_and_known():
    assert [canonical(parse(text)) for text in PROBE] == list(PROBE)


@pytest.mark.parametrize("kind", list(Kind))
def test_predictions_are_the_heads(kind):
    head = published(Ecfp(), kind)
    found = predict(head, ["OCC", "no molecule", "", "c1ccccc1"])
    outputs = head.outputs(torch.from_numpy(Ecfp().encode(["CCO", "c1ccccc1"])))  # canonical first
    expected = outputs.sigmoid() if kind is Kind.CLASSIFICATION else outputs
    np.testing.assert_allclose(found.values[[0, 3]], expected.numpy(), rtol=1e-6)
    assert np.isnan(found.values[[1, 2]]).all()
    assert found.unreadable == (1, 2)
    assert predict(head, ["nothing"]).values.shape == (1, 2)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda h: replace(h, origin=replace(h.origin, encoder_key="other")),
            "another recipe of the encoder ecfp",
        ),
        (lambda h: replace(h, origin=replace(h.origin, encoder="gim")), "unknown encoder 'gim'"),
        (lambda h: replace(h, origin=replace(h.origin, inputs=Inputs.VECTORS)), "records are vectors"),
        (lambda h: replace(h, probe=h.probe + 0.1), "not the one that the head was trained on"),
        (
            lambda h: replace(h, encoder=EncoderState({"x": torch.zeros(1)})),
            "the encoder ecfp has no weights",
        ),
        (lambda h: published(Ecfp(), dimensions=1000), "takes 1000 numbers"),
    ],
)
def test_an_encoder_that_is_another_one_is_refused(change, said):
    head = change(published(Ecfp()))
    with pytest.raises(MolmisError, match=said) as caught:
        predict(head, ["CCO"])
    assert "\n" not in str(caught.value)


def test_the_encoder_may_come_in_the_file(tmp_path, monkeypatch, own_cache):
    monkeypatch.setitem(ENCODERS._members, "gin", Small)
    encoder = Small()
    encoder.prepare()
    head = replace(published(encoder, dimensions=8), encoder=encoder.state())
    write_artefact(tmp_path / "m", head)
    expected = predict(head, ["CCO", "CCN"]).values
    monkeypatch.setenv("MOLMIS_CACHE", str(tmp_path / "elsewhere"))

    def never(*arguments, **named):
        raise AssertionError("an encoder was pretrained although one came with the file")

    monkeypatch.setattr("models.encoders.graph_encoder.pretrained_file", never)
    np.testing.assert_array_equal(predict(unpack(tmp_path / "m"), ["CCO", "CCN"]).values, expected)
    assert not (tmp_path / "elsewhere").exists()  # embeddings of foreign weights are not cached


@pytest.mark.parametrize("name", ["float32", "ternary-50", "pq-4x16", "nf4"])
def test_a_quantized_encoder_comes_in_the_file_and_is_used(name, tmp_path, monkeypatch):
    monkeypatch.setitem(ENCODERS._members, "gin", Small)
    encoder = Small()
    encoder.prepare()
    quantized = encoder.quantized(QUANTIZERS[name])
    head = replace(published(encoder, dimensions=8), encoder=quantized.state())
    head = replace(head, probe=head.outputs(torch.from_numpy(quantized.encode(PROBE))))
    write_artefact(tmp_path / "m", head)
    found = predict(unpack(tmp_path / "m"), ["CCO", "CCN"]).values
    expected = head.outputs(torch.from_numpy(quantized.encode(["CCO", "CCN"]))).numpy()
    np.testing.assert_array_equal(found, expected)
    full = head.outputs(torch.from_numpy(encoder.encode(["CCO", "CCN"]))).numpy()
    assert np.array_equal(found, full) == (name == "float32")


def test_weights_of_another_encoder_are_refused(monkeypatch):
    monkeypatch.setitem(ENCODERS._members, "gin", Small)
    encoder = Small()
    encoder.prepare()
    weights = encoder.state().kept
    head = published(encoder, dimensions=8)
    lost = {name: tensor for name, tensor in weights.items() if name != "atoms.weight"}
    narrow = {**weights, "embedding.centre": torch.zeros(3)}
    for wrong in (lost, narrow, {"x": torch.zeros(1)}):
        with pytest.raises(DataError, match="encoder in the file cannot be used"):
            predict(replace(head, encoder=EncoderState(wrong)), ["CCO"])
    other = {**weights, "project.0.bias": weights["project.0.bias"] + 1}
    with pytest.raises(DataError, match="not the one that the head was trained on"):
        predict(replace(head, encoder=EncoderState(other)), ["CCO"])


def test_a_table_keeps_its_columns_and_rows(tmp_path):
    head, listener = published(Ecfp()), Listener()
    (tmp_path / "m.csv").write_text('id;SMILES;"note"\n1;CCO;"a, b"\n2;xyz;\n3;NA;c\n')
    rows = list(csv.reader(io.StringIO(predicted_table(head, tmp_path / "m.csv", progress=listener))))
    assert rows[0] == ["id", "SMILES", "note", "predicted_a", "predicted_b, c"]
    assert [row[:3] for row in rows[1:]] == [["1", "CCO", "a, b"], ["2", "xyz", ""], ["3", "NA", "c"]]
    assert [row[3:] for row in rows[2:]] == [["", ""], ["", ""]]
    np.testing.assert_allclose([float(v) for v in rows[1][3:]], predict(head, ["CCO"]).values[0], rtol=1e-5)
    assert [note.split(": ", 1)[1] for note in listener.notes if "row" in note] == [
        "'xyz' is no molecule; left empty",
        "'NA' is no molecule; left empty",
    ]


def test_a_table_of_one_column_and_of_a_named_one(tmp_path):
    head = published(Ecfp(), Kind.CLASSIFICATION)
    (tmp_path / "m.csv").write_text("smiles\nCCO\nCCN\n")
    one = predicted_table(head, tmp_path / "m.csv")
    assert one.splitlines()[0] == 'smiles,probability_a,"probability_b, c"'
    (tmp_path / "n.csv").write_text("what,x\nCCO,1\nCCN,2\n")
    with pytest.raises(DataError, match="no column is called like SMILES"):
        predicted_table(head, tmp_path / "n.csv")
    other = predicted_table(head, tmp_path / "n.csv", "what")
    assert [line.split(",")[-1] for line in other.splitlines()] == [
        line.split(",")[-1] for line in one.splitlines()
    ]
    (tmp_path / "o.csv").write_text("smiles,probability_a\nCCO,1\n")
    with pytest.raises(DataError, match="has a column 'probability_a' already"):
        predicted_table(head, tmp_path / "o.csv")
