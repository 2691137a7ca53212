"""A table of molecules with the predictions of a published head beside it."""

import csv
import io
from pathlib import Path

import numpy as np

from models.artefact import Artefact
from models.predict import predict
from molecules.errors import DataError
from molecules.progress import SILENT, Progress
from tasks.label_columns import is_missing
from tasks.table_file import read_table, smiles_column
from tasks.task import Kind

#: What stands before the name of a label in the name of its column.
PREFIXES = {Kind.CLASSIFICATION: "probability", Kind.REGRESSION: "predicted"}
#: Rows without a molecule that are told one by one.
_TOLD = 5


def predicted_table(
    artefact: Artefact,
    path: Path,
    smiles: str | None = None,
    progress: Progress = SILENT,
    encoder: str | None = None,
) -> str:
    """Return a table as CSV, with a column of predictions for every label.

    Parameters
    ----------
    artefact : Artefact
        The head.
    path : Path
        A CSV or TSV file.
    smiles : str or None
        The column of SMILES; None: the only one with a usual name.
    progress : Progress
        Is told of rows whose SMILES cannot be read.
    encoder : str or None
        As the user names it, where it was made elsewhere.

    Raises
    ------
    MolmisError
        If the table cannot be read, or the head's encoder is not to be had here.
    """
    table = read_table(path, labels=False)
    texts = table.column(smiles or smiles_column(table))
    columns = [f"{PREFIXES[artefact.origin.kind]}_{name}" for name in artefact.origin.targets]
    taken = [name for name in columns if name in table.header]
    if taken:
        raise DataError(
            f"{path} has a column {taken[0]!r} already, where predictions are to stand; rename it"
        )
    found = predict(artefact, ["" if is_missing(text) else text for text in texts], progress, encoder)
    for place in found.unreadable[:_TOLD]:
        progress.note(f"{path}, row {place + 1}: {texts[place][:60]!r} is no molecule; left empty")
    if len(found.unreadable) > _TOLD:
        progress.note(f"{path}: {len(found.unreadable)} of {len(texts)} rows hold no molecule in all")
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*table.header, *columns])
    for row, values in zip(table.rows, found.values, strict=True):
        writer.writerow([*row, *("" if np.isnan(value) else f"{value:.6g}" for value in values)])
    return stream.getvalue()
