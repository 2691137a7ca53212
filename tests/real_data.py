"""Where the real files are that tests marked ``data`` need, and the molecules that RDKit carries."""

import csv
import os
from pathlib import Path

import pytest
from rdkit import RDConfig

# Read once, before fixtures that take the variable away.
_FOLDER = Path(os.environ.get("MOLMIS_DATA") or Path(__file__).resolve().parents[2] / "shared" / "datasets")


def real_file(relative: str) -> Path:
    """Return a file of ``$MOLMIS_DATA`` or of ``../shared/datasets``; skip the test where it is absent."""
    path = _FOLDER / relative
    if not path.is_file():
        pytest.skip(f"needs {relative} in MOLMIS_DATA or ../shared/datasets")
    return path


def wehi_smiles(count: int) -> list[str]:
    """Return the first ``count`` of the 10,000 screening compounds in the RDKit package."""
    path = Path(RDConfig.RDDataDir) / "Pains" / "test_data" / "wehi_mols.csv"
    with path.open(newline="") as stream:
        return [row[0] for _, row in zip(range(count), csv.reader(stream), strict=False)]


def nci_smiles(count: int) -> list[str]:
    """Return the first ``count`` molecules of the NCI set in the RDKit package."""
    path = Path(RDConfig.RDDataDir) / "NCI" / "first_5K.smi"
    return [line.split()[0] for line in path.read_text().splitlines() if line.strip()][:count]
