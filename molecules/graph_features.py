"""The features of a molecule as RDKit's getters give them: what every molecule can be asked for.

Features are read column by column: one getter is mapped over the atoms of a molecule, which keeps the loop
inside the interpreter's C code. Atoms are taken by index, because RDKit's atom iterator costs twice as much.
"""

from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import rdchem

#: Number of values of each atom feature: atomic number, chirality, total degree, formal charge (from -5),
#: hydrogens, radical electrons, hybridization, aromatic, in a ring.
ATOM_CARDINALITIES = (119, 9, 11, 12, 9, 5, 8, 2, 2)
#: Number of values of each bond feature: type, stereo, conjugated.
BOND_CARDINALITIES = (22, 6, 2)
#: The charge that torch-geometric's table starts with.
LOWEST_CHARGE = -5

_HYBRIDIZATIONS = ("UNSPECIFIED", "S", "SP", "SP2", "SP3", "SP3D", "SP3D2", "OTHER")
_STEREOS = ("STEREONONE", "STEREOANY", "STEREOZ", "STEREOE", "STEREOCIS", "STEREOTRANS")

_DEGREE = 2  # place of the total degree among the atom features; it has no getter below
_HYDROGENS = 3  # place of the hydrogens among the getters below

# Getter of each atom column; enumeration members are integers, so they go into the arrays as they are.
_ATOM_GETTERS: tuple[Callable[[rdchem.Atom], int], ...] = (
    rdchem.Atom.GetAtomicNum,
    rdchem.Atom.GetChiralTag,
    rdchem.Atom.GetFormalCharge,
    rdchem.Atom.GetTotalNumHs,
    rdchem.Atom.GetNumRadicalElectrons,
    rdchem.Atom.GetHybridization,
    rdchem.Atom.GetIsAromatic,
    rdchem.Atom.IsInRing,
)
_BOND_GETTERS: tuple[Callable[[rdchem.Bond], int], ...] = (
    rdchem.Bond.GetBeginAtomIdx,
    rdchem.Bond.GetEndAtomIdx,
    rdchem.Bond.GetBondType,
    rdchem.Bond.GetStereo,
    rdchem.Bond.GetIsConjugated,
)


@dataclass(frozen=True)
class Features:
    """The features of some molecules, one after another.

    Attributes
    ----------
    rows : ndarray of int64, shape (molecules,)
        Which molecules of the caller's they are.
    x : ndarray of uint8, shape (atoms, 9)
        Atom features.
    edge_index : ndarray of int32, shape (2, edges)
        Source and target of every directed bond, numbered within its molecule, ascending by source and
        then target.
    edge_attr : ndarray of uint8, shape (edges, 3)
        Bond features.
    atoms, edges : ndarray of int64, shape (molecules,)
        Number of atoms and of directed bonds of each molecule.
    """

    rows: NDArray[np.int64]
    x: NDArray[np.uint8]
    edge_index: NDArray[np.int32]
    edge_attr: NDArray[np.uint8]
    atoms: NDArray[np.int64]
    edges: NDArray[np.int64]


class Asked:
    """Features of the molecules that are added, asked of RDKit atom by atom and bond by bond."""

    def __init__(self) -> None:
        self._counts = array("q")
        self._atoms = [array("b") for _ in _ATOM_GETTERS]
        self._bonds = [array(code) for code in "iibbb"]

    def add(self, row: int, mol: Chem.Mol) -> None:
        """Ask a molecule, sanitized, that is to stand as ``row``."""
        atoms = list(map(mol.GetAtomWithIdx, range(mol.GetNumAtoms())))
        bonds = list(map(mol.GetBondWithIdx, range(mol.GetNumBonds())))
        self._counts.extend((row, len(atoms), len(bonds)))
        for column, of_atom in zip(self._atoms, _ATOM_GETTERS, strict=True):
            column.extend(map(of_atom, atoms))
        for column, of_bond in zip(self._bonds, _BOND_GETTERS, strict=True):
            column.extend(map(of_bond, bonds))

    def features(self) -> Features:
        """Return the features of all molecules added, in that order."""
        rows, atom_counts, bond_counts = np.array(self._counts, dtype=np.int64).reshape(-1, 3).T
        atoms, bonds = _stack(self._atoms), _stack(self._bonds[2:])
        ends = np.stack([np.frombuffer(column, dtype=np.int32) for column in self._bonds[:2]])
        first_atom = np.repeat(np.cumsum(atom_counts) - atom_counts, bond_counts)
        # Both directions of a bond side by side, so that the keys are nearly sorted before sorting.
        edges = np.stack([ends, ends[::-1]], axis=-1).reshape(2, -1)
        source = edges[0] + np.repeat(first_atom, 2)
        order = np.argsort(source * len(atoms) + edges[1], kind="stable")
        # Asking RDKit for the total degree would cost one more getter; it is neighbours plus hydrogens.
        degree = np.bincount(source, minlength=len(atoms)).astype(np.int16) + atoms[:, _HYDROGENS]
        return Features(
            rows=rows,
            x=_atom_table(np.insert(atoms, _DEGREE, degree, axis=1)),
            edge_index=edges[:, order],
            edge_attr=np.repeat(_bond_table(bonds), 2, axis=0)[order],
            atoms=atom_counts,
            edges=2 * bond_counts,
        )


def _positions(enumeration: type, table: tuple[str, ...], otherwise: str) -> NDArray[np.int16]:
    """Map the integer of each enumeration member to its place in ``table``, by name."""
    names = {int(value): name for name, value in enumeration.names.items()}  # type: ignore[attr-defined]
    fallback = table.index(otherwise)
    places = np.full(max(names) + 1, fallback, dtype=np.int16)
    for value, name in names.items():
        places[value] = table.index(name) if name in table else fallback
    return places


#: Place in torch-geometric's table of every integer of RDKit's two enumerations that differ from it.
HYBRIDIZATION_PLACES = _positions(rdchem.HybridizationType, _HYBRIDIZATIONS, otherwise="OTHER")
STEREO_PLACES = _positions(rdchem.BondStereo, _STEREOS, otherwise="STEREOANY")


def _stack(columns: Iterable["array[int]"]) -> NDArray[np.int16]:
    """Lay the columns side by side, shape (rows, columns)."""
    return np.stack([np.frombuffer(column, dtype=np.int8) for column in columns], axis=1).astype(np.int16)


def _atom_table(values: NDArray[np.int16]) -> NDArray[np.uint8]:
    """Turn raw atom values into indices of torch-geometric's tables."""
    values[:, 3] -= LOWEST_CHARGE
    values[:, 6] = HYBRIDIZATION_PLACES[values[:, 6]]
    return _within(values, ATOM_CARDINALITIES)


def _bond_table(values: NDArray[np.int16]) -> NDArray[np.uint8]:
    """Turn raw bond values into indices of torch-geometric's tables."""
    values[:, 1] = STEREO_PLACES[values[:, 1]]
    return _within(values, BOND_CARDINALITIES)


def _within(values: NDArray[np.int16], cardinalities: tuple[int, ...]) -> NDArray[np.uint8]:
    """Clip each column to its table; shape (rows, columns)."""
    return np.clip(values, 0, np.array(cardinalities, dtype=np.int16) - 1).astype(np.uint8)
