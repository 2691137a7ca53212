"""Figure 5: the functions that the quantizers are, on [-1, 1].

The input of a quantizer is a weight matrix, and most of them fit a scale or a threshold to it, so there is no
function without a distribution of weights. Our reading: weights spread evenly over [-1, 1], the domain of the
paper's figure. On it ``mean |w|`` is 1/2, the p-quantile of ``|w|`` is p, and ``max |w|`` is 1, so uniform
grids with and without a fitted scale are the same function there; for trained weights they are not.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmark.reproductions import REPRODUCTIONS
from molecules.command_line import Debug, user_errors

if TYPE_CHECKING:
    import pandas as pd

#: Weights that stand for all of [-1, 1]: an odd number, so that 0 is among them.
POINTS = 2001
#: What the command writes below --out.
FILES = ("fig5.csv", "fig5.png", "fig5.svg")


def quantization_functions(points: int = POINTS) -> "pd.DataFrame":
    """Return the functions of the paper's quantizers, with and without a fitted scale.

    Parameters
    ----------
    points : int
        Weights, evenly spaced from -1 to 1.

    Returns
    -------
    DataFrame
        ``quantizer, input, output``; quantizers in the order of the tables, each followed by its variant
        without scale, where it has one; inputs ascending.
    """
    import numpy as np
    import pandas as pd
    import torch

    from models.quantizers import QUANTIZERS
    from models.quantizers.zoo import zoo_names

    weights = np.linspace(-1.0, 1.0, points).astype(np.float32)
    matrix = torch.from_numpy(weights)[None]
    names = [n for paper in zoo_names("paper") for n in (paper, f"{paper}-unscaled") if n in QUANTIZERS]
    outputs = {name: QUANTIZERS[name].quantize(matrix).dequantize()[0].numpy() for name in names}
    parts = [pd.DataFrame({"quantizer": n, "input": weights, "output": y}) for n, y in outputs.items()]
    return pd.concat(parts, ignore_index=True)


def sentence(functions: "pd.DataFrame") -> str:
    """Return one sentence of what is to be seen in the figure, with its numbers."""
    zeros = (functions["output"] == 0).groupby(functions["quantizer"]).mean()
    levels = functions.groupby("quantizer")["output"].nunique()
    ternary = f"{zeros['ternary-33']:.0%} to {zeros['ternary-90']:.0%}"
    grids = [
        f"{100 * zeros[f'uniform-{bits}']:.2g}% at {bits} bits ({levels[f'uniform-{bits}']} levels)"
        for bits in (2, 3, 8)
    ]
    return (
        f"Of weights spread evenly over [-1, 1], ternary-33 to ternary-90 set the {ternary} nearest to 0 to "
        "exactly 0 and keep of the rest the sign alone, which is all that sign keeps of every weight; "
        f"uniform grids round, to 0 {', '.join(grids)}; without a fitted scale, sign and ternary "
        "jump to -1 and 1 instead of to the mean kept |w|."
    )


@REPRODUCTIONS.register("fig5")
def fig5(
    out: Annotated[Path, typer.Option(help="Folder for fig5.csv, fig5.png and fig5.svg.")] = Path("out"),
    debug: Debug = False,
) -> None:
    """Draw the quantization functions on [-1, 1], with and without a fitted scale."""
    from molecules.cache import atomic_write, writable_file

    with user_errors(debug):
        csv, *pictures = (writable_file(out / name, "--out") for name in FILES)
        from benchmark.figure_file import save
        from benchmark.reproductions.drawing.fig5 import draw

        functions = quantization_functions()
        with atomic_write(csv) as temporary:
            functions.to_csv(temporary, index=False, float_format="%.7g")
        save(lambda: draw(functions), pictures)
        typer.echo(sentence(functions))
        for path in (csv, *pictures):
            typer.echo(f"wrote {path}", err=True)
