"""Encoders trained with every head, and quantized: against a plain computation, and all the way to files."""

import copy
import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from rich.console import Console
from sklearn import metrics

from benchmark.artefact_report import artefact_report
from benchmark.attack_cell import attack_cell
from benchmark.calibration import public_molecules
from benchmark.cell_data import cell_data, hold_apart
from benchmark.evaluate import evaluate_cell, trained_block
from benchmark.execute import Settings, measure_cell, plan_cell
from benchmark.export_head import Chosen, export_head
from benchmark.full_pool import SEEDS, full_pool
from benchmark.plan import Cell
from benchmark.report import Report
from benchmark.scope import Scope
from models.artefact import unpack, write_artefact
from models.encoders import graph_encoder
from models.encoders.base import ENCODERS
from models.encoders.graph_network import CLIP
from models.predict import predict
from models.quantized_network import quantize_network, roles
from models.quantizers import QUANTIZERS
from models.quantizers.base import Layer
from molecules.errors import MolmisError
from molecules.graphs import featurize
from tasks.catalogue import get_task
from tasks.table_file import table_task
from tasks.task import DataOptions
from tests.benchmark.test_whole_model import Small
from tests.benchmark.test_whole_model import cell as frozen_cell

NAMES = ("float32", "uniform-4", "gptq-3", "gptq-3-training")


def cell(scope: Scope = Scope.MODEL, names: tuple[str, ...] = NAMES) -> Cell:
    plain = frozen_cell(scope, names)
    return replace(plain, protocol=replace(plain.protocol, train_encoder=True))


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOLMIS_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def plain_models(base: Cell, name: str, run: int):
    """Yield every quantized snapshot of a run as a function of SMILES, one model after another."""
    data, quantizer = cell_data(base), QUANTIZERS[name]
    bank = trained_block(base, data, range(4))
    smiles = list(base.records.smiles)
    pool = [row for row, test in enumerate(is_test(base)) if not test]
    if quantizer.calibration == "training":
        shown = [smiles[pool[place]] for place in np.flatnonzero(data.members[run])[:128]]
    else:
        shown = list(public_molecules(base).calibration)
    centre, spread = data.tuned.tuning._centre, data.tuned.tuning._spread
    for snapshot in range(bank.kept):
        network = copy.deepcopy(data.tuned.tuning.network)
        with torch.no_grad():
            for parameter_name, parameter in network.named_parameters():
                parameter.copy_(bank.encoders[parameter_name][run, snapshot])
        feed = (lambda network=network: network(featurize(shown).batch(0, len(shown)))) if shown else None
        if base.protocol.scope.whole:
            quantize_network(network, quantizer, feed)

        def embedded(smiles, network=network):
            with torch.no_grad():
                raw = network(featurize(smiles).batch(0, len(smiles)))
            return ((raw - centre) / spread).clamp(-CLIP, CLIP)

        hidden = embedded(shown) if shown else None
        layers = []
        for place, (weight, bias) in enumerate(
            zip(bank.snapshots.weights, bank.snapshots.biases, strict=True)
        ):
            own = quantizer.quantize_layer(weight[run, snapshot], Layer(place, 2, hidden)).dequantize()
            layers.append((own, bias[run, snapshot]))
            if hidden is not None:
                hidden = torch.relu(hidden @ own.T + bias[run, snapshot])

        def model(smiles, layers=layers, embedded=embedded):
            (first, one), (second, two) = layers
            return (torch.relu(embedded(smiles) @ first.T + one) @ second.T + two).double().numpy()

        yield model


def is_test(base: Cell) -> np.ndarray:
    found = np.zeros(len(base.records.smiles), dtype=bool)
    found[hold_apart(base.records, base.protocol)[1]] = True
    return found


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scope", [Scope.MODEL, Scope.HEAD])
def test_figures_against_models_one_by_one(scope, name):
    base = cell(scope)
    rows, sizes = evaluate_cell(base)
    found = rows[rows["quantizer"] == name].set_index("run")
    data, bank = cell_data(base), trained_block(base, cell_data(base), range(4))
    test = is_test(base)
    smiles, labels = np.array(base.records.smiles, dtype=object), base.records.labels[:, 0].astype(float)
    for run in (0, 3):
        centre, spread = float(bank.centre[run, 0]), float(bank.spread[run, 0])
        wanted, members = (labels[~test] - centre) / spread, data.members[run]
        outputs = [model(list(smiles[~test]))[:, 0] for model in plain_models(base, name, run)]
        losses = np.array([(output - wanted) ** 2 for output in outputs])
        np.testing.assert_allclose(found.loc[run, "loss_in"], losses[-1][members].mean(), rtol=1e-3)
        np.testing.assert_allclose(found.loc[run, "loss_out"], losses[-1][~members].mean(), rtol=1e-3)
        *_, last = plain_models(base, name, run)
        predicted = last(list(smiles[test]))[:, 0] * spread + centre
        wanted_rmse = metrics.root_mean_squared_error(labels[test], predicted)
        np.testing.assert_allclose(found.loc[run, "rmse"], wanted_rmse, rtol=1e-3)
        out = losses[:, ~members]
        best = int(np.argmin(out.mean(1)))
        gaps = [row - out[best] for place, row in enumerate(out) if place != best]
        rate = min(g.mean() ** 2 / (2 * g.var(ddof=1)) for g in gaps)
        np.testing.assert_allclose(found.loc[run, "rate"], rate, rtol=2e-2)
    assert (found["candidates"] == bank.kept).all()
    assert sizes["pool"] + sizes["test"] == len(labels)


