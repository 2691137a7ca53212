"""Heads that do not fit into memory: what is told of them, when, and against what processes take."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmark import evaluate, memory
from benchmark.attack_cell import attack_cell
from benchmark.cell_data import cell_data
from benchmark.evaluate import evaluate_cell
from benchmark.execute import Settings, measure
from benchmark.export_head import Chosen, export_head
from benchmark.memory import GIB, Sizes, refuse_beyond_memory, sizes_of
from benchmark.scope import Scope
from benchmark.training_set import TrainOn
from benchmarks.memory import estimate, measured
from models.encoders.ecfp import Ecfp
from models.heads import HeadConfig
from models.quantizers import QUANTIZERS
from models.quantizers.adapter import from_matrix_function
from models.quantizers.zoo import resolve
from molecules.errors import MolmisError
from tests.benchmark.test_whole_model import cell as whole_cell

#: 10 -> 8 -> 2: 96 weights, the larger layer 80; 32 runs in blocks of 16, 5 snapshots.
SMALL = Sizes(32, 10, 2, 100, 40, HeadConfig((8,), epochs=5, batch_size=32))
ZOO = {name: QUANTIZERS[name] for name in ("float32", "sign")}


def cell(**changes):
    return replace(whole_cell(Scope.HEAD), quantizers=ZOO, **changes)


def test_what_is_told_is_the_sum_of_what_is_held():
    assert (SMALL.weights, SMALL.block, SMALL.snapshots) == (96, 16, 5)
    train = SMALL.training()
    assert train.bank == 4 * 16 * 5 * 96
    # 32 members a batch, each of 10 inputs, 2 times 8 hidden values, and 6.5 times 2 labels
    assert train.records == 16 * (36 * 100 + 4 * 32 * (10 + 16 + 13))
    assert (train.heads, train.device) == (16 * 24 * 96, train.heads + train.records)
    found = SMALL.evaluating(QUANTIZERS["sign"])
    # a byte for a code; the losses of 16 published heads on two labels of 100 records are more than the
    # hidden values and outputs of 5 candidates on 512, but not those of 30 records
    assert found.bank == 16 * 5 * 96 + 16 * (4 * 96 + 12 * 80)
    assert found.records == 16 * 100 * 74 * 2
    few = replace(SMALL, pool=30, test=30).evaluating(QUANTIZERS["sign"])
    assert (few.bank, few.records) == (16 * 5 * 96 + 2 * 4 * 5 * 96, 4 * (8 + 2) * 5 * 512)
    assert SMALL.evaluating(QUANTIZERS["float32"]).bank == found.bank + 3 * 16 * 5 * 96
    wide = replace(SMALL, pool=100_000, head=HeadConfig((16, 32, 64), epochs=5))
    assert wide.evaluating(QUANTIZERS["sign"]).records == 16 * 100_000 * 4 * (32 + 64)
    # three snapshots of all 32 runs; codes of a block, and of the one before it, and one snapshot
    # dequantized; or what is told of records
    attack = replace(SMALL, pool=10).attacking(QUANTIZERS["sign"], 2)
    assert attack.bank == 4 * 3 * 96 * 32 + 2 * 16 * 3 * 96 + 4 * 16 * (96 + 80)
    assert attack.records == 2 * 4 * (8 + 2) * 16 * 512
    attack = replace(SMALL, pool=10_000).attacking(QUANTIZERS["sign"], 2)
    # beside what attacks compute: of two versions two margins, their moments and three losses
    assert attack.bank == 4 * 3 * 96 * 32 + 4 * 32 * 10_000 * (45 + 15 + 2 * (2 * 1.5 + 3))


def test_trained_encoders_are_counted():
    own = replace(SMALL, encoder=1000, molecule=50)
    train, plain = own.training(), SMALL.training()
    assert own.weights == 1096
    assert train.bank == 4 * 16 * 5 * 1096
    assert train.heads == plain.heads + 16 * 1000 * 36
    assert train.records == plain.records + 16 * 32 * 50  # the molecules of a batch of all runs
    sign = QUANTIZERS["sign"]
    whole = replace(own, quantized=True)
    assert whole.evaluating(sign).bank - own.evaluating(sign).bank == 16 * 5 * 1000 * 5
    # three snapshots of 32 runs are read, and those of a block and of the one before it dequantized
    few = [replace(sizes, pool=10).attacking(sign, 2).bank for sizes in (SMALL, own, whole)]
    assert np.diff(few).tolist() == [4 * 3 * 1000 * 32, 16 * 3 * 1000 * (5 + 5)]


def test_sizes_are_known_before_an_encoder_is_pretrained():
    base = cell()
    base = replace(base, protocol=replace(base.protocol, train_encoder=True, scope=Scope.MODEL))
    known, later = sizes_of(base), sizes_of(base, cell_data(base))
    assert known == later
    network = base.encoder.network()
    assert known.encoder == sum(weight.numel() for weight in network.parameters())
    assert (known.dimensions, known.pool, known.test, known.quantized) == (8, 96, 24, True)
    assert known.molecule > 4 * 10 * 16 * 2  # of some ten atoms, at least what goes into two layers
    assert sizes_of(cell()) == replace(known, encoder=0, molecule=0, quantized=False)


def test_usual_runs_are_far_from_refused(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 12 * GIB)
    zoo = resolve(["float32", "paper"])
    for sizes in (
        Sizes(64, 256, 12, 6258, 1565, HeadConfig()),  # tox21
        Sizes(64, 2048, 17, 74_470, 18_617, HeadConfig()),  # muv, of fingerprints
        Sizes(64, 256, 1, 902, 226, HeadConfig(epochs=10), 290_576, 650_000, True),  # delaney, of trained pna
    ):
        refuse_beyond_memory(sizes, zoo, "cpu", attack=True)


def test_values_without_codes_and_calibration_are_counted():
    rounded = from_matrix_function(np.round, 8)
    assert SMALL.evaluating(rounded).bank == 16 * 5 * (96 * 2 + 80 * 35) + 16 * (4 * 96 + 12 * 80)
    beside = SMALL.evaluating(QUANTIZERS["gptq-3"]).bank - SMALL.evaluating(QUANTIZERS["uniform-3"]).bank
    assert beside == 16 * 5 * 4 * (128 * (10 + 2 * 8) + 96)


@pytest.mark.parametrize(
    ("sizes", "jobs", "words"),
    [
        (
            replace(SMALL, dimensions=10**6),
            {},
            ["8,000,016 weights, 5 snapshots of 16 runs", "--hidden", "--epochs", "--runs below 16"],
        ),
        (replace(SMALL, pool=10**6), {"train": False}, ["evaluating", "fewer labels"]),
        (
            replace(SMALL, pool=10**6, head=HeadConfig((8,), batch_size=10**6)),
            {"evaluate": False},
            ["training", "a smaller --batch-size"],
        ),
        (SMALL, {"train": False, "evaluate": False, "attack": True}, ["attacking", "--no-attacks"]),
        (replace(SMALL, head=HeadConfig(())), {"evaluate": False}, ["shorter embeddings"]),
        (
            replace(SMALL, encoder=1000, molecule=50),
            {"evaluate": False},
            ["encoders with heads of 1,096 weights", "an --encoder of fewer weights, no --train-encoder"],
        ),
    ],
)
def test_what_does_not_fit_is_told_in_one_line(sizes, jobs, words, monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 1000)
    with pytest.raises(MolmisError) as caught:
        refuse_beyond_memory(sizes, ZOO, "cpu", **jobs)
    line = str(caught.value)
    assert "\n" not in line
    assert all(word in line for word in [*words, "GiB of memory, and 0.0 GiB are there; give "]), line


def test_the_phase_that_takes_most_decides(monkeypatch):
    wide = Sizes(64, 4096, 1, 1000, 200, HeadConfig((4096, 4096)))
    takes = max(wide.training().total, *(wide.evaluating(quantizer).total for quantizer in ZOO.values()))
    assert takes / GIB == pytest.approx(4 * 33.6e6 * 320 / 2**30, rel=0.4)  # some 40 GiB of snapshots alone
    monkeypatch.setattr(memory, "available_memory", lambda: takes)
    refuse_beyond_memory(wide, ZOO, "cpu")
    monkeypatch.setattr(memory, "available_memory", lambda: takes - 1)
    with pytest.raises(MolmisError, match="33,558,528 weights"):
        refuse_beyond_memory(wide, ZOO, "cpu")


def test_a_device_holds_what_is_computed_and_the_machine_the_bank(monkeypatch):
    sizes = replace(SMALL, pool=100_000)
    monkeypatch.setattr(memory, "available_memory", lambda: 10**6)
    monkeypatch.setattr(memory.torch.cuda, "memory_reserved", lambda: 3 * 10**5)
    monkeypatch.setattr(memory.torch.cuda, "memory_allocated", lambda: 10**5)
    monkeypatch.setattr(memory.torch.cuda, "mem_get_info", lambda: (10**9, 10**9))
    refuse_beyond_memory(sizes, ZOO, "cuda")
    with pytest.raises(MolmisError):
        refuse_beyond_memory(sizes, ZOO, "cpu")
    monkeypatch.setattr(memory.torch.cuda, "mem_get_info", lambda: (10**6, 10**9))
    with pytest.raises(MolmisError, match="of memory of the device"):
        refuse_beyond_memory(sizes, ZOO, "cuda")
    takes = max(sizes.training().device, *(sizes.evaluating(q).device for q in ZOO.values()))
    # what torch keeps for later is there, too
    monkeypatch.setattr(memory.torch.cuda, "mem_get_info", lambda: (takes - 2 * 10**5, 10**9))
    refuse_beyond_memory(sizes, ZOO, "cuda")


def test_heads_are_refused_before_anything_is_trained_and_what_is_there_is_not(monkeypatch):
    def unready(*args):
        raise AssertionError("the encoder was pretrained")

    with monkeypatch.context() as patch:
        patch.setattr(memory, "available_memory", lambda: 0)
        patch.setattr("models.encoders.gin.Gin.prepare", unready)
        with pytest.raises(MolmisError, match=r"1 runs?|4 runs at once"):
            evaluate_cell(cell())
    known = cell(encoder=Ecfp())
    trained = []
    train = evaluate.train_block
    monkeypatch.setattr(evaluate, "train_block", lambda *args: trained.append(1) or train(*args))
    # embeddings decide: without them it would fit
    least = sizes_of(known).training().total
    with monkeypatch.context() as patch:
        patch.setattr(memory, "available_memory", lambda: 200_000)
        assert least < 200_000
        with pytest.raises(MolmisError, match="GiB"):
            evaluate_cell(known)
        assert trained == []
    evaluate_cell(known)
    assert trained == [1]
    monkeypatch.setattr(memory, "available_memory", lambda: 0)
    evaluate_cell(known, attacked=True)  # nothing is left to do
    with pytest.raises(MolmisError, match="attacking takes"):
        attack_cell(known)


def test_attacks_that_will_not_fit_are_told_before_training(monkeypatch):
    known = cell(encoder=Ecfp())
    monkeypatch.setattr(Sizes, "attacking", lambda self, quantizer, count: memory.Need("attacking", 2**60, 0))
    with pytest.raises(MolmisError, match="attacking takes"):
        evaluate_cell(known, attacked=True)
    evaluate_cell(known)


def test_other_heads_than_those_of_the_bank_are_refused_too(tmp_path, monkeypatch):
    from tasks.task import DataOptions
    from tests.benchmark.test_outside_encoders import task

    settings = Settings(
        "ecfp", ["sign"], 2, results=tmp_path, head=HeadConfig((6,), epochs=2), device="cpu", attacks=False
    )
    measure(task(), DataOptions(), settings)
    monkeypatch.setattr(memory, "available_memory", lambda: 0)
    with pytest.raises(MolmisError, match="5 runs at once"):
        measure(task(), DataOptions(), replace(settings, train_on=TrainOn.ALL))
    for chosen in (Chosen(runs=2), Chosen(None, 2)):
        with pytest.raises(MolmisError, match="training takes"):
            export_head(task(), DataOptions(), settings, chosen)


@pytest.mark.slow
@pytest.mark.skipif(
    not (sys.platform.startswith("linux") and Path("/proc/self/clear_refs").exists()),
    reason="the peak of a process is measured on Linux only",
)
@pytest.mark.parametrize("phase", ["training", "evaluating"])
def test_what_is_told_is_what_a_process_takes(phase):
    sizes = Sizes(16, 256, 1, 200, 64, HeadConfig((512, 256)))  # some 330 MiB of snapshots
    ratio = estimate(sizes, phase, "uniform-4").total / measured(sizes, phase, "uniform-4")
    assert 0.8 < ratio < 1.25
