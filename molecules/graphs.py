"""Molecules as graphs: the integer features that torch-geometric's ``from_smiles`` gives, made fast.

The features of all molecules lie in one array each, so a batch is a slice of arrays and never a loop
over molecules. Plain organic molecules, which most are, are read in few calls
(:mod:`molecules.plain_graphs`); of all others RDKit is asked for every feature of every atom and bond
(:mod:`molecules.graph_features`). One molecule is parsed at a time: freshly freed memory is used again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from rdkit import Chem, rdBase

from molecules.graph_features import ATOM_CARDINALITIES, BOND_CARDINALITIES, Asked, Features
from molecules.parse import as_molecule
from molecules.plain_graphs import PlainGraphs
from molecules.progress import SILENT, Progress, counted

__all__ = ["ATOM_CARDINALITIES", "BOND_CARDINALITIES", "GraphBatch", "Graphs", "featurize"]


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
    plain, asked = PlainGraphs(), Asked()
    with progress.stage("graphs", len(molecules)) as advance, rdBase.BlockLogs():
        for row, entry in counted(enumerate(molecules), advance):
            if not (isinstance(entry, str) and plain.takes(row, entry)):
                asked.add(row, as_molecule(entry, row))
        plain.work_off()
        for row in plain.left:
            asked.add(row, as_molecule(molecules[row], row))
    return _joined([*plain.parts, asked.features()])


def _joined(parts: Sequence[Features]) -> Graphs:
    """Put the molecules of several parts into one, ascending by row."""
    order = np.argsort(np.concatenate([part.rows for part in parts]))
    atoms, edges = (
        np.concatenate([part.atoms for part in parts]),
        np.concatenate([part.edges for part in parts]),
    )
    atom_rows = _ranges((np.cumsum(atoms) - atoms)[order], atoms[order])
    edge_rows = _ranges((np.cumsum(edges) - edges)[order], edges[order])
    return Graphs(
        x=np.concatenate([part.x for part in parts])[atom_rows],
        edge_index=np.concatenate([part.edge_index for part in parts], axis=1)[:, edge_rows],
        edge_attr=np.concatenate([part.edge_attr for part in parts])[edge_rows],
        atom_offsets=_offsets(atoms[order]),
        edge_offsets=_offsets(edges[order]),
    )


def _offsets(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where each molecule starts, and the end of the last, shape (molecules + 1,)."""
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts, dtype=np.int64)])


def _ranges(starts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the integers ``starts[i] .. starts[i] + counts[i] - 1`` of all i, one after another."""
    before = np.cumsum(counts, dtype=np.int64) - counts
    places: NDArray[np.int64] = np.arange(counts.sum(), dtype=np.int64) + np.repeat(starts - before, counts)
    return places