def test_a_trained_encoder_fits_better_than_a_frozen_one_and_leaks_more():
    tuned = evaluate_cell(cell(names=("float32",)))[0]
    frozen = evaluate_cell(frozen_cell(Scope.HEAD, ("float32",)))[0]
    assert (tuned["loss_in"] < frozen["loss_in"]).all()


def test_coverage_and_size_are_of_encoder_and_head():
    base = cell(names=("uniform-4",))
    found = evaluate_cell(base)[0]
    network = base.encoder.network()
    head = 8 * 6 + 6 + 6 * 1 + 1
    whole = head + sum(p.numel() for p in network.parameters())
    quantized = (
        8 * 6 + 6 + sum(p.numel() for n, p in network.named_parameters() if roles(network)[n] == "quantized")
    )
    np.testing.assert_allclose(found["coverage"], quantized / whole)
    np.testing.assert_allclose(found["model_coverage"], quantized / whole)
    head_only = evaluate_cell(cell(Scope.HEAD, ("uniform-4",)))[0]
    assert (head_only["packed_bytes"] > 4 * (whole - head)).all()  # a float32 encoder of its own
    assert (found["packed_bytes"] < head_only["packed_bytes"] / 2).all()


def test_what_was_trained_is_reused_and_other_cells_have_other_keys():
    base = cell(names=("float32",))
    first, again = evaluate_cell(base)[0], evaluate_cell(base)[0]
    pd.testing.assert_frame_equal(first, again)
    assert len({cell().bank_key, frozen_cell().bank_key}) == 2
    assert cell().encoder_name == "gin-trained"
    assert cell().key != cell(Scope.HEAD).key
    assert cell().bank_key == cell(Scope.HEAD).bank_key


def test_attacks_and_heads_on_the_whole_pool():
    base = cell(names=("float32", "uniform-4"))
    evaluate_cell(base)
    attacks = attack_cell(base).attacks
    assert set(attacks["quantizer"]) == {"float32", "uniform-4"}
    told = full_pool(base)
    assert len(told) == 2 * SEEDS
    assert told["rmse"].notna().all()


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """A file of one's own, and the settings of a small encoder that is trained."""
    monkeypatch.setitem(ENCODERS._members, "gin", Small)
    records = frozen_cell().records
    path = tmp_path / "mine.csv"
    pd.DataFrame({"smiles": records.smiles, "y": records.labels[:, 0]}).to_csv(path, index=False)
    settings = Settings(
        quantizers=["uniform-4"],
        scope=Scope.MODEL,
        runs=4,
        train_encoder=True,
        head=frozen_cell().protocol.head,
        results=tmp_path / "results",
    )
    return table_task(path, "smiles", ["y"], None), settings


@pytest.mark.parametrize("run", [1, None], ids=["a run", "all records"])
def test_a_published_model_predicts_as_it_did(asked, run, tmp_path):
    write_artefact(tmp_path / "model", export_head(asked[0], DataOptions(), asked[1], Chosen(run, 4)))
    head = unpack(tmp_path / "model")
    assert head.encoder is not None
    assert set(head.encoder.layers)
    assert head.origin.trained_encoder
    shown = Console(width=200, file=io.StringIO())
    shown.print(artefact_report(tmp_path / "model"))
    assert "trained further with the head; in the file" in shown.file.getvalue()
    smiles = list(frozen_cell().records.smiles)
    told = predict(head, smiles)
    if run is None:
        return  # the probe has been compared by predict()
    planned, _ = plan_cell(*asked[:1], DataOptions(), asked[1])
    *_, model = plain_models(planned, "uniform-4", run)
    bank = trained_block(planned, cell_data(planned), range(4))
    expected = model(smiles)[:, 0] * float(bank.spread[run, 0]) + float(bank.centre[run, 0])
    np.testing.assert_allclose(np.asarray(told.values)[:, 0], expected, rtol=1e-3, atol=1e-3)


def test_the_report_says_that_encoders_were_trained(asked):
    task, settings = asked
    planned, flags = plan_cell(task, DataOptions(), settings)
    result = measure_cell(planned, flags, settings)
    report = Report.of(result)
    assert "gin-trained quantized, too" in report.title()
    assert any("Every run trained an encoder of its own" in note for note in report.notes())
    assert set(report.table["encoder"]) == {"gin-trained"}
    again = measure_cell(planned, flags, settings)
    pd.testing.assert_frame_equal(again.rows, result.rows)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (Settings(encoder="ecfp", train_encoder=True), "ecfp is none of the networks over graphs"),
        (Settings(train_encoder=True, scope=Scope.MODEL_NORMS), "model-norms has no effect"),
    ],
)
def test_what_cannot_be_trained_is_refused(settings, said):
    with pytest.raises(MolmisError, match=said):
        plan_cell(get_task("chembl2321810"), DataOptions(), settings)


def test_vectors_are_embedded_by_nothing_that_could_be_trained():
    with pytest.raises(MolmisError, match="are vectors, which no encoder embeds; leave it out"):
        plan_cell(get_task("gaussian-modes"), DataOptions(), Settings(train_encoder=True))


def test_all_networks_over_graphs_can_be_trained():
    trainable = {name for name, kind in ENCODERS.items() if kind.trainable}
    assert trainable == {
        name for name, kind in ENCODERS.items() if issubclass(kind, graph_encoder.GraphEncoder)
    }
