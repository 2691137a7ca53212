"""The Bemis-Murcko scaffold of a molecule: its rings and what links them."""

from collections.abc import Sequence

from rdkit import rdBase
from rdkit.Chem.Scaffolds import MurckoScaffold

from molecules.parse import as_molecule, canonical


def scaffolds(smiles: Sequence[str]) -> list[str]:
    """Return the scaffold of every molecule, as canonical SMILES; empty for one without rings.

    Parameters
    ----------
    smiles : sequence of str
        SMILES that RDKit parses.

    Raises
    ------
    DataError
        If RDKit refuses a SMILES.

    References
    ----------
    Bemis and Murcko, "The properties of known drugs. 1. Molecular frameworks", J. Med. Chem. 39 (1996) 2887.
    """
    with rdBase.BlockLogs():
        mols = [as_molecule(text, row) for row, text in enumerate(smiles)]
        return [canonical(MurckoScaffold.GetScaffoldForMol(mol)) for mol in mols]  # type: ignore[no-untyped-call]
