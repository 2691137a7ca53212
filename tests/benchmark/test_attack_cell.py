"""Signals against a plain evaluation; attacks are kept, reused, and made on the very runs evaluated."""

import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from benchmark import attack, blocks, evaluate
from benchmark.attack import attack_quantizers, signals_of, traced
from benchmark.attack_cell import attack_cell
from benchmark.cell_data import cell_data
from benchmark.evaluate import evaluate_cell
from benchmark.privacy.attacks import ATTACKS
from benchmark.privacy.attacks.signals import trace_epochs
from benchmark.privacy.exposure import exposures
from benchmark.privacy.panel import cross_scored
from models.quantizers import QUANTIZERS
from models.train_bank import train_block
from molecules.errors import DataError, MolmisError
from molecules.progress import SILENT
from tasks.task import Kind
from tests.benchmark.test_evaluate import CONFIG, SEED, cell, model, plain_loss, problem, with_scaled_weights
from tests.listener import Listener


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_RUNS", 4)


@pytest.mark.parametrize("name", ["float32", "ternary-75"])
@pytest.mark.parametrize("kind", list(Kind))
def test_signals_against_the_plain_evaluation(kind, name):
    data = problem(kind)
    bank = train_block(kind, data.pool, data.pool_labels, data.members, CONFIG, SEED, 0)
    found = signals_of([traced(bank)], QUANTIZERS[name], data)
    assert found.trace is not None
    for run in range(len(data.members)):
        labels = ((data.pool_labels - bank.centre[run]) / bank.spread[run]).numpy()
        for point, epoch in enumerate(trace_epochs(CONFIG.epochs)):
            weights = [QUANTIZERS[name].quantize(w[run, epoch]).dequantize() for w in bank.snapshots.weights]
            net = model(weights, [b[run, epoch] for b in bank.snapshots.biases])
            with torch.no_grad():
                outputs = net(data.pool.double()).numpy()
            losses = [plain_loss(kind, output, label) for output, label in zip(outputs, labels, strict=True)]
            np.testing.assert_allclose(found.trace[run, point], losses, rtol=2e-3, atol=2e-5)
        margin = outputs * (2 * labels - 1) if kind is Kind.CLASSIFICATION else outputs - labels
        np.testing.assert_allclose(found.margin[run], margin, rtol=2e-3, atol=2e-5)
    np.testing.assert_array_equal(found.loss, found.trace[:, -1])
    np.testing.assert_array_equal(found.members, data.members)


def test_float32_shadows_stand_beside_the_matched_ones():
    evaluate_cell(cell(8))
    rows = attack_cell(cell(8)).attacks
    assert set(rows.loc[rows["quantizer"] == "float32", "shadows"]) == {"matched"}
    assert set(rows.loc[rows["quantizer"] == "sign", "shadows"]) == {"matched", "mismatched"}
    assert not rows.duplicated(["quantizer", "attack", "shadows", "run"]).any()


def test_attacks_are_reused_and_a_further_quantizer_is_attacked_alone(monkeypatch):
    evaluate_cell(cell(8))
    whole = attack_cell(cell(8)).attacks
    asked: list[str] = []

    def counted(quantizers, *arguments):
        asked.extend(quantizers)
        return attack_quantizers(quantizers, *arguments)

    monkeypatch.setattr("benchmark.attack_cell.attack_quantizers", counted)
    listener = Listener()
    pd.testing.assert_frame_equal(attack_cell(cell(8), listener).attacks, whole)  # type: ignore[arg-type]
    assert asked == []
    assert "attacks: reused those on 2 of 2 quantizers" in listener.notes
    more = ("float32", "sign", "ternary-50")
    evaluate_cell(cell(8, more))
    rows = attack_cell(cell(8, more)).attacks
    assert asked == ["ternary-50"]
    kept = rows[rows["quantizer"] != "ternary-50"].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, whole)


