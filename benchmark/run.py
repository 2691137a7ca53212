"""The command line of the main job: ``python -m benchmark.run --task tox21``.

What each post-training quantizer leaks about the training molecules, and what it costs in accuracy.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmark.head_options import AS_USUAL, HeadOptions, TrainEncoder, refuse_widths, with_head_options
from benchmark.privacy.aggregate import Aggregate
from benchmark.privacy.indicator_name import Indicator
from benchmark.scope import Scope
from benchmark.training_set import TrainOn
from models.encoders.objective_name import PretrainObjective
from molecules.command_line import Debug, given_options, run_app, user_errors
from molecules.errors import MolmisError
from tasks.task import DataOptions, Kind, Task

#: What runs when no task is named: real data that is always there.
DEFAULT_TASK = "chembl2321810"


class Preset(StrEnum):
    """How many runs."""

    QUICK = "quick"
    STANDARD = "standard"
    PAPER = "paper"


class Device(StrEnum):
    """Where to compute."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


class Listing(StrEnum):
    """What can be listed."""

    TASKS = "tasks"
    ENCODERS = "encoders"
    QUANTIZERS = "quantizers"
    SUITES = "suites"


#: Runs of each preset.
_PRESET_RUNS = {Preset.QUICK: 16, Preset.STANDARD: 64, Preset.PAPER: 300}

#: Options that ``--report`` heeds; the others are for what is measured.
_OF_DATA = {
    *("task", "encoder", "pretrain_on", "pretrain_objective", "preset", "runs", "smiles", "target", "kind"),
    *("out", "seed", "split", "test_share", "data_dir", "download", "verify", "report_data", "debug"),
}

EPILOG = """
[bold]Examples[/bold]

  python -m benchmark.run --task tox21 --preset quick --out out/tox21

  python -m benchmark.run --task delaney --encoder ecfp --max-drop 0.05

  python -m benchmark.run --task assay.csv --smiles SMILES --target pIC50

  python -m benchmark.run --task herg --report
  python -m benchmark.run --task delaney --encoder dmpnn --pretrain-on library.smi

  python -m benchmark.run --task delaney --encoder embeddings.npz

  python -m benchmark.run --task pains --quantizers all

  python -m benchmark.run --task tox21 --quantize model

  python -m benchmark.run --task delaney --train-encoder --preset quick

  python -m benchmark.run --task tox21 --quantizers paper,path/to/mine.py

  python -m benchmark.run --task gaussian-modes:modes=8,noise=0.2 --preset quick

  python -m benchmark.run --suite moleculenet --execute ray:auto

A stopped run goes on where it was when the same command is given again.
"""


