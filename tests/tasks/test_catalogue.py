import subprocess
import sys

import pytest

from molecules.errors import UnknownNameError
from tasks.catalogue import TASKS, add_task, get_task
from tasks.task import FRESH, Inputs, Kind


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
    assert task.split in {"random", "scaffold"} if task.inputs is Inputs.MOLECULES else task.split == FRESH
    assert (task.files is not None) == (task.inputs is Inputs.MOLECULES)  # what is drawn has no files


def test_the_tasks_are_there():
    assert {"tox21", "delaney", "chembl2321810", "chembl2321810-active", "pains"} <= set(TASKS)
    assert get_task("tox21").main_metric == "roc_auc"
    assert get_task("delaney").main_metric == "rmse"
    assert len(get_task("tox21").targets) == 12


def test_unknown_task_lists_the_nearest():
    with pytest.raises(UnknownNameError, match=r"unknown task 'Tox-21'; nearest: tox21"):
        get_task("Tox-21")


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
