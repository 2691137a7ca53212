"""The features of plain organic molecules, most of them computed for thousands of atoms at once.

A getter of RDKit's that is mapped over the atoms of a molecule costs a fifteenth of parsing it. Few calls a
molecule tell everything here:

- the connectivity invariants, one number an atom, are looked up in :func:`molecules.graph_rules.atlas`:
  element, charge, neighbours, hydrogens, rings;
- the matrix of bond orders holds the bonds, in the order of torch-geometric, and what is aromatic;
- which atoms have radicals, and which are stereo centres, is asked as one query, and the stereo of double
  bonds one by one, each only where the SMILES leaves it open.

Hybridization and conjugation follow from these (:mod:`molecules.graph_rules`), so that RDKit need not find
them while it parses; nor need it look for stereo where the SMILES has no mark of it. A molecule that holds
anything else is left to the getters, to which tests hold this module: metals with bonds, charges beyond one,
isotopes, radicals, dummy atoms, unusual valences, dative and other rare bonds.
"""

import re
from array import array
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import rdMolDescriptors, rdqueries

from molecules.graph_features import HYBRIDIZATION_PLACES, STEREO_PLACES, Features
from molecules.graph_rules import MOST_ORDERS, UNKNOWN, rules

#: Atoms a molecule may have: the matrix of its bond orders is a square.
MOST_ATOMS = 150
#: Bytes that matrices may take before their molecules are worked off: what the cache of a core holds.
BLOCK = 1 << 19

# What is known here. Isotopes, other elements, charges beyond one, other stereo marks than @ and @@, bonds
# drawn as $, ~, : or ->, and everything behind a blank are not.
_PLAIN = re.compile(
    r"(?:[BCNOPSFIlrbcnops()=#./\\0-9%-]++"
    r"|\[(?:Cl|Br|Si|Se|Li|Na|K|[BCNOPSFIbcnops])@{0,2}(?:H\d?)?[+-]?\])*+"
)
_RADICAL = rdqueries.NumRadicalElectronsGreaterQueryAtom(0)
_CENTRE = rdqueries.HasChiralTagQueryAtom()

# How a plain SMILES without marks of stereo is parsed: it has no hydrogens to take away and no stereo to
# assign or clean up; bonds to metals are not known here, cleaned up or not; the other two are computed here.
# None of these steps refuses a molecule, so the same ones are refused.
_AS_WRITTEN: Any = Chem.SmilesParserParams()
_AS_WRITTEN.sanitize = False
_AS_WRITTEN.removeHs = False
_SANITIZING = int(Chem.SANITIZE_ALL)
for _step in (
    Chem.SANITIZE_CLEANUP_ORGANOMETALLICS,
    Chem.SANITIZE_SETCONJUGATION,
    Chem.SANITIZE_SETHYBRIDIZATION,
    Chem.SANITIZE_CLEANUPATROPISOMERS,
    Chem.SANITIZE_CLEANUPCHIRALITY,
):
    _SANITIZING &= ~int(_step)

# By twice the order of a bond: its type.
_TYPES = np.array([0, 0, 1, 12, 2, 0, 3], dtype=np.uint8)
# Without and with conjugated bonds, by number of orbitals: the hybridization.
_S, _SP, _SP2, _SP3 = (
    HYBRIDIZATION_PLACES[int(Chem.HybridizationType.names[name])] for name in ("S", "SP", "SP2", "SP3")
)
_HYBRIDIZATIONS = np.array([[_S, _S, _SP, _SP2, _SP3], [_S, _S, _SP, _SP2, _SP2]], dtype=np.uint8)


