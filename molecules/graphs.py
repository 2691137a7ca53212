"""Molecules as graphs: the integer features that torch-geometric's ``from_smiles`` gives, made fast.

The features of all molecules lie in one array each, so a batch is a slice of arrays and never a loop
over molecules. Features are read column by column: one RDKit getter is mapped over the atoms of a
molecule, which keeps the loop inside the interpreter's C code. Atoms are taken by index, because
RDKit's atom iterator costs twice as much; one molecule at a time, because freshly freed memory is used
again; and the two stereo columns are not asked for where the SMILES holds no stereo mark, because
getters that return an enumeration cost three times as much as the others.
"""

from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from rdkit import Chem, rdBase
from rdkit.Chem import rdchem

from molecules.parse import as_molecule
from molecules.progress import SILENT, Progress, counted

#: Number of values of each atom feature: atomic number, chirality, total degree, formal charge (from -5),
#: hydrogens, radical electrons, hybridization, aromatic, in a ring.
ATOM_CARDINALITIES = (119, 9, 11, 12, 9, 5, 8, 2, 2)
#: Number of values of each bond feature: type, stereo, conjugated.
BOND_CARDINALITIES = (22, 6, 2)

_LOWEST_CHARGE = -5
_HYBRIDIZATIONS = ("UNSPECIFIED", "S", "SP", "SP2", "SP3", "SP3D", "SP3D2", "OTHER")
_STEREOS = ("STEREONONE", "STEREOANY", "STEREOZ", "STEREOE", "STEREOCIS", "STEREOTRANS")

# Getter of each atom column; enumeration members are integers, so they go into the arrays as they are.
_DEGREE = 2  # place of the total degree among the atom features; it has no getter below
_HYDROGENS = 3  # place of the hydrogens among the getters below
_CHIRALITY, _STEREO = 1, 3  # places of the two stereo columns among the getters below
_STEREO_MARKS = ("@", "/", "\\", "|")  # the last opens ChemAxon's extension, which can hold stereo too

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
class GraphBatch:
    """Graphs side by side as torch-geometric lays them out, ready for message passing.

    Attributes
    ----------
    x : Tensor of int64, shape (atoms, 9)
        Atom features.
    edge_index : Tensor of int64, shape (2, edges)
        Source and target of every directed bond, numbered within the batch.
    edge_attr : Tensor of int64, shape (edges, 3)
        Bond features.
    batch : Tensor of int64, shape (atoms,)
        Which graph of the batch an atom belongs to; ascending.
    num_graphs : int
        Number of graphs, also those without atoms.
    """

    x: torch.Tensor
    edge_index: torch.Tensor
    edge_attr: torch.Tensor
    batch: torch.Tensor
    num_graphs: int


