"""Batches of several models at once, of one shape: what torch can run side by side."""

import numpy as np
import torch
from numpy.typing import NDArray

from molecules.graphs import GraphBatch, Graphs


def padded(graphs: Graphs, index: NDArray[np.int64]) -> GraphBatch:
    """Return a batch of each of R models, padded to one shape.

    The last graph of every batch is made of what fills it up: atoms, at least one, whose bonds go from the
    last of them to itself. No bond joins it to a molecule, so that what a network makes of the others is what
    it makes of them alone, as long as it mixes atoms along bonds and within molecules only.

    Parameters
    ----------
    graphs : Graphs
        What molecules are taken from.
    index : ndarray of int, shape (R, B)
        The molecules of every batch.

    Returns
    -------
    GraphBatch
        Every tensor with a leading axis R; ``num_graphs`` is B + 1.
    """
    models, molecules = index.shape
    whole = graphs.select(index.reshape(-1))
    atoms = graphs.atoms_per_molecule[index].sum(1)
    edges = graphs.edges_per_molecule[index].sum(1)
    most_atoms, most_edges = int(atoms.max()) + 1, int(edges.max())
    # where every atom and bond of the batches laid one after another comes to stand
    of_atoms, of_edges = (np.repeat(np.arange(models), counts) for counts in (atoms, edges))
    first_atom, first_edge = (np.cumsum(counts) - counts for counts in (atoms, edges))
    atom = np.arange(len(of_atoms)) - first_atom[of_atoms]
    edge = np.arange(len(of_edges)) - first_edge[of_edges]
    x = torch.zeros(models, most_atoms, whole.x.shape[1], dtype=whole.x.dtype)
    x[of_atoms, atom] = whole.x
    batch = torch.full((models, most_atoms), molecules)
    batch[of_atoms, atom] = whole.batch - torch.from_numpy(of_atoms) * molecules
    edge_index = torch.full((models, 2, most_edges), most_atoms - 1, dtype=whole.edge_index.dtype)
    edge_index[of_edges, :, edge] = (whole.edge_index - torch.from_numpy(first_atom[of_edges])).T
    edge_attr = torch.zeros(models, most_edges, whole.edge_attr.shape[1], dtype=whole.edge_attr.dtype)
    edge_attr[of_edges, edge] = whole.edge_attr
    return GraphBatch(x, edge_index, edge_attr, batch, molecules + 1)