def test_a_stop_loses_nothing_that_was_attacked(monkeypatch):
    evaluate_cell(cell(8))
    whole = attack_cell(cell(8)).attacks
    for path in evaluate.BlockStore(cell(8), SILENT).folder.glob("attacks/*"):
        path.unlink()
    real, calls = attack.attack_all, []

    def stopping(*arguments, **named):
        if len(calls) == 1:
            raise RuntimeError("stopped")
        calls.append(1)
        return real(*arguments, **named)

    monkeypatch.setattr(attack, "attack_all", stopping)
    with pytest.raises(RuntimeError, match="stopped"):
        attack_cell(cell(8))
    monkeypatch.setattr(attack, "attack_all", real)
    listener = Listener()
    pd.testing.assert_frame_equal(attack_cell(cell(8), listener).attacks, whole)  # type: ignore[arg-type]
    assert "attacks: reused those on 1 of 2 quantizers" in listener.notes


def test_damaged_attacks_are_made_again():
    evaluate_cell(cell(8))
    whole = attack_cell(cell(8)).attacks
    for path in evaluate.BlockStore(cell(8), SILENT).folder.glob("attacks/*"):
        path.write_bytes(path.read_bytes()[:-20])
    listener = Listener()
    pd.testing.assert_frame_equal(attack_cell(cell(8), listener).attacks, whole)  # type: ignore[arg-type]
    assert sum("trying them again" in note for note in listener.notes) == 2


def test_lost_runs_are_trained_again_for_the_attacks(own_cache):
    evaluate_cell(cell(8))
    whole = attack_cell(cell(8)).attacks
    folder = evaluate.BlockStore(cell(8), SILENT).folder
    for path in [*folder.glob("*.safetensors"), *folder.glob("attacks/*")]:
        path.unlink()
    pd.testing.assert_frame_equal(attack_cell(cell(8)).attacks, whole)


def test_runs_that_come_out_otherwise_are_refused(monkeypatch):
    evaluate_cell(cell(8))
    for path in evaluate.BlockStore(cell(8), SILENT).folder.glob("*.safetensors"):
        path.unlink()
    real = evaluate._train
    monkeypatch.setattr(evaluate, "_train", lambda *given: with_scaled_weights(real(*given), 1.5))
    with pytest.raises(MolmisError, match="were lost and come out otherwise now; delete"):
        attack_cell(cell(8))


def test_records_are_those_of_the_pool_with_smiles_and_labels():
    evaluate_cell(cell(16))
    found = attack_cell(cell(16)).records
    data = cell_data(cell(16))
    for name in ("float32", "sign"):
        own = found[found["quantizer"] == name]
        assert own["smiles"].tolist() == list(data.smiles)
        np.testing.assert_array_equal(own["label_0"], data.pool_labels[:, 0])
        np.testing.assert_array_equal(own["member_runs"], data.members.sum(0))
    smiles = dict(zip(cell(16).records.smiles, cell(16).records.labels[:, 0], strict=True))
    assert found["label_0"].tolist() == [smiles[text] for text in found["smiles"]]


def test_exposures_are_those_of_matched_lira():
    evaluate_cell(cell(16))
    found = attack_cell(cell(16)).records
    store, data = evaluate.BlockStore(cell(16), SILENT), cell_data(cell(16))
    seen = [traced(bank) for runs in store.blocks if (bank := store.bank(runs)) is not None]
    signals = signals_of(seen, QUANTIZERS["sign"], data)
    scores = cross_scored(ATTACKS["lira-online-fixed"], signals, signals)
    expected = exposures(lambda members: scores, data.members).exposure
    np.testing.assert_allclose(found.loc[found["quantizer"] == "sign", "exposure"], expected)


def test_of_few_runs_no_record_is_told():
    evaluate_cell(cell(8))
    assert len(attack_cell(cell(8)).records) == 0


