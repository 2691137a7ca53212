"""Every task by name, and the one way from a name to clean records.

Importing this module loads neither RDKit nor DeepChem nor torch: source modules declare their tasks and
import what they need when a task is loaded.
"""

from molecules.errors import MolmisError
from molecules.registry import Registry
from tasks.pick import pick_labels
from tasks.records import Records, load_records
from tasks.task import Task

__all__ = ["TASKS", "Records", "add_task", "get_task", "load_records"]

#: Every task by name. The source modules of this package add theirs when imported.
TASKS: Registry[Task] = Registry("task", "tasks")


#: Tasks that share measurements under several names: who was fitted on one has seen labels of the others.
SAME_MEASUREMENTS = (
    frozenset({"bbbp", "bbb_martins"}),
    frozenset({"lipophilicity", "lipophilicity_astrazeneca"}),
    frozenset({"bace", "bace-regression"}),
    frozenset({"chembl2321810", "chembl2321810-active"}),
)


def add_task(task: Task) -> Task:
    """Add a task to the catalogue under its own name; a name already taken raises ``ValueError``."""
    return TASKS.add(task.name, task)


def get_task(name: str) -> Task:
    """Return the task of a name.

    ``name`` may be followed by a colon, and then by ``parameter=value,...`` where a task has parameters, or
    by labels joined by ``+`` where it has several.

    Raises
    ------
    UnknownNameError
        If there is none, or no such parameter or label; the message lists the nearest names.
    MolmisError
        If the task has neither parameters nor several labels, or a value is not allowed.
    """
    base, colon, rest = name.partition(":")
    if not colon:
        return TASKS[name]
    task = TASKS[base]
    if task.specify is not None:
        return task.specify(rest)
    if "=" in rest and not any("=" in label for label in task.targets):
        having = ", ".join(known for known, other in TASKS.items() if other.specify is not None)
        raise MolmisError(f"task {base} takes no parameters (given: {name!r}); those that do: {having}")
    return pick_labels(task, rest)
