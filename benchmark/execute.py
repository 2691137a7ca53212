"""From settings to a stored result: check every name, load, measure what is not there yet, store."""

import importlib.metadata
import platform
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from benchmark.attack_cell import attack_cell
from benchmark.calibration import caveats
from benchmark.encoder_text import seen_text
from benchmark.evaluate import evaluate_cell
from benchmark.full_pool import full_pool
from benchmark.metrics import metric_named, performance_unit
from benchmark.plan import Cell, Protocol, derived_keys
from benchmark.results import ATTACKED, PROTOCOL_VERSION, CellResult, cell_path, read_if_whole, write_cell
from benchmark.scope import Scope
from benchmark.summaries import summary_of
from benchmark.tables import REFERENCE
from benchmark.training_set import TrainOn
from benchmark.whole_model import forget_embeddings
from models.encoders.base import Encoder, trainable_encoders
from models.encoders.choice import chosen_encoder
from models.encoders.objective_name import PretrainObjective
from models.encoders.seen import refuse_fitted, seen_of
from models.heads import HeadConfig
from models.quantizers import Quantizer
from models.quantizers.contract import check
from models.quantizers.zoo import is_of_zoo, refuse_taken, resolve, split_names
from molecules.cache import cache_dir, writable
from molecules.errors import DataError, MolmisError, UnknownNameError
from molecules.progress import SILENT, Progress
from molecules.splits import SPLITS
from tasks.catalogue import load_records
from tasks.data_report import data_report, scored_text
from tasks.task import FRESH, OFFICIAL, DataOptions, Inputs, Task

#: Packages whose versions stand in every result.
_PACKAGES = ("molmis", "torch", "torch-geometric", "rdkit", "deepchem", "numpy", "scipy", "pandas")

#: What a reader of the figures of each quantizer must know.
Flags = Mapping[str, Sequence[str]]
#: Share of the records in the test set where nobody says.
TEST_SHARE = 0.2


@dataclass(frozen=True)
class Settings:
    """What a user chooses, apart from the task.

    Attributes
    ----------
    encoder : str or None
        Name of the encoder, file of embeddings or checkpoint; None for the usual one of the task.
    quantizers : sequence of str
        Names, groups or specifications; ``float32``, the reference, is always added.
    runs, seed, test_share, head :
        See :class:`benchmark.plan.Protocol`.
    split : str or None
        Name of the split; None for the task's own.
    device : str
        ``"auto"``, ``"cpu"`` or ``"cuda"``.
    results : Path
        Folder of the results store.
    attacks : bool
        Whether the attacks are tried.
    scope : Scope
        What is quantized: the head, or the whole model.
    train_encoder : bool
        Whether every run trains an encoder of its own, too.
    train_on : TrainOn
        Whether there are heads on the whole pool, too.
    pretrain_on : Path or None
        File of molecules that the encoder is pretrained on; None for those that come with RDKit.
    objective : PretrainObjective or None
        What it is pretrained on; None for what is usual.
    race : bool
        Whether the plain indicator is found by racing, to within its resolution.
    own : mapping of str to Quantizer
        Further quantizers, by names that stand for nothing else.
    workers : int or None
        Most processes that share the work of a cell on a processor; None for as many as there are threads.
        No figure depends on it.
    """

    encoder: str | None = None
    quantizers: Sequence[str] = ("paper",)
    runs: int = 64
    seed: int = 0
    split: str | None = None
    test_share: float = TEST_SHARE
    device: str = "auto"
    results: Path = Path("results")
    head: HeadConfig = field(default_factory=HeadConfig)
    attacks: bool = True
    scope: Scope = Scope.HEAD
    train_encoder: bool = False
    train_on: TrainOn = TrainOn.HALF
    pretrain_on: Path | None = None
    objective: PretrainObjective | None = None
    race: bool = False
    own: Mapping[str, Quantizer] = field(default_factory=dict)
    workers: int | None = None


def measure(task: Task, options: DataOptions, settings: Settings, progress: Progress = SILENT) -> CellResult:
    """Measure one cell, or read it from the results store where it is there already."""
    cell, flags = plan_cell(task, options, settings, progress)
    return measure_cell(cell, flags, settings, progress)


