"""Figures of the paper (arXiv 2502.06567), made again: one module each, registered under its name.

A module of this package registers one sub-command of ``python -m benchmark.reproduce`` with
``@REPRODUCTIONS.register("fig5")``: a function with typer options whose docstring is its help. It is imported
whenever the command line starts, so it imports what is heavy inside of functions; what draws is a module of
``benchmark.reproductions.drawing``.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from molecules.registry import Registry

#: Sub-commands by name.
REPRODUCTIONS: Registry[Callable[..., None]] = Registry("reproduction", "benchmark.reproductions")

#: Options that several sub-commands have.
Results = Annotated[Path, typer.Option(help="Folder of the results store; what is there is reused.")]
