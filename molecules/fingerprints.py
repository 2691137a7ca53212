"""Morgan (extended-connectivity) count fingerprints."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem, rdBase
from rdkit.Chem import rdFingerprintGenerator

from molecules.parse import as_molecule
from molecules.progress import SILENT, Progress, counted


def morgan_counts(
    molecules: Sequence[str | Chem.Mol], bits: int = 2048, radius: int = 2, progress: Progress = SILENT
) -> NDArray[np.float32]:
    """Return how often each circular substructure occurs, folded into ``bits`` columns.

    Radius 2 counts what is known as ECFP4 [1]_; stereochemistry is not seen.

    Parameters
    ----------
    molecules : sequence of str or rdkit.Chem.Mol
        SMILES or sanitized molecules.
    bits : int
        Number of columns; substructures that fall on the same column are added up.
    radius : int
        Largest distance from the central atom, in bonds.
    progress : Progress
        Listener.

    Returns
    -------
    ndarray of float32, shape (molecules, bits)

    Raises
    ------
    DataError
        If a SMILES cannot be parsed; the message gives its position.

    References
    ----------
    .. [1] Rogers and Hahn, "Extended-Connectivity Fingerprints", J. Chem. Inf. Model. 50 (2010) 742.
    """
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=radius, fpSize=bits)
    counts = np.empty((len(molecules), bits), dtype=np.float32)
    with progress.stage("fingerprints", len(molecules)) as advance, rdBase.BlockLogs():
        for row, entry in counted(enumerate(molecules), advance):
            counts[row] = generator.GetCountFingerprintAsNumPy(as_molecule(entry, row))
    return counts
