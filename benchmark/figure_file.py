"""Figures to files, in one style and without what changes from run to run."""

from collections.abc import Callable, Iterable
from pathlib import Path

import matplotlib as mpl
import seaborn as sns
from matplotlib.figure import Figure

from molecules.cache import atomic_write

#: Style of every figure; the salt keeps the names of elements in an SVG the same in every run.
STYLE = {
    **sns.axes_style("ticks"),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "molmis",
}


def save(draw: Callable[[], Figure], paths: Iterable[Path]) -> None:
    """Draw a figure in the common style, and write it to every path, in the format of its ending."""
    with mpl.rc_context(STYLE):
        figure = draw()
        for path in paths:
            suffix = path.suffix.lstrip(".")
            metadata = {"Date": None} if suffix == "svg" else {}
            with atomic_write(path) as temporary:
                figure.savefig(temporary, format=suffix, dpi=160, metadata=metadata)
