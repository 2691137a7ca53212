"""The encoder quantized with the heads: against a plain computation, and what it leaves alone."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from rich.console import Console

from benchmark import evaluate
from benchmark.artefact_report import artefact_report
from benchmark.attack_cell import attack_cell
from benchmark.calibration import NORM_RECORDS, RECORDS, caveats, public_molecules
from benchmark.cell_data import CellData, cell_data
from benchmark.evaluate import evaluate_cell, trained_block
from benchmark.evaluate_block import evaluate_block
from benchmark.execute import Settings, measure, measure_cell, plan_cell
from benchmark.export_head import Chosen, export_head
from benchmark.plan import Cell, Protocol
from benchmark.report import Report
from benchmark.scope import Scope
from benchmark.training_set import TrainOn
from benchmark.whole_model import quantized_embeddings
from models.artefact import pack, unpack, write_artefact
from models.encoders.base import ENCODERS
from models.encoders.gin import Gin, GinConfig
from models.encoders.pretraining import Pretraining, pretraining_smiles
from models.heads import HeadConfig
from models.predict import predict
from models.published import published_head
from models.quantized_heads import quantize_heads
from models.quantizers import QUANTIZERS
from molecules.cache import cache_dir
from molecules.cleaning_report import CleaningReport
from molecules.errors import MolmisError
from tasks.catalogue import get_task
from tasks.records import Records
from tasks.table_file import table_task
from tasks.task import DataOptions, Kind, Task

NAMES = ("float32", "uniform-4", "sign", "gptq-3", "gptq-3-training")
CONFIG = HeadConfig(hidden=(6,), epochs=3)


def cell(scope: Scope = Scope.MODEL, names: tuple[str, ...] = NAMES) -> Cell:
    smiles = pretraining_smiles()[200:320]
    labels = np.array([[len(s) + s.count("N")] for s in smiles], dtype=np.float32)
    report = CleaningReport(rows=len(smiles), kept=len(smiles))
    records = Records("toy", Kind.REGRESSION, ("y",), smiles, labels, report, "nowhere", "0")
    task = Task("toy", Kind.REGRESSION, ("y",), "toy", "none", "none", load=lambda task, options: None)  # type: ignore[arg-type,return-value]
    encoder = Gin(GinConfig(width=16, layers=2, dimensions=8), Pretraining(epochs=1, molecules=60))
    quantizers = {name: QUANTIZERS[name] for name in names}
    return Cell(task, records, encoder, quantizers, Protocol(4, head=CONFIG, scope=scope))


@pytest.fixture(scope="module")
def measured(tmp_path_factory) -> dict[Scope, tuple[pd.DataFrame, Path]]:
    """Return the rows of every scope, measured in one cache."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOLMIS_CACHE", str(folder))
        return {scope: (evaluate_cell(cell(scope))[0], folder) for scope in Scope}


@pytest.fixture
def cached(measured, monkeypatch) -> None:
    """The cache of what was measured."""
    monkeypatch.setenv("MOLMIS_CACHE", str(measured[Scope.HEAD][1]))


def rows(measured, scope: Scope, name: str) -> pd.DataFrame:
    found = measured[scope][0]
    return found[found["quantizer"] == name].drop(columns="quantizer").reset_index(drop=True)


@pytest.mark.parametrize("name", NAMES)
def test_rows_are_those_of_the_heads_on_what_the_quantized_encoder_gives(name, measured, cached):
    base, quantizer = cell(), QUANTIZERS[name]
    data = cell_data(base)
    bank = trained_block(base, data, range(4))  # on full-precision embeddings
    encoder = Gin(base.encoder.config, base.encoder.pretraining)
    encoder.prepare()
    public = public_molecules(base).calibration
    assert len(public) == RECORDS
    encoder = encoder.quantized(quantizer, public)

    def embedded(part: torch.Tensor) -> torch.Tensor:
        places = [row_of[tuple(row.tolist())] for row in part]
        return torch.from_numpy(encoder.encode([base.records.smiles[place] for place in places]))

    full = torch.cat([data.pool, data.test])
    whole = {tuple(row.tolist()) for row in full}
    original = Gin(base.encoder.config, base.encoder.pretraining).encode(base.records.smiles)
    row_of = {tuple(row.tolist()): place for place, row in enumerate(torch.from_numpy(original))}
    assert len(whole) == len(row_of) == 120
    plain = CellData(
        data.kind,
        embedded(data.pool),
        data.pool_labels,
        embedded(data.test),
        data.test_labels,
        data.members,
        public=torch.from_numpy(encoder.encode(public)),
    )
    expected = evaluate_block(bank, quantizer, plain)
    found = rows(measured, Scope.MODEL, name)
    told = ["coverage", "model_coverage", "entropy_bits", "zeros", "packed_bytes"]
    pd.testing.assert_frame_equal(
        found.drop(columns=told), expected.drop(columns=told), rtol=1e-5, check_exact=False
    )


