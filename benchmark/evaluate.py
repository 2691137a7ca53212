"""One cell: embeddings, bank of runs, and every quantizer over every run.

The result is one row per quantizer and run; tables, intervals and figures are functions of those rows.
What is finished is kept at once (a block of trained runs, the rows of one quantizer over one block), so that
a stopped cell goes on where it was and ends in the same rows.
"""

from collections.abc import Callable, Sequence
from functools import partial

import pandas as pd

from benchmark.attack import block_signals, kept_signals_bytes
from benchmark.blocks import BlockStore, Evaluation
from benchmark.cell_data import CellData, cell_data
from benchmark.evaluate_block import evaluate_models
from benchmark.exchangeability import exchangeability
from benchmark.head_options import early_note
from benchmark.memory import fitting, refuse_beyond_memory, sizes_of
from benchmark.metrics import scored_targets
from benchmark.plan import Cell
from benchmark.privacy.attacks.signals import trace_epochs
from benchmark.quantized_block import QuantizedBlock
from benchmark.together import together
from benchmark.tuned_data import Part
from benchmark.workers import Listener, shared_out, worker_count
from models.heads import Bank
from models.train_bank import train_block
from molecules.errors import DataError
from molecules.progress import SILENT, Progress
from molecules.threads import one_blas_thread
from tasks.twins import twins_of, twins_text

#: Most bytes of what attacks read that are kept from the evaluation until then; beyond, heads are quantized
#: again.
SIGNALS = 2 << 30
#: Names of the two stages of a block of runs.
TRAINING, EVALUATING = "training heads", "quantizing and evaluating"


def evaluate_cell(
    cell: Cell, progress: Progress = SILENT, *, attacked: bool = False, workers: int | None = 1
) -> tuple[pd.DataFrame, dict[str, object]]:
    """Measure a cell.

    Parameters
    ----------
    cell : Cell
        What to measure, and on which device.
    attacked : bool
        Whether :func:`benchmark.attack_cell.attack_cell` comes after it: nothing is trained if attacks will
        not fit into memory, and what they read of the quantized heads is kept for them.
    workers : int or None
        Most processes that share the work; None for as many as there are threads. Rows are the same.

    Returns
    -------
    rows : DataFrame
        One row per quantizer and run: ``quantizer, run`` and the columns of :func:`evaluate_block`.
    sizes : dict
        Numbers of records: ``pool``, ``members`` (of each run), ``test``, and ``fresh`` where r is measured
        on records drawn afresh; ``dimensions`` of the embeddings; ``unscored``, the targets that the test
        records cannot score; ``exchangeability``, see
        :func:`benchmark.exchangeability.exchangeability`; of molecules, ``twins``, see
        :func:`tasks.twins.twins_of`.
    """
    store = BlockStore(cell, progress)
    found = {runs: store.evaluations(runs) for runs in store.blocks}
    unfinished = [runs for runs in store.blocks if len(found[runs]) < len(cell.quantizers)]
    _refuse_large(cell, store, unfinished, attacked)  # before an encoder is pretrained
    data = cell_data(cell, progress)
    _refuse_large(cell, store, unfinished, attacked, data)
    wanted = len(store.blocks) * len(cell.quantizers)
    reused = sum(map(len, found.values()))
    if reused:
        progress.note(f"evaluation: reused {reused} of {wanted} blocks of quantizer x runs")
    _train_missing(cell, data, store, unfinished, progress, workers)
    found |= _evaluate_missing(
        cell, data, store, {runs: found[runs] for runs in unfinished}, progress, workers, attacked=attacked
    )
    rows = pd.concat(
        [found[runs][name].rows.assign(quantizer=name) for name in cell.quantizers for runs in store.blocks],
        ignore_index=True,
    )
    scored = scored_targets(data.kind, data.test_labels.cpu().numpy())
    sizes: dict[str, object] = {
        "pool": len(data.pool),
        "members": int(data.members[0].sum()),
        "test": len(data.test),
        "dimensions": data.pool.shape[1],
        "unscored": [name for name, told in zip(cell.records.targets, scored, strict=True) if not told],
        "exchangeability": exchangeability(data.pool.cpu().numpy(), data.members),
    }
    if data.fresh is not None:
        sizes["fresh"] = len(data.fresh)
    if data.smiles:
        twins = twins_of(cell.records.smiles, data.smiles, data.test_smiles, progress=progress)
        sizes["twins"] = None if twins is None else twins.as_dict()
        if said := twins_text(sizes["twins"]):
            progress.note(said)
    return rows, sizes


