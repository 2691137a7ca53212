"""What encoders are pretrained to do: each is learned, goes on where it stopped, and is another recipe."""

import numpy as np
import pytest
import torch

from models.encoders import pretraining, trainer
from models.encoders.gin import Gin, GinConfig, GinNetwork
from models.encoders.objective_name import Objective
from models.encoders.objectives import AttributeMasking, LocalGlobal
from models.encoders.pretraining import Pretraining
from models.encoders.trainer import Trainer
from molecules.graphs import featurize
from tests.listener import Listener

TINY = GinConfig(width=16, layers=2, dimensions=8)
OTHERS = [Objective.MASKING, Objective.CONTRASTIVE]


@pytest.fixture(scope="module")
def molecules() -> list[str]:
    return pretraining.pretraining_smiles(200)


@pytest.fixture(autouse=True)
def read_once(molecules, monkeypatch):
    monkeypatch.setattr(pretraining, "pretraining_smiles", lambda limit, *_: molecules[:limit])


def short(objective: Objective, **changes) -> Pretraining:
    return Pretraining(**{"epochs": 3, "molecules": 100, "batch_size": 32, "objective": objective, **changes})


def pretext(objective: Objective, graphs):
    if objective is Objective.MASKING:
        return AttributeMasking(graphs, TINY.width)
    return LocalGlobal(graphs, TINY.width, TINY.dimensions)


@pytest.mark.parametrize(("objective", "reached"), [(OTHERS[0], 0.7), (OTHERS[1], 0.2)])
def test_held_out_molecules_are_done_better_after_training(objective, reached, molecules, tmp_path):
    torch.manual_seed(0)
    graphs = featurize(molecules)
    made = Trainer(
        GinNetwork(TINY), pretext(objective, graphs), short(objective, epochs=30, learning_rate=1e-2), "cpu"
    )
    before = made.score()
    made.run(tmp_path / "checkpoint", "key", Listener())
    assert made.score() > max(reached, before + 0.05)


def test_masked_atoms_lose_all_features_and_nothing_else_changes(molecules):
    seen = []

    class Watching(GinNetwork):
        def states(self, batch):
            seen.append(batch)
            return super().states(batch)

    graphs = featurize(molecules)
    index = np.arange(50)
    made = AttributeMasking(graphs, TINY.width)
    logits, elements = made.told(Watching(TINY).eval(), index, [1])
    (hidden,), plain = seen, graphs.select(index)
    changed = (hidden.x != plain.x).any(1)
    assert not hidden.x[changed].any()
    assert torch.equal(elements, plain.x[changed, 0])
    assert logits.shape == (len(elements), 119)
    assert 0.1 < changed.double().mean() < 0.2
    assert torch.equal(hidden.edge_index, plain.edge_index)
    assert torch.equal(made.told(Watching(TINY).eval(), index, [1])[1], elements)  # drawn by the seed alone
    assert not torch.equal(made.told(Watching(TINY).eval(), index, [2])[1], elements)


def test_one_atom_is_masked_where_there_is_but_one():
    graphs = featurize(["C"])
    logits, elements = AttributeMasking(graphs, TINY.width).told(GinNetwork(TINY).eval(), np.array([0]), [0])
    assert elements.tolist() == [6]
    assert len(logits) == 1


def test_local_global_loss_against_a_loop(molecules):
    torch.manual_seed(0)
    graphs, index = featurize(molecules[:5]), np.arange(5)
    made, network = LocalGlobal(graphs, TINY.width, TINY.dimensions), GinNetwork(TINY).eval()
    with torch.no_grad():
        found = made.loss(network, index, [0])
        batch = graphs.batch(0, 5)
        local, whole = made.local(network.states(batch)), made.whole(network(batch))
        own, others = [], []
        for atom, molecule in enumerate(batch.batch.tolist()):
            for other in range(5):
                product = local[atom] @ whole[other] / 128**0.5
                if other == molecule:
                    own.append(torch.log1p(torch.exp(-product)))
                else:
                    others.append(torch.log1p(torch.exp(product)))
    torch.testing.assert_close(found, torch.stack(own).mean() + torch.stack(others).mean())


@pytest.mark.parametrize("objective", OTHERS)
def test_stopped_pretraining_ends_in_the_same_weights(objective, tmp_path, monkeypatch):
    monkeypatch.setenv("MOLMIS_CACHE", str(tmp_path / "whole"))
    whole = Gin(TINY, short(objective)).encode(["CCO", "c1ccccc1O"])
    monkeypatch.setenv("MOLMIS_CACHE", str(tmp_path / "stopped"))
    epoch = trainer.Trainer._epoch

    def stop_in_the_third(self, number, step):
        if number == 2:
            raise KeyboardInterrupt
        epoch(self, number, step)

    monkeypatch.setattr(trainer.Trainer, "_epoch", stop_in_the_third)
    with pytest.raises(KeyboardInterrupt):
        Gin(TINY, short(objective)).prepare()
    monkeypatch.setattr(trainer.Trainer, "_epoch", epoch)
    listener, resumed = Listener(), Gin(TINY, short(objective))
    resumed.prepare(progress=listener)
    assert any("goes on after epoch 2 of 3" in note for note in listener.notes)
    np.testing.assert_array_equal(resumed.encode(["CCO", "c1ccccc1O"]), whole)
    assert np.isfinite(whole).all()


def test_objectives_are_different_recipes_and_the_usual_one_is_not_named():
    keys = {Gin(TINY, short(objective)).key for objective in Objective}
    assert len(keys) == len(Objective)
    assert "objective" not in Pretraining().recipe()
    assert set(Pretraining().recipe()) == {
        "epochs", "batch_size", "learning_rate", "weight_decay", "seed", "molecules", "files", "descriptors",
        "target_clip", "held_out", "warm_up", "loss", "version",
    }  # fmt: skip
