"""The two findings of the paper about its quantizers, confirmed or refuted on a measured cell."""

from collections.abc import Iterator

import numpy as np

from benchmark.cell_runs import CellRuns, distinguishable
from benchmark.privacy.aggregate import Aggregate
from benchmark.privacy.indicator_name import Indicator
from benchmark.results import CellResult

#: The first finding: this quantizer is the most private.
MOST_PRIVATE = "ternary-90"
#: The second: the first of these is less private than the second.
LESS_PRIVATE = ("sign", "ternary-33")
FINDINGS = (f"{MOST_PRIVATE} is the most private", " is less private than ".join(LESS_PRIVATE))


def findings(result: CellResult, indicator: Indicator) -> Iterator[str]:
    """Yield what is confirmed or refuted of the two findings, by the paired bootstrap over runs (95 %).

    Parameters
    ----------
    result : CellResult
        With the quantizers of the findings.
    indicator : Indicator
        By which r they are looked at.
    """
    runs = CellRuns(result, Aggregate.MEAN, indicator)
    point, resampled = runs.compared("r")
    names = runs.names
    untold = {name: ~distinguishable(resampled, place) for place, name in enumerate(names)}
    first = names[int(np.nanargmax(point))]
    if first == MOST_PRIVATE:
        others = [n for n in names if n != first and untold[first][names.index(n)]]
        beside = f", though not told apart from {', '.join(others)}" if others else ""
        yield f"confirmed: {MOST_PRIVATE} is the most private{beside}"
    elif untold[first][names.index(MOST_PRIVATE)]:
        yield f"neither confirmed nor refuted: {first} is not told apart from {MOST_PRIVATE}"
    else:
        rank = 1 + int((point > point[names.index(MOST_PRIVATE)]).sum())
        yield f"refuted: {first} is the most private, {MOST_PRIVATE} the {rank}. of {len(names)}"
    one, two = (names.index(name) for name in LESS_PRIVATE)
    said = f"{LESS_PRIVATE[0]} is {{}} private than {LESS_PRIVATE[1]}"
    if untold[LESS_PRIVATE[0]][two]:
        yield f"neither confirmed nor refuted: {' and '.join(LESS_PRIVATE)} are not told apart"
    elif point[one] < point[two]:
        yield f"confirmed: {said.format('less')}"
    else:
        yield f"refuted: {said.format('more')}"
