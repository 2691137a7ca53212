"""One block and one cell against a slow, plain evaluation: a loop over runs, snapshots and records."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from sklearn import metrics
from torch import nn

from benchmark import blocks, evaluate
from benchmark import evaluate_block as evaluate_block_module
from benchmark.cell_data import CellData
from benchmark.evaluate import evaluate_cell
from benchmark.evaluate_block import evaluate_block, evaluate_models
from benchmark.plan import Cell, Protocol
from models.encoders.base import Encoder
from models.heads import Bank, HeadConfig
from models.quantizers import QUANTIZERS
from models.train_bank import train_block
from molecules.cleaning_report import CleaningReport
from molecules.errors import TooFewRecordsError
from molecules.progress import SILENT, Progress
from molecules.splits import member_halves, split
from tasks.records import Records
from tasks.task import Kind, Task
from tests.listener import Listener

CONFIG = HeadConfig(hidden=(16, 9), epochs=5, batch_size=8, learning_rate=1e-2)
RUNS = 3
#: A seed whose heads score no two records alike: ties would be broken by the last bit, float32 or float64.
SEED = 1


def problem(kind: Kind, seed: int = 0) -> CellData:
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(90, 6))
    labels = inputs[:, :2] @ np.array([[1.0, 0.3], [-0.5, 1.0]]) + 0.5 * rng.normal(size=(90, 2)) + 4
    if kind is Kind.CLASSIFICATION:
        labels = (labels > 4).astype(float)
    labels[rng.random(labels.shape) < 0.15] = np.nan
    labels[np.isnan(labels).all(1), 0] = 1.0
    x, y = (torch.from_numpy(a.astype(np.float32)) for a in (inputs, labels))
    return CellData(kind, x[:60], y[:60], x[60:], y[60:], member_halves(60, RUNS, seed))


def plain_loss(kind: Kind, output: np.ndarray, label: np.ndarray) -> float:
    """Loss of one record, float64."""
    known = ~np.isnan(label)
    z, y = output[known], label[known]
    if kind is Kind.CLASSIFICATION:
        p = 1 / (1 + np.exp(-z))
        return float(-(y * np.log(p) + (1 - y) * np.log(1 - p)).mean())
    return float(((z - y) ** 2).mean())


def model(weights: list[torch.Tensor], biases: list[torch.Tensor]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for place, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        linear = nn.Linear(weight.shape[1], weight.shape[0]).double()
        linear.weight.data, linear.bias.data = weight.double(), bias.double()
        layers += [linear] + ([nn.ReLU()] if place < len(weights) - 1 else [])
    return nn.Sequential(*layers)


def plain_block(bank, quantizer, data: CellData) -> pd.DataFrame:
    rows = []
    pool, test = data.pool.double(), data.test.double()
    for run in range(RUNS):
        centre, spread = bank.centre[run].numpy().astype(float), bank.spread[run].numpy().astype(float)
        labels = (data.pool_labels.numpy() - centre) / spread
        seen: dict[bytes, np.ndarray] = {}
        for epoch in range(CONFIG.epochs):
            parts = [quantizer.quantize(w[run, epoch]) for w in bank.snapshots.weights]
            net = model([p.dequantize() for p in parts], [b[run, epoch] for b in bank.snapshots.biases])
            with torch.no_grad():
                output = net(pool).numpy()
            losses = np.array([plain_loss(data.kind, output[i], labels[i]) for i in range(len(pool))])
            code = b"".join(p.codes.numpy().tobytes() for p in parts)
            seen.pop(code, None)
            seen[code] = losses
        members = data.members[run]
        candidates = [losses[~members] for losses in seen.values()]
        best = int(np.argmin([c.mean() for c in candidates]))
        gaps = [c - candidates[best] for k, c in enumerate(candidates) if k != best]
        with torch.no_grad():
            predicted = net(test).numpy() * spread + centre  # the last epoch's
        rows.append(
            {
                "rate": min(g.mean() ** 2 / (2 * g.var(ddof=1)) for g in gaps) if gaps else np.nan,
                "candidates": len(candidates),
                "records": (~members).sum(),
                "loss_in": losses[members].mean(),
                "loss_out": losses[~members].mean(),
                **plain_metrics(data.kind, predicted, data.test_labels.numpy()),
            }
        )
    return pd.DataFrame(rows)


def plain_metrics(kind: Kind, predicted: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for target in range(labels.shape[1]):
        known = ~np.isnan(labels[:, target])
        y, z = labels[known, target], predicted[known, target]
        if kind is Kind.CLASSIFICATION:
            scores = {"roc_auc": metrics.roc_auc_score(y, z), "mcc": metrics.matthews_corrcoef(y, z > 0)}
        else:
            # of several targets each in units of its own spread
            scores = {"rmse": metrics.root_mean_squared_error(y, z) / y.std(), "r2": metrics.r2_score(y, z)}
        for name, value in scores.items():
            found.setdefault(name, []).append(value)
    return {name: float(np.mean(values)) for name, values in found.items()}


@pytest.mark.parametrize("record_block", [7, 2048])
@pytest.mark.parametrize("name", ["float32", "uniform-3", "ternary-75", "sign"])
@pytest.mark.parametrize("kind", list(Kind))
def test_block_against_the_plain_evaluation(kind, name, record_block, monkeypatch):
    monkeypatch.setattr(evaluate_block_module, "RECORD_BLOCK", record_block)
    data = problem(kind)
    bank = train_block(kind, data.pool, data.pool_labels, data.members, CONFIG, SEED, 0)
    found = evaluate_block(bank, QUANTIZERS[name], data)
    expected = plain_block(bank, QUANTIZERS[name], data)
    assert found["run"].tolist() == [0, 1, 2]
    for column in expected:
        np.testing.assert_allclose(found[column], expected[column], rtol=2e-3, atol=2e-6, err_msg=column)
    np.testing.assert_allclose(found["rate_corrected"], found["rate"] - 1 / 60, atol=1e-12)
    assert not found["constant"].any()
    assert (found["reason"] == "").all()


def with_scaled_weights(bank: Bank, factor: float) -> Bank:
    scaled = tuple(factor * weight for weight in bank.snapshots.weights)
    return replace(bank, snapshots=replace(bank.snapshots, weights=scaled))


def test_a_quantizer_that_rounds_all_to_zero_is_constant_and_has_no_r():
    data = problem(Kind.REGRESSION)
    bank = train_block(data.kind, data.pool, data.pool_labels, data.members, CONFIG, 0, 0)
    found = evaluate_block(with_scaled_weights(bank, 0.1), QUANTIZERS["uniform-2-unscaled"], data)
    assert found["constant"].all()
    assert found["rate"].isna().all()
    assert set(found["reason"]) == {"one candidate only"}


def test_losses_that_overflow_are_told_not_counted():
    data = problem(Kind.REGRESSION)
    bank = train_block(data.kind, data.pool, data.pool_labels, data.members, CONFIG, 0, 0)
    found = evaluate_block(with_scaled_weights(bank, 1e20), QUANTIZERS["float32"], data)
    assert set(found["reason"]) == {"losses not finite"}
    assert found["rate"].isna().all()


class Lengths(Encoder):
    """A toy encoder: random vectors that depend on the SMILES alone."""

    name = "lengths"
    description = "toy"

    def recipe(self) -> dict[str, object]:
        return {"encoder": "lengths"}

    def encode(self, smiles: Sequence[str], progress: Progress = SILENT) -> NDArray[np.float32]:
        return np.stack([np.random.default_rng([*text.encode()]).normal(size=8) for text in smiles]).astype(
            np.float32
        )


def cell(runs: int, names: tuple[str, ...] = ("float32", "sign")) -> Cell:
    smiles = ["C" * i + "O" for i in range(1, 101)]
    labels = np.random.default_rng(0).normal(size=(100, 1)).astype(np.float32)
    report = CleaningReport(rows=100, kept=100)
    records = Records("toy", Kind.REGRESSION, ("y",), smiles, labels, report, "nowhere", "0")
    task = Task("toy", Kind.REGRESSION, ("y",), "toy", "none", "none", load=lambda task, options: None)  # type: ignore[arg-type,return-value]
    head = HeadConfig(hidden=(6,), epochs=3)
    return Cell(task, records, Lengths(), {n: QUANTIZERS[n] for n in names}, Protocol(runs, head=head))


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_RUNS", 4)


def test_cell_rows_and_sizes(small_blocks):
    rows, sizes = evaluate_cell(cell(6))
    assert rows["quantizer"].tolist() == ["float32"] * 6 + ["sign"] * 6
    assert rows["run"].tolist() == [*range(6)] * 2
    exchangeable, twins = sizes.pop("exchangeability"), sizes.pop("twins")
    assert twins["inchikey"] == twins["connectivity"] == {"across": 0, "within": 0}
    assert sizes == {"pool": 80, "members": 40, "test": 20, "dimensions": 8, "unscored": []}
    assert isinstance(exchangeable, dict)
    assert abs(exchangeable["auc"] - 0.5) < 0.2


def test_more_runs_begin_with_the_rows_of_fewer_and_reuse_them(small_blocks):
    few, _ = evaluate_cell(cell(4))
    listener = Listener()
    many, _ = evaluate_cell(cell(8), progress=listener)
    assert "evaluation: reused 2 of 4 blocks of quantizer x runs" in listener.notes
    pd.testing.assert_frame_equal(many[many["run"] < 4].reset_index(drop=True), few)


def test_more_runs_begin_with_the_rows_of_fewer_also_where_a_block_grows(small_blocks):
    few, _ = evaluate_cell(cell(6))  # blocks of 4 and 2
    many, _ = evaluate_cell(cell(8))  # blocks of 4 and 4
    # the effect compares the runs of a block with each other
    same = [name for name in few if not name.startswith("effect")]
    pd.testing.assert_frame_equal(many.loc[many["run"] < 6, same].reset_index(drop=True), few[same])


class StoppedError(Exception):
    """Stands for whatever ends a run early; KeyboardInterrupt would end the tests too."""


@pytest.mark.parametrize("done", [0, 1, 3])
def test_what_was_finished_before_a_stop_is_not_done_again(done, small_blocks, monkeypatch, own_cache):
    whole, _ = evaluate_cell(cell(8))
    for path in own_cache.glob("bank/*/*/*.parquet"):
        path.unlink()
    calls = []

    def stop_after(limit: int):
        def counted(*arguments, **further):
            if len(calls) == limit:
                raise StoppedError
            calls.append(arguments)
            return evaluate_models(*arguments, **further)

        return counted

    monkeypatch.setattr(evaluate, "evaluate_models", stop_after(done))
    with pytest.raises(StoppedError):
        evaluate_cell(cell(8))
    monkeypatch.setattr(evaluate, "evaluate_models", stop_after(4))
    monkeypatch.setattr(evaluate, "train_block", None)  # training again would fail
    listener = Listener()
    again, _ = evaluate_cell(cell(8), progress=listener)
    pd.testing.assert_frame_equal(again, whole)
    assert len(calls) == 4
    assert any(f"evaluation: reused {done} of 4" in note for note in listener.notes) is (done > 0)


def test_lost_and_damaged_files_are_made_again_with_the_same_rows(small_blocks, own_cache):
    whole, _ = evaluate_cell(cell(8))
    banks = sorted(own_cache.glob("bank/*/*.safetensors"))
    tables = sorted(own_cache.glob("bank/*/*/*.parquet"))
    assert (len(banks), len(tables)) == (2, 4)
    banks[0].unlink()
    banks[1].write_bytes(banks[1].read_bytes()[:100])
    tables[0].unlink()
    tables[2].write_bytes(b"PAR1 no more")
    listener = Listener()
    again, _ = evaluate_cell(cell(8), progress=listener)
    pd.testing.assert_frame_equal(again, whole)
    assert sum("damaged" in note for note in listener.notes) == 1  # the bank is trained again without a look
    assert len(sorted(own_cache.glob("bank/*/*.safetensors"))) == 2


def test_banks_are_not_needed_once_all_is_evaluated(small_blocks, own_cache, monkeypatch):
    whole, _ = evaluate_cell(cell(8))
    for path in own_cache.glob("bank/*/*.safetensors"):
        path.unlink()
    monkeypatch.setattr(evaluate, "train_block", None)  # training again would fail
    again, _ = evaluate_cell(cell(8))
    pd.testing.assert_frame_equal(again, whole)


def flip_last_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("pattern", ["bank/*/*.safetensors", "embeddings/*.safetensors"])
def test_flipped_bits_do_not_move_the_rows(pattern, small_blocks, own_cache):
    whole, _ = evaluate_cell(cell(8))
    for path in own_cache.glob(pattern):
        flip_last_bit(path)
    for path in own_cache.glob("bank/*/*/*.parquet"):
        path.unlink()
    listener = Listener()
    again, _ = evaluate_cell(cell(8), progress=listener)
    pd.testing.assert_frame_equal(again, whole)
    assert any("is damaged" in note for note in listener.notes)


@pytest.mark.parametrize("pattern", ["bank/*/*.safetensors", "bank/*/*/*.parquet", "embeddings/*"])
def test_files_of_another_cell_do_not_move_the_rows(pattern, small_blocks, own_cache):
    other, mine = cell(8), replace(cell(8), protocol=replace(cell(8).protocol, seed=1))
    other = replace(other, records=replace(other.records, smiles=[s + "C" for s in other.records.smiles]))
    evaluate_cell(other)
    foreign = {path.name: path.read_bytes() for path in own_cache.glob(pattern)}
    before = set(own_cache.glob(pattern))
    whole, _ = evaluate_cell(mine)
    own = sorted(set(own_cache.glob(pattern)) - before)
    assert own
    for path, data in zip(own, [*foreign.values()] * len(own), strict=False):
        path.write_bytes(data)
    if pattern == "bank/*/*.safetensors":
        for path in own_cache.glob("bank/*/*/*.parquet"):
            path.unlink()
    listener = Listener()
    again, _ = evaluate_cell(mine, progress=listener)
    pd.testing.assert_frame_equal(again, whole)


def test_evaluations_of_other_weights_are_done_again(small_blocks, own_cache):
    whole, _ = evaluate_cell(cell(8))
    store = blocks.BlockStore(cell(8), SILENT)
    runs = store.blocks[0]
    bank = store.bank(runs)
    assert bank is not None
    store.save_bank(with_scaled_weights(bank, 1.5))  # as another version would train them, under the same key
    listener = Listener()
    again, _ = evaluate_cell(cell(8), progress=listener)
    assert any("made on other trained runs" in note for note in listener.notes)
    first = again["run"].isin(runs)
    assert not again.loc[first, "loss_in"].equals(whole.loc[first, "loss_in"])
    pd.testing.assert_frame_equal(again[~first], whole[~first])


def test_a_test_set_of_one_class_is_refused_before_training(own_cache):
    base = cell(4)
    _, test = split("random", base.records.smiles, 0.2, 0)
    labels = np.ones((100, 1), dtype=np.float32)
    labels[np.setdiff1d(np.arange(100), test)[::2]] = 0
    records = replace(base.records, kind=Kind.CLASSIFICATION, labels=labels)
    with pytest.raises(TooFewRecordsError, match="20 test records of one class"):
        evaluate_cell(replace(base, records=records))
    assert not (own_cache / "bank").exists()


def test_swapped_files_are_noticed(small_blocks, own_cache):
    whole, _ = evaluate_cell(cell(8))
    one, two = sorted(own_cache.glob("bank/*/*/*.parquet"))[:2]
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)
    listener = Listener()
    again, _ = evaluate_cell(cell(8), progress=listener)
    pd.testing.assert_frame_equal(again, whole)
    assert sum("something else" in note for note in listener.notes) == 2


def test_key_depends_on_what_the_figures_depend_on():
    base = cell(4)
    assert cell(4).key == base.key
    assert cell(4, ("float32", "uniform-3")).key != base.key
    assert cell(4, ("float32", "uniform-3")).bank_key == base.bank_key
    assert cell(8).bank_key == base.bank_key
    assert cell(8).key != base.key
    labels_as_classes = replace(base.records, kind=Kind.CLASSIFICATION)
    assert replace(base, records=labels_as_classes).bank_key != base.bank_key
    for change in ({"seed": 1}, {"test_share": 0.3}, {"split": "scaffold"}, {"head": HeadConfig(epochs=4)}):
        other = Cell(base.task, base.records, base.encoder, base.quantizers, Protocol(4, **change))
        assert other.bank_key != base.bank_key
    assert replace(base, device="cuda").bank_key != base.bank_key
