"""Runs that are trained at once on a GPU are the ones that blocks one after another give."""

import numpy as np
import pandas as pd
import pytest
import torch

from benchmark import blocks, evaluate, together
from benchmark.blocks import BlockStore
from benchmark.evaluate import evaluate_cell
from benchmark.memory import Sizes
from models.heads import HeadConfig
from models.train_bank import train_block
from molecules.progress import SILENT
from molecules.splits import member_halves
from tasks.task import Kind
from tests.benchmark.test_evaluate import cell

SIZES = Sizes(runs=64, dimensions=10, targets=1, pool=100, test=20, head=HeadConfig(hidden=(8,)))
BLOCKS = [range(16), range(16, 32), range(48, 64), range(64, 80), range(80, 85)]


def test_processors_train_block_by_block():
    assert together.together(BLOCKS, lambda: SIZES, "cpu") == [[runs] for runs in BLOCKS]


def test_a_gpu_trains_neighbours_at_once_as_far_as_its_memory_goes(monkeypatch):
    need = SIZES.training().device
    for count, groups in ((1, [1, 1, 1, 1, 1]), (2, [2, 2, 1]), (100, [2, 3])):
        monkeypatch.setattr(together, "available_on_gpu", lambda n=count: int(2 * n * need) + 10)
        assert [len(group) for group in together.together(BLOCKS, lambda: SIZES, "cuda")] == groups
    monkeypatch.setattr(together, "available_on_gpu", lambda: 0)
    assert len(together.together(BLOCKS, lambda: SIZES, "cuda")) == len(BLOCKS)
    monkeypatch.setattr(together, "available_on_gpu", lambda: 10**15)
    many = [range(at, at + 16) for at in range(0, 16 * 40, 16)]
    assert [len(group) for group in together.together(many, lambda: SIZES, "cuda")] == [32, 8]


@pytest.mark.parametrize("kind", [Kind.CLASSIFICATION, Kind.REGRESSION])
def test_the_same_runs_come_out(kind):
    rng = np.random.default_rng(0)
    inputs = torch.from_numpy(rng.normal(size=(60, 6)).astype(np.float32))
    labels = (inputs[:, :1] > 0).float() if kind is Kind.CLASSIFICATION else inputs[:, :1] * 3 + 1
    members, head = member_halves(60, 10, 0), HeadConfig(hidden=(8,), epochs=3)
    whole = train_block(kind, inputs, labels, members, head, 0, 0)
    for runs in (range(4), range(4, 8), range(8, 10)):
        part = whole.block(runs)
        alone = train_block(kind, inputs, labels, members[runs.start : runs.stop], head, 0, runs.start)
        assert part.runs == alone.runs == runs
        torch.testing.assert_close(part.centre, alone.centre)
        torch.testing.assert_close(part.spread, alone.spread)
        both = [(*bank.snapshots.weights, *bank.snapshots.biases) for bank in (part, alone)]
        for ours, theirs in zip(*both, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_a_cell_that_is_trained_at_once_is_kept_in_blocks(own_cache, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_RUNS", 4)
    trained = []
    really = train_block

    def counted(*arguments):
        trained.append(len(arguments[3]))
        return really(*arguments)

    monkeypatch.setattr(evaluate, "train_block", counted)
    one_by_one, _ = evaluate_cell(cell(10))
    for path in own_cache.glob("bank/**/*"):
        path.unlink() if path.is_file() else None
    monkeypatch.setattr(evaluate, "together", lambda blocks, sizes, device: [list(blocks)])
    at_once, _ = evaluate_cell(cell(10))
    assert trained == [4, 4, 2, 10]
    store = BlockStore(cell(10), SILENT)
    assert [len(runs) for runs in store.blocks] == [4, 4, 2]
    assert all(store.bank_content(runs) is not None for runs in store.blocks)
    pd.testing.assert_frame_equal(at_once, one_by_one, rtol=1e-4)