def evaluate_runs(cell: Cell, data: CellData, runs: range, progress: Progress = SILENT) -> None:
    """Train and evaluate one block of runs of a cell, as far as that is not done, and keep both.

    Whoever measures the cell afterwards, in whichever process, finds them in the cache.

    Parameters
    ----------
    cell : Cell
        What they are trained on.
    data : CellData
        Its tensors.
    runs : range
        One of ``BlockStore(cell, ...).blocks``.
    """
    store = BlockStore(cell, progress)
    found = store.evaluations(runs)
    if len(found) < len(cell.quantizers):
        _train_missing(cell, data, store, [runs], progress)
        _evaluate_missing(cell, data, store, {runs: found}, progress)


def trained_block(cell: Cell, data: CellData, runs: range, progress: Progress = SILENT) -> Bank:
    """Return a block of trained runs of a cell, from disk where it is there.

    Parameters
    ----------
    cell : Cell
        What they are trained on.
    data : CellData
        Its tensors.
    runs : range
        One of ``BlockStore(cell, ...).blocks``.
    """
    store = BlockStore(cell, progress)
    _train_missing(cell, data, store, [runs], progress)
    return bank_of(cell, data, store, runs)


def refuse_large(cell: Cell, attacked: bool, data: CellData | None = None) -> None:
    """Refuse a cell that does not fit into memory, by what of it is not on disk yet.

    Parameters
    ----------
    cell : Cell
        What is to be measured.
    attacked : bool
        Whether it is to be attacked, too.
    data : CellData or None
        Its tensors, where they are there already: what is told is more exact then.

    Raises
    ------
    MolmisError
        If it does not fit.
    """
    store = BlockStore(cell, SILENT)
    wanted = len(cell.quantizers)
    _refuse_large(
        cell, store, [r for r in store.blocks if len(store.evaluations(r)) < wanted], attacked, data
    )


def _refuse_large(
    cell: Cell, store: BlockStore, blocks: Sequence[range], attacked: bool, data: CellData | None = None
) -> None:
    """Refuse blocks that do not fit into memory, by what of them is not on disk yet."""
    if blocks:
        train = any(store.bank_content(runs) is None for runs in blocks)
        sizes = sizes_of(cell, data)
        refuse_beyond_memory(sizes, cell.quantizers, cell.device, train=train, attack=attacked)


def _train_missing(
    cell: Cell,
    data: CellData,
    store: BlockStore,
    blocks: Sequence[range],
    progress: Progress,
    workers: int | None = 1,
) -> None:
    """Train those blocks of runs that are not on disk yet."""
    missing = [runs for runs in blocks if store.bank_content(runs) is None]
    needed = sum(map(len, blocks))
    if needed > (training := sum(map(len, missing))):
        progress.note(f"bank: reused {needed - training} of {needed} trained runs")
    if missing:
        if said := early_note(cell.protocol.head, int(data.members[0].sum())):
            progress.note(said)
        groups = together(missing, partial(sizes_of, cell, data), cell.device)

        def train(group: Sequence[range], listener: Listener) -> None:
            whole = range(group[0].start, group[-1].stop)
            made = _train(cell, data, whole, partial(_each, listener.advance, group))
            for runs in group:
                store.save_bank(made.block(runs))

        count = workers_of(cell, data, workers, train=True) if len(groups) > 1 else 1
        with progress.stage(TRAINING, cell.protocol.head.epochs * len(missing)) as step:
            for _ in shared_out(train, groups, count, Listener(step, progress.note)):
                pass


