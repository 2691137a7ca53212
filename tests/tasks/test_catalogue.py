import subprocess
import sys
from collections import Counter

import pytest

from benchmark.metrics import METRICS
from molecules.errors import MolmisError, UnknownNameError
from molecules.splits import SPLITS
from tasks.catalogue import TASKS, add_task, get_task
from tasks.task import FRESH, OFFICIAL, Inputs, Kind


@pytest.mark.parametrize("name", TASKS)
def test_every_task_states_its_facts(name):
    task = get_task(name)
    assert task.name == name
    assert task.targets
    assert len(set(task.targets)) == len(task.targets)
    assert isinstance(task.kind, Kind)
    assert task.description.endswith(".")
    assert task.source
    assert task.licence
    splits = {*SPLITS, OFFICIAL} if task.inputs is Inputs.MOLECULES else {FRESH}
    assert task.split in splits
    assert task.main_metric in METRICS[task.kind]
    assert task.records <= task.rows
    assert (task.files is not None) == (task.inputs is Inputs.MOLECULES)  # what is drawn has no files


def test_the_tasks_are_there():
    assert {"tox21", "delaney", "chembl2321810", "chembl2321810-active", "pains"} <= set(TASKS)
    assert get_task("tox21").main_metric == "roc_auc"
    assert get_task("delaney").main_metric == "rmse"
    assert len(get_task("tox21").targets) == 12


def test_unknown_task_lists_the_nearest():
    with pytest.raises(UnknownNameError, match=r"unknown task 'Tox-21'; nearest: tox21"):
        get_task("Tox-21")


MOLECULENET = (
    "tox21 toxcast clintox sider bbbp bace bace-regression hiv muv delaney freesolv lipophilicity qm7 qm8"
)


def test_all_of_moleculenet_and_tdc_is_there():
    assert set(MOLECULENET.split()) <= set(TASKS)
    admet = [task for _, task in TASKS.items() if task.split == OFFICIAL]
    assert len(admet) == 22
    assert all("five trainings" in task.protocol for task in admet)
    assert Counter(task.metric for task in admet) == {"mae": 5, "roc_auc": 8, "pr_auc": 5, "spearman": 4}
    assert len(TASKS["toxcast"].targets) == 617
    assert len(TASKS["qm8"].targets) == 12


def test_labels_are_picked_in_any_order():
    picked = get_task("tox21:SR-p53+NR-AR")
    assert picked == get_task("tox21:NR-AR+SR-p53")
    assert (picked.name, picked.slug) == ("tox21:NR-AR+SR-p53", "tox21-NR-AR-SR-p53")
    assert picked.targets == ("NR-AR", "SR-p53")
    assert picked.metric == "roc_auc"
    assert "2 labels of 12 of tox21" in picked.description
    assert get_task("tox21:" + "+".join(TASKS["tox21"].targets)) is TASKS["tox21"]


def test_a_name_of_many_labels_is_cut_where_it_names_files():
    labels = TASKS["toxcast"].targets
    one, two = (get_task("toxcast:" + "+".join(labels[:count])) for count in (100, 101))
    assert one.slug != two.slug
    assert len(one.slug) < 130


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tox21:nr-ar", "unknown label of tox21 'nr-ar'; nearest: NR-AR, "),
        ("tox21:NR-AR+SR-p35", "unknown label of tox21 'SR-p35'; nearest: SR-p53"),
        ("tox21:", "no label of tox21 is named .* tox21:NR-AR"),
        ("herg:Y", r"task herg has one label only \(Y\)"),
        ("tox12:NR-AR", "unknown task 'tox12'; nearest: tox21"),
    ],
)
def test_labels_that_are_not_there(name, message):
    with pytest.raises(MolmisError, match=message):
        get_task(name)


def test_a_name_is_taken_once():
    with pytest.raises(ValueError, match="registered twice"):
        add_task(get_task("pains"))


def test_listing_tasks_loads_nothing_heavy():
    code = (
        "import sys; from tasks.catalogue import TASKS; list(TASKS); "
        "print({'rdkit', 'torch', 'deepchem', 'pandas', 'pooch'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"
