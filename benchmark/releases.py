"""The joint releases of a cell: what leaks if float32 and quantized versions of one model are published."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd

from benchmark.attack import FULL_PRECISION, signals_of
from benchmark.cell_data import CellData
from benchmark.joint_report import ALL, ALONE
from benchmark.privacy.attacks import Signals
from benchmark.privacy.joint_release import SINGLE, joint_scores, single_scores
from benchmark.privacy.panel import figure_rows, why_not
from models.heads import Bank
from models.quantizers import Quantizer
from molecules.progress import SILENT, Progress
from molecules.threads import allowed_threads

#: How several versions are attacked, by the name in the table.
JOINT = ("sum", "joint")


def attack_releases(
    quantizers: Mapping[str, Quantizer],
    data: CellData,
    blocks: Sequence[Bank],
    known: Mapping[str, Signals],
    progress: Progress = SILENT,
) -> pd.DataFrame:
    """Attack float32 alone, with each quantized version, and all versions together.

    Parameters
    ----------
    quantizers : mapping of str to Quantizer
        The versions; ``float32`` is among them.
    data : CellData
        Of the cell.
    blocks : sequence of Bank
        Every block of runs; only the last snapshots, which are published, are looked at.
    known : mapping of str to Signals
        Of the published heads of those quantizers that were attacked by themselves just now.

    Returns
    -------
    DataFrame
        One row per release, attack and run; see :func:`attack_versions`.
    """
    published = [block.keeping([-1]) for block in blocks]
    with progress.stage("joint releases", len(quantizers) + 1) as step:
        versions = {}
        for name, quantizer in quantizers.items():
            versions[name] = known[name] if name in known else signals_of(published, quantizer, data)
            step(1)
        found = attack_versions(versions)
        step(1)
    return found


def attack_versions(versions: Mapping[str, Signals]) -> pd.DataFrame:
    """Attack every release of some versions.

    Parameters
    ----------
    versions : mapping of str to Signals
        By quantizer, ``float32`` among them.

    Returns
    -------
    DataFrame
        One row per release, attack and run: ``release`` ("float32", "float32 + NAME" or "all"), ``versions``
        (how many), ``attack`` ("lira", "sum" or "joint"), ``run`` and the figures of
        :func:`benchmark.privacy.panel.attack_all`; and ``reason`` (why there are none; then one row of
        run -1).
    """
    others = [name for name in versions if name != FULL_PRECISION]
    # what cannot be attacked is no part of the whole: it would take the others with it
    readable = [name for name in others if not why_not(SINGLE, versions[name], versions[name])]
    full = versions[FULL_PRECISION]
    with ThreadPoolExecutor(allowed_threads()) as pool:
        alone = dict(
            zip(readable, pool.map(lambda name: single_scores(versions[name]), readable), strict=True)
        )
        if not why_not(SINGLE, full, full):
            alone[FULL_PRECISION] = single_scores(full)

        def tried(job: tuple[str, str, list[str]]) -> pd.DataFrame:
            release, how, names = job
            head = {"release": release, "versions": len(names), "attack": how}
            reason = next((said for n in names if (said := why_not(SINGLE, versions[n], versions[n]))), "")
            if reason:
                return pd.DataFrame([{**head, "run": -1, "reason": reason}])
            joint = how == "joint"
            scores = joint_scores([versions[n] for n in names]) if joint else sum(alone[n] for n in names)
            return figure_rows(head, np.asarray(scores), full.members)

        jobs = [(FULL_PRECISION, ALONE, [FULL_PRECISION])]
        jobs += [(f"{FULL_PRECISION} + {n}", how, [FULL_PRECISION, n]) for n in others for how in JOINT]
        if readable:
            jobs += [(ALL, how, [FULL_PRECISION, *readable]) for how in JOINT]
        return pd.concat(pool.map(tried, jobs), ignore_index=True)