class PlainGraphs:
    """Features of the plain molecules that are offered, computed block by block.

    Attributes
    ----------
    parts : list of Features
        What was computed.
    left : list of int
        Rows of molecules that turned out not to be plain after all; they are to be asked.
    """

    def __init__(self) -> None:
        self.parts: list[Features] = []
        self.left: list[int] = []
        self._clear()

    def _clear(self) -> None:
        # Numbers in arrays, not objects in lists, which Python's search for garbage would go through.
        self._rows, self._sizes = array("q"), array("q")
        self._keys = array("I")
        self._orders = bytearray()  # the matrices of bond orders, one after another
        self._chirality = array("q")  # place among the atoms of the block, tag
        self._stereo = array("q")  # place among the bond orders of the block, tag

    def takes(self, row: int, smiles: str) -> bool:
        """Take a molecule, which is to stand as ``row``; return False where it is not plain or not valid."""
        if _PLAIN.fullmatch(smiles) is None:
            return False
        centres, turns = "@" in smiles, "/" in smiles or "\\" in smiles
        mol = Chem.MolFromSmiles(smiles) if centres or turns else _parsed_flat(smiles)
        if mol is None or not 0 < mol.GetNumAtoms() <= MOST_ATOMS:
            return False
        # RDKit gives radicals only to atoms whose hydrogens are written down, which takes a bracket.
        if "[" in smiles and len(mol.GetAtomsMatchingQuery(_RADICAL)):
            return False
        orders = Chem.GetAdjacencyMatrix(mol, True)  # useBO
        if centres:
            self._note_centres(mol)
        if turns:
            self._note_double_bonds(mol, orders)
        self._rows.append(row)
        self._sizes.append(len(orders))
        self._keys.extend(rdMolDescriptors.GetConnectivityInvariants(mol))
        self._orders.extend(orders)
        if len(self._orders) > BLOCK:
            self.work_off()
        return True

    def _note_centres(self, mol: Chem.Mol) -> None:
        first, atoms = len(self._keys), mol.GetAtomsMatchingQuery(_CENTRE)
        for atom in map(atoms.__getitem__, range(len(atoms))):  # its iterator costs twice as much
            self._chirality.extend((first + atom.GetIdx(), atom.GetChiralTag()))

    def _note_double_bonds(self, mol: Chem.Mol, orders: NDArray[np.float64]) -> None:
        first, size = len(self._orders) // orders.itemsize, len(orders)
        for source, target in zip(*(ends.tolist() for ends in (orders == 2).nonzero()), strict=True):
            if source < target:
                tag = mol.GetBondBetweenAtoms(source, target).GetStereo()
                for place in (size * source + target, size * target + source):
                    self._stereo.extend((first + place, tag))

    def work_off(self) -> None:
        """Compute the features of what was taken since the last time."""
        if not self._rows:
            return
        rows = np.frombuffer(self._rows, dtype=np.int64)
        bonds = _bonds(np.frombuffer(self._sizes, dtype=np.int64), np.frombuffer(self._orders))
        known, features = _computed(rows, np.frombuffer(self._keys, dtype=np.uint32), bonds)
        if self._chirality:
            place, tag = np.frombuffer(self._chirality, dtype=np.int64).reshape(-1, 2).T
            features.x[place, 1] = tag
        if self._stereo:
            place, tag = np.frombuffer(self._stereo, dtype=np.int64).reshape(-1, 2).T
            features.edge_attr[np.searchsorted(bonds.places, place), 1] = STEREO_PLACES[tag]
        if not known.all():
            self.left += rows[~known].tolist()
            features = _only(features, known)
        self.parts.append(features)
        self._clear()


def _parsed_flat(smiles: str) -> Chem.Mol | None:
    """Parse a SMILES without marks of stereo, leaving out what is computed here or cannot matter."""
    mol = Chem.MolFromSmiles(smiles, _AS_WRITTEN)
    if mol is None or Chem.SanitizeMol(mol, _SANITIZING, True):  # catchErrors: what failed, 0 if nothing did
        return None
    return mol


