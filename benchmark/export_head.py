"""The published head of a run of a measured bank, or one trained on all records, as an artefact."""

import copy
from dataclasses import dataclass, replace

import numpy as np
import torch

from benchmark.blocks import BlockStore
from benchmark.cell_data import CellData, cell_data
from benchmark.evaluate import trained_block
from benchmark.execute import Settings, plan_cell
from benchmark.full_pool import train_on_all
from benchmark.memory import refuse_beyond_memory, sizes_of
from benchmark.plan import Cell
from benchmark.quantized_block import QuantizedBlock
from benchmark.tables import REFERENCE
from benchmark.tuned_data import Part
from benchmark.whole_model import forget_embeddings
from models.artefact import Artefact
from models.block_runs import BLOCK_RUNS
from models.encoders.base import embed
from models.heads import Bank
from models.published import published_head
from models.quantizers import Quantizer
from molecules.errors import MolmisError
from molecules.progress import SILENT, Progress
from tasks.task import DataOptions, Inputs, Task

#: What is said of a head that was trained on all records.
ALL = "all"


@dataclass(frozen=True)
class Chosen:
    """Which head is exported.

    Attributes
    ----------
    run : int or None
        Number of a run of the bank; None for a head trained on all records.
    runs : int or None
        How many runs the bank has; None for whole blocks.
    encoder : bool
        Whether the weights of the encoder come with it; if the whole model is quantized they do in any case.
    """

    run: int | None = 0
    runs: int | None = None
    encoder: bool = False


def export_head(
    task: Task, options: DataOptions, settings: Settings, chosen: Chosen, progress: Progress = SILENT
) -> Artefact:
    """Return a published head; what is not trained yet is trained.

    Parameters
    ----------
    task : Task
        What it is of.
    options : DataOptions
        Where the data is.
    settings : Settings
        As of the measurement; ``quantizers`` names one.
    chosen : Chosen
        Which head.
    progress : Progress
        Listener.

    Raises
    ------
    MolmisError
        As :func:`benchmark.execute.plan_cell`; or if the settings name no quantizer or several, there is no
        such run, the encoder cannot come with the head, or the heads do not fit into memory.
    """
    run = chosen.run or 0
    runs = chosen.runs or BLOCK_RUNS * (run // BLOCK_RUNS + 1)
    if run >= runs:
        raise MolmisError(f"--run {run}: a bank of {runs} runs has those from 0 to {runs - 1}")
    cell, flags = plan_cell(task, options, replace(settings, runs=runs), progress)
    name = _only(cell)
    for flag in flags[name]:
        progress.note(f"{name}: {flag}")
    if chosen.encoder:
        _check_encoder(cell, progress)
    block = range(1)
    if chosen.run is not None:
        block = next(runs for runs in BlockStore(cell, progress).blocks if run in runs)
    data = cell_data(cell, progress)
    sizes = replace(sizes_of(cell, data), runs=len(block))
    # what is trained already is quantized, which takes about as much
    refuse_beyond_memory(sizes, cell.quantizers, cell.device, evaluate=False)
    if chosen.run is None:
        bank, place = _trained_on_all(cell, data, progress), 0
        everyone = np.ones((1, len(data.pool)), dtype=np.bool_)
    else:
        bank, place, everyone = trained_block(cell, data, block, progress), run - block.start, None
    quantizer = cell.quantizers[name]
    models = QuantizedBlock(bank, quantizer, data, everyone)
    states, run_name = models.states(), ALL if chosen.run is None else ""
    state = states[place if len(states) > 1 else 0]
    head = published_head(models.heads, bank, place, quantizer, data.origin, run_name, state)
    if not head.origin.probe:
        return head
    return _probed(head, cell, data, quantizer, chosen, progress)


def _probed(
    head: Artefact, cell: Cell, data: CellData, quantizer: Quantizer, chosen: Chosen, progress: Progress
) -> Artefact:
    """Return a head with what it says of molecules that everybody knows, and the encoder if it is wanted."""
    if data.tuned is not None and head.encoder is not None:
        own = copy.copy(cell.encoder)
        own.restore(head.encoder)
        return replace(head, probe=head.outputs(torch.from_numpy(own.encode(head.origin.probe))))
    encoder = cell.encoder if data.whole is None else data.whole.encoder(quantizer)
    if chosen.encoder and head.encoder is None:
        encoder.prepare(cell.device, progress)
        head = replace(head, encoder=encoder.state())
    if data.whole is None:
        probe = embed(encoder, head.origin.probe, cell.device, progress)
    else:  # nobody asks again for what a quantized encoder makes of these
        probe = encoder.encode(head.origin.probe)
        forget_embeddings(cell)
    return replace(head, probe=head.outputs(torch.from_numpy(probe)))


def _check_encoder(cell: Cell, progress: Progress) -> None:
    """Refuse to put an encoder into a file that has no weights of this project; say so of one without any."""
    encoder = cell.encoder
    outside = encoder.options().get("outside")
    if outside is not None:
        raise MolmisError(
            f"--with-encoder: {outside} was made elsewhere and does not go into the file; leave it out, and "
            "publish it beside the head: predict takes a copy of it by --encoder"
        )
    if encoder.inputs is not Inputs.MOLECULES:
        raise MolmisError(
            f"--with-encoder: the records of {cell.task.name} are {encoder.inputs}, which nothing embeds; "
            "leave it out"
        )
    if not encoder.parameters:
        progress.note(f"--with-encoder: {encoder.name} has no weights, so the file needs none of it")


def _only(cell: Cell) -> str:
    """Return the name of the one quantizer that was asked for: the reference alone, or the one beside it."""
    names = [name for name in cell.quantizers if name != REFERENCE] or [REFERENCE]
    if len(names) > 1:
        raise MolmisError(
            f"--quantizer names {len(names)} quantizers ({', '.join(names[:4])}, ...); name one"
        )
    return names[0]


def _trained_on_all(cell: Cell, data: CellData, progress: Progress) -> Bank:
    """Train one head on every record, those of the test set among them; keep its last epoch."""
    inputs = data.training(Part.POOL, Part.TEST)
    labels = torch.cat([data.pool_labels, data.test_labels])
    with progress.stage("training head", cell.protocol.head.epochs) as step:
        return train_on_all(data.kind, inputs, labels, cell.protocol, range(1), step)
