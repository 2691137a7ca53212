"""The benchmark of graphs: what it makes of rates, and that its check finds what differs."""

import dataclasses

import pytest

from benchmarks import featurization
from benchmarks.featurization import OURS, Rate, ratios
from molecules.graphs import featurize


def test_ratios_hold_ours_to_every_other():
    found = ratios({OURS: Rate(900.0, 100), "parsing": Rate(1200.0, 100), "peer": Rate(300.0, 10)})
    assert [(ratio.anchor_name, ratio.ratio) for ratio in found] == [("parsing", 0.75), ("peer", 3.0)]
    assert {ratio.unit for ratio in found} == {"molecules/s"}


@pytest.mark.parametrize(("table", "wrong"), [("x", "CCO"), ("edge_index", "CCO"), ("edge_attr", "CCO")])
def test_the_check_names_molecules_whose_graphs_differ(monkeypatch, table, wrong):
    smiles = [
        "C",
        "[NH3][Pt@SP1]([NH3])(Cl)Cl",
        wrong,
        "c1ccccc1",
    ]  # the second is refused by torch-geometric
    assert featurization.differing(smiles) == []

    def broken(molecules):
        graphs = featurize(molecules)
        values = getattr(graphs, table).copy()
        first = graphs.atom_offsets[2] if table == "x" else graphs.edge_offsets[2]
        values[(..., first) if table == "edge_index" else first] += 1
        return dataclasses.replace(graphs, **{table: values})

    monkeypatch.setattr(featurization, "featurize", broken)
    assert featurization.differing(smiles) == [wrong]


def test_contenders_take_smiles():
    smiles = ["CCO", "c1ccccc1O", "CC(=O)N"]
    for contender in featurization.contenders().values():
        assert contender.call(smiles) is not None
