"""The command line of the quantizers: ``python -m models.quantizers export``, ``predict``, ``check``, ...

A measured head becomes a file to publish, a file becomes predictions, and a quantizer of one's own is held to
the contract before anything is measured with it.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from benchmark.head_options import AS_USUAL, HeadOptions, TrainEncoder, refuse_widths, with_head_options
from benchmark.run import Device, wide
from benchmark.scope import Scope
from models.encoders.objective_name import PretrainObjective
from molecules.command_line import Debug, run_app, user_errors
from molecules.errors import MolmisError
from tasks.task import Kind

if TYPE_CHECKING:
    from benchmark.export_head import Chosen

_EXPORT = """
[bold]Examples[/bold]

  python -m models.quantizers export --task tox21 --quantizer ternary-50 --out model.safetensors

  python -m models.quantizers export --task delaney --quantizer sign --train-on all --out sign.safetensors

  python -m models.quantizers export --task assay.csv --target pIC50 --quantizer mine.py --out x.safetensors
"""

_PREDICT = """
[bold]Examples[/bold]

  python -m models.quantizers predict model.safetensors molecules.csv

  python -m models.quantizers predict model.safetensors molecules.csv --smiles structure --out predictions.csv
"""

_CHECK = """
[bold]Examples[/bold]

  python -m models.quantizers check path/to/mine.py

  python -m models.quantizers check path/to/mine.py:function

  python -m models.quantizers check ternary:sparsity=0.8