def workers_of(
    cell: Cell,
    data: CellData,
    wanted: int | None,
    *,
    train: bool = False,
    evaluate: bool = False,
    attack: bool = False,
) -> int:
    """Return how many processes share a phase: as many as are wanted, have room, and may be forked."""
    count = worker_count(wanted, cell.device)
    if count < 2 or not all(quantizer.forks for quantizer in cell.quantizers.values()):
        return 1
    sizes = sizes_of(cell, data)
    return max(1, min(count, fitting(sizes, cell.quantizers, train=train, evaluate=evaluate, attack=attack)))


def _each(step: Callable[[int], None], group: Sequence[range], epochs: int) -> None:
    """Tell of an epoch of all blocks of a group."""
    step(epochs * len(group))


def bank_of(cell: Cell, data: CellData, store: BlockStore, runs: range) -> Bank:
    """Return a block of trained runs from disk; trained again where its tensors are not whole."""
    bank = store.bank(runs)
    if bank is None:
        bank = _train(cell, data, runs, lambda epochs: None)  # noqa: ARG005
        store.save_bank(bank)
    return bank


def _whole(cell: Cell, data: CellData, store: BlockStore, runs: range) -> str:
    """Return the hash of a block of trained runs, after making sure here that its file is whole."""
    bank_of(cell, data, store, runs)
    content = store.bank_content(runs)
    if content is None:
        raise RuntimeError(f"the trained runs {runs.start} to {runs.stop - 1} vanished while they were used")
    return content


def _train(cell: Cell, data: CellData, runs: range, step: Callable[[int], None]) -> Bank:
    """Train runs at once."""
    members, protocol = data.members[runs.start : runs.stop], cell.protocol
    return train_block(
        data.kind,
        data.training(Part.POOL),
        data.pool_labels,
        members,
        protocol.head,
        protocol.seed,
        runs.start,
        step,
    )


def _evaluate_missing(
    cell: Cell,
    data: CellData,
    store: BlockStore,
    found: dict[range, dict[str, Evaluation]],
    progress: Progress,
    workers: int | None = 1,
    *,
    attacked: bool = False,
) -> dict[range, dict[str, Evaluation]]:
    """Return the evaluations of every quantizer over some blocks, computing those that are not there yet.

    Parameters
    ----------
    found : dict of range to dict
        Blocks that are not finished, and the evaluations that are there.
    attacked : bool
        Whether what attacks read is kept.
    """
    kept = attacked and kept_signals_bytes(data) * len(cell.quantizers) <= SIGNALS
    race = cell.protocol.seed if cell.protocol.race else None

    held: dict[range, Bank] = {}  # quantizers of one block come one after the other

    def evaluate(task: tuple[range, str], listener: Listener) -> Evaluation:
        runs, name = task
        if runs not in held:
            held.clear()
            held[runs] = bank_of(cell, data, BlockStore(cell, listener), runs)
        with one_blas_thread():
            models = QuantizedBlock(held[runs], cell.quantizers[name], data)
            rows = evaluate_models(models, race)
            signals = block_signals(models, trace_epochs(held[runs].kept)) if kept else None
        store.save_evaluation(runs, name, made := Evaluation(rows, contents[runs]))
        if signals is not None:
            try:
                store.save_signals(runs, name, signals, contents[runs])
            except DataError as error:  # a full disk, perhaps: attacks can do without
                listener.note(f"attacks will quantize {name} anew: {error}")
        listener.advance(1)
        return made

    contents = {runs: _whole(cell, data, store, runs) for runs in found}
    # what was made on other trained runs is not mixed with these
    done = {
        runs: {name: made for name, made in evaluations.items() if made.bank == contents[runs]}
        for runs, evaluations in found.items()
    }
    tasks = [(runs, name) for runs, made in done.items() for name in cell.quantizers if name not in made]
    count = workers_of(cell, data, workers, evaluate=True) if len(tasks) > 1 else 1
    with progress.stage(EVALUATING, len(tasks)) as step:
        for (runs, name), made in shared_out(evaluate, tasks, count, Listener(step, progress.note)):
            done[runs][name] = made
    return done