@dataclass(frozen=True)
class _Bonds:
    """The directed bonds of a block of molecules, ascending by molecule, source and target.

    Attributes
    ----------
    sizes, edges : ndarray of int64, shape (molecules,)
        Atoms and directed bonds of each molecule.
    first : ndarray of int64, shape (atoms,)
        The first atom of each atom's molecule.
    source, target : ndarray of int64, shape (edges,)
        Ends, numbered within the block.
    orders : ndarray of int64, shape (edges,)
        Twice the order.
    places : ndarray of int64, shape (edges,)
        Where the bond stands among the numbers of all matrices.
    reverse : ndarray of int64, shape (edges,)
        Which bond is the same in the other direction.
    """

    sizes: NDArray[np.int64]
    edges: NDArray[np.int64]
    first: NDArray[np.int64]
    source: NDArray[np.int64]
    target: NDArray[np.int64]
    orders: NDArray[np.int64]
    places: NDArray[np.int64]
    reverse: NDArray[np.int64]

    def count(self, chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return how many of each atom's own bonds are chosen, shape (atoms,)."""
        return np.bincount(self.source[chosen], minlength=len(self.first))


def _bonds(sizes: NDArray[np.int64], numbers: NDArray[np.float64]) -> _Bonds:
    """Read the bonds off the matrices of bond orders, which lie one after another."""
    places = np.flatnonzero(numbers)
    of_atom = np.repeat(sizes, sizes)
    line = np.cumsum(of_atom) - of_atom  # where the atom's line of its matrix begins
    first = np.repeat(np.cumsum(sizes) - sizes, sizes)
    source = np.searchsorted(line, places, side="right") - 1
    target = places - line[source] + first[source]
    # 0 where nothing stands: bonds that clean-up makes dative have one direction; their atoms are not known.
    rank = np.zeros(len(numbers), dtype=np.int64)
    rank[places] = np.arange(len(places))
    ends = np.searchsorted(places, np.cumsum(sizes * sizes))
    return _Bonds(
        sizes=sizes,
        edges=np.diff(ends, prepend=0),
        first=first,
        source=source,
        target=target,
        orders=(2 * numbers[places]).astype(np.int64),
        places=places,
        reverse=rank[line[target] + source - first[source]],
    )


def _computed(
    rows: NDArray[np.int64], keys: NDArray[np.uint32], bonds: _Bonds
) -> tuple[NDArray[np.bool_], Features]:
    """Return which molecules hold known atoms only, and features without stereo (of others undefined)."""
    table = rules()
    place = np.minimum(np.searchsorted(table.atlas.keys, keys), len(table.atlas.keys) - 1)
    kind, degree, hydrogens, ring = table.atlas.atoms[place].T
    aromatic = bonds.count(bonds.orders == 3) > 0
    orders = np.bincount(bonds.source, bonds.orders, minlength=len(keys)).astype(np.int64) + 2 * hydrogens
    valence = table.valences[kind, aromatic.astype(np.int64), np.minimum(orders, MOST_ORDERS - 1)]
    orbitals = table.orbitals[kind, degree, valence]
    unknown = (table.atlas.keys[place] != keys) | (valence == UNKNOWN) | (orbitals == UNKNOWN)
    conjugated = _conjugated(bonds, table.conjugates[kind, degree, valence], degree)
    within = (bonds.count(conjugated) > 0) & (degree <= 3)
    x = np.zeros((len(keys), 9), dtype=np.uint8)
    x[:, 0], x[:, 2], x[:, 3], x[:, 4] = table.elements[kind], degree, table.charges[kind], hydrogens
    x[:, 6], x[:, 7], x[:, 8] = _HYBRIDIZATIONS[within.astype(np.int64), orbitals], aromatic, ring
    edge_attr = np.zeros((len(bonds.source), 3), dtype=np.uint8)
    edge_attr[:, 0], edge_attr[:, 2] = _TYPES[bonds.orders], conjugated
    ends = np.stack([bonds.source, bonds.target]) - bonds.first[bonds.source]
    known = np.bincount(np.repeat(np.arange(len(rows)), bonds.sizes)[unknown], minlength=len(rows)) == 0
    return known, Features(rows, x, ends.astype(np.int32), edge_attr, bonds.sizes, bonds.edges)


def _conjugated(bonds: _Bonds, candidate: NDArray[np.bool_], degree: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell which bonds are conjugated, as RDKit's setConjugation does.

    Beside aromatic ones, these are pairs of bonds at one atom of two or three neighbours: a bond of order
    1.5 or more to one candidate, and any bond to another candidate of at most three neighbours.
    """
    middle = (candidate & (degree >= 2) & (degree <= 3))[bonds.source]
    strong = middle & candidate[bonds.target] & (bonds.orders >= 3)
    other = middle & (candidate & (degree <= 3))[bonds.target]
    of_strong, of_other = bonds.count(strong)[bonds.source], bonds.count(other)[bonds.source]
    paired = (strong & (of_other > other)) | (other & (of_strong > strong))
    conjugated: NDArray[np.bool_] = paired | paired[bonds.reverse] | (bonds.orders == 3)
    return conjugated


def _only(features: Features, molecules: NDArray[np.bool_]) -> Features:
    """Keep the features of some molecules."""
    atoms, edges = np.repeat(molecules, features.atoms), np.repeat(molecules, features.edges)
    return replace(
        features,
        rows=features.rows[molecules],
        x=features.x[atoms],
        edge_index=features.edge_index[:, edges],
        edge_attr=features.edge_attr[edges],
        atoms=features.atoms[molecules],
        edges=features.edges[molecules],
    )
