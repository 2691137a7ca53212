"""Twins by hand: tautomers, charges drawn elsewhere, stereoisomers."""

import itertools
import json

import numpy as np
from rdkit import Chem

from molecules.inchikeys import cached_inchikeys, inchikeys
from tasks import twins as module
from tasks.twins import LARGE, TwinReport, Twins, twin_report, twins_of, twins_text
from tests.real_data import wehi_smiles

GLYCINE, AZOLES = ["NCC(=O)O", "[NH3+]CC(=O)[O-]"], ["Cc1c[nH]cn1", "Cc1cnc[nH]1"]
ALANINES = ["C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O"]


def test_by_hand():
    smiles = [Chem.CanonSmiles(text) for text in (*GLYCINE, *AZOLES, *ALANINES, "CN", "C[NH3+]", "*", "*C")]
    assert len(set(smiles)) == 10
    pool, test = smiles[1:8] + smiles[9:], [smiles[0], smiles[8]]
    # across: glycine; within: one azole, and by connectivity one alanine and one amine more
    assert twins_of(smiles, pool, test) == TwinReport(Twins(1, 1), Twins(1, 3), 2)


def test_against_counting_pairs():
    rng = np.random.default_rng(0)
    blocks = rng.choice(["A" * 14, "B" * 14, "C" * 14, "D" * 14], 12)
    keys = [f"{block}-{end}" for block, end in zip(blocks, rng.choice(["X", "Y"], 12), strict=True)]
    keys[3] = ""
    pool, test = keys[:8], keys[8:]
    for found, length in ((twin_report(pool, test).inchikey, 16), (twin_report(pool, test).connectivity, 14)):
        short = [key[:length] for key in pool]
        pairs = itertools.combinations([key for key in short if key], 2)
        later = {place for place, key in enumerate(short) if key and key in short[:place]}
        assert found.within == len(later)
        assert (found.within > 0) == any(one == other for one, other in pairs)
        assert found.across == sum(key in short for key in {key[:length] for key in test})


def test_one_line_where_a_key_stands_twice():
    told = json.loads(json.dumps(TwinReport(Twins(1, 3), Twins(2, 1234), 0).as_dict()))
    said = twins_text(told)
    assert "\n" not in said
    assert "1 in pool and test set; records of the pool that repeat" in said
    assert said.endswith("2 and 1,234.")
    stereo = TwinReport(Twins(0, 0), Twins(2, 5), 0).as_dict()
    assert twins_text(stereo) == twins_text({}) == twins_text("") == ""


def test_of_many_molecules_keys_come_from_the_cache_or_a_report(monkeypatch):
    smiles = [Chem.CanonSmiles(text) for text in wehi_smiles(12)]
    monkeypatch.setattr(module, "LARGE", 11)
    assert twins_of(smiles, smiles[:6], smiles[6:]) is None
    assert cached_inchikeys(smiles) is None  # none was computed
    assert f"more than {LARGE:,} molecules; --report counts them" in twins_text(None)
    counted = twins_of(smiles, smiles[:6], smiles[6:], always=True)
    assert counted == twin_report(inchikeys(smiles[:6]), inchikeys(smiles[6:]))
    assert twins_of(smiles, smiles[:6], smiles[6:]) == counted  # the report has left its keys
