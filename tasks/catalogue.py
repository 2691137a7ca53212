"""Every task by name, and the one way from a name to clean records.

Importing this module loads neither RDKit nor DeepChem nor torch: source modules declare their tasks and
import what they need when a task is loaded.
"""

from molecules.registry import Registry
from tasks.records import Records, load_records
from tasks.task import Task

__all__ = ["TASKS", "Records", "add_task", "get_task", "load_records"]

#: Every task by name. The source modules of this package add theirs when imported.
TASKS: Registry[Task] = Registry("task", "tasks")


def add_task(task: Task) -> Task:
    """Add a task to the catalogue under its own name; a name already taken raises ``ValueError``."""
    return TASKS.add(task.name, task)


def get_task(name: str) -> Task:
    """Return the task called ``name``.

    Raises
    ------
    UnknownNameError
        If there is none; the message lists the nearest names.
    """
    return TASKS[name]
