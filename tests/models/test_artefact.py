"""Quantized heads as files: restored bit by bit, or an error."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from models import stored_layers
from models.artefact import Artefact, Origin, pack, unpack, write_artefact
from models.artefact_file import file_bytes, read_file
from models.encoders.base import EncoderState
from models.heads import Bank, Heads
from models.published import file_sizes, published_head
from models.quantized_heads import QuantizedHeads, quantize_heads
from models.quantizers.adapter import from_matrix_function
from models.quantizers.base import QUANTIZERS, Quantizer
from models.quantizers.composed import Additive, Vectors
from models.quantizers.packing import packed_size
from models.quantizers.quantized import Codebook, Floats, Grid, Quantized
from models.quantizers.stored import RESTORERS
from molecules.errors import DataError
from tasks.task import Inputs, Kind

ORIGIN = Origin("toy", Kind.CLASSIFICATION, ("a", "b"), "ecfp", "0123", Inputs.MOLECULES)
SHAPES = ((7, 9), (5, 7), (2, 5))


def bank(shapes=SHAPES, runs: int = 2, epochs: int = 3, scale: float = 0.2) -> Bank:
    rng = torch.Generator().manual_seed(0)
    weights = tuple(scale * torch.randn(runs, epochs, *shape, generator=rng) for shape in shapes)
    biases = tuple(torch.randn(runs, epochs, shape[0], generator=rng) for shape in shapes)
    targets = shapes[-1][0]
    return Bank(Heads(weights, biases), torch.randn(runs, targets), torch.rand(runs, targets), 0)


def quantized(made: Bank, quantizer: Quantizer) -> QuantizedHeads:
    records = torch.randn(30, made.snapshots.weights[0].shape[-1], generator=torch.Generator().manual_seed(2))
    return quantize_heads(made.snapshots, quantizer, records)


def head(quantizer: Quantizer, place: int = 1, made: Bank | None = None) -> Artefact:
    made = made or bank()
    return published_head(quantized(made, quantizer), made, place, quantizer, ORIGIN)


def same(first: Quantized, second: Quantized) -> bool:
    ours, theirs = first.dequantize(), second.dequantize()
    return first.shape == second.shape and torch.equal(ours.view(torch.int32), theirs.view(torch.int32))


@pytest.mark.parametrize("name", list(QUANTIZERS))
def test_every_quantizer_is_restored_bit_by_bit(name, tmp_path):
    quantizer, path = QUANTIZERS[name], tmp_path / "m.safetensors"
    written = replace(head(quantizer), probe=torch.arange(8.0).reshape(4, 2))
    assert write_artefact(path, written) == path.stat().st_size
    read = unpack(path)
    assert all(same(a, b) for a, b in zip(read.layers, written.layers, strict=True))
    assert all(torch.equal(a.codes, b.codes) for a, b in zip(read.layers, written.layers, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(read.biases, written.biases, strict=True))
    for field in ("centre", "spread", "probe"):
        assert torch.equal(getattr(read, field), getattr(written, field))
    assert (read.origin, read.quantizer, read.run) == (ORIGIN, written.quantizer, "1")
    assert read.version == written.version
    assert repr(quantizer) in read.quantizer
    inputs = torch.linspace(-2, 2, 54).reshape(6, 9)
    assert torch.equal(read.outputs(inputs), written.outputs(inputs))
    torch.testing.assert_close(read.outputs(inputs)[0], plain(written, inputs[0]))


def plain(artefact: Artefact, record: torch.Tensor) -> torch.Tensor:
    """Layer by layer, as the format says."""
    last = len(artefact.layers) - 1
    for place, (layer, bias) in enumerate(zip(artefact.layers, artefact.biases, strict=True)):
        record = (record[None] @ layer.dequantize().T + bias)[0]
        record = record.relu() if place < last else record
    return record * artefact.spread + artefact.centre


@pytest.mark.parametrize("name", list(QUANTIZERS))
def test_the_size_that_is_told_is_that_of_the_file_that_is_written(name, tmp_path):
    made, quantizer = bank(), QUANTIZERS[name]
    told = file_sizes(quantized(made, quantizer), made, quantizer, ORIGIN)
    for place in range(2):
        written = replace(head(quantizer, place, made), probe=torch.arange(8.0).reshape(4, 2))
        assert write_artefact(tmp_path / "m", written) == (tmp_path / "m").stat().st_size == told[place]


def test_the_size_does_not_depend_on_the_version():
    one = head(QUANTIZERS["sign"])
    assert len(pack(replace(one, version="0.1"))) == len(pack(replace(one, version="10.11.12rc3")))


@pytest.mark.parametrize(("name", "levels"), [("ternary-50", 3), ("uniform-3", 7), ("uniform-5", 31)])
def test_odd_numbers_of_levels_are_within_five_per_cent_in_the_file(name, levels, tmp_path):
    made = bank(((64, 256), (1, 64)), runs=1, epochs=1)
    (tmp_path / "m").write_bytes(pack(replace(head(QUANTIZERS[name], 0, made), origin=Origin())))
    codes = load_file(tmp_path / "m")["0.codes"]  # as any reader sees it
    assert codes.dtype == torch.uint8
    assert codes.numel() * 8 <= 1.05 * math.log2(levels) * 64 * 256


def test_what_layers_have_in_common_stands_once(tmp_path):
    (tmp_path / "m").write_bytes(pack(head(QUANTIZERS["uniform-8"])))
    levels = [name for name in load_file(tmp_path / "m") if name.endswith(".levels")]
    assert levels == ["0.levels"]


def test_every_kind_of_weights_is_restored(tmp_path):
    rng = torch.Generator().manual_seed(5)

    def codes(top: int, *shape: int) -> torch.Tensor:
        return torch.randint(0, top, shape, generator=rng)

    levels = torch.tensor([-1.0, 0.0, 0.5])
    kinds: list[Quantized] = [
        Grid(codes(3, 5, 8), levels, torch.rand(5, 2), torch.rand(5, 2), "scale", (1, 5)),
        Grid(codes(3, 5, 8), levels, 2.0 ** codes(9, 5, 1).float(), None, "exponent"),
        Grid(codes(3, 5, 8), levels, torch.full((1, 1), 2.0**-127), None, "exponent"),
        Grid(codes(3, 5, 8), levels, torch.ones(5, 1), None, "nothing"),
        Grid(codes(3, 5, 8), levels, torch.rand(2, 3), None, "scale", (3, 3)),
        Grid(codes(1, 5, 8), levels[:1], torch.rand(1, 1)),
        Codebook(codes(300, 5, 8), torch.rand(300).sort().values),
        Codebook(codes(70_000, 5, 8), torch.rand(70_000).sort().values),
        Additive(codes(8, 5, 8), torch.rand(3)),
        Vectors(codes(4, 5, 3), torch.rand(4, 3), 8),
        Floats(torch.randn(5, 8).view(torch.int32)),
    ]
    for kind in kinds:
        written = toy(kind)
        write_artefact(tmp_path / "m", written)
        (read,) = unpack(tmp_path / "m").layers
        assert type(read) is type(kind)
        assert same(read, kind)
        assert torch.equal(read.codes, kind.codes)


def toy(*layers: Quantized) -> Artefact:
    targets = layers[-1].shape[0]
    origin = replace(ORIGIN, targets=tuple(map(str, range(targets))))
    biases = tuple(torch.zeros(layer.shape[0]) for layer in layers)
    zeros = torch.zeros(targets)
    return Artefact(origin, "q", "all", layers, biases, zeros, zeros + 1, torch.zeros(4, targets))


def test_functions_of_a_matrix_store_the_levels_that_the_head_uses(tmp_path):
    quantizer = from_matrix_function(lambda m: np.round(m, 1), bits=5)
    written = head(quantizer)
    write_artefact(tmp_path / "m", written)
    read = unpack(tmp_path / "m")
    for ours, theirs in zip(written.layers, read.layers, strict=True):
        assert same(ours, theirs)
        assert theirs.alphabet == len(ours.dequantize().unique())


def test_ten_thousand_random_matrices(tmp_path):
    """Through the format in memory: what is packed is what is unpacked, whatever shape, kind and size."""
    rng, path = np.random.default_rng(0), tmp_path / "m"
    for group in range(100):
        layers, wide = [], int(rng.integers(1, 9))
        for _ in range(100):
            out = int(rng.integers(1, 9))
            layers.append(random_matrix(rng, out, wide))
            wide = out
        path.write_bytes(pack(toy(*layers)))
        read = unpack(path).layers
        assert len(read) == 100, group
        assert all(
            same(a, b) and torch.equal(a.codes, b.codes.to(a.codes.dtype))
            for a, b in zip(layers, read, strict=True)
        )


def random_matrix(rng: np.random.Generator, out: int, wide: int) -> Quantized:
    top = int(rng.choice([1, 2, 3, 5, 7, 16, 255, 256, 257, 4000]))
    numbers = torch.from_numpy(rng.normal(size=top).astype(np.float32)).sort().values
    codes = torch.from_numpy(rng.integers(0, top, (out, wide)))
    kind = int(rng.integers(0, 6))
    if kind == 0:
        return Floats(torch.from_numpy(rng.normal(size=(out, wide)).astype(np.float32)).view(torch.int32))
    if kind == 1:
        return Codebook(codes, numbers)
    if kind == 2:
        count = int(rng.integers(1, 6))
        return Additive(torch.from_numpy(rng.integers(0, 2**count, (out, wide))), torch.rand(count))
    if kind == 3:
        each = int(rng.integers(1, 4))
        pieces = torch.from_numpy(rng.integers(0, top, (out, -(-wide // each))))
        return Vectors(pieces, torch.from_numpy(rng.normal(size=(top, each)).astype(np.float32)), wide)
    rows, columns = int(rng.integers(1, out + 1)), int(rng.integers(1, wide + 1))
    blocks = (-(-out // rows), -(-wide // columns))
    scale = torch.from_numpy(rng.uniform(0.1, 1, blocks).astype(np.float32))
    if kind == 4:
        return Grid(codes, numbers, scale, torch.rand(blocks), "scale", (rows, columns))
    return Grid(codes, numbers, torch.exp2(scale.mul(9).round()), None, "exponent", (rows, columns))


@pytest.fixture
def small(tmp_path) -> Path:
    path = tmp_path / "small.safetensors"
    layers = head(QUANTIZERS["ternary-50"], made=bank(((2, 3),))).layers
    write_artefact(path, toy(*layers))
    return path


def test_cut_at_every_byte_and_longer(small):
    data = small.read_bytes()
    for changed in (*(data[:length] for length in range(len(data))), data + b"\0", data + data):
        small.write_bytes(changed)
        with pytest.raises(DataError):
            unpack(small)


def test_every_flipped_bit_is_an_error(small):
    data = bytearray(small.read_bytes())
    assert len(data) < 3000
    for place in range(len(data)):
        for bit in range(8):
            data[place] ^= 1 << bit
            small.write_bytes(data)
            with pytest.raises(DataError):
                unpack(small)
            data[place] ^= 1 << bit


def rewritten(path: Path, change) -> None:
    """Change a file and make its checksum right again: what somebody who means it would write."""
    metadata, tensors = read_file(path)
    layers = json.loads(metadata["layers"])
    change(metadata, layers, tensors)
    metadata.pop("checksum")
    if metadata.get("layers") is not None:
        metadata["layers"] = json.dumps(layers)
    path.write_bytes(file_bytes(tensors, metadata))


LIES = {
    "shape": lambda m, ls, t: ls[0].update(shape=[2, 4]),
    "huge": lambda m, ls, t: ls[0].update(shape=[2**20, 2**20], codes=[2**20, 2**20]),
    "huge of one level": lambda m, ls, t: (
        ls[0].update(shape=[2**14, 2**14], codes=[2**14, 2**14], alphabet=1),
        t.update({"0.codes": torch.empty(0, dtype=torch.uint8), "0.levels": torch.zeros(1)}),
    ),
    "alphabet": lambda m, ls, t: ls[0].update(alphabet=4),
    "alphabet below one": lambda m, ls, t: ls[0].update(alphabet=0),
    "alphabet of no number": lambda m, ls, t: ls[0].update(alphabet="3"),
    "astronomic alphabet": lambda m, ls, t: ls[0].update(alphabet=10**400),
    "kind": lambda m, ls, t: ls[0].update(kind="no such"),
    "another kind": lambda m, ls, t: ls[0].update(kind="codebook"),
    "codes": lambda m, ls, t: t.update({"0.codes": torch.zeros(9, dtype=torch.uint8)}),
    "codes of another type": lambda m, ls, t: t.update({"0.codes": t["0.codes"].view(torch.int8)}),
    "levels of two axes": lambda m, ls, t: t.update({"0.levels": t["0.levels"][None].repeat(3, 1)}),
    "scale": lambda m, ls, t: t.update({"0.scale": torch.ones(1, 1, 7)}),
    "scale not finite": lambda m, ls, t: t.update({"0.scale": torch.full((1, 1), torch.nan)}),
    "block": lambda m, ls, t: ls[0]["facts"].update(block=[0, 0]),
    "wide block": lambda m, ls, t: (
        ls[0]["facts"].update(block=[10**12, 10**12]),
        t.update({"0.scale": torch.ones(2, 2)}),
    ),
    "wide nested block": lambda m, ls, t: (
        ls[0].update(kind="nested", parts={"levels": 0, "scales": 0, "table": 0, "outer": 0}),
        ls[0]["facts"].update(run=2 * 10**8, block=[1, 10**8]),
        ls[0]["facts"].pop("zero"),
        ls[0]["facts"].pop("stored"),
        t.update(
            {
                "0.scales": torch.zeros(2, 2, dtype=torch.uint8),
                "0.table": torch.ones(1),
                "0.outer": torch.ones(4),
            }
        ),
    ),
    "wide rotated block": lambda m, ls, t: (
        ls[0].update(kind="rotated"),
        ls[0]["facts"].update(columns=3, seed=0, block=[1, 2 * 10**8]),
        t.update({"0.scale": torch.ones(2, 2)}),
    ),
    "missing part": lambda m, ls, t: ls[0]["parts"].pop("scale"),
    "part of no layer": lambda m, ls, t: ls[0]["parts"].update(scale=9),
    "fact": lambda m, ls, t: ls[0].update(facts={}),
    "bias": lambda m, ls, t: t.update({"0.bias": torch.zeros(3)}),
    "no bias": lambda m, ls, t: t.pop("0.bias"),
    "centre": lambda m, ls, t: t.update(centre=torch.zeros(2, dtype=torch.float64)),
    "probe": lambda m, ls, t: t.pop("probe"),
    "targets": lambda m, ls, t: m.update(targets='["a"]'),
    "targets of no name": lambda m, ls, t: m.update(targets="[1,2]"),
    "task kind": lambda m, ls, t: m.update(kind="ranking"),
    "no encoder": lambda m, ls, t: m.pop("encoder"),
    "no layers": lambda m, ls, t: ls.clear(),
    "no metadata": lambda m, ls, t: m.update(layers=None) or m.pop("layers"),
    "format": lambda m, ls, t: m.update(format="2"),
}


@pytest.mark.parametrize("lie", list(LIES))
def test_parts_that_do_not_belong_together_are_one_line(lie, small, monkeypatch):
    rewritten(small, LIES[lie])
    if lie.startswith("huge"):
        monkeypatch.setattr(
            stored_layers, "unpack_codes", lambda *_: pytest.fail("memory was asked for first")
        )
    with pytest.raises(DataError) as caught:
        unpack(small)
    assert "\n" not in str(caught.value)
    assert str(small) in str(caught.value)


def test_what_is_rewritten_without_a_lie_is_read(small):
    before = unpack(small)
    rewritten(small, lambda m, ls, t: None)
    assert all(same(a, b) for a, b in zip(before.layers, unpack(small).layers, strict=True))


def test_names_of_an_encoder_may_begin_with_one_another(tmp_path):
    layer = QUANTIZERS["uniform-4"].quantize(torch.randn(5, 8))
    state = EncoderState(
        {"embedding.centre": torch.zeros(4), "embedding.codebook": torch.ones(2)}, {"embedding": layer}
    )
    write_artefact(tmp_path / "m", replace(head(QUANTIZERS["sign"]), encoder=state))
    read = unpack(tmp_path / "m").encoder
    assert read is not None
    assert set(read.kept) == set(state.kept)
    assert same(read.layers["embedding"], layer)


def encoder(quantizer: Quantizer) -> EncoderState:
    rng = torch.Generator().manual_seed(9)
    kept = {"a.bias": torch.randn(3, generator=rng), "norm.batches": torch.tensor(7)}
    shapes = {"a.weight": (3, 5), "b.0.weight": (2, 8)}
    return EncoderState(
        kept, {name: quantizer.quantize(torch.randn(s, generator=rng)) for name, s in shapes.items()}
    )


@pytest.mark.parametrize("name", list(QUANTIZERS))
def test_an_encoder_is_restored_bit_by_bit_and_counted(name, tmp_path):
    quantizer, made = QUANTIZERS[name], bank()
    state = encoder(quantizer)
    heads = quantized(made, quantizer)
    written = published_head(heads, made, 1, quantizer, ORIGIN, "", state)
    size = write_artefact(tmp_path / "m", written)
    assert file_sizes(heads, made, quantizer, ORIGIN, [state])[1] == size == (tmp_path / "m").stat().st_size
    assert size > file_sizes(heads, made, quantizer, ORIGIN)[1]
    read = unpack(tmp_path / "m").encoder
    assert read is not None
    assert list(read.layers) == list(state.layers)
    assert all(same(read.layers[n], layer) for n, layer in state.layers.items())
    assert {n: t.tolist() for n, t in read.kept.items()} == {n: t.tolist() for n, t in state.kept.items()}


ENCODER_LIES = {
    "shape": lambda told, t: told["a.weight"].update(shape=[3, 6]),
    "huge": lambda told, t: told["a.weight"].update(shape=[2**20, 2**20], codes=[2**20, 2**20]),
    "no codes": lambda told, t: t.pop("encoder.a.weight.codes"),
    "not finite": lambda told, t: t.update({"encoder.a.weight.scale": torch.full((1, 1), torch.nan)}),
    "no layer": lambda told, t: told.update({"c.weight": told["a.weight"]}),
    "levels of nobody": lambda told, t: told["b.0.weight"]["parts"].update(levels="encoder.c"),
}


@pytest.mark.parametrize("lie", list(ENCODER_LIES))
def test_parts_of_an_encoder_that_do_not_belong_together_are_one_line(lie, small):
    write_artefact(small, replace(unpack(small), encoder=encoder(QUANTIZERS["ternary-50"])))
    metadata, tensors = read_file(small)
    told = json.loads(metadata["encoder_layers"])
    ENCODER_LIES[lie](told, tensors)
    metadata.pop("checksum")
    small.write_bytes(file_bytes(tensors, {**metadata, "encoder_layers": json.dumps(told)}))
    with pytest.raises(DataError, match="no head that can be used") as caught:
        unpack(small)
    assert "\n" not in str(caught.value)


def test_a_bank_is_no_head():
    banked = QUANTIZERS["sign"].quantize(torch.randn(3, 2, 2))
    with pytest.raises(ValueError, match="one head"):
        pack(toy(banked))


def test_weights_that_are_not_restored_are_never_published(tmp_path, monkeypatch):
    made = toy(
        Grid(torch.tensor([[0, 1]]), torch.tensor([-1.0, 1.0]), torch.full((1, 1), 0.3), None, "exponent")
    )
    with pytest.raises(ValueError, match="not restored bit by bit"):
        write_artefact(tmp_path / "m", made)  # 0.3 is no power of two
    assert list(tmp_path.iterdir()) == []


def test_restorers_are_of_known_kinds():
    from models.quantizers.quantized import KINDS

    assert set(RESTORERS) <= set(KINDS)


def test_the_layout_by_hand(tmp_path):
    """Two signs and what belongs to them, byte by byte."""
    layer = Grid(torch.tensor([[1, 0]]), torch.tensor([-1.0, 1.0]), torch.full((1, 1), 0.5))
    (tmp_path / "m").write_bytes(pack(toy(layer)))
    metadata, tensors = read_file(tmp_path / "m")
    assert tensors["0.codes"].tolist() == [1]
    assert tensors["0.codes"].numel() == packed_size(2, 2)
    assert tensors["0.scale"].tolist() == [[0.5]]
    assert json.loads(metadata["layers"]) == [
        {
            "kind": "grid",
            "shape": [1, 2],
            "codes": [1, 2],
            "alphabet": 2,
            "parts": {"levels": 0, "scale": 0},
            "facts": {"zero": None, "stored": "scale", "block": None},
        }
    ]