@dataclass(frozen=True)
class Graphs:
    """The graphs of many molecules, one array a feature table.

    Attributes
    ----------
    x : ndarray of uint8, shape (atoms, 9)
        Atom features of all molecules, one after another; see ``ATOM_CARDINALITIES``.
    edge_index : ndarray of int32, shape (2, edges)
        Source and target of every directed bond, numbered within its molecule, ascending by source and
        then target.
    edge_attr : ndarray of uint8, shape (edges, 3)
        Bond features; see ``BOND_CARDINALITIES``.
    atom_offsets, edge_offsets : ndarray of int64, shape (molecules + 1,)
        Molecule i owns atoms ``atom_offsets[i]:atom_offsets[i + 1]``, and edges likewise.
    """

    x: NDArray[np.uint8]
    edge_index: NDArray[np.int32]
    edge_attr: NDArray[np.uint8]
    atom_offsets: NDArray[np.int64]
    edge_offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.atom_offsets) - 1

    @property
    def atoms_per_molecule(self) -> NDArray[np.int64]:
        """Number of atoms of each molecule, shape (molecules,)."""
        return np.diff(self.atom_offsets)

    @property
    def edges_per_molecule(self) -> NDArray[np.int64]:
        """Number of directed bonds of each molecule, shape (molecules,)."""
        return np.diff(self.edge_offsets)

    def batch(self, start: int, stop: int) -> GraphBatch:
        """Return molecules ``start:stop`` (clipped to what there is, like a slice) as one batch."""
        return self.select(np.arange(*slice(start, stop).indices(len(self))))

    def select(self, indices: NDArray[np.int64] | Sequence[int]) -> GraphBatch:
        """Return the molecules at ``indices`` (any order, repeats allowed) as one batch.

        Raises
        ------
        IndexError
            If an index lies outside ``-len(self) .. len(self) - 1``.
        """
        chosen = np.arange(len(self))[np.asarray(indices, dtype=np.int64)]
        atoms, edges = self.atoms_per_molecule[chosen], self.edges_per_molecule[chosen]
        atom_rows = _ranges(self.atom_offsets[chosen], atoms)
        edge_rows = _ranges(self.edge_offsets[chosen], edges)
        first_atom = np.repeat(np.cumsum(atoms) - atoms, edges)
        return GraphBatch(
            x=torch.from_numpy(self.x[atom_rows]).long(),
            edge_index=torch.from_numpy(self.edge_index[:, edge_rows] + first_atom),
            edge_attr=torch.from_numpy(self.edge_attr[edge_rows]).long(),
            batch=torch.from_numpy(np.repeat(np.arange(len(chosen)), atoms)),
            num_graphs=len(chosen),
        )


def featurize(molecules: Sequence[str | Chem.Mol], progress: Progress = SILENT) -> Graphs:
    """Return the graphs of molecules, equal bit for bit to torch-geometric's ``from_smiles``.

    Where torch-geometric refuses a value outside its tables (a formal charge of +7, eleven neighbours),
    the nearest value of the table stands in, so that one unusual molecule does not stop a benchmark.

    Parameters
    ----------
    molecules : sequence of str or rdkit.Chem.Mol
        SMILES or sanitized molecules.
    progress : Progress
        Listener.

    Raises
    ------
    DataError
        If a SMILES cannot be parsed; the message gives its position.
    """
    counts = array("q")
    atom_columns = [array("b") for _ in _ATOM_GETTERS]
    bond_columns = [array(code) for code in "iibbb"]
    of_atoms = [(column.extend, getter) for column, getter in zip(atom_columns, _ATOM_GETTERS, strict=True)]
    of_bonds = [(column.extend, getter) for column, getter in zip(bond_columns, _BOND_GETTERS, strict=True)]
    of_atoms_flat, of_bonds_flat = list(of_atoms), list(of_bonds)
    of_atoms_flat[_CHIRALITY] = (atom_columns[_CHIRALITY].extend, _zero)
    of_bonds_flat[_STEREO] = (bond_columns[_STEREO].extend, _zero)
    with progress.stage("graphs", len(molecules)) as advance, rdBase.BlockLogs():
        for row, entry in counted(enumerate(molecules), advance):
            mol = as_molecule(entry, row)
            atoms = list(map(mol.GetAtomWithIdx, range(mol.GetNumAtoms())))
            bonds = list(map(mol.GetBondWithIdx, range(mol.GetNumBonds())))
            counts.extend((len(atoms), len(bonds)))
            flat = _is_flat(entry)
            for extend, getter in of_atoms_flat if flat else of_atoms:
                extend(map(getter, atoms))
            for extend, getter in of_bonds_flat if flat else of_bonds:
                extend(map(getter, bonds))
    atom_counts, bond_counts = np.frombuffer(counts, dtype=np.int64).reshape(-1, 2).T
    ends = np.stack([np.frombuffer(column, dtype=np.int32) for column in bond_columns[:2]])
    return _assemble(_stack(atom_columns), ends, _stack(bond_columns[2:]), atom_counts, bond_counts)


