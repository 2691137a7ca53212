"""``docs/tasks.md``: every task of the catalogue, made from the code."""

from collections.abc import Iterator
from textwrap import fill

from tasks.catalogue import TASKS
from tasks.task import FRESH, OFFICIAL, Task
from tasks.twins import LARGE

#: Labels that are named one by one; of more, the first few are.
_NAMED = 30

_HEAD = """# The tasks

Made by `python -m tasks docs` from the code; see [extending.md](extending.md) for how to add one. *Rows* are
those of the source, *records* those left after cleaning: one a molecule, with at least one label; a dash
where they were not counted. `--report` prints both for your copy of the data, with everything else that
cleaning found and how many of the molecules the encoder saw in its pretraining, and trains nothing:

```bash
python -m benchmark.run --task herg --report
```

`--task tox21:NR-AR` takes one label of several, `--task tox21:NR-AR+SR-p53` some. A file of your own is a
task as well: CSV, TSV, Parquet or an SD file, as in `--task assay.sdf --target pIC50`.

The split holds the test set apart; `--split random`, `scaffold`, `butina` or `fingerprint` replaces it.
*official* is the test set of the source, one record a molecule; of a molecule that it has in its training
set too, the record is of the test set alone. *fresh* records are drawn anew. Only the random split depends on
`--seed`. Of DeepChem's splits by pairs, butina (clusters) takes at most 10,000 molecules, for memory, and
fingerprint (as unlike as can be) 50,000, for time.

Files are looked for in `--data-dir`, `$MOLMIS_DATA`, `../shared/datasets` beside the checkout and the cache,
and then downloaded if their checksum is known. Without one (`sider`, `qm7`, `ames`, `caco2_wang`, `dili`,
`vdss_lombardo`) they are only with `--no-verify`; else the message says where to get the file and where
it goes.

Messages count rows from 1, below the header, in the table that they name (`row 12 of test.csv`).

Cleaning tells molecules apart by canonical SMILES. A substance may still be there twice, as two tautomers or
with its charges drawn elsewhere: `--report` counts, by InChIKey and by its first block (which stereoisomers
and states of protonation share), those that stand in pool and test set, and records of the pool that repeat
another one. They are not merged. A run says in one line where there are some by InChIKey; of more than
{large:,} molecules it takes InChIKeys from the cache only, where `--report` leaves them.

"""


def page() -> str:
    """Return the page as Markdown."""
    heads = ("task", "kind", "rows", "records", "labels", "metric", "split")
    lines = [f"| {' | '.join(heads)} |", "|:--|:--|--:|--:|--:|:--|:--|"]
    tasks = sorted(TASKS.items())
    for name, task in tasks:
        counts = (_count(task.rows), _count(task.records), str(len(task.targets)))
        cells = (f"[{name}](#{_anchor(name)})", str(task.kind), *counts, task.main_metric, task.split)
        lines.append(f"| {' | '.join(cells)} |")
    protocols = dict.fromkeys(task.protocol for _, task in tasks if task.protocol)
    told = [line for protocol in protocols for line in (fill(_plain(protocol), 110), "")]
    parts = [line for name, task in tasks for line in _part(name, task)]
    return _HEAD.format(large=LARGE) + "\n".join([*told, *lines, "", *parts]).rstrip() + "\n"


def _part(name: str, task: Task) -> Iterator[str]:
    """Return what is said of one task."""
    yield f"## {name}"
    yield ""
    yield _plain(task.description)
    yield ""
    if len(task.targets) > 1:
        shown = ", ".join(f"`{label}`" for label in task.targets[:_NAMED])
        more = f" and {len(task.targets) - _NAMED} more" if len(task.targets) > _NAMED else ""
        yield f"* labels: {shown}{more}"
    else:
        yield f"* label: `{task.targets[0]}`"
    yield f"* metric: {task.main_metric}; split: {_split(task)}"
    yield f"* source: {_plain(task.source)}"
    yield f"* licence: {_plain(task.licence)}"
    yield f"* known defects: {_plain(task.known_defects) or 'none known'}"
    yield ""


def _split(task: Task) -> str:
    told = {OFFICIAL: "official (the test table of the source)", FRESH: "fresh (drawn anew)"}
    return told.get(task.split, task.split)


def _count(number: int) -> str:
    return f"{number:,}" if number else "–"


def _anchor(name: str) -> str:
    """Return the anchor that a heading of this name has on code hosts."""
    return name.lower().replace(" ", "-")


def _plain(text: str) -> str:
    return text.replace("|", "\\|")
