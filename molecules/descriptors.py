"""Computed properties of molecules that an encoder is pretrained to predict.

A fixed, named list of RDKit descriptors, chosen for two things: they are cheap (about 1 ms a molecule
in all) and they tell different stories: size and shape, polarity, charge distribution, rings,
topology, composition. They need no measured label, so an encoder that learned them knows nothing about
the labels of a task.

References
----------
.. [1] Labute, "A widely applicable set of descriptors", J. Mol. Graph. Model. 18 (2000) 464 (the VSA sums).
.. [2] Hall, Mohney and Kier, "The electrotopological state", J. Chem. Inf. Comput. Sci. 31 (1991) 76.
.. [3] Nguyen, Blum, van Deursen and Reymond, "Classification of organic molecules by molecular quantum
   numbers", ChemMedChem 4 (2009) 1803 (MQN1 to MQN42).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem, rdBase
from rdkit.Chem import rdMolDescriptors
from rdkit.Chem.EState import EState, EState_VSA

from molecules.parse import as_molecule
from molecules.progress import SILENT, Progress, counted

#: Largest magnitude of a value; what lies beyond is set to it.
LIMIT = 1e5

_PROPERTIES = rdMolDescriptors.Properties()
_ESTATE_VSA = tuple(f"EState_VSA{number}" for number in range(1, 12))
_VSA_ESTATE = tuple(f"VSA_EState{number}" for number in range(1, 11))
_ESTATE_EXTREMES = ("MaxEStateIndex", "MinEStateIndex", "MaxAbsEStateIndex", "MinAbsEStateIndex")


def _numbered(stem: str, count: int) -> tuple[str, ...]:
    return tuple(f"{stem}{number}" for number in range(1, count + 1))


def _estate_sums(mol: Chem.Mol) -> list[float]:
    # RDKit keeps both sums on the molecule, so that only the first call of each computes.
    return [getattr(EState_VSA, name)(mol) for name in _ESTATE_VSA + _VSA_ESTATE]


def _estate_extremes(mol: Chem.Mol) -> list[float]:
    return [getattr(EState, name)(mol, False) for name in _ESTATE_EXTREMES]


# Order matters for speed alone: the first family leaves the Crippen contributions on the molecule,
# which the sums over them use again.
_FAMILIES: tuple[tuple[tuple[str, ...], Callable[[Chem.Mol], Iterable[float]]], ...] = (
    (tuple(_PROPERTIES.GetPropertyNames()), _PROPERTIES.ComputeProperties),
    (_numbered("SlogP_VSA", 12), rdMolDescriptors.SlogP_VSA_),
    (_numbered("SMR_VSA", 10), rdMolDescriptors.SMR_VSA_),
    (_numbered("PEOE_VSA", 14), rdMolDescriptors.PEOE_VSA_),
    (_ESTATE_VSA + _VSA_ESTATE, _estate_sums),
    (_ESTATE_EXTREMES, _estate_extremes),
    (_numbered("MQN", 42), rdMolDescriptors.MQNs_),
)

#: Names of the descriptors, in column order.
NAMES: tuple[str, ...] = tuple(name for names, _ in _FAMILIES for name in names)


@dataclass(frozen=True)
class Descriptors:
    """Descriptors of many molecules.

    Attributes
    ----------
    values : ndarray of float64, shape (molecules, descriptors)
        All finite.
    names : tuple of str
        Names of the columns.
    replaced : int
        How many values were not numbers and became 0.
    """

    values: NDArray[np.float64]
    names: tuple[str, ...]
    replaced: int


def descriptors(molecules: Sequence[str | Chem.Mol], progress: Progress = SILENT) -> Descriptors:
    """Return the descriptors ``NAMES`` of molecules.

    Stated rule for what is no number: NaN becomes 0 and is counted (partial charges of metals);
    everything else is clipped to ``-LIMIT .. LIMIT``.

    Parameters
    ----------
    molecules : sequence of str or rdkit.Chem.Mol
        SMILES or sanitized molecules, each with at least one atom. RDKit may leave results on molecules.
    progress : Progress
        Listener.

    Raises
    ------
    DataError
        If a SMILES cannot be parsed; the message gives its position.
    """
    values = np.empty((len(molecules), len(NAMES)))
    with progress.stage("descriptors", len(molecules)) as advance, rdBase.BlockLogs():
        for row, entry in counted(enumerate(molecules), advance):
            mol = as_molecule(entry, row)
            values[row] = [value for _, compute in _FAMILIES for value in compute(mol)]
    replaced = int(np.isnan(values).sum())
    return Descriptors(np.clip(np.nan_to_num(values, nan=0.0), -LIMIT, LIMIT), NAMES, replaced)
