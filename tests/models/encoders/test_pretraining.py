"""The pretraining loop: it learns, what is damaged is made again, and what changes it changes its key."""

import dataclasses
import functools

import numpy as np
import pytest
import torch

from models.encoders import graph_encoder, pretraining
from models.encoders.gin import Gin, GinConfig, GinNetwork
from models.encoders.objective_name import Objective
from models.encoders.objectives import DescriptorRegression
from models.encoders.pretraining import Pretraining, embed_graphs, pretrained_file
from models.encoders.pretraining_molecules import MoleculeFile
from models.encoders.trainer import Trainer
from tests.listener import Listener

TINY = GinConfig(width=16, layers=2, dimensions=8)
SHORT = Pretraining(epochs=3, molecules=150, batch_size=32)


@pytest.fixture(scope="module")
def molecules() -> list[str]:
    return pretraining.pretraining_smiles(200)


@pytest.fixture(autouse=True)
def read_once(molecules, monkeypatch):
    """Parsing the 15,000 molecules takes seconds; all these tests use the first few."""
    monkeypatch.setattr(pretraining, "pretraining_smiles", lambda limit, *_: molecules[:limit])


@pytest.fixture
def problem(molecules):
    """Graphs of 200 molecules and two targets that a network can learn: numbers of atoms and of bonds."""
    graphs = pretraining.featurize(molecules)
    batches = [graphs.batch(i, i + 1) for i in range(len(graphs))]
    counts = np.array([(len(b.x), b.edge_index.shape[1] / 2) for b in batches], dtype=np.float32)
    return graphs, torch.from_numpy((counts - counts.mean(0)) / counts.std(0))


def made(problem, config: Pretraining) -> Trainer:
    graphs, targets = problem
    network = GinNetwork(TINY)
    return Trainer(network, DescriptorRegression(graphs, TINY.dimensions, targets), config, "cpu")


def trainer(problem, config: Pretraining) -> Trainer:
    torch.manual_seed(0)
    return made(problem, config)


def test_held_out_molecules_are_predicted_better_after_training(problem, tmp_path):
    one = trainer(problem, Pretraining(epochs=40, batch_size=32, learning_rate=1e-2))
    before = one.score()
    one.run(tmp_path / "checkpoint", "key", Listener())
    assert before < 0.3
    assert one.score() > 0.8
    assert len(one.held_out) == 10
    assert sorted([*one.held_out, *one.train]) == list(range(200))


def test_held_out_molecules_do_not_enter_training(problem, tmp_path):
    graphs, targets = problem
    one, changed = trainer(problem, SHORT), targets.clone()
    changed[one.held_out] = 5.0
    two = trainer((graphs, changed), SHORT)
    for number, each in enumerate((one, two)):
        each.run(tmp_path / str(number), "key", Listener())
    assert all(torch.equal(a, b) for a, b in zip(one.parameters, two.parameters, strict=True))


def test_rate_rises_over_a_tenth_of_the_steps_and_falls_to_zero_along_a_cosine(problem, tmp_path):
    one = trainer(problem, Pretraining(epochs=4, batch_size=19, learning_rate=0.5))
    rates = []
    step = one.optimiser.step
    one.optimiser.step = lambda: (rates.append(one.optimiser.param_groups[0]["lr"]), step())  # type: ignore[method-assign]
    one.run(tmp_path / "checkpoint", "key", Listener())
    share = np.arange(40) / 40  # 190 molecules are 10 batches an epoch
    cosine = 0.5 * (1 + np.cos(np.pi * (share - 0.1) / 0.9))
    np.testing.assert_allclose(rates, 0.5 * np.where(share < 0.1, share / 0.1, cosine))


@pytest.mark.parametrize("stopped_after", [1, 2])
def test_network_and_optimiser_go_on_where_they_were(problem, tmp_path, stopped_after):
    whole = trainer(problem, SHORT)
    whole.run(tmp_path / "whole", "key", Listener())
    part = trainer(problem, SHORT)
    for epoch in range(stopped_after):
        part._epoch(epoch, lambda steps: None)
    part._save(tmp_path / "part", "key", stopped_after)
    torch.manual_seed(99)  # nothing may hang on the state of the generator
    resumed = made(problem, SHORT)
    resumed.run(tmp_path / "part", "key", Listener())
    for (name, one), (_, two) in zip(whole._state(), resumed._state(), strict=True):
        assert torch.equal(one, two), name


