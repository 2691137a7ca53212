"""Computed features, held to what RDKit's getters give; test_graphs.py holds those to torch-geometric."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rdkit import Chem, rdBase

from molecules import plain_graphs
from molecules.errors import DataError
from molecules.graph_features import Asked
from molecules.graph_rules import Kind, atlas
from molecules.graphs import Graphs, featurize
from molecules.plain_graphs import MOST_ATOMS, PlainGraphs
from tests.real_data import nci_smiles, wehi_smiles

PLAIN = {
    "an amide": "CC(=O)NC",
    "an anilide, whose nitrogen is conjugated and planar": "CC(=O)Nc1ccccc1",
    "nitrobenzene": "O=[N+]([O-])c1ccccc1",
    "nitrobenzene, uncharged spelling": "O=N(=O)c1ccccc1",
    "azide": "CN=[N+]=[N-]",
    "isocyanide's isomer": "CC#N",
    "allene": "C=C=C",
    "butadiene": "C=CC=C",
    "carbon dioxide": "O=C=O",
    "pyrrole, pyridine and indolizine": "c1cc[nH]c1.c1ccncc1.c1ccn2cccc2c1",
    "pyrrole, Kekulé's spelling": "C1=CNC=C1",
    "furan, thiophene and a pyrylium": "c1ccoc1.c1ccsc1.c1cc[o+]cc1",
    "pyridine oxide": "[O-][n+]1ccccc1",
    "tetrazolate": "c1nn[n-]n1.[Na+]",
    "azulene, whose middle bond is not aromatic": "c1ccc2cccc2cc1",
    "a quinone and a pyridone": "O=C1C=CC(=O)C=C1.O=c1cccc[nH]1",
    "sulfoxide, sulfone, sulfonamide": "CS(C)=O.CS(C)(=O)=O.CS(=O)(=O)Nc1ccccc1",
    "phosphate and phosphonium": "COP(=O)(O)O.C[P+](C)(C)C",
    "an ylide and a phosphine": "C=P(C)(C)C.CP(C)C=C",
    "boronic acid and borate": "OB(O)c1ccccc1.F[B-](F)(F)F.[K+]",
    "silane and selenide": "C[Si](C)(C)C=C.C[Se]C=C",
    "halides": "FC(Cl)(Br)I.[Cl-].[Br-]",
    "oxonium and hydroxide": "C[OH+]C.[OH-].[OH2]",
    "single atoms": "C.N.O.S.F",
    "alanine, and a centre that is none": "C[C@H](N)C(=O)O.C[C@@H](C)N",
    "a chiral sulfoxide": "C[S@](=O)c1ccccc1",
    "double bonds that are turned": r"OC(=O)/C=C/C(=O)O.OC(=O)/C=C\C(=O)O.C/C=C/C=C\C",
    "marks at a bond that cannot turn": "C/C=C(C)/C",
    "marks in an aromatic ring": r"C/1=C/C=C\C=C\1",
    "many rings": "C1CC2CCC1C2.c1ccc2c(c1)[nH]c1ccccc12.C%10CC%10",
    "as many atoms as may be": "C" * MOST_ATOMS,
}
OTHER = {
    "no atoms": "",
    "a metal": "C[Mg]Br",
    "sodium with a bond": "C[Na]",
    "a dative bond": "[NH3]->[Pt](Cl)Cl",
    "a bond that clean-up makes dative": "C[N@](C)(C)[Na].C[C@H](N)O",
    "a quadruple bond": "[Re]$[Re]",
    "any bond": "C~C",
    "an isotope": "[13CH4]",
    "hydrogens": "[H]C([H])[H].[H][H].[H+]",
    "a dummy atom": "*C.[*:1]C",
    "radicals": "CC1(C)CCCC(C)(C)N1[O].[CH3]",
    "a ring with a radical": "[CH]1C=CC=CC=C1",
    "an anion of carbon": "[cH-]1cccc1.[C-]#[O+]",
    "charges beyond one": "[Ca+2].[O-][Cl+3]([O-])([O-])[O-].[O-2]",
    "perchlorate before clean-up": "OCl(=O)(=O)=O",
    "five neighbours": "ClP(Cl)(Cl)(Cl)Cl",
    "four neighbours and a lone pair": "FS(F)(F)F",
    "a centre of sulfur with four neighbours": "C[S@](F)(Cl)Br",
    "six neighbours": "FS(F)(F)(F)(F)F",
    "hypervalent iodine": "CC(=O)OI(OC(C)=O)c1ccccc1",
    "aromatic selenium, boron and phosphorus": "c1cc[se]c1.b1ccccc1.CP1C=CC=C1",
    "arsenic": "C[As](C)C",
    "a square-planar centre": "[NH3][Pt@SP1]([NH3])(Cl)Cl",
    "an extension": "CC=CC |c:1|",
    "a name": "CCO ethanol",
    "too many atoms": "C" * (MOST_ATOMS + 1),
}
TABLES = ("x", "edge_index", "edge_attr")


def asked(smiles: list[str]) -> dict[str, np.ndarray]:
    every = Asked()
    for row, text in enumerate(smiles):
        every.add(row, Chem.MolFromSmiles(text))
    features = every.features()
    return {name: getattr(features, name) for name in TABLES} | {
        "atoms_per_molecule": features.atoms,
        "edges_per_molecule": features.edges,
    }


def assert_as_asked(graphs: Graphs, smiles: list[str]) -> None:
    for name, expected in asked(smiles).items():
        np.testing.assert_array_equal(getattr(graphs, name), expected, err_msg=name)


def computed(smiles: list[str]) -> set[int]:
    plain = PlainGraphs()
    with rdBase.BlockLogs():
        taken = {row for row, text in enumerate(smiles) if plain.takes(row, text)}
    plain.work_off()
    return taken - set(plain.left)


@pytest.mark.parametrize("smiles", PLAIN.values(), ids=PLAIN.keys())
def test_plain_molecules_are_computed_as_the_getters_say(smiles):
    assert computed([smiles]) == {0}
    assert_as_asked(featurize([smiles]), [smiles])


@pytest.mark.parametrize("smiles", OTHER.values(), ids=OTHER.keys())
def test_other_molecules_are_asked(smiles):
    assert computed([smiles]) == set()
    assert_as_asked(featurize([smiles]), [smiles])


@pytest.mark.parametrize("source", [wehi_smiles, nci_smiles])
def test_real_molecules_are_computed_as_the_getters_say(source):
    with rdBase.BlockLogs():
        smiles = [text for text in source(4000) if Chem.MolFromSmiles(text) is not None]
    assert len(computed(smiles)) > 0.95 * len(smiles)
    assert_as_asked(featurize(smiles), smiles)


def test_blocks_and_asked_molecules_between_them_keep_their_places(monkeypatch):
    monkeypatch.setattr(plain_graphs, "BLOCK", 1000)
    smiles = [text for pair in zip(PLAIN.values(), OTHER.values(), strict=False) for text in pair] * 3
    assert_as_asked(featurize(smiles), smiles)


PIECES = (
    *(
        "C",
        "N",
        "O",
        "S",
        "P",
        "B",
        "F",
        "Cl",
        "I",
        "c",
        "n",
        "o",
        "s",
        "[nH]",
        "[n+]",
        "[o+]",
        "[s+]",
        "[n-]",
    ),
    *(
        "[N+]",
        "[N-]",
        "[O-]",
        "[O+]",
        "[S+]",
        "[S-]",
        "[NH+]",
        "[NH3+]",
        "[B-]",
        "[P+]",
        "[Si]",
        "[Se]",
        "[C]",
    ),
    *(
        "[CH2]",
        "[CH]",
        "[N]",
        "[O]",
        "[SH4]",
        "[Na+]",
        "[Na]",
        "[C-]",
        "[c-]",
        "[C+]",
        "[c+]",
        "[Fe]",
        "[13C]",
    ),
    *(
        "[n-]",
        "[C]",
        "[13C]",
        "*",
        "[H]",
        "[C@H]",
        "[C@@]",
        "[S@]",
        "[N@+]",
        "=",
        "#",
        "/",
        "\\",
        "-",
        ":",
        "$",
        "~",
        "->",
    ),
    *("(", ")", "(=O)", "(C)", "(=O)(=O)", "[N+](=O)[O-]", "N(=O)=O", "C#N", "C=C", "/C=C/", "/C=C\\"),
    *("1", "2", "1", "2", "c1ccccc1", "c1ccncc1", "c1cc[nH]c1", "C1=CC=CC=C1", "c1ccsc1", "C1CC1", "."),
)


@settings(max_examples=600, deadline=None)
@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=14).map("".join))
@example("C[c-]1cccc1")
@example("[CH]1C=CC=C1")
def test_any_smiles_is_refused_by_rdkit_or_computed_as_the_getters_say(smiles):
    with rdBase.BlockLogs():
        valid = Chem.MolFromSmiles(smiles) is not None
    if valid:
        assert_as_asked(featurize([smiles]), [smiles])
    else:
        with pytest.raises(DataError, match="cannot be parsed"):
            featurize([smiles])


def test_no_two_atoms_have_one_number():
    symbols = map(Chem.GetPeriodicTable().GetElementSymbol, range(1, 119))
    every = atlas(tuple(Kind(symbol, charge) for symbol in symbols for charge in range(-5, 7)))
    assert len(np.unique(every.keys)) == len(every.keys) > 25_000
    assert len(np.unique(every.atoms, axis=0)) == len(every.atoms)


def test_the_atlas_gives_the_atoms_of_a_molecule():
    kinds = (Kind("C", 0), Kind("N", 1))
    known = atlas(kinds)
    mol = Chem.MolFromSmiles("C1CC1C[NH3+]")
    numbers = np.array(plain_graphs.rdMolDescriptors.GetConnectivityInvariants(mol), dtype=np.uint32)
    found = known.atoms[np.searchsorted(known.keys, numbers)].tolist()
    # kind, neighbours and hydrogens, hydrogens, in a ring
    assert found == [[0, 4, 2, 1], [0, 4, 2, 1], [0, 4, 1, 1], [0, 4, 2, 0], [1, 4, 3, 0]]


def test_what_rdkits_rules_say_of_single_kinds_of_atoms():
    # lone pairs: water's oxygen has two, so four orbitals; carbon has none
    assert Kind("O", 0).orbitals(degree=2, valence=2) == 4
    assert Kind("C", 0).orbitals(degree=3, valence=4) == 3
    assert Kind("N", 1).orbitals(degree=4, valence=4) == 4
    assert Kind("O", 0).conjugates(degree=2, valence=2)  # of a carboxylic acid
    assert not Kind("S", 0).conjugates(degree=2, valence=2)  # of a thioether
    assert Kind("S", 0).conjugates(degree=1, valence=2)  # of a thioketone
    assert not Kind("C", 0).conjugates(degree=4, valence=4)
    assert not Kind("F", 0).conjugates(degree=1, valence=1)
