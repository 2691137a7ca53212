"""What ``--list`` prints: names from the registries, with what they are."""

from rich.table import Table

from molecules.errors import MolmisError


def listing(what: str) -> Table:
    """Return the table of all tasks, encoders, quantizers or suites.

    Parameters
    ----------
    what : {"tasks", "encoders", "quantizers", "suites"}
    """
    made = {"tasks": _tasks, "encoders": _encoders, "quantizers": _quantizers, "suites": _suites}
    return made[what]()


def _table(*heads: str) -> Table:
    table = Table(header_style="bold")
    for place, head in enumerate(heads):
        table.add_column(head, no_wrap=place == 0)
    return table


def _tasks() -> Table:
    from tasks.catalogue import TASKS

    table = _table("task", "kind", "labels", "metric", "split", "what is predicted")
    for name, task in TASKS.items():
        table.add_row(
            name, str(task.kind), str(len(task.targets)), task.main_metric, task.split, task.description
        )
    table.caption = "or your own file: --task path/to/assay.csv --smiles COLUMN --target COLUMN"
    return table


def _encoders() -> Table:
    from benchmark.listed import listed

    table = _table("encoder", "what it is")
    for row in listed("encoders"):
        table.add_row(str(row["name"]), str(row["what"]))
    table.caption = (
        "or embeddings of your own: --encoder path/to/embeddings.npz (.parquet, .csv), hf:path/to/folder, "
        "chemprop:path/to/model.pt"
    )
    return table


def _quantizers() -> Table:
    from importlib.metadata import entry_points
    from importlib.util import find_spec

    from benchmark.listed import listed
    from models.entry_points import GROUP

    table = _table("quantizer", "bits", "group", "definition")
    for row in listed("quantizers"):
        group, library = str(row["group"]), str(row["library"])
        if library and find_spec(library) is None:
            group = f"{group}: needs {library}"
        table.add_row(str(row["name"]), f"{row['bits']:.2f}", group, str(row["formula"]))
    if entry_points(group=GROUP):
        _add_installed(table)
    table.caption = (
        "or with parameters of your own: ternary:sparsity=0.8, uniform:bits=7,scale=none; "
        "or a file of your own: path/to/mine.py"
    )
    return table


def _add_installed(table: Table) -> None:
    """Add what installed packages offer."""
    from models.quantizers.user_file import from_package, installed

    for name in installed():
        try:
            quantizer = from_package(name)
        except MolmisError as error:  # one broken package must not hide the others
            table.add_row(name, "", "broken", str(error))
            continue
        table.add_row(name, f"{quantizer.bits:.2f}", "installed", quantizer.formula)


def _suites() -> Table:
    from benchmark.suites import SUITES

    table = _table("suite", "cells", "what it is for", "tasks", "encoders")
    for name, suite in SUITES.items():
        cells = len(suite.tasks) * len(suite.encoders)
        table.add_row(name, str(cells), suite.description, ", ".join(suite.tasks), ", ".join(suite.encoders))
    return table
