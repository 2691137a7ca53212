"""Which releases are attacked, with what, and what is said of those that cannot be."""

from dataclasses import replace

import numpy as np

from benchmark.privacy.attacks import ATTACKS, Signals
from benchmark.privacy.joint_release import joint_scores
from benchmark.privacy.membership import auc
from benchmark.privacy.panel import cross_scored
from benchmark.releases import attack_versions
from tasks.task import Kind
from tests.benchmark.privacy.toys import toy


def three(runs: int = 8) -> dict[str, Signals]:
    return {n: toy(Kind.REGRESSION, 0.5, runs=runs, seed=0) for n in ("float32", "sign", "coarse")}


def test_every_release_has_every_run():
    made = three()
    found = attack_versions(made)
    names = ["float32", *["float32 + sign"] * 2, *["float32 + coarse"] * 2, *["all"] * 2]
    groups = found.groupby(["release", "attack"], sort=False)
    assert [key[0] for key in groups.groups] == names
    assert {key[1] for key in groups.groups} == {"lira", "sum", "joint"}
    assert all(own["run"].tolist() == [*range(8)] for _, own in groups)
    assert found.groupby("release")["versions"].first().to_dict() == {
        "float32": 1, "float32 + sign": 2, "float32 + coarse": 2, "all": 3,
    }  # fmt: skip
    lira = cross_scored(ATTACKS["lira-online-fixed"], made["float32"], made["float32"])
    alone = found[found["attack"] == "lira"]
    np.testing.assert_allclose(alone["auc"], auc(lira, made["float32"].members).of_runs)
    both = found[(found["release"] == "float32 + sign") & (found["attack"] == "joint")]
    scores = joint_scores([made["float32"], made["sign"]])
    np.testing.assert_allclose(both["auc"], auc(scores, made["sign"].members).of_runs)


def test_a_version_that_cannot_be_read_is_no_part_of_all():
    made = three()
    loss = made["coarse"].loss.copy()
    loss[0, 0] = np.inf
    made["coarse"] = replace(made["coarse"], loss=loss)
    made["fine"] = made["sign"]
    found = attack_versions(made)
    told = found[found["release"] == "float32 + coarse"]
    assert told["reason"].tolist() == ["losses not finite"] * 2
    assert set(found.loc[found["release"] == "all", "versions"]) == {3}
    assert set(found.loc[found["release"] == "all", "reason"]) == {""}


def test_few_runs_are_told():
    found = attack_versions(three(runs=6))
    assert set(found["reason"]) == {"6 runs are too few: it takes 8"}
    assert (found["run"] == -1).all()