def test_sizes_count_the_encoder(measured, cached):
    base = cell()
    data, quantizer = cell_data(base), QUANTIZERS["sign"]
    bank = trained_block(base, data, range(4))
    under = data.under(quantizer)
    network = base.encoder.network()
    biases = sum(p.numel() for name, p in network.named_parameters() if p.dim() < 2)
    encoder_weights = base.encoder.parameters - biases
    head_weights, head_biases = 8 * 6 + 6, 6 + 1
    found = rows(measured, Scope.MODEL, "sign")
    total = base.encoder.parameters + head_weights + head_biases
    np.testing.assert_allclose(found["coverage"], (encoder_weights + head_weights) / total)
    np.testing.assert_allclose(found["model_coverage"], found["coverage"])
    alone = rows(measured, Scope.HEAD, "sign")
    np.testing.assert_allclose(alone["coverage"], head_weights / (head_weights + head_biases))
    np.testing.assert_allclose(alone["model_coverage"], head_weights / total)
    heads = quantize_heads(bank.snapshots, quantizer)
    for place in range(4):
        head = published_head(heads, bank, place, quantizer, data.origin, "", under.encoder)
        assert found["packed_bytes"][place] == len(pack(head)) > alone["packed_bytes"][place]
    assert (rows(measured, Scope.MODEL, "float32")["coverage"] == 0).all()


@pytest.mark.parametrize("scope", [Scope.MODEL, Scope.MODEL_NORMS])
def test_the_reference_is_the_same_whatever_is_quantized(scope, measured):
    told = ["packed_bytes"]
    found, alone = (rows(measured, s, "float32").drop(columns=told) for s in (scope, Scope.HEAD))
    pd.testing.assert_frame_equal(found, alone)


def test_statistics_taken_anew_move_the_quantized_models_only(measured):
    kept, renewed = (rows(measured, s, "sign") for s in (Scope.MODEL, Scope.MODEL_NORMS))
    assert not np.allclose(kept["loss_out"], renewed["loss_out"])
    # the name of the scope stands in the file, whose header is filled up to words of 8 bytes
    assert (renewed["packed_bytes"] - kept["packed_bytes"]).isin([0, 8]).all()


@pytest.mark.parametrize(("name", "anew"), [("pruned-50", True), ("noise-30", True), ("float32", False)])
def test_statistics_are_taken_anew_where_weights_changed(name, anew, cached):
    encoder = cell().encoder
    encoder.prepare()
    full = encoder.state().kept["norms.0.running_mean"]
    found = encoder.quantized(QUANTIZERS[name], (), pretraining_smiles()[:100]).state().kept
    assert torch.equal(found["norms.0.running_mean"], full) is not anew


def test_embeddings_of_a_quantized_encoder_depend_on_the_policy(cached, monkeypatch):
    encoder = cell().encoder
    encoder.prepare()
    before = encoder.quantized(QUANTIZERS["sign"]).key
    assert encoder.quantized(QUANTIZERS["sign"]).key == before != encoder.key
    monkeypatch.setattr("models.encoders.graph_encoder.source_key", lambda function: "another")
    assert encoder.quantized(QUANTIZERS["sign"]).key != before


def test_scopes_share_the_trained_runs_and_no_evaluations(cached, monkeypatch):
    monkeypatch.setattr(evaluate, "train_block", None)  # training again would fail
    cells = [cell(scope) for scope in Scope]
    assert len({c.bank_key for c in cells}) == 1
    assert len({c.key for c in cells}) == len({c.quantizer_key("sign") for c in cells}) == 3
    for one in cells:
        evaluate_cell(one)


def test_attacks_read_the_quantized_model(measured, cached):
    head, model = (attack_cell(cell(scope)).attacks for scope in (Scope.HEAD, Scope.MODEL))
    mean = [
        frame[frame["quantizer"] == "sign"].groupby("attack")["auc"].mean().dropna()
        for frame in (head, model)
    ]
    assert len(mean[0]) > 0
    assert not np.allclose(*mean)


def test_public_molecules_are_none_of_the_task():
    found = public_molecules(cell(Scope.MODEL_NORMS))
    assert (len(found.calibration), len(found.norms)) == (RECORDS, NORM_RECORDS)
    assert set(found.norms).isdisjoint(cell().records.smiles)
    assert public_molecules(cell(Scope.HEAD, ("float32", "gptq-3-training"))).calibration == ()
    assert len(public_molecules(cell(Scope.MODEL, ("float32", "gptq-3-training"))).calibration) == RECORDS