def test_damaged_checkpoint_is_told_and_pretraining_begins_anew(own_cache, monkeypatch):
    whole = pretrained_file("k", GinNetwork(TINY), TINY.dimensions, SHORT)
    (own_cache / "encoders" / "k.safetensors").unlink()
    checkpoint = own_cache / "encoders" / "k.checkpoint"
    assert not checkpoint.exists()  # of no use once the weights are there
    checkpoint.write_bytes(b"half a checkpoint")
    listener = Listener()
    again = pretrained_file("k", GinNetwork(TINY), TINY.dimensions, SHORT, progress=listener)
    assert sum("checkpoint is damaged" in note for note in listener.notes) == 1
    assert whole.keys() == again.keys()
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    assert not checkpoint.exists()


def test_damaged_descriptors_are_computed_again(own_cache):
    first = pretrained_file("k", GinNetwork(TINY), TINY.dimensions, SHORT)
    (file,) = own_cache.glob("encoders/descriptors-*")
    file.write_bytes(file.read_bytes()[:-1])
    listener = Listener()
    second = pretrained_file("other", GinNetwork(TINY), TINY.dimensions, SHORT, progress=listener)
    assert any(file.name in note and "damaged" in note for note in listener.notes)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_embeddings_are_standardised_over_the_pretraining_molecules_and_clipped(molecules, monkeypatch):
    encoder = Gin(TINY, SHORT)
    found = encoder.encode(molecules[:150])
    network = encoder._network
    assert network is not None
    raw = embed_graphs(network, pretraining.featurize(molecules[:150])).numpy().astype(np.float64)
    spread = raw.std(0, ddof=1)
    spread = np.maximum(spread, 0.1 * np.sort(spread)[(len(spread) - 1) // 2])  # torch's lower median
    expected = np.clip((raw - raw.mean(0)) / spread, -6, 6)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    monkeypatch.setattr(graph_encoder, "CLIP", 0.5)
    clipped = encoder.encode(molecules[:150])
    assert np.abs(clipped).max() == 0.5
    np.testing.assert_array_equal(clipped, found.clip(-0.5, 0.5))


def changed(config, name: str):
    value = getattr(config, name)
    others = {"molecules": 7, "source": MoleculeFile("0" * 64), "objective": Objective.MASKING}
    return dataclasses.replace(config, **{name: others[name] if name in others else value + 1})


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Pretraining)])
def test_every_field_of_the_pretraining_changes_the_key(name):
    assert Gin(TINY, changed(SHORT, name)).key != Gin(TINY, SHORT).key


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(GinConfig)])
def test_every_field_of_the_architecture_changes_the_key(name):
    assert Gin(changed(TINY, name), SHORT).key != Gin(TINY, SHORT).key


@pytest.mark.parametrize(
    ("module", "name", "value"),
    [
        (pretraining, "TARGET_CLIP", 4.0),
        (pretraining, "NAMES", pretraining.NAMES[:-1]),
        (pretraining, "LIMIT", 1.0),
        (graph_encoder, "TYPICAL_ATOMS", 24.0),
        (graph_encoder, "CLIP", 5.0),
        (graph_encoder, "EMBED_BATCH", 100),
        (pretraining, "HELD_OUT", 0.1),
        (pretraining, "WARM_UP", 0.2),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_constant_that_moves_the_embeddings_changes_the_key(module, name, value, monkeypatch):
    before = Gin(TINY, SHORT).key
    monkeypatch.setattr(module, name, value)
    assert Gin(TINY, SHORT).key != before


def test_the_recipe_holds_no_task():
    from tasks.catalogue import TASKS

    recipe = repr(Gin().recipe())
    assert [name for name in TASKS if name != "pains" and name in recipe] == []
    labels = functools.reduce(set.union, (set(task.targets) for _, task in TASKS.items()), set())
    assert labels.isdisjoint(pretraining.NAMES)