def plan_cell(
    task: Task, options: DataOptions, settings: Settings, progress: Progress = SILENT
) -> tuple[Cell, Flags]:
    """Return the cell that was asked for, its records loaded, and the flags of its quantizers.

    Every name is checked before anything is loaded, and the records before anything is trained.

    Raises
    ------
    MolmisError
        For an unknown name, data that cannot be had, or records that cannot be audited.
    """
    zoo, flags = checked_quantizers(settings)
    encoder = chosen_encoder(task, settings.encoder, settings.pretrain_on, settings.objective)
    if settings.train_encoder:
        _check_trained(encoder, settings)
    if settings.scope.whole and not encoder.quantizable:
        raise MolmisError(
            f"--quantize {settings.scope}: the encoder {encoder.name} has no weights to quantize; leave it "
            "out, or give another --encoder"
        )
    split, test_share = test_set_of(task, settings)
    device = choose_device(settings.device)
    writable(settings.results, "--results")
    writable(cache_dir("bank"), "MOLMIS_CACHE")
    progress.note(f"task: {task.name}: {task.description}")
    records = load_records(task, options)
    progress.note(records.summary())
    if split == OFFICIAL and (rows := scored_text(data_report(records).as_dict())):
        progress.note(rows)
    if task.known_defects:
        progress.note(f"known of this task: {task.known_defects}")
    refuse_fitted(encoder, task.name, records.targets, records.sha256)
    seen = seen_text(seen_of(encoder, records.smiles).facts())
    if seen:
        progress.note(seen)
    head = replace(settings.head, hidden=task.hidden) if task.hidden else settings.head
    protocol = Protocol(
        settings.runs,
        split,
        test_share,
        settings.seed,
        head,
        settings.scope,
        settings.train_encoder,
        settings.race,
    )
    return Cell(task, records, encoder, zoo, protocol, device), flags


def _check_trained(encoder: Encoder, settings: Settings) -> None:
    """Refuse to train what cannot be trained, and what makes no sense of a trained encoder."""
    if encoder.inputs is not Inputs.MOLECULES:
        raise MolmisError(
            f"--train-encoder: the records of this task are {encoder.inputs}, which no encoder embeds; "
            "leave it out"
        )
    if not encoder.trainable:
        raise MolmisError(
            f"--train-encoder: {encoder.name} is none of the networks over graphs that can be trained with "
            f"heads; give --encoder {', '.join(trainable_encoders())}"
        )
    if settings.scope is Scope.MODEL_NORMS:
        raise MolmisError(
            "--train-encoder keeps the running statistics of the pretraining, so --quantize model-norms has "
            "no effect; give --quantize model or head"
        )


def checked_quantizers(settings: Settings) -> tuple[dict[str, Quantizer], Flags]:
    """Return the quantizers that were asked for, and what a reader of their figures must know.

    Raises
    ------
    MolmisError
        If a name is unknown, or a quantizer breaks the contract.
    """
    zoo = _zoo(settings.quantizers)
    for name, quantizer in settings.own.items():
        refuse_taken(name, zoo)
        zoo[name] = quantizer
    return zoo, {name: _contract(name, quantizer, settings) for name, quantizer in zoo.items()}


def result_path(results: Path, cell: Cell) -> Path:
    """Return where the result of a cell lies in a results store."""
    protocol = cell.protocol
    return cell_path(results, cell.task.slug, cell.encoder_name, protocol.runs, protocol.seed, cell.key)


def stored_result(cell: Cell, settings: Settings, progress: Progress = SILENT) -> CellResult | None:
    """Return the result of a planned cell from the results store; None where it must be measured."""
    path = result_path(settings.results, cell)
    stored = read_if_whole(path, progress)
    if stored is not None and not _is_of(stored, cell):
        progress.note(f"result {path} does not hold the quantizers of this cell; it is measured again")
        return None
    if stored is None or not _has_all(stored, settings):
        return None
    progress.note(f"results: reused {path}")
    return stored if settings.train_on is TrainOn.ALL else replace(stored, full_pool=None)


def measure_cell(cell: Cell, flags: Flags, settings: Settings, progress: Progress = SILENT) -> CellResult:
    """Measure a planned cell, or read it from the results store where it is there already."""
    stored = stored_result(cell, settings, progress)
    if stored is not None:
        return stored
    rows, sizes = evaluate_cell(cell, progress, attacked=settings.attacks, workers=settings.workers)
    result = CellResult(rows, _facts(cell, sizes, flags))
    if settings.attacks:
        found = attack_cell(cell, progress, workers=settings.workers)
        result = replace(result, **{kind: getattr(found, kind) for kind in ATTACKED})
    if settings.train_on is TrainOn.ALL:
        result = replace(result, full_pool=full_pool(cell, progress))
    path = result_path(settings.results, cell)
    write_cell(path, result)
    with suppress(DataError):  # a board of many cells is quicker for it, and can do without
        summary_of(path)
    forget_embeddings(cell)
    progress.note(f"results: wrote {path}")
    return result


def _is_of(stored: CellResult, cell: Cell) -> bool:
    """Tell whether a stored result holds what the name of its file says: a stranger may have written it."""
    said = stored.facts.get("quantizers")
    named = set(stored.rows["quantizer"]) if "quantizer" in stored.rows else set()
    return said == _identities(cell) and named == set(cell.quantizers)


def _identities(cell: Cell) -> dict[str, str]:
    """Return what tells the quantizers of a cell from others."""
    return {name: quantizer.identity() for name, quantizer in cell.quantizers.items()}


def _has_all(stored: CellResult, settings: Settings) -> bool:
    """Tell whether a stored result holds the further frames that are wanted, as they are made now."""
    keys = derived_keys()
    wanted = [*ATTACKED] if settings.attacks else []
    wanted += ["full_pool"] if settings.train_on is TrainOn.ALL else []
    return all(
        getattr(stored, kind) is not None and stored.facts.get(f"{kind}_key") == keys[kind] for kind in wanted
    )