def test_an_encoder_without_weights_is_refused_before_anything_is_loaded(tmp_path):
    settings = Settings(encoder="ecfp", results=tmp_path, scope=Scope.MODEL)
    with pytest.raises(MolmisError, match="--quantize model: the encoder ecfp has no weights") as caught:
        plan_cell(get_task("tox21"), DataOptions(tmp_path, download=False), settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("scope", list(Scope))
def test_the_report_says_what_was_quantized(scope, measured, cached, tmp_path):
    flags = dict.fromkeys(NAMES, ())
    result = measure_cell(cell(scope), flags, Settings(results=tmp_path, attacks=False, scope=scope))
    result = replace(result, facts={**result.facts, "split": "random"})
    report = Report.of(result)
    assert set(report.table["scope"]) == {str(scope)}
    assert ("quantized, too" in report.title()) == scope.whole
    (note,) = (note for note in report.notes() if note.startswith("Quantized:"))
    assert ("the whole model" in note.split(".")[0]) == scope.whole or "% of the parameters" in note
    assert ("taken anew" in note) == (scope is Scope.MODEL_NORMS)


def test_a_reader_is_told_what_calibrated_quantizers_were_shown():
    assert caveats("none", shared=True) == []
    assert caveats("public", shared=True) == caveats("public", shared=False)
    assert "public molecules" in caveats("training", shared=True)[0]
    assert "public" not in caveats("training", shared=False)[0]


class Small(Gin):
    """A GIN of a second, in the place of the usual one."""

    def __init__(self) -> None:
        super().__init__(GinConfig(width=16, layers=2, dimensions=8), Pretraining(epochs=1, molecules=60))


@pytest.mark.parametrize("chosen", [Chosen(1, 4), Chosen(None, 4)], ids=["a run", "all records"])
def test_an_exported_model_is_that_of_the_table_and_predicts(chosen, tmp_path, monkeypatch):
    monkeypatch.setitem(ENCODERS._members, "gin", Small)
    table = tmp_path / "assay.csv"
    base = cell()
    lines = [f"{s},{y[0]}" for s, y in zip(base.records.smiles, base.records.labels, strict=True)]
    table.write_text("\n".join(["smiles,y", *lines]))
    task = table_task(table, None, ["y"])
    settings = Settings(
        "gin", ["ternary-50"], 4, head=CONFIG, results=tmp_path, attacks=False, scope=Scope.MODEL
    )
    head = export_head(task, DataOptions(), settings, chosen)
    assert list(cache_dir("bank").glob("*/embeddings/*.safetensors")) == []
    size = write_artefact(tmp_path / "m", head)
    result = measure(task, DataOptions(), settings)
    rows = result.rows.set_index(["quantizer", "run"])
    if chosen.run is not None:
        assert size == rows.loc[("ternary-50", 1), "packed_bytes"]
    read = unpack(tmp_path / "m")
    assert read.origin.scope == "model"
    assert read.encoder is not None
    assert {layer.alphabet for layer in read.encoder.layers.values()} == {3}
    encoder = Small()
    encoder.prepare()
    quantized = encoder.quantized(QUANTIZERS["ternary-50"])
    asked = base.records.smiles[:5]
    expected = read.outputs(torch.from_numpy(quantized.encode(asked)))
    np.testing.assert_allclose(predict(read, asked).values, expected.numpy(), rtol=1e-5)
    shown = Console(width=200, record=True, file=io.StringIO())
    shown.print(artefact_report(tmp_path / "m"))
    text = shown.export_text()
    assert "encoder and head" in text
    assert all(
        word in text for word in ("atoms.weight", "head 0", "matrices quantized", "of the encoder as it was")
    )


def test_embeddings_by_quantized_encoders_stay_only_while_a_cell_is_measured(tmp_path):
    base = cell(names=("float32", "sign"))
    flags = dict.fromkeys(base.quantizers, ())
    settings = Settings(results=tmp_path, scope=Scope.MODEL)
    evaluate_cell(base)
    kept = list(quantized_embeddings(base).glob("*.safetensors"))
    assert len(kept) == 2  # what a stopped run goes on from
    first = kept[0].stat().st_mtime_ns
    attack_cell(base)
    assert kept[0].stat().st_mtime_ns == first  # read, not made again
    result = measure_cell(base, flags, settings)
    assert list(quantized_embeddings(base).iterdir()) == []
    assert len(list(cache_dir("embeddings").glob("*.safetensors"))) == 1  # those of full precision
    again = measure_cell(base, flags, replace(settings, results=tmp_path / "anew", train_on=TrainOn.ALL))
    pd.testing.assert_frame_equal(again.rows, result.rows)
    assert list(quantized_embeddings(base).iterdir()) == []
