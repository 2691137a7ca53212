"""Tasks of MoleculeNet, read by DeepChem's loaders.

DeepChem is given a featurizer that returns the SMILES as it stands. Its usual ones drop molecules that
RDKit refuses without a word; here every row reaches our own cleaning, which counts them.

References
----------
.. [1] Wu et al., "MoleculeNet: a benchmark for molecular machine learning", Chem. Sci. 9 (2018) 513.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from molecules.cache import file_sha256
from molecules.errors import DataError
from molecules.quiet import quiet
from tasks.catalogue import add_task
from tasks.locate import locate
from tasks.raw_file import RawFile
from tasks.task import DataOptions, Kind, RawRecords, Task

_HOST = "https://deepchemdata.s3-us-west-1.amazonaws.com/datasets/"


@dataclass(frozen=True)
class _Source:
    """A raw file, and the name of the DeepChem loader that reads it (``deepchem.molnet.<loader>``)."""

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
            dataset = _dataset(self.loader, path)
        try:
            # DeepChem marks a missing label by weight 0 and writes 0 in its place.
            labels = np.where(dataset.w == 0, np.nan, dataset.y).astype(np.float64)
            smiles = [str(text) for text in dataset.X]
        finally:
            shutil.rmtree(dataset.data_dir, ignore_errors=True)  # its temporary copy of the data
        return RawRecords(smiles, labels, task.targets, task.kind, str(path), file_sha256(path))


def _dataset(loader: str, path: Path) -> Any:
    """Return the DeepChem dataset of all rows of ``path``."""
    import deepchem

    class AsWritten(deepchem.feat.Featurizer):  # type: ignore[misc]
        """Keeps the SMILES string."""

        def _featurize(self, datapoint: str, **_: object) -> str:
            return datapoint

    load = getattr(deepchem.molnet, loader)
    try:
        _, (dataset,), _ = load(
            AsWritten(), splitter=None, transformers=[], data_dir=str(path.parent), reload=False
        )
    except ValueError as error:
        raise DataError(
            f"DeepChem cannot read {path}: {error}; every label must be a number or empty"
        ) from error
    return dataset


_TOX21_TARGETS = (
    "NR-AR",
    "NR-AR-LBD",
    "NR-AhR",
    "NR-Aromatase",
    "NR-ER",
    "NR-ER-LBD",
    "NR-PPAR-gamma",
    "SR-ARE",
    "SR-ATAD5",
    "SR-HSE",
    "SR-MMP",
    "SR-p53",
)

_TOX21 = _Source(
    RawFile(
        collection="moleculenet",
        name="tox21.csv.gz",
        url=_HOST + "tox21.csv.gz",
        sha256="7d7e7facd853a63e79ddce4e9c3fcb7a0d83a1c300b603031c0f2c64fbe77761",
        columns=("smiles", *_TOX21_TARGETS),
    ),
    loader="load_tox21",
)

TOX21 = add_task(
    Task(
        load=_TOX21.load,
        files=_TOX21.files,
        name="tox21",
        kind=Kind.CLASSIFICATION,
        targets=_TOX21_TARGETS,
        description="Activity (0 or 1) in 12 nuclear receptor and stress response assays; 17 % missing.",
        source="Tox21 Data Challenge 2014, https://tripod.nih.gov/tox21/challenge, by way of MoleculeNet",
        licence="not stated",
        split="random",
        metric="roc_auc",
        known_defects="8 of 7,831 rows cannot be parsed by RDKit; actives are rare (3 to 16 % of a label).",
    )
)

_ESOL = "measured log solubility in mols per litre"

_DELANEY = _Source(
    RawFile(
        collection="moleculenet",
        name="delaney-processed.csv",
        url=_HOST + "delaney-processed.csv",
        sha256="8c06a76f0c6487d29ab0f903e6a7a7139f189ab3c1178f159c8be8964602f189",
        columns=("smiles", _ESOL),
    ),
    loader="load_delaney",
)

DELANEY = add_task(
    Task(
        load=_DELANEY.load,
        files=_DELANEY.files,
        name="delaney",
        kind=Kind.REGRESSION,
        targets=(_ESOL,),
        description="ESOL: measured solubility in water, log10 of mol per litre.",
        source="Delaney, J. Chem. Inf. Comput. Sci. 44 (2004) 1000, by way of MoleculeNet",
        licence="not stated",
        split="random",
        metric="rmse",
        known_defects="11 of 1,128 rows repeat a molecule in another SMILES; simple molecules dominate.",
    )
)