def test_set_of(task: Task, settings: Settings) -> tuple[str, float]:
    """Return the split and the share of the test set; refuse what would be without effect."""
    split = settings.split or task.split
    if task.split == FRESH:
        if split != FRESH or settings.test_share != TEST_SHARE:
            raise MolmisError(
                f"the test records of {task.name} are drawn afresh, so none are split off its pool; "
                "leave out --split and --test-share"
            )
        return FRESH, 0.0
    if split == OFFICIAL:
        _check_official(task, settings)
        return OFFICIAL, 0.0
    if split not in SPLITS:
        raise UnknownNameError("split", split, [*SPLITS, OFFICIAL] if task.split == OFFICIAL else SPLITS)
    return split, settings.test_share


def _check_official(task: Task, settings: Settings) -> None:
    """Refuse the test set of a source that has none, or a share of it."""
    if task.split != OFFICIAL:
        raise MolmisError(
            f"--split {OFFICIAL}: the source of {task.name} sets no test set apart; give --split "
            f"{', '.join(SPLITS)}, or leave it out"
        )
    if settings.test_share != TEST_SHARE:
        raise MolmisError(
            f"the test set of {task.name} is that of its source, so --test-share has no effect; leave it "
            f"out, or split anew with --split {', '.join(SPLITS)}"
        )


def _zoo(texts: Sequence[str]) -> dict[str, Quantizer]:
    """Return the quantizers that a user named, the reference first."""
    names = [name for text in texts for name in split_names(text)]
    if not names:
        raise MolmisError("--quantizers names none; give names (--list quantizers), or 'paper' or 'all'")
    return resolve([REFERENCE, *names])


def _contract(name: str, quantizer: Quantizer, settings: Settings) -> list[str]:
    """Refuse a quantizer that breaks the contract; return what a reader of its figures must know."""
    findings = check(quantizer)
    refused = [finding for finding in findings if finding.refused]
    if refused:
        more = f" (and {len(refused) - 1} more findings)" if len(refused) > 1 else ""
        raise MolmisError(
            f"quantizer {name} breaks the contract, {refused[0].check}: {refused[0].message}{more}; "
            "see docs/extending.md"
        )
    shared = settings.scope.whole and not settings.train_encoder
    return [finding.message for finding in findings] + caveats(quantizer.calibration, shared)


def choose_device(name: str) -> str:
    """Return the device to compute on; ``auto`` takes a CUDA device where there is one."""
    import torch

    available = torch.cuda.is_available()
    if name == "auto":
        return "cuda" if available else "cpu"
    if name == "cuda" and not available:
        raise MolmisError(
            f"--device cuda: torch {torch.__version__} finds no CUDA device here; "
            "use --device cpu, or install a CUDA build of torch"
        )
    return name


def _facts(cell: Cell, sizes: Mapping[str, object], flags: Flags) -> dict[str, object]:
    """Return everything the figures of a cell depend on and where they come from, JSON-able."""
    records, protocol = cell.records, cell.protocol
    return {
        "task": cell.task.name,
        "task_version": cell.task.version,
        "kind": str(records.kind),
        "targets": list(records.targets),
        "metric": cell.task.main_metric,
        "source_protocol": cell.task.protocol,
        "performance_unit": performance_unit(
            metric_named(records.kind, cell.task.main_metric), len(records.targets)
        ),
        "encoder": cell.encoder_name,
        "train_encoder": protocol.train_encoder,
        "race": protocol.race,
        "encoder_key": cell.encoder.key,
        "encoder_parameters": cell.encoder.parameters,
        "encoder_options": cell.encoder.options(),
        "encoder_seen": seen_of(cell.encoder, records.smiles).facts(),
        "scope": str(protocol.scope),
        "quantizers": _identities(cell),
        "own_quantizers": [name for name in cell.quantizers if not is_of_zoo(name)],
        "quantizer_flags": {name: list(said) for name, said in flags.items() if said},
        "key": cell.key,
        "protocol_version": PROTOCOL_VERSION,
        **{f"{kind}_key": key for kind, key in derived_keys().items()},
        "runs": protocol.runs,
        "seed": protocol.seed,
        "split": protocol.split,
        "test_share": protocol.test_share,
        "head": asdict(protocol.head),
        **sizes,
        "origin": records.origin,
        "sha256": records.sha256,
        "cleaning": records.report.as_dict(),
        "data": data_report(records).as_dict(),
        "device": cell.device,
        "versions": {name: _version(name) for name in _PACKAGES},
        "python": platform.python_version(),
        "commit": _commit(),
        "measured": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
    }


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _commit() -> str:
    """Return the commit of the checkout this runs from; empty where there is none."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return ""
    try:
        done = subprocess.run(  # noqa: S603
            ["git", "-C", str(root), "rev-parse", "HEAD"],  # noqa: S607
            capture_output=True, text=True, check=False, timeout=10,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()
