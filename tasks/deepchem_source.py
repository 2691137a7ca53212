"""Tables that DeepChem reads, row by row.

DeepChem is given a featurizer that returns the SMILES as it stands. Its usual ones drop molecules that
RDKit refuses without a word; here every row reaches our own cleaning, which counts them.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from molecules.cache import file_sha256
from molecules.errors import DataError
from molecules.quiet import quiet
from tasks.locate import locate
from tasks.raw_file import RawFile
from tasks.task import DataOptions, RawRecords, Task


@dataclass(frozen=True)
class Source:
    """A raw file that DeepChem reads.

    Attributes
    ----------
    file : RawFile
        The facts of the file.
    loader : str
        Name of the loader (``deepchem.molnet.<loader>``); empty for ``deepchem.data.CSVLoader``, which reads
        any table with a column ``smiles``.
    """

    file: RawFile
    loader: str

    def files(self, _: Task, options: DataOptions) -> tuple[Path, ...]:
        """Return the located and checked file."""
        return (locate(self.file, options),)

    def load(self, task: Task, options: DataOptions) -> RawRecords:
        """Read every row of the located file through DeepChem."""
        path = locate(self.file, options)
        options.progress.note(f"data: reading {path} through DeepChem (some seconds, once)")
        with quiet():
            dataset = _dataset(self.loader, path, task.targets)
        try:
            # DeepChem marks a missing label by weight 0 and writes 0 in its place.
            labels = np.where(dataset.w == 0, np.nan, dataset.y).astype(np.float64)
            smiles = [str(text) for text in dataset.X]
            read = tuple(map(str, dataset.get_task_names()))
        finally:
            shutil.rmtree(dataset.data_dir, ignore_errors=True)  # its temporary copy of the data
        if read != task.targets:  # another release of DeepChem: labels must not change places unseen
            raise DataError(
                f"DeepChem reads other labels from {path} than those of {task.name}; install the release of "
                "DeepChem in constraints.txt"
            )
        return RawRecords(smiles, labels, task.targets, task.kind, str(path), file_sha256(path))


def _dataset(loader: str, path: Path, targets: tuple[str, ...]) -> Any:
    """Return the DeepChem dataset of all rows of ``path``."""
    import deepchem

    class AsWritten(deepchem.feat.Featurizer):  # type: ignore[misc]
        """Keeps the SMILES string."""

        def _featurize(self, datapoint: str, **_: object) -> str:
            return datapoint

    try:
        if not loader:
            reader = deepchem.data.CSVLoader(list(targets), AsWritten(), feature_field="smiles")
            return reader.create_dataset(str(path))
        load = getattr(deepchem.molnet, loader)
        _, (dataset,), _ = load(
            AsWritten(), splitter=None, transformers=[], data_dir=str(path.parent), reload=False
        )
    except ValueError as error:
        raise DataError(
            f"DeepChem cannot read {path}: {error}; every label must be a number or empty"
        ) from error
    return dataset
