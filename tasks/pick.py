"""Some labels of a task of several: ``tox21:NR-AR``, ``tox21:NR-AR+SR-p53``."""

from dataclasses import replace

import numpy as np

from molecules.errors import MolmisError, UnknownNameError
from tasks.task import DataOptions, RawRecords, Task

#: What stands between the labels in a name; it occurs in no label.
AND = "+"


def pick_labels(task: Task, text: str) -> Task:
    """Return the task of some labels of a task.

    It is another task, with another name and with records of its own: those that have one of its labels.

    Parameters
    ----------
    task : Task
        A task of several labels.
    text : str
        Names of labels, joined by ``+``. The task does not depend on their order; all of them give ``task``.

    Raises
    ------
    UnknownNameError
        If a label is not one of the task; the message lists the nearest.
    MolmisError
        If the task has one label only, or none is named.
    """
    if len(task.targets) == 1:
        raise MolmisError(
            f"task {task.name} has one label only ({task.targets[0]}), so there is none to pick; "
            f"give --task {task.name}"
        )
    wanted = [label.strip() for label in text.split(AND)]
    if not any(wanted):
        raise MolmisError(
            f"no label of {task.name} is named after the colon; give one, such as "
            f"{task.name}:{task.targets[0]}"
        )
    for label in wanted:
        if label not in task.targets:
            raise UnknownNameError(f"label of {task.name}", label, task.targets)
    places = [place for place, label in enumerate(task.targets) if label in wanted]
    if len(places) == len(task.targets):
        return task
    labels = tuple(task.targets[place] for place in places)

    def load(picked: Task, options: DataOptions) -> RawRecords:
        raw = task.load(task, options)
        return replace(raw, labels=np.ascontiguousarray(raw.labels[:, places]), targets=picked.targets)

    several = f"{len(labels)} labels" if len(labels) > 1 else f"label {labels[0]}"
    return replace(
        task,
        name=f"{task.name}:{AND.join(labels)}",
        targets=labels,
        description=f"The {several} of {len(task.targets)} of {task.name}: {task.description}",
        load=load,
        records=0,  # counted for the whole task only
    )
