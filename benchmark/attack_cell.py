"""The attacks on a cell that has been evaluated: what is there is read, the rest is tried and kept."""

from dataclasses import dataclass

import pandas as pd

from benchmark.attack import attack_quantizers, signals_of, traced
from benchmark.blocks import BlockStore
from benchmark.cell_data import CellData, cell_data
from benchmark.evaluate import bank_of, workers_of
from benchmark.memory import refuse_beyond_memory, sizes_of
from benchmark.plan import Cell
from benchmark.privacy.attacks import Signals
from benchmark.privacy.attacks.signals import BlockSignals
from benchmark.releases import attack_releases
from benchmark.workers import Listener
from models.heads import Bank
from molecules.errors import MolmisError
from molecules.progress import SILENT, Progress


@dataclass(frozen=True)
class Attacked:
    """What attacks found on a cell.

    Attributes
    ----------
    attacks : DataFrame
        The rows of :func:`benchmark.privacy.panel.attack_all`, with ``quantizer``.
    records : DataFrame
        The rows of :func:`benchmark.attack.exposed_records`, with ``quantizer``.
    joint_release : DataFrame
        See :func:`benchmark.releases.attack_releases`.
    """

    attacks: pd.DataFrame
    records: pd.DataFrame
    joint_release: pd.DataFrame


def attack_cell(cell: Cell, progress: Progress = SILENT, *, workers: int | None = 1) -> Attacked:
    """Try the attacks on every quantizer of a cell that has been evaluated, and on all of them together.

    Parameters
    ----------
    cell : Cell
        What was measured.
    workers : int or None
        As of :func:`evaluate_cell`.

    Raises
    ------
    MolmisError
        If trained runs that were lost cannot be made again bit by bit.
    """
    store = BlockStore(cell, progress)
    contents = [store.trained_content(runs) for runs in store.blocks]
    kinds = ("attacks", "records")
    kept = {name: [store.derived(kind, name, contents) for kind in kinds] for name in cell.quantizers}
    found = {name: [frame for frame in frames if frame is not None] for name, frames in kept.items()}
    missing = {name: cell.quantizers[name] for name, frames in found.items() if len(frames) < len(kinds)}
    joint = store.derived("joint_release", "", contents)
    if len(missing) < len(found):
        progress.note(f"attacks: reused those on {len(found) - len(missing)} of {len(found)} quantizers")
    if missing or joint is None:
        data = cell_data(cell)  # what was reused has been said by the evaluation
        phases = {"train": False, "evaluate": False, "attack": True}
        refuse_beyond_memory(sizes_of(cell, data), cell.quantizers, cell.device, **phases)
        blocks = [_traced(cell, data, store, *block) for block in zip(store.blocks, contents, strict=True)]
        published = {}
        count = workers_of(cell, data, workers, attack=True)

        def kept_signals(name: str, runs: range, listener: Listener) -> BlockSignals | None:
            if name not in cell.quantizers:
                return None
            return BlockStore(cell, listener).signals(runs, name, contents[store.blocks.index(runs)])

        tries = attack_quantizers(missing, data, blocks, progress, count, kept_signals) if missing else ()
        for name, tried in tries:
            found[name] = [tried.figures, tried.records]
            for kind, frame in zip(kinds, found[name], strict=True):
                store.save_derived(kind, name, frame, contents)
            published[name] = tried.published
        if joint is None:
            joint = attack_releases(cell.quantizers, data, blocks, published, progress)
            store.save_derived("joint_release", "", joint, contents)
    store.forget_signals()
    attacks, records = (
        pd.concat([f[k].assign(quantizer=name) for name, f in found.items()], ignore_index=True)
        for k in range(2)
    )
    return Attacked(attacks, records, joint)


def published_signals(cell: Cell, progress: Progress = SILENT) -> dict[str, Signals]:
    """Return the signals of the published heads of every quantizer, of a cell that has been evaluated.

    Raises
    ------
    MolmisError
        As :func:`attack_cell`.
    """
    store, data = BlockStore(cell, progress), cell_data(cell)
    blocks = [
        _traced(cell, data, store, runs, store.trained_content(runs)).keeping([-1]) for runs in store.blocks
    ]
    with progress.stage("margins", len(cell.quantizers)) as step:
        found = {}
        for name, quantizer in cell.quantizers.items():
            found[name] = signals_of(blocks, quantizer, data)
            step(1)
    return found


def _traced(cell: Cell, data: CellData, store: BlockStore, runs: range, content: str) -> Bank:
    """Return what attacks look at of a block of runs, which must be the one that was evaluated."""
    bank = bank_of(cell, data, store, runs)
    if store.bank_content(runs) != content:
        raise MolmisError(
            f"the trained runs {runs.start} to {runs.stop - 1} were lost and come out otherwise now; "
            f"delete {store.folder} and run the cell again"
        )
    return traced(bank)
