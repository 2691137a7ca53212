"""What is known of the atoms of organic molecules: RDKit's rules for atoms with closed shells, as tables.

The number that RDKit gives an atom (its connectivity invariant) stands for its element, charge, neighbours,
hydrogens, and whether it is in a ring: :func:`atlas` holds the number of every such atom, as RDKit itself
gives it. Hybridization and conjugation follow the rules that RDKit publishes (setHybridization and
setConjugation), put in terms of closed shells, where valences are known.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import rdMolDescriptors

from molecules.graph_features import LOWEST_CHARGE

#: Valences of the atoms that are known here, by element and then charge, the ordinary one first.
VALENCES: Mapping[str, Mapping[int, tuple[int, ...]]] = {
    "B": {0: (3,), -1: (4,)},
    "C": {0: (4,)},
    "N": {0: (3,), 1: (4,), -1: (2,)},
    "O": {0: (2,), 1: (3,), -1: (1,)},
    "Si": {0: (4,)},
    "P": {0: (3, 5), 1: (4,)},
    "S": {0: (2, 4, 6), 1: (3,), -1: (1,)},
    "Se": {0: (2,)},
    **{halogen: {0: (1,), -1: (0,)} for halogen in ("F", "Cl", "Br", "I")},
    **{metal: {1: (0,)} for metal in ("Li", "Na", "K")},
}
#: Elements whose aromatic atoms are known here.
AROMATIC = frozenset({"C", "N", "O", "S"})
#: Orders of an atom's bonds and its hydrogens, twice their sum, lie below this, or the atom is not known.
MOST_ORDERS = 16
#: Stands for what is not known.
UNKNOWN = -1

_MOST_NEIGHBOURS = 4  # hydrogens included
_MOST_ORBITALS = 4


@dataclass(frozen=True)
class Kind:
    """An element with a charge, and what RDKit's table of elements says of it."""

    symbol: str
    charge: int

    @property
    def number(self) -> int:
        """Atomic number."""
        return int(Chem.GetPeriodicTable().GetAtomicNumber(self.symbol))

    @property
    def outer(self) -> int:
        """Outer electrons of the neutral element."""
        return int(Chem.GetPeriodicTable().GetNOuterElecs(self.symbol))

    @property
    def valence(self) -> int:
        """Default valence of the neutral element; -1 where it has none."""
        return int(Chem.GetPeriodicTable().GetDefaultValence(self.symbol))

    def orbitals(self, degree: int, valence: int) -> int:
        """Return neighbours plus lone pairs of an atom without radicals."""
        return degree + (self.outer - valence - self.charge) // 2

    def conjugates(self, degree: int, valence: int) -> bool:
        """Tell whether an atom without radicals can take part in conjugation."""
        if self.charge == 0 and 0 <= self.valence < valence:  # hypervalent
            return False
        if self.number > 10 and self.outer in (5, 6) and not (self.outer == 6 and degree < 2):
            return False
        electrons = self.valence - degree + max(self.outer - self.valence - self.charge, 0)
        return self.valence > 1 and degree <= 3 and electrons > 0


@dataclass(frozen=True)
class Atlas:
    """Atoms by their connectivity invariant, ascending.

    Attributes
    ----------
    keys : ndarray of uint32, shape (atoms,)
        Connectivity invariants.
    atoms : ndarray of int64, shape (atoms, 4)
        Kind, total degree, hydrogens, and whether in a ring.
    """

    keys: NDArray[np.uint32]
    atoms: NDArray[np.int64]


def atlas(kinds: tuple[Kind, ...]) -> Atlas:
    """Return all atoms of some kinds with at most four neighbours, and their numbers as RDKit gives them.

    One molecule is built of all of them, each within its own component, among dummy atoms.
    """
    mol, centres, rows = Chem.RWMol(), [], []
    degrees = range(_MOST_NEIGHBOURS + 1)
    for kind, degree, hydrogens, ring in product(range(len(kinds)), degrees, degrees, (0, 1)):
        neighbours = degree - hydrogens
        if neighbours < 2 * ring:
            continue
        atom = Chem.Atom(kinds[kind].symbol)
        atom.SetFormalCharge(kinds[kind].charge)
        atom.SetNoImplicit(True)
        atom.SetNumExplicitHs(hydrogens)
        centre = mol.AddAtom(atom)
        for _ in range(neighbours):
            mol.AddBond(centre, mol.AddAtom(Chem.Atom(0)), Chem.BondType.SINGLE)
        if ring:
            mol.AddBond(centre + 1, centre + 2, Chem.BondType.SINGLE)
        centres.append(centre)
        rows.append((kind, degree, hydrogens, ring))
    mol.UpdatePropertyCache(strict=False)
    Chem.FastFindRings(mol)
    keys = np.array(rdMolDescriptors.GetConnectivityInvariants(mol), dtype=np.uint32)[centres]
    order = np.argsort(keys)
    return Atlas(keys[order], np.array(rows, dtype=np.int64)[order])


@dataclass(frozen=True)
class Rules:
    """What is known of atoms, as tables.

    Attributes
    ----------
    atlas : Atlas
        Atoms by their numbers.
    elements, charges : ndarray of uint8, shape (kinds,)
        The two features that a kind is made of.
    valences : ndarray of int8, shape (kinds, 2, 16)
        Valence by kind, aromatic or not, and twice the orders of its bonds; -1 where it is not known.
    orbitals : ndarray of int8, shape (kinds, 5, 8)
        Neighbours plus lone pairs by kind, total degree and valence; -1 where there are more than four, or
        more neighbours than the valence allows.
    conjugates : ndarray of bool, shape (kinds, 5, 8)
        Whether it can take part in conjugation.
    """

    atlas: Atlas
    elements: NDArray[np.uint8]
    charges: NDArray[np.uint8]
    valences: NDArray[np.int8]
    orbitals: NDArray[np.int8]
    conjugates: NDArray[np.bool_]


@cache
def rules() -> Rules:
    """Return the tables, made once in a process."""
    kinds = tuple(Kind(symbol, charge) for symbol, charges in VALENCES.items() for charge in charges)
    shape = (len(kinds), _MOST_NEIGHBOURS + 1, MOST_ORDERS // 2)
    valences = np.full((len(kinds), 2, MOST_ORDERS), UNKNOWN, dtype=np.int8)
    orbitals = np.full(shape, UNKNOWN, dtype=np.int8)
    conjugates = np.zeros(shape, dtype=np.bool_)
    for at, kind in enumerate(kinds):
        allowed = VALENCES[kind.symbol][kind.charge]
        for valence in allowed:
            valences[at, 0, 2 * valence] = valence
            for degree in range(min(valence, _MOST_NEIGHBOURS) + 1):  # more takes bonds of no order
                count = kind.orbitals(degree, valence)
                orbitals[at, degree, valence] = count if count <= _MOST_ORBITALS else UNKNOWN
                conjugates[at, degree, valence] = kind.conjugates(degree, valence)
        if kind.symbol in AROMATIC:
            # An aromatic bond counts one and a half: up to that much more than the valence is the same.
            valences[at, 1, 2 * allowed[0] : 2 * allowed[0] + 4] = allowed[0]
    return Rules(
        atlas(kinds),
        np.array([kind.number for kind in kinds], dtype=np.uint8),
        np.array([kind.charge - LOWEST_CHARGE for kind in kinds], dtype=np.uint8),
        valences,
        orbitals,
        conjugates,
    )