def _zero(_: object) -> int:
    """Stand in for the getter of a column that is known to be all zeros."""
    return 0


def _is_flat(entry: str | Chem.Mol) -> bool:
    """Tell whether a SMILES certainly has no stereochemistry; of a molecule this is not known."""
    return isinstance(entry, str) and not any(mark in entry for mark in _STEREO_MARKS)


def _assemble(
    atoms: NDArray[np.int16],
    ends: NDArray[np.int32],
    bonds: NDArray[np.int16],
    atom_counts: NDArray[np.int64],
    bond_counts: NDArray[np.int64],
) -> Graphs:
    """Turn one row a bond into two directed edges, sorted by molecule, source and target."""
    offsets = _offsets(atom_counts)
    first_atom = np.repeat(offsets[:-1], bond_counts)
    # Both directions of a bond side by side, so that the keys are nearly sorted before sorting.
    edges = np.stack([ends, ends[::-1]], axis=-1).reshape(2, -1)
    source = edges[0] + np.repeat(first_atom, 2)
    order = np.argsort(source * len(atoms) + edges[1], kind="stable")
    # Asking RDKit for the total degree would cost one more getter; it is neighbours plus hydrogens.
    degree = np.bincount(source, minlength=len(atoms)).astype(np.int16) + atoms[:, _HYDROGENS]
    return Graphs(
        x=_atom_table(np.insert(atoms, _DEGREE, degree, axis=1)),
        edge_index=edges[:, order],
        edge_attr=np.repeat(_bond_table(bonds), 2, axis=0)[order],
        atom_offsets=offsets,
        edge_offsets=_offsets(2 * bond_counts),
    )


def _stack(columns: Iterable["array[int]"]) -> NDArray[np.int16]:
    """Lay the columns side by side, shape (rows, columns)."""
    return np.stack([np.frombuffer(column, dtype=np.int8) for column in columns], axis=1).astype(np.int16)


def _atom_table(values: NDArray[np.int16]) -> NDArray[np.uint8]:
    """Turn raw atom values into indices of torch-geometric's tables."""
    values[:, 3] -= _LOWEST_CHARGE
    values[:, 6] = _positions(rdchem.HybridizationType, _HYBRIDIZATIONS, otherwise="OTHER")[values[:, 6]]
    return _within(values, ATOM_CARDINALITIES)


def _bond_table(values: NDArray[np.int16]) -> NDArray[np.uint8]:
    """Turn raw bond values into indices of torch-geometric's tables."""
    values[:, 1] = _positions(rdchem.BondStereo, _STEREOS, otherwise="STEREOANY")[values[:, 1]]
    return _within(values, BOND_CARDINALITIES)


def _positions(enumeration: type, table: tuple[str, ...], otherwise: str) -> NDArray[np.int16]:
    """Map the integer of each enumeration member to its place in ``table``, by name."""
    names = {int(value): name for name, value in enumeration.names.items()}  # type: ignore[attr-defined]
    fallback = table.index(otherwise)
    places = np.full(max(names) + 1, fallback, dtype=np.int16)
    for value, name in names.items():
        places[value] = table.index(name) if name in table else fallback
    return places


def _within(values: NDArray[np.int16], cardinalities: tuple[int, ...]) -> NDArray[np.uint8]:
    """Clip each column to its table; shape (rows, columns)."""
    return np.clip(values, 0, np.array(cardinalities, dtype=np.int16) - 1).astype(np.uint8)


def _offsets(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where each molecule starts, and the end of the last, shape (molecules + 1,)."""
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts, dtype=np.int64)])


def _ranges(starts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the integers ``starts[i] .. starts[i] + counts[i] - 1`` of all i, one after another."""
    before = np.cumsum(counts, dtype=np.int64) - counts
    places: NDArray[np.int64] = np.arange(counts.sum(), dtype=np.int64) + np.repeat(starts - before, counts)
    return places
