"""Frames as text: CSV that holds every digit, and Markdown for people."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

#: Rows made into text at a time.
_CHUNK = 8192
#: Between these Arrow and Python write the digits of a number alike.
_SMALL, _LARGE = 1e-3, 1e9
#: Digits of a number in Markdown.
_DIGITS = 4


def csv_text(frame: pd.DataFrame) -> Iterator[str]:
    """Yield a frame as CSV, some lines at a time: the text of pandas' ``to_csv(index=False)``, sooner.

    Numbers are written with as many digits as it takes to read the same number again; what is missing is
    empty. Other than there a carriage return is quoted, as it must be to be read again.
    """
    yield ",".join(_quoted(pa.array([str(name) for name in frame.columns])).to_pylist()) + "\n"
    for start in range(0, len(frame), _CHUNK):
        part = frame.iloc[start : start + _CHUNK]
        columns = [_texts(part[name]) for name in part.columns]
        lines = pc.binary_join_element_wise(*columns, ",", null_handling="replace", null_replacement="")
        yield "\n".join(lines.to_pylist()) + "\n"


def _texts(column: pd.Series) -> pa.Array:
    """Return a column as text."""
    if column.dtype == np.float64:
        return _numbers(column.to_numpy())
    if column.dtype == np.bool_:
        return pc.if_else(pa.array(column.to_numpy()), "True", "False")
    if pd.api.types.is_integer_dtype(column.dtype):
        return pc.cast(pa.array(column, from_pandas=True), pa.string())
    if isinstance(column.dtype, pd.StringDtype):
        return _quoted(pa.array(column, pa.string(), from_pandas=True))
    narrow = isinstance(column.dtype, np.dtype) and column.dtype.kind == "f"  # whose numbers have few digits
    values = column.to_numpy() if narrow else column.astype(object)
    texts = [None if pd.isna(value) else str(value) for value in values]
    return _quoted(pa.array(texts, pa.string()))


def _numbers(values: np.ndarray) -> pa.Array:  # type: ignore[type-arg]
    """Return numbers as Python writes them; Arrow writes whole, very large and very small ones otherwise."""
    texts = pc.cast(pa.array(values, from_pandas=True), pa.string())
    size = np.abs(values)
    whole = (values == np.floor(values)) & (size < _LARGE)
    if whole.any():
        texts = pc.if_else(pa.array(whole), pc.binary_join_element_wise(texts, ".0", ""), texts)
    odd = ((size > 0) & (size < _SMALL)) | ((size >= _LARGE) & np.isfinite(values))
    if not odd.any():
        return texts
    return pc.replace_with_mask(
        texts, pa.array(odd), pa.array([repr(value) for value in values[odd].tolist()])
    )


def _quoted(texts: pa.Array) -> pa.Array:
    """Return texts, in quotes where one holds a comma, a quote or the end of a line."""
    doubled = pc.binary_join_element_wise('"', pc.replace_substring(texts, '"', '""'), '"', "")
    return pc.if_else(pc.match_substring_regex(texts, '[,"\r\n]'), doubled, texts)


def markdown_text(frame: pd.DataFrame) -> Iterator[str]:
    """Yield a frame as a Markdown table; numbers are rounded to four digits."""
    yield (
        "| "
        + " | ".join(_cell(name) for name in frame.columns)
        + " |\n|"
        + "---|" * len(frame.columns)
        + "\n"
    )
    for row in frame.itertuples(index=False, name=None):
        yield "| " + " | ".join(_cell(value) for value in row) + " |\n"


def _cell(value: object) -> str:
    """Return a value as a cell of a Markdown table; nothing for what is missing."""
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:.{_DIGITS}g}"
    return "" if value is pd.NA or value is None else str(value).replace("|", "\\|").replace("\n", " ")