@with_head_options
def run(
    context: typer.Context,
    task: Annotated[
        str | None,
        typer.Option(
            help="A task by name (--list tasks), some with parameters (gaussian-modes:noise=0.2), some of "
            "its labels (tox21:NR-AR+SR-p53), or the path of your own CSV, TSV, Parquet or SD file. "
            f"[dim]\\[default: {DEFAULT_TASK}][/dim]"
        ),
    ] = None,
    suite: Annotated[
        str | None,
        typer.Option(help="A matrix of tasks and encoders (--list suites), instead of one task."),
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(
            help="Frozen encoder of the molecules (--list encoders), or your own embeddings: a file "
            "(.npz, .parquet, .csv) keyed by SMILES or InChIKey, hf:FOLDER or chemprop:FILE. "
            "Of a suite, several by commas. "
            "[dim]\\[default: gin; none for tasks of vectors][/dim]"
        ),
    ] = None,
    pretrain_on: Annotated[
        Path | None,
        typer.Option(
            help="Molecules (CSV, TSV or SMI) to pretrain a graph encoder on, instead of those of RDKit; "
            "labels in it are not read.",
            rich_help_panel="Encoder",
        ),
    ] = None,
    pretrain_objective: Annotated[
        PretrainObjective | None,
        typer.Option(
            help="What a graph encoder is pretrained to do. [dim]\\[default: descriptors][/dim]",
            rich_help_panel="Encoder",
        ),
    ] = None,
    quantizers: Annotated[
        list[str] | None,
        typer.Option(
            help="Names (--list quantizers), separated by commas or given repeatedly; [bold]paper[/bold] "
            "for the twelve with a fitted scale, [bold]all[/bold] for every one; with parameters: "
            "ternary:sparsity=0.8; your own: path/to/mine.py. "
            "float32 is always added. [dim]\\[default: paper][/dim]"
        ),
    ] = None,
    quantize: Annotated[
        Scope | None,
        typer.Option(
            help="What is quantized: the head, or the whole model, the weights of the encoder with it; "
            "model-norms takes its running statistics anew, of public molecules. "
            "[dim]\\[default: head; model with --train-encoder][/dim]"
        ),
    ] = None,
    train_encoder: TrainEncoder = False,
    preset: Annotated[
        Preset,
        typer.Option(help="Heads trained: quick 16 (a first look), standard 64 (to report), paper 300."),
    ] = Preset.STANDARD,
    runs: Annotated[int | None, typer.Option(help="Heads trained, instead of the preset's.", min=2)] = None,
    train_on: Annotated[
        TrainOn,
        typer.Option(
            help="all: beside the audited heads, which see half of the pool, five that see all of it."
        ),
    ] = TrainOn.HALF,
    smiles: Annotated[
        str | None, typer.Option(help="Your own file: the column of SMILES.", rich_help_panel="Your own file")
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(
            help="Your own file: a column of labels; may be repeated.", rich_help_panel="Your own file"
        ),
    ] = None,
    kind: Annotated[
        Kind | None,
        typer.Option(
            help="Your own file: what the labels are; recognised from the values if not given.",
            rich_help_panel="Your own file",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for table.csv, table.md, figures/, and what attacks found.")
    ] = None,
    max_drop: Annotated[
        float,
        typer.Option(
            help="Loss of performance within which the most private quantizer is recommended.", min=0, max=1
        ),
    ] = 0.02,
    aggregate: Annotated[
        Aggregate, typer.Option(help="How r of the runs becomes one figure; mean is the paper's.")
    ] = Aggregate.MEAN,
    indicator: Annotated[
        Indicator,
        typer.Option(
            help="What r is: membership (margins with and without the record), or plain, our reading of the "
            "paper's Algorithm 1 (snapshots of a run)."
        ),
    ] = Indicator.MEMBERSHIP,
    race: Annotated[
        bool,
        typer.Option(
            help="Find the plain indicator by racing: candidates that cannot decide it are evaluated on few "
            "records. Quicker; r is that of the whole evaluation to within its resolution."
        ),
    ] = False,
    seed: Annotated[
        int, typer.Option(help="Seed of everything; equal seeds give equal tables.", min=0, max=2**63 - 1)
    ] = 0,
    split: Annotated[
        str | None,
        typer.Option(
            help="How the test set is held apart: random, scaffold, butina (clusters), fingerprint (as "
            "unlike as can be), or official (of the source, where it has one); the task's own if not given. "
            "Only random depends on --seed."
        ),
    ] = None,
    test_share: Annotated[
        float, typer.Option(help="Share of the records in the test set.", min=0.05, max=0.5)
    ] = 0.2,
    attacks: Annotated[
        bool, typer.Option(help="Whether membership inference attacks are tried on every quantizer.")
    ] = True,
    head: HeadOptions = AS_USUAL,
    execute: Annotated[
        str,
        typer.Option(
            help="local: on this machine; ray: on a Ray cluster, of $RAY_ADDRESS or else of this machine; "
            "ray:HOST:PORT or ray:auto: on one that runs (docs/cluster.md).",
            rich_help_panel="Cluster",
        ),
    ] = "local",
    workers: Annotated[
        int | None,
        typer.Option(
            help="Processes that share the work of a task here, as far as memory allows; one on a GPU. The "
            "table is the same. [dim]\\[default: one a core; $OMP_NUM_THREADS][/dim]",
            min=1,
        ),
    ] = None,
    cpus_per_task: Annotated[
        int | None,
        typer.Option(
            help="Processors and threads of a task. [dim]\\[default: 1][/dim]",
            min=1,
            rich_help_panel="Cluster",
        ),
    ] = None,
    gpus_per_task: Annotated[
        float | None,
        typer.Option(
            help="GPUs of a task: 0.25 lets four share one. "
            "[dim]\\[default: 1 with --device cuda, else 0][/dim]",
            min=0,
            max=1,
            rich_help_panel="Cluster",
        ),
    ] = None,
    device: Annotated[
        Device, typer.Option(help="auto takes a CUDA device where there is one.")
    ] = Device.AUTO,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            help="Where raw data files are looked for first; then $MOLMIS_DATA, ../shared/datasets, "
            "the user's cache, a download.",
            rich_help_panel="Data",
        ),
    ] = None,
    download: Annotated[
        bool, typer.Option(help="Whether a file found nowhere may be downloaded.", rich_help_panel="Data")
    ] = True,
    verify: Annotated[
        bool, typer.Option(help="Whether a file of known checksum must match it.", rich_help_panel="Data")
    ] = True,
    results: Annotated[
        Path,
        typer.Option(help="Folder of the results store, one Parquet file a cell.", rich_help_panel="Data"),
    ] = Path("results"),
    list_: Annotated[
        Listing | None, typer.Option("--list", help="List names and what they are, and stop.")
    ] = None,
    report_data: Annotated[
        bool,
        typer.Option("--report", help="Print what there is to know of the data of the task, and stop."),
    ] = False,
    debug: Debug = False,
) -> None:
    """Measure what each post-training quantizer [bold]leaks[/bold], and what it [bold]costs[/bold].

    One bank of heads is trained on frozen embeddings, each head on its own random half of the molecules;
    every quantizer is applied to all of them. The table gives the indicator r (larger = more private), the
    generalisation gap, and the performance on held-apart test molecules, relative to float32.
    """
    console, errors = Console(), Console(stderr=True)
    with user_errors(debug):
        if list_ is not None:
            from benchmark.listing import listing

            wide(console).print(listing(list_.value))
            return
        from benchmark.execute import Settings
        from benchmark.execution import Execution
        from benchmark.progress import Bar
        from benchmark.run_cells import Asked, run_cell, run_suite, show_data

        progress = Bar(errors)
        settings = Settings(
            encoder=encoder,
            quantizers=quantizers or ["paper"],
            runs=runs or _PRESET_RUNS[preset],
            seed=seed,
            split=split,
            test_share=test_share,
            device=device.value,
            results=results,
            attacks=attacks,
            scope=Scope.chosen(quantize, train_encoder),
            train_encoder=train_encoder,
            train_on=train_on,
            head=head.config(train_encoder),
            pretrain_on=pretrain_on,
            objective=pretrain_objective,
            race=race,
            workers=workers,
        )
        asked = Asked(
            DataOptions(data_dir, download, verify, progress),
            settings,
            out,
            aggregate,
            indicator,
            max_drop,
            wide(console),
            progress,
            Execution.of(execute, cpus_per_task, gpus_per_task, device.value, workers),
        )
        if suite is not None:
            if task or smiles or target or kind or report_data:
                raise MolmisError(
                    "--suite brings its own tasks; leave out --task, --smiles, --target, --kind and --report"
                )
            run_suite(suite, asked)
            return
        chosen = chosen_task(task or DEFAULT_TASK, smiles, target or [], kind)
        refuse_widths(chosen, head.hidden)
        if report_data:
            show_data(
                chosen, asked, [o for name, o in given_options(context).items() if name not in _OF_DATA]
            )
            return
        run_cell(chosen, asked)


