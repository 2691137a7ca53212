"""Frames inside of a page: every figure of them with every digit, in as few bytes as is simple.

A column is a list of codes into its distinct values, or of numbers as they are, whichever is shorter; codes
and numbers are base64 of little-endian arrays. ``data.js`` reads it, and writes pandas' CSV from it.
"""

import base64
import json
from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

#: Whole numbers above this are no longer whole as numbers of JavaScript; they travel as text.
_EXACT = 2**53


def json_text(value: object) -> str:
    """Return JSON that can stand within a script element: nothing in it closes the element or opens a tag."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))  # ASCII alone, so no U+2028 either
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def embedded(name: str, frame: pd.DataFrame) -> tuple[dict[str, object], Iterator[tuple[str, str]]]:
    """Return how the columns of a frame are kept, and what is kept, each piece with the id of its element.

    Parameters
    ----------
    name : str
        What the ids begin with.
    frame : DataFrame
        Any, of columns with distinct names.

    Returns
    -------
    layout : dict
        ``rows``, and for every column its name, kind (``float``, ``int``, ``bool``, ``text``), ids and the
        kinds of arrays.
    pieces : iterator of (str, str)
        Of each array: its id, and its base64.
    """
    columns = [_column(f"{name}-{place}", frame.iloc[:, place]) for place in range(frame.shape[1])]
    layout = {
        "rows": len(frame),
        "columns": [
            {"name": str(label), **told} for label, (told, _) in zip(frame.columns, columns, strict=True)
        ],
    }
    return layout, (piece for _, pieces in columns for piece in pieces)


def _column(name: str, column: pd.Series) -> tuple[dict[str, object], list[tuple[str, str]]]:
    """Return how one column is kept, and its pieces."""
    missing = column.isna().to_numpy(dtype=bool)
    if column.dtype == np.float64 or column.dtype == np.float32:
        return _numbers(name, "float", column.to_numpy(dtype=np.float64), missing)
    if pd.api.types.is_bool_dtype(column.dtype):
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        return _numbers(name, "bool", values, missing)
    if pd.api.types.is_integer_dtype(column.dtype):
        known = column[~missing]
        if known.empty or max(abs(int(known.max())), abs(int(known.min()))) < _EXACT:
            values = column.to_numpy(dtype=np.float64, na_value=np.nan)
            return _numbers(name, "int", values, missing)
    if not isinstance(column.dtype, pd.StringDtype):
        column = column.astype(object).where(~missing, None).map(str, na_action="ignore")
    codes, values = pd.factorize(column, use_na_sentinel=True)
    told, pieces = _coded(name, np.asarray(codes), len(values))
    return {"kind": "text", "values": [str(value) for value in values], **told}, pieces


def _numbers(
    name: str, kind: str, values: NDArray[np.float64], missing: NDArray[np.bool_]
) -> tuple[dict[str, object], list[tuple[str, str]]]:
    """Return a column of numbers: as codes where these and the distinct numbers take less room."""
    bits = np.ascontiguousarray(values).view(np.int64)  # so that 0.0 and -0.0 stay two numbers
    codes, distinct = pd.factorize(bits)
    codes = np.where(missing, -1, codes)
    told, pieces = _coded(name, codes, len(distinct))
    plain = [(f"{name}-n", _base64(np.where(missing, np.nan, values).astype("<f8")))]
    exact = np.asarray(distinct, dtype=np.int64).view(np.float64)
    shorter = (f"{name}-n", _base64(exact.astype("<f8")))
    if len(shorter[1]) + len(pieces[0][1]) < len(plain[0][1]):
        return {"kind": kind, "numbers": shorter[0], **told}, [shorter, *pieces]
    return {"kind": kind, "numbers": plain[0][0]}, plain


def _coded(
    name: str, codes: NDArray[np.intp], distinct: int
) -> tuple[dict[str, object], list[tuple[str, str]]]:
    """Return codes as the smallest whole numbers that hold them; what is missing has the largest one."""
    bits = next(bits for bits in (8, 16, 32) if distinct < 2**bits)
    kept = np.where(codes < 0, 2**bits - 1, codes).astype(f"<u{bits // 8}")
    return {"codes": f"{name}-c", "bits": bits}, [(f"{name}-c", _base64(kept))]


def _base64(values: NDArray[np.generic]) -> str:
    return base64.b64encode(values.tobytes()).decode("ascii")
