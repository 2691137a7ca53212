"""One column of text becomes one column of labels: classes 0 and 1, or numbers."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from molecules.errors import DataError
from tasks.task import Kind

_MISSING = frozenset({"", "na", "n/a", "nan", "null", "none"})
_QUALIFIED = re.compile(r"[<>≤≥~≈=]+\s*[-+]?[\d.,]")
_COMMA_DECIMAL = re.compile(r"[-+]?\d+,\d+([eE][-+]?\d+)?")
_COMMAS = "decimals written with a comma"
#: Most different whole numbers that may be codes of classes.
_FEW_CODES = 10
# Words for the classes 0 and 1; what is not listed is ordered by number or by alphabet.
_CLASS_WORDS = (
    ("false", "true"),
    ("f", "t"),
    ("no", "yes"),
    ("n", "y"),
    ("inactive", "active"),
    ("negative", "positive"),
    ("neg", "pos"),
    ("-", "+"),
)


@dataclass(frozen=True)
class LabelColumn:
    """A column of labels.

    Attributes
    ----------
    name : str
        Name of the column.
    kind : Kind
        Classification or regression.
    values : ndarray of float64, shape (rows,)
        NaN where missing; 0 and 1 in classification.
    mapping : str
        What the entries were taken for, in words: what became 0 and 1, decimals written with a comma, whole
        numbers that may have been meant as classes. Empty where there is nothing to say.
    """

    name: str
    kind: Kind
    values: NDArray[np.float64]
    mapping: str = ""


def is_missing(text: str) -> bool:
    """Tell whether an entry stands for nothing: empty, NA, N/A, NaN, null or None in any case."""
    return text.strip().lower() in _MISSING


def read_label_column(path: Path, name: str, texts: Sequence[str], kind: Kind | None = None) -> LabelColumn:
    """Read one column of labels; see :func:`tasks.table_file.table_task` for how its kind is recognised.

    Parameters
    ----------
    path : Path
        The file, for messages.
    name : str
        Name of the column.
    texts : sequence of str
        Its entries, stripped.
    kind : Kind or None
        What the labels are; None recognises it.

    Raises
    ------
    DataError
        If the column has no labels at all, if a number cannot be read as one, or if a classification
        column does not hold two different values.
    """
    texts, commas = _with_points(texts)
    # Numbers are compared as numbers ("1" is "1.0"), words without regard to case.
    keys = [None if is_missing(text) else _key(text) for text in texts]
    distinct = {key for key in keys if key is not None}
    if not distinct:
        raise DataError(f"{path}: label column {name!r} is empty in every row; name another column")
    if kind is None:
        kind = _recognise(distinct)
    if kind is Kind.REGRESSION:
        values = _numbers(path, name, texts, keys)
        said = [_COMMAS] if commas else []
        if _like_classes(values):
            count = len(distinct)
            said.append(f"{count} different whole numbers, read as numbers; as classes there can be two only")
        return LabelColumn(name, kind, values, ", ".join(said))
    classes = _classes(path, name, distinct)
    values = np.array([math.nan if key is None else float(classes.index(key)) for key in keys])
    plain = set(classes) <= {0.0, 1.0}
    mapping = "" if plain else ", ".join(f"{_shown(key)} = {number}" for number, key in enumerate(classes))
    return LabelColumn(name, kind, values, mapping)


def _with_points(texts: Sequence[str]) -> tuple[Sequence[str], bool]:
    """Return the entries with decimal points if the column writes decimals with a comma, and whether it does.

    It does if every entry that is not missing is a number so written or a whole one. Where all commas stand
    before exactly three digits they may as well part thousands: such a column is left as it is.
    """
    given = [text for text in texts if not is_missing(text)]
    decimal = [text for text in given if _COMMA_DECIMAL.fullmatch(text)]
    ambiguous = all(len(text.rsplit(",", 1)[1]) == 3 for text in decimal)
    if not decimal or ambiguous or any(_number(text.replace(",", ".")) is None for text in given):
        return texts, False
    return [text.replace(",", ".") for text in texts], True


def _like_classes(values: NDArray[np.float64]) -> bool:
    """Tell whether numbers look like codes of classes: few different whole ones, each many times."""
    known = values[~np.isnan(values)]
    distinct = np.unique(known)
    whole = bool((distinct == np.round(distinct)).all())
    return whole and 3 <= len(distinct) <= _FEW_CODES and len(known) >= 10 * len(distinct)


def _key(text: str) -> float | str:
    number = _number(text)
    return text.strip().lower() if number is None else number


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _recognise(distinct: set[float | str]) -> Kind:
    """Return the kind of a column from its distinct entries."""
    types = {type(key) for key in distinct}
    two_valued = len(distinct) == 2 and len(types) == 1  # a number and a word are no pair of classes
    if two_valued or types == {str} or distinct <= {0.0, 1.0}:
        return Kind.CLASSIFICATION
    return Kind.REGRESSION


def _numbers(
    path: Path, name: str, texts: Sequence[str], keys: Sequence[float | str | None]
) -> NDArray[np.float64]:
    """Return the numbers of a regression column; anything else in it is an error."""
    wrong = [row for row, key in enumerate(keys) if isinstance(key, str)]
    if wrong:
        first, advice = texts[wrong[0]], "empty the entry to mark the label missing"
        if _QUALIFIED.match(first):
            advice = "a value with a qualifier is a bound, no measurement: empty the entry or remove the row"
        elif _COMMA_DECIMAL.fullmatch(first):
            advice = "write decimals with a point, and thousands without a separator"
        raise DataError(
            f"{path}, row {wrong[0] + 1}, column {name!r}: {first!r} is not a number "
            f"({len(wrong)} such rows); {advice}"
        )
    return np.array([math.nan if key is None else key for key in keys], dtype=np.float64)


def _classes(path: Path, name: str, distinct: set[float | str]) -> list[float | str]:
    """Return what stands for class 0 and for class 1."""
    if distinct <= {0.0, 1.0}:
        return [0.0, 1.0]
    words = [list(pair) for pair in _CLASS_WORDS if distinct <= set(pair)]
    if words:
        return list(words[0])
    ordered = sorted(distinct, key=lambda key: (isinstance(key, str), key))
    if len(ordered) != 2:
        some = ", ".join(_shown(key) for key in ordered[:4]) + (", ..." if len(ordered) > 4 else "")
        raise DataError(
            f"{path}: label column {name!r} holds {len(ordered)} different values ({some}) and "
            "classification needs two, such as 0 and 1; empty the entries of the others to mark them "
            "missing, recode the column, or use regression for numbers"
        )
    return ordered


def _shown(key: float | str) -> str:
    return repr(key) if isinstance(key, str) else f"{key:g}"