def wide(console: Console) -> Console:
    """Give a table that goes to a file or a pipe all the width it needs."""
    return console if console.is_terminal else Console(width=240)


def _is_path(name: str) -> bool:
    """Tell whether --task is meant as a file: by its separators, its ending, or its being there."""
    from tasks.catalogue import TASKS
    from tasks.table_file import ENDINGS

    if name.partition(":")[0] in TASKS and not Path(name).is_file():
        return False  # what follows the colon is the name of a label, which may look like anything
    return (
        "/" in name or "\\" in name or Path(name).suffix.lower() in (*ENDINGS, ".gz") or Path(name).is_file()
    )


def chosen_task(name: str, smiles: str | None, targets: list[str], kind: Kind | None) -> Task:
    """Return the task of a name or of the user's own file."""
    from tasks.catalogue import get_task
    from tasks.table_file import table_task

    if _is_path(name):
        return table_task(Path(name), smiles, targets, kind)
    if smiles or targets or kind:
        raise MolmisError(
            f"--smiles, --target and --kind describe a file of your own, but --task {name} is no path of "
            "one; give --task path/to/file.csv, or leave them out"
        )
    return get_task(name)


app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
app.command(epilog=EPILOG, no_args_is_help=False)(run)


def main() -> None:
    """Run the command line."""
    run_app(app, "python -m benchmark.run")


if __name__ == "__main__":
    main()
