"""``python -m models.quantizers``: list the zoo, check a quantizer of one's own, make the page."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from molecules.command_line import user_errors

if TYPE_CHECKING:
    from models.quantizers.base import Quantizer

#: Weights of the matrices that speed is told on.
WEIGHTS = 10**6

app = typer.Typer(
    add_completion=False, no_args_is_help=True, rich_markup_mode="rich", pretty_exceptions_enable=False
)
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


@app.callback()
def quantizers() -> None:
    """List the quantizers of the zoo, check one of your own, make the page about them."""


@app.command("list")
def list_zoo(debug: Debug = False) -> None:
    """List every quantizer: name, bits, what it does, and where it comes from."""
    with user_errors(debug):
        from rich.console import Console
        from rich.table import Table

        from models.quantizers import QUANTIZERS
        from models.quantizers.zoo import zoo_names

        table = Table("quantizer", "bits", "formula", "source")
        for name in [*zoo_names("all"), *zoo_names("controls")]:
            quantizer = QUANTIZERS[name]
            table.add_row(name, f"{quantizer.bits:.2f}", quantizer.formula, quantizer.reference)
        Console().print(table)


@app.command()
def check(
    quantizer: Annotated[
        str,
        typer.Argument(help="A Python file, a name of the zoo, or a specification (pq:dim=4,codes=64)."),
    ],
    debug: Debug = False,
) -> None:
    """Hold a quantizer to the contract and say how it does; exit code 2 if it must not be used.

    [bold]A file of your own[/bold] holds a function of one matrix, and the bits that it takes:

        BITS = 1

        def halves(weight):
            return 0.5 * weight.std() * (2.0 * (weight >= 0) - 1)
    """
    with user_errors(debug):
        from models.quantizers.zoo import resolve, split_names

        refused = 0
        for name, member in resolve(split_names(quantizer)).items():
            refused += _report(name, member)
        if refused:
            raise typer.Exit(2)


def _report(name: str, quantizer: "Quantizer") -> bool:
    """Print what was found about one quantizer; return whether it is refused."""
    import time

    import torch
    from rich.console import Console
    from rich.table import Table

    from models.quantizers.contract import CHECKS
    from models.quantizers.contract import check as findings_of
    from models.quantizers.measures import entropy_bits, relative_error, zeros
    from models.quantizers.packing import packed_bytes

    findings = {finding.check: finding for finding in findings_of(quantizer)}
    table = Table("check", "", "what was found", title=f"{name}: {quantizer.formula}", title_justify="left")
    for label in CHECKS:
        if label in quantizer.exceptions:
            table.add_row(label, "–", f"declared: {quantizer.exceptions[label]}")
        elif label in findings:
            found = findings[label]
            table.add_row(
                label, "[red]refused[/red]" if found.refused else "[yellow]flag[/yellow]", found.message
            )
        else:
            table.add_row(label, "[green]ok[/green]", "")
    Console().print(table)
    refused = any(finding.refused for finding in findings.values())
    if not refused:
        weight = torch.randn(1, 1000, WEIGHTS // 1000, generator=torch.Generator().manual_seed(0))
        started = time.perf_counter()
        quantized = quantizer.quantize(weight)
        seconds = time.perf_counter() - started
        typer.echo(
            f"on {WEIGHTS:,} normal weights: relative error {float(relative_error(weight, quantized)):.4f}, "
            f"bits {quantizer.bits:.2f}, entropy bits {float(entropy_bits(quantized)):.2f}, "
            f"zeros {float(zeros(quantized)):.1%}, {int(packed_bytes(quantized)):,} bytes, {seconds:.2f} s"
        )
    typer.echo(f"{name} " + ("must not be used" if refused else "may be used"))
    return refused


@app.command()
def docs(
    out: Annotated[Path, typer.Option(help="Folder of quantizers.md and of figures/.")] = Path("docs"),
    debug: Debug = False,
) -> None:
    """Make the page about the zoo from the code."""
    with user_errors(debug):
        from models.quantizers.page import draw, page
        from molecules.cache import atomic_write, writable_file

        text = writable_file(out / "quantizers.md", "--out")
        with atomic_write(text) as temporary:
            temporary.write_text(page())
        picture = writable_file(out / "figures" / "quantizers.png", "--out")
        draw(picture)
        typer.echo(f"wrote {text} and {picture}", err=True)