Exit code 0: every quantizer may be measured. 2: one may not, and the reasons are told.
"""

app = typer.Typer(
    add_completion=False, no_args_is_help=True, rich_markup_mode="rich", pretty_exceptions_enable=False
)


@app.callback()
def quantizers() -> None:
    """List and check quantizers, publish quantized models as files, and use these."""


@app.command(epilog=_EXPORT)
@with_head_options
def export(
    out: Annotated[Path, typer.Option(help="File to write, such as model.safetensors.")],
    task: Annotated[str, typer.Option(help="A task by name, or the path of your own table.")],
    quantizer: Annotated[
        str, typer.Option(help="One quantizer: a name, a name with parameters, or path/to/mine.py.")
    ],
    encoder: Annotated[
        str | None,
        typer.Option(
            help="Frozen encoder, file of embeddings, hf:FOLDER or chemprop:FILE; the task's usual one if "
            "left out."
        ),
    ] = None,
    pretrain_on: Annotated[
        Path | None,
        typer.Option(
            help="Molecules (CSV, TSV or SMI) to pretrain a graph encoder on, instead of those of RDKit; "
            "labels in it are not read."
        ),
    ] = None,
    pretrain_objective: Annotated[
        PretrainObjective | None,
        typer.Option(help="What a graph encoder is pretrained to do. [dim]\\[default: descriptors][/dim]"),
    ] = None,
    quantize: Annotated[
        Scope | None,
        typer.Option(
            help="What is quantized: the head, or the whole model; the file holds the encoder then. "
            "[dim]\\[default: head; model with --train-encoder][/dim]"
        ),
    ] = None,
    train_encoder: TrainEncoder = False,
    run: Annotated[int, typer.Option(help="Which run of the measured bank: its published head.", min=0)] = 0,
    train_on: Annotated[
        str | None,
        typer.Option(help="[bold]all[/bold]: a head trained on all records, instead of that of a run."),
    ] = None,
    with_encoder: Annotated[
        bool,
        typer.Option(help="Put the weights of the encoder into the file, so that it can be used anywhere."),
    ] = False,
    runs: Annotated[
        int | None, typer.Option(help="Heads of the measurement, where they were fewer than 16.", min=2)
    ] = None,
    smiles: Annotated[str | None, typer.Option(help="Your own table: the column of SMILES.")] = None,
    target: Annotated[list[str] | None, typer.Option(help="Your own table: a column of labels.")] = None,
    kind: Annotated[Kind | None, typer.Option(help="Your own table: what the labels are.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the measurement.", min=0, max=2**63 - 1)] = 0,
    split: Annotated[str | None, typer.Option(help="Split of the measurement.")] = None,
    device: Annotated[
        Device, typer.Option(help="auto takes a CUDA device where there is one.")
    ] = Device.AUTO,
    test_share: Annotated[
        float, typer.Option(help="Share of the test set in the measurement.", min=0.05, max=0.5)
    ] = 0.2,
    head: HeadOptions = AS_USUAL,
    data_dir: Annotated[Path | None, typer.Option(help="Where raw data files are looked for first.")] = None,
    debug: Debug = False,
) -> None:
    """Write a quantized head as a file: bit-packed codes, levels, scales, biases, and what it is of.

    The head is that of a run of the measured bank; what is not trained yet is trained. The file is what the
    size column of the table counts: with --quantize model the quantized encoder is a part of it, else that
    of full precision goes into it with --with-encoder only, and is not counted.
    """
    errors = Console(stderr=True)
    with user_errors(debug):
        from benchmark.execute import Settings
        from benchmark.export_head import export_head
        from benchmark.progress import Bar
        from benchmark.run import chosen_task
        from models.artefact import write_artefact
        from molecules.cache import writable_file
        from tasks.task import DataOptions

        progress = Bar(errors)
        writable_file(out, "--out")
        settings = Settings(
            encoder=encoder,
            quantizers=[quantizer],
            seed=seed,
            split=split,
            test_share=test_share,
            device=device.value,
            scope=Scope.chosen(quantize, train_encoder),
            train_encoder=train_encoder,
            head=head.config(train_encoder),
            pretrain_on=pretrain_on,
            objective=pretrain_objective,
        )
        found = chosen_task(task, smiles, target or [], kind)
        refuse_widths(found, head.hidden)
        made = export_head(
            found,
            DataOptions(data_dir, progress=progress),
            settings,
            _chosen(train_on, run, runs, with_encoder),
            progress,
        )
        size = write_artefact(out, made)
        which = "trained on all records" if train_on else f"of run {run}"
        progress.note(f"wrote {out}: {size:,} bytes; the head {which}, {made.quantizer}")


def _chosen(train_on: str | None, run: int, runs: int | None, encoder: bool) -> "Chosen":
    """Return which head is meant."""
    from benchmark.export_head import ALL, Chosen

    if train_on is not None and run:
        raise MolmisError(
            "--train-on all trains a head of its own, which is none of the runs; leave out --run"
        )
    if train_on not in (None, ALL):
        raise MolmisError(f"--train-on {train_on!r} is not known; give --train-on all, or --run NUMBER")
    return Chosen(None if train_on else run, runs, encoder)


@app.command(epilog=_PREDICT)
def predict(
    file: Annotated[Path, typer.Argument(help="A file that export wrote.")],
    molecules: Annotated[Path, typer.Argument(help="A CSV or TSV file with a column of SMILES.")],
    smiles: Annotated[
        str | None, typer.Option(help="The column of SMILES, if its name is not usual.")
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(
            help="Where the head is of embeddings made elsewhere: your copy of the file, hf:FOLDER or "
            "chemprop:FILE."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="File to write; standard output if not given.")] = None,
    debug: Debug = False,
) -> None:
    """Predict molecules with a published head: a probability, or a value in the label's unit, for each.

    The columns of the table are kept. A row whose SMILES cannot be read is told and left empty.
    """
    errors = Console(stderr=True)
    with user_errors(debug):
        from benchmark.progress import Bar
        from models.artefact import unpack
        from models.prediction_table import predicted_table
        from molecules.cache import atomic_write, writable_file

        progress = Bar(errors)
        if out is not None:
            writable_file(out, "--out")
        text = predicted_table(unpack(file), molecules, smiles, progress, encoder)
        if out is None:
            typer.echo(text, nl=False)
            return
        with atomic_write(out) as temporary:
            temporary.write_text(text)
        progress.note(f"wrote {out}")


@app.command()
def inspect(
    file: Annotated[Path, typer.Argument(help="A file that export wrote.")], debug: Debug = False
) -> None:
    """Say what a file is, and what every part of it takes."""
    console = Console()
    with user_errors(debug):
        from benchmark.artefact_report import artefact_report

        wide(console).print(artefact_report(file), highlight=False)


@app.command(epilog=_CHECK)
def check(
    quantizer: Annotated[
        str, typer.Argument(help="path/to/mine.py, path/to/mine.py:function, or any name of the zoo.")
    ],
    debug: Debug = False,
) -> None:
    """Hold a quantizer to the contract, and say what it does to weights."""
    console = Console()
    with user_errors(debug):
        from benchmark.check_report import check_report
        from models.quantizers.zoo import resolve, split_names

        refused = []
        for name, member in resolve(split_names(quantizer)).items():
            report = check_report(name, member)
            wide(console).print(report.shown, highlight=False)
            refused += report.refused
        if refused:
            more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
            raise MolmisError(f"{quantizer} may not be measured: {refused[0]}{more}; see docs/extending.md")


@app.command("list")
def list_(debug: Debug = False) -> None:
    """List the quantizers of the zoo, and those of installed packages."""
    console = Console()
    with user_errors(debug):
        from benchmark.listing import listing

        wide(console).print(listing("quantizers"))


@app.command()
def docs(
    out: Annotated[Path, typer.Option(help="Folder of quantizers.md and of figures/.")] = Path("docs"),
    debug: Debug = False,
) -> None:
    """Make the page about the zoo, and its figure, from the code."""
    with user_errors(debug):
        from models.quantizers.page import draw, page
        from molecules.cache import atomic_write, writable_file

        text = writable_file(out / "quantizers.md", "--out")
        with atomic_write(text) as temporary:
            temporary.write_text(page())
        picture = writable_file(out / "figures" / "quantizers.png", "--out")
        draw(picture)
        typer.echo(f"wrote {text} and {picture}", err=True)


def main() -> None:
    """Run the command line."""
    run_app(app, "python -m models.quantizers")


if __name__ == "__main__":
    main()
