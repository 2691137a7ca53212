"""The memory that a cell takes, told before anything is trained; what does not fit is refused in a line.

A block holds all snapshots of its runs at once. Bytes by what they are of, with R runs in a block, S
snapshots, W weights of a model (the head, and the encoder where every run trains its own), L of the largest
layer of a head, and N records:

- training: 4 for every weight of every snapshot, R S W (the snapshots), and 24 for every one of R W (weights,
  gradients, two moments of AdamW and what it computes on the way), or 36 in encoders, whose gradients are
  there run by run, too; 4 for every number of a batch, and what the backward pass needs of its molecules,
  those of all runs at once;
- evaluating: for every one of R S W that is quantized those of its code, and 4 in quantizers that read
  records and in quantized encoders; then for one run 8 S W, and for all runs 4 R W and 12 R L, and for R N 4
  for every number that goes into a layer or comes out, or 74 for every label. The snapshots themselves are
  read from a file, which the system takes away from memory when that is short. A function of one's own that
  returns values has its codes found over the whole bank: ``VALUES``;
- attacking: 4 for every weight of the snapshots of the loss trace of all runs; then what evaluating takes for
  those of a block, or for every run and record 4 for each of the numbers that ``_signals`` counts.

``python -m benchmarks.memory`` holds these against the peak of processes; see docs/method.md.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

import torch

from benchmark.calibration import RECORDS
from benchmark.cell_data import CellData
from benchmark.evaluate_block import RECORD_BLOCK
from benchmark.plan import Cell
from benchmark.privacy.attacks.signals import TRACE_POINTS
from models.block_runs import BLOCK_RUNS
from models.encoders.graph_encoder import GraphEncoder
from models.encoders.tuning import backward_bytes
from models.heads import HeadConfig
from models.quantizers import Quantizer
from models.quantizers.quantized import Values
from molecules.errors import MolmisError
from molecules.graphs import featurize
from molecules.memory import available_memory, available_on_gpu

GIB = 2**30
#: Bytes of a float32 number.
FLOAT = 4
#: Molecules looked at to tell what the backward pass needs of one.
SHOWN = 128
#: How much larger batches are where those of all runs are filled up to one shape.
FILLED = 1.3
#: Bytes of a weight of the largest layer while its levels are found over all matrices of a bank.
VALUES = 35


@dataclass(frozen=True)
class Need:
    """What a phase takes at its peak beside what is there already, in bytes.

    Attributes
    ----------
    phase : str
        What is done then.
    bank : int
        Of the machine: the weights of all snapshots that are held at once.
    records : int
        Of the device: what is computed for records.
    heads : int
        Of the device: the heads that are trained, and what their optimiser holds.
    """

    phase: str
    bank: int
    records: int
    heads: int = 0

    @property
    def device(self) -> int:
        """Bytes of the device."""
        return self.records + self.heads

    @property
    def total(self) -> int:
        """Bytes of all, where the device is the machine."""
        return self.bank + self.device


@dataclass(frozen=True)
class Sizes:
    """What the memory of heads depends on; 0 for what is not known yet gives the least that it can be.

    Attributes
    ----------
    runs : int
        Runs of the bank.
    dimensions, targets : int
        Of the embeddings and of the labels.
    pool, test : int
        Records.
    head : HeadConfig
        Architecture and training.
    encoder : int
        Weights of the encoder that every run trains; 0 where one frozen encoder serves all.
    molecule : int
        Bytes that the backward pass needs of a molecule that goes through such an encoder.
    quantized : bool
        Whether such encoders are quantized with the heads.
    """

    runs: int
    dimensions: int
    targets: int
    pool: int
    test: int
    head: HeadConfig
    encoder: int = 0
    molecule: int = 0
    quantized: bool = False

    @property
    def block(self) -> int:
        """Runs at once."""
        return min(self.runs, BLOCK_RUNS)

    @property
    def snapshots(self) -> int:
        """Snapshots of a run."""
        return len(self.head.steps_kept(self.pool // 2))

    @property
    def weights(self) -> int:
        """Weights of a model: of a head, and of the encoder that is trained with it."""
        return self.encoder + sum(fan_in * fan_out for fan_in, fan_out in self._layers())

    @property
    def rounded(self) -> int:
        """Weights of a model that a quantizer rounds."""
        return self.weights if self.quantized else self.weights - self.encoder

    def _layers(self) -> Iterable[tuple[int, int]]:
        return pairwise((self.dimensions, *self.head.hidden, self.targets))

    def _head(self) -> int:
        return self.weights - self.encoder

    def _largest(self) -> int:
        return max(fan_in * fan_out for fan_in, fan_out in self._layers())

    def _held(self) -> int:
        """Return the bytes of what goes into and comes out of the layer where both are most, for a record."""
        return FLOAT * max(map(sum, pairwise((0, *self.head.hidden, self.targets))))

    def training(self) -> Need:
        """Return what training a block takes."""
        kept = FLOAT * self.block * self.weights * self.snapshots
        hidden = sum(self.head.hidden) * (3.5 if self.head.dropout else 2)
        batch = min(self.head.batch_size, self.pool // 2)
        numbers = batch * (self.dimensions + hidden + 6.5 * self.targets)
        records = int(self.block * (36 * self.pool + FLOAT * numbers + batch * self.molecule))
        return Need("training", kept, records, self.block * (24 * self.weights + 12 * self.encoder))

    def evaluating(self, quantizer: Quantizer) -> Need:
        """Return what evaluating a block under a quantizer takes."""
        rows = self.block * max(self.pool, self.test)
        # a run's heads dequantized, and those of some snapshots beside
        weights = FLOAT * self.snapshots * (self.weights + self._head())
        of_run = Need("", weights, self._held() * self.snapshots * RECORD_BLOCK)
        published = self.block * (FLOAT * self._head() + 12 * self._largest())
        of_all = Need("", published, rows * max(self._held(), 74 * self.targets))
        most = max(of_run, of_all, key=lambda need: need.total)
        return Need("evaluating", self._quantized(self.snapshots, quantizer) + most.bank, most.records)

    def attacking(self, quantizer: Quantizer, quantizers: int) -> Need:
        """Return what the attacks on one of so many quantizers take."""
        points = min(TRACE_POINTS, self.snapshots)
        kept = FLOAT * self.runs * points * self.weights
        blocks = 2 if self.runs > self.block else 1
        of_snapshot = FLOAT * self.block * (self._head() + self._largest())
        reading = Need(
            "",  # beside the block before
            blocks * self._quantized(points, quantizer) + of_snapshot,
            2 * self._held() * self.block * RECORD_BLOCK,
        )
        most = max(reading, Need("", self._signals(quantizers), 0), key=lambda need: need.total)
        return Need("attacking", kept + most.bank, most.records)

    def _signals(self, quantizers: int) -> int:
        """Return the bytes of what attacks compute, and of margins, losses and moments of all versions."""
        version = self.targets * (1 + 16 / self.runs) + TRACE_POINTS
        return int(FLOAT * self.runs * self.pool * (45 + 7.5 * self.targets + quantizers * version))

    def _quantized(self, snapshots: int, quantizer: Quantizer) -> int:
        """Return the bytes of quantized snapshots of a block, and of what a quantizer reads of records."""
        read = 0
        if quantizer.calibration != "none":
            read = RECORDS * max(fan_in + 2 * fan_out for fan_in, fan_out in self._layers())
        code, whole = _code(quantizer)
        # heads are dequantized for all runs only where the next layer is calibrated on them
        of_head = code + FLOAT if read or not code else code
        weights = of_head * self._head() + (FLOAT + code) * (self.rounded - self._head())
        weights += VALUES * self._largest() if whole else 0
        return self.block * snapshots * (weights + FLOAT * read)


def _code(quantizer: Quantizer) -> tuple[int, bool]:
    """Return the bytes of a code beside its weight, and whether levels are found over a whole bank."""
    found = quantizer.quantize(torch.linspace(-1, 1, 128).reshape(2, 8, 8))
    if found.alphabet is None:  # the code of a float32 weight is the weight
        return 0, False
    return (2, True) if isinstance(found, Values) else (found.codes.element_size(), False)


def sizes_of(cell: Cell, data: CellData | None = None) -> Sizes:
    """Return the sizes of a cell; before its records are embedded, what is known of them then."""
    protocol, records, encoder = cell.protocol, cell.records, cell.encoder
    count = len(records.labels)
    test = round(count * protocol.test_share) if records.test is None else int(records.test.sum())
    sizes = Sizes(protocol.runs, 0, len(records.targets), count - test, test, protocol.head)
    if isinstance(encoder, GraphEncoder):
        sizes = replace(sizes, dimensions=encoder.dimensions)
        if protocol.train_encoder:
            shown = featurize(records.smiles[:: -(-count // SHOWN)])
            molecule = backward_bytes(encoder.network(), shown) // len(shown)
            if cell.device != "cpu":  # batches of all runs are filled up to the largest of them
                molecule = int(FILLED * molecule)
            sizes = replace(
                sizes, encoder=encoder.parameters, molecule=molecule, quantized=protocol.scope.whole
            )
    if data is not None:
        sizes = replace(sizes, dimensions=data.pool.shape[1], pool=len(data.pool), test=len(data.test))
    return sizes


def refuse_beyond_memory(
    sizes: Sizes,
    quantizers: Mapping[str, Quantizer],
    device: str,
    *,
    train: bool = True,
    evaluate: bool = True,
    attack: bool = False,
) -> None:
    """Refuse heads that do not fit into the memory that is there now.

    Parameters
    ----------
    sizes : Sizes
        Of the cell.
    quantizers : mapping of str to Quantizer
        What they are quantized by.
    device : str
        Where it is computed.
    train, evaluate, attack : bool
        What is still to be done.

    Raises
    ------
    MolmisError
        With what is needed, what is there, and what to reduce.
    """
    found = _needs(sizes, quantizers, train=train, evaluate=evaluate, attack=attack)
    if device == "cpu":
        _compare(sizes, max(found, key=lambda need: need.total), "total", available_memory(), "memory")
        return
    _compare(sizes, max(found, key=lambda need: need.bank), "bank", available_memory(), "memory")
    _compare(
        sizes, max(found, key=lambda need: need.device), "device", available_on_gpu(), "memory of the device"
    )


def fitting(
    sizes: Sizes,
    quantizers: Mapping[str, Quantizer],
    *,
    train: bool = False,
    evaluate: bool = False,
    attack: bool = False,
) -> int:
    """Return how many processes of this machine may do the same at once, by what each of them takes.

    Parameters
    ----------
    sizes, quantizers, train, evaluate, attack
        As of :func:`refuse_beyond_memory`.
    """
    found = _needs(sizes, quantizers, train=train, evaluate=evaluate, attack=attack)
    return available_memory() // max(1, *(need.total for need in found))


def _needs(
    sizes: Sizes, quantizers: Mapping[str, Quantizer], *, train: bool, evaluate: bool, attack: bool
) -> list[Need]:
    """Return what is needed for what is to be done."""
    found = [sizes.training()] if train else []
    if evaluate:
        found += [sizes.evaluating(quantizer) for quantizer in quantizers.values()]
    if attack:
        found += [sizes.attacking(quantizer, len(quantizers)) for quantizer in quantizers.values()]
    return found


def _compare(sizes: Sizes, need: Need, part: str, there: int, of: str) -> None:
    takes = int(getattr(need, part))
    if takes <= there:
        return
    raise MolmisError(
        f"{'encoders with heads' if sizes.encoder else 'heads'} of {sizes.weights:,} weights, "
        f"{sizes.snapshots} snapshots of {sizes.block} runs at once: "
        f"{need.phase} takes about {takes / GIB:,.1f} GiB of {of}, and {there / GIB:,.1f} GiB are there; "
        f"give {_advice(sizes, need, part)}"
    )


def _advice(sizes: Sizes, need: Need, part: str) -> str:
    """Say what makes the larger part of a need smaller."""
    narrower = "fewer or narrower layers (--hidden)" if sizes.head.hidden else "shorter embeddings"
    if 2 * sizes.encoder > sizes.weights:
        narrower = "an --encoder of fewer weights, no --train-encoder"
    of_bank = part == "bank" or need.heads + (need.bank if part == "total" else 0) > need.records
    runs = f", or --runs below {sizes.block}" if sizes.block > 1 else ""
    if need.phase == "attacking":
        return f"fewer --runs or --quantizers, {narrower}, or --no-attacks"
    if of_bank:
        return f"{narrower}, or fewer --epochs{runs}"
    if need.phase == "training":
        return f"a smaller --batch-size, or {narrower}"
    return f"{narrower}, or fewer labels{runs}"
