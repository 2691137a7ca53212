"""The command line of embeddings of large files: ``python -m models.embed FILE --out FOLDER``."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmark.run import Device
from models.encoders.objective_name import PretrainObjective
from molecules.command_line import Debug, run_app, user_errors

EPILOG = """
The file is read row by row into parts; worker processes clean, featurize and embed a part each. Memory does
not grow with the file. A stopped run goes on where it was when the same command is given again.

[bold]Written[/bold] into the folder of --out

  parts/part-000000.parquet ...        row, id (with --id-column), smiles (clean), embedding (float32)

  dropped/dropped-000000.parquet ...   row, id, written, reason: rows without an embedding

  manifest.json                        file, encoder, columns, versions, and counts once all is done

A row is counted from 1 below the header, blank lines left out. A row whose SMILES is missing or unreadable is
dropped, all others are in the parts, in their order. docs/embed.md says how to read them.

[bold]Examples[/bold]

  python -m models.embed library.csv.gz --out embedded

  python -m models.embed library.csv --encoder ecfp --id-column ID --workers 8 --out embedded

  python -m benchmark.run --task tox21 --encoder embedded
"""

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.command(epilog=EPILOG, no_args_is_help=True)
def embed(
    file: Annotated[
        Path,
        typer.Argument(
            show_default=False,
            help="Table with a header: .csv, .tsv, .txt, .smi, also with .gz; entries parted by comma, "
            "semicolon or tab.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder to write to.", show_default=False)],
    encoder: Annotated[
        str,
        typer.Option(
            help="By name (python -m benchmark.run --list encoders), or hf:FOLDER, chemprop:FILE. Networks "
            "are pretrained on first use."
        ),
    ] = "gin",
    smiles_column: Annotated[
        str | None,
        typer.Option(help="Column of SMILES. [dim]\\[default: the only one with a usual name][/dim]"),
    ] = None,
    id_column: Annotated[
        str | None,
        typer.Option(help="Column of names, kept beside the embeddings. [dim]\\[default: none][/dim]"),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Processes, of one thread and some 0.5 GB each. [dim]\\[default: OMP_NUM_THREADS, else all "
            "cores][/dim]",
        ),
    ] = None,
    part_size: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="Rows of a part: what a process holds at once.")
    ] = 20_000,
    device: Annotated[
        Device, typer.Option(help="auto takes a CUDA device where there is one; all processes share it.")
    ] = Device.AUTO,
    pretrain_on: Annotated[
        Path | None, typer.Option(help="Molecules to pretrain the encoder on, in place of those of RDKit.")
    ] = None,
    pretrain_objective: Annotated[
        PretrainObjective | None, typer.Option(help="What to pretrain it to do.")
    ] = None,
    debug: Debug = False,
) -> None:
    """Embed all molecules of a file of any length, in flat memory, over all cores; resumable."""
    with user_errors(debug):
        from tasks.table_stream import TableStream

        # what is wrong with the file is told before torch is loaded
        table = TableStream.of(file)
        table.places([smiles_column or table.smiles_column(), *([] if id_column is None else [id_column])])

        from benchmark.execute import choose_device
        from benchmark.progress import Bar
        from models.embed.run import embed_file
        from models.encoders.choice import streaming_encoder

        done = embed_file(
            file,
            streaming_encoder(encoder, pretrain_on, pretrain_objective),
            out,
            smiles_column,
            id_column,
            part_size,
            workers,
            choose_device(device.value),
            Bar(Console(stderr=True), rate=True),
        )
        typer.echo(done.summary())


def main() -> None:
    """Run the command line."""
    run_app(app, "python -m models.embed")


if __name__ == "__main__":
    main()