@pytest.mark.parametrize("kind", ["records", "joint_release"])
def test_lost_and_damaged_frames_beside_the_attacks_are_made_again(kind):
    evaluate_cell(cell(16))
    whole = attack_cell(cell(16))
    folder = evaluate.BlockStore(cell(16), SILENT).folder / kind
    paths = sorted(folder.iterdir())
    assert len(paths) == {"records": 2, "joint_release": 1}[kind]
    for damaged in (False, True):
        if damaged:
            paths[0].write_bytes(paths[0].read_bytes()[:-20])
        else:
            paths[0].unlink()
        listener = Listener()
        again = attack_cell(cell(16), listener)  # type: ignore[arg-type]
        assert any(f"{kind}: " in note for note in listener.notes) is damaged
        pd.testing.assert_frame_equal(again.records, whole.records)
        pd.testing.assert_frame_equal(again.joint_release, whole.joint_release)
        pd.testing.assert_frame_equal(again.attacks, whole.attacks)


def test_all_that_is_kept_is_reused(monkeypatch):
    evaluate_cell(cell(16))
    whole = attack_cell(cell(16))
    monkeypatch.setattr("benchmark.attack_cell.cell_data", None)  # looking at the data again would fail
    again = attack_cell(cell(16))
    for kind in ("attacks", "records", "joint_release"):
        pd.testing.assert_frame_equal(getattr(again, kind), getattr(whole, kind))


def test_a_further_quantizer_is_a_further_version():
    evaluate_cell(cell(8))
    few = attack_cell(cell(8)).joint_release
    evaluate_cell(cell(8, ("float32", "sign", "ternary-50")))
    more = attack_cell(cell(8, ("float32", "sign", "ternary-50"))).joint_release
    assert set(few.loc[few["release"] == "all", "versions"]) == {2}
    assert set(more.loc[more["release"] == "all", "versions"]) == {3}
    for release in ("float32", "float32 + sign"):
        one, two = (f[f["release"] == release].reset_index(drop=True) for f in (few, more))
        pd.testing.assert_frame_equal(one, two)


def kept_signals() -> list:
    return sorted(evaluate.BlockStore(cell(8), SILENT).folder.rglob("*.signals.safetensors"))


def test_what_attacks_read_is_kept_from_the_evaluation_until_then(own_cache, monkeypatch):
    evaluate_cell(cell(8))
    assert not kept_signals()
    whole = attack_cell(cell(8))
    shutil.rmtree(evaluate.BlockStore(cell(8), SILENT).folder)
    evaluate_cell(cell(8), attacked=True)
    assert len(kept_signals()) == 4  # two blocks of runs, two quantizers
    with monkeypatch.context() as patched:
        patched.setattr(attack, "QuantizedBlock", None)  # nothing is quantized again
        found = attack_cell(cell(8))
    for kind in ("attacks", "records", "joint_release"):
        pd.testing.assert_frame_equal(getattr(found, kind), getattr(whole, kind))
    assert not kept_signals()


@pytest.mark.parametrize("workers", [1, 2])
def test_kept_signals_that_are_damaged_or_too_many_are_made_again(workers, own_cache, monkeypatch):
    evaluate_cell(cell(8), attacked=True)
    for path in kept_signals():
        path.write_bytes(path.read_bytes()[:-8])
    listener = Listener()
    found = attack_cell(cell(8), listener, workers=workers).attacks  # type: ignore[arg-type]
    assert not kept_signals()
    assert sum("is damaged" in note for note in listener.notes) == 4
    shutil.rmtree(evaluate.BlockStore(cell(8), SILENT).folder)
    monkeypatch.setattr(evaluate, "SIGNALS", 1000)
    evaluate_cell(cell(8), attacked=True)
    assert not kept_signals()
    pd.testing.assert_frame_equal(attack_cell(cell(8)).attacks, found)


def test_a_full_disk_loses_no_evaluation(own_cache, monkeypatch):
    rows = evaluate_cell(cell(8))[0]
    shutil.rmtree(evaluate.BlockStore(cell(8), SILENT).folder)

    def full(*arguments):
        raise DataError("cannot write x: no space left on device")

    monkeypatch.setattr(blocks.BlockStore, "save_signals", full)
    listener = Listener()
    found = evaluate_cell(cell(8), listener, attacked=True)[0]  # type: ignore[arg-type]
    pd.testing.assert_frame_equal(found, rows)
    assert "attacks will quantize sign anew: cannot write x: no space left on device" in listener.notes
