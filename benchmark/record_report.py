"""Which records leak most: ``records.csv``, pictures of the most exposed, and a sentence about them."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from benchmark.cell_runs import REFERENCE, CellRuns
from benchmark.choice import recommend
from benchmark.privacy.exposure import FEWEST_RUNS, benjamini_hochberg
from molecules.cache import atomic_write
from tasks.task import Kind, plain_name

#: Molecules in a picture.
SHOWN = 10
#: Labels named under a molecule.
_NAMED = 2
#: Columns that stand before the labels, and after them.
_HEAD = ("quantizer", "record", "smiles", "exposure", "exposure_low", "exposure_high", "rank", "scaffold")
_TAIL = ("member_runs", "p_value", "exposed", "score_difference")


def record_frame(runs: CellRuns) -> pd.DataFrame:
    """Return every record of the pool under every quantizer: what ``records.csv`` holds.

    Parameters
    ----------
    runs : CellRuns
        A measured cell.

    Returns
    -------
    DataFrame
        The columns of ``records.csv`` in docs/columns.md; no ``smiles`` and ``scaffold`` where records are
        vectors; no rows where runs were too few.
    """
    targets = _targets(runs)
    columns = [*_HEAD, *(f"label_{name}" for name in targets), *_TAIL]
    if runs.records is None or not len(runs.records):
        return pd.DataFrame(columns=columns)
    from molecules.scaffolds import scaffolds  # RDKit: a table is read without it

    # grouped once: to look through all records for every quantizer takes as long as to rank them
    groups = dict(iter(runs.records.groupby("quantizer", sort=False)))
    frame = pd.concat([_ranked(groups[name]) for name in runs.names if name in groups], ignore_index=True)
    smiles = list(dict.fromkeys(frame["smiles"]))
    if smiles == [""]:  # vectors
        columns = [name for name in columns if name not in ("smiles", "scaffold")]
    else:
        frame["scaffold"] = frame["smiles"].map(dict(zip(smiles, scaffolds(smiles), strict=True)))
    names = {f"label_{place}": f"label_{name}" for place, name in enumerate(targets)}
    return frame.rename(columns=names)[columns]


def _targets(runs: CellRuns) -> list[str]:
    targets = runs.facts.get("targets")
    return [str(name) for name in targets] if isinstance(targets, list) else []


def _told(runs: CellRuns) -> bool:
    return runs.records is not None and len(runs.records) > 0


def ranked(runs: CellRuns, quantizer: str) -> pd.DataFrame:
    """Return the records of one quantizer, the most exposed first, with ``rank`` and ``exposed``.

    ``rank`` goes by the exposure; where that is the same, by the p-value, then by the mean difference of
    scores. ``exposed``: beyond chance, at a false discovery rate of 5 % (Benjamini & Hochberg) over the
    records of the quantizer.
    """
    if runs.records is None:
        return pd.DataFrame()
    return _ranked(runs.records[runs.records["quantizer"] == quantizer])


def _ranked(own: pd.DataFrame) -> pd.DataFrame:
    own = own.sort_values(
        ["exposure", "p_value", "score_difference"], ascending=[False, True, False], na_position="last"
    )
    known = own["exposure"].notna().to_numpy()
    places = [place if told else None for place, told in enumerate(known, start=1)]
    exposed = benjamini_hochberg(own["p_value"].to_numpy(dtype=float))
    return own.assign(rank=pd.array(places, dtype="Int64"), exposed=exposed).reset_index(drop=True)


def shown_quantizers(runs: CellRuns, table: pd.DataFrame, max_drop: float) -> list[str]:
    """Return whose records are shown: float32, and the recommended or else the most private quantizer."""
    chosen = recommend(runs, max_drop).quantizer
    if chosen is None:
        first = table.loc[table["privacy_rank"] == 1, "quantizer"]
        chosen = str(first.iloc[0]) if len(first) else REFERENCE
    return list(dict.fromkeys([REFERENCE, chosen]))


def record_text(runs: CellRuns, shown: list[str]) -> list[str]:
    """Say how many records are exposed beyond chance, and how far; or why it is not known."""
    if runs.runs < FEWEST_RUNS:
        return [f"Records: {runs.runs} runs are too few to tell single records; it takes {FEWEST_RUNS}."]
    if not _told(runs):
        return []
    said = [_counted(name, own) for name in shown if len(own := ranked(runs, name))]
    if not said:
        return []
    return [
        "Exposure of single records (AUC of LiRA over runs; permutation test, Benjamini-Hochberg 5 %): "
        f"{'; '.join(said)}."
    ]


def _counted(name: str, own: pd.DataFrame) -> str:
    exposed = int(own["exposed"].sum())
    first = own.iloc[0]
    said = f"under {name} {exposed:,} of {len(own):,} are exposed beyond chance"
    if exposed:
        area, low, high = (first[f"exposure{end}"] for end in ("", "_low", "_high"))
        said += f" (the most exposed: {area:.2f} [{low:.2f}, {high:.2f}])"
    return f"{said}, mean {own['exposure'].mean():.3f}"


def write_records(runs: CellRuns, path: Path, shown: Mapping[str, Path]) -> list[Path]:
    """Write ``records.csv`` and the pictures of the most exposed molecules; return the paths.

    Parameters
    ----------
    runs : CellRuns
        A measured cell.
    path : Path
        Of the CSV.
    shown : mapping of str to Path
        Quantizers that are drawn, and where to.
    """
    if not _told(runs):
        return []
    frame = record_frame(runs)
    with atomic_write(path) as temporary:
        frame.to_csv(temporary, index=False)
    paths = [path]
    if "smiles" not in frame:
        return paths
    for quantizer, place in shown.items():
        own = ranked(runs, quantizer)
        if own["exposure"].notna().any():
            with atomic_write(place) as temporary:
                temporary.write_bytes(most_exposed(runs, own))
            paths.append(place)
    return paths


def picture_path(folder: Path, quantizer: str) -> Path:
    """Return where the most exposed molecules under a quantizer are drawn: plain for float32."""
    end = "" if quantizer == REFERENCE else "_" + plain_name(quantizer)
    return folder / f"most_exposed{end}.png"


def most_exposed(runs: CellRuns, own: pd.DataFrame) -> bytes:
    """Return a picture (PNG) of the first of some ranked records, each with rank, exposure and labels."""
    from molecules.pictures import molecule_grid

    first = own[own["exposure"].notna()].head(SHOWN)
    legends = []
    for _, row in first.iterrows():
        area, low, high = (row[f"exposure{end}"] for end in ("", "_low", "_high"))
        said = f"rank {row['rank']}: exposure {area:.2f} [{low:.2f}, {high:.2f}]"
        legends.append(f"{said}\n{_labels_text(runs, row)}")
    return molecule_grid(first["smiles"].tolist(), legends)


def _labels_text(runs: CellRuns, row: pd.Series) -> str:
    """Return the labels of a record in one short line."""
    targets = _targets(runs)
    values = {name: float(row[f"label_{place}"]) for place, name in enumerate(targets)}
    known = {name: value for name, value in values.items() if not np.isnan(value)}
    if len(targets) == 1 or runs.kind is Kind.REGRESSION:
        said = [f"{name} {value:.4g}" for name, value in known.items()]
    else:
        said = [name for name, value in known.items() if value == 1]
        if not said:
            return f"negative in all {len(known)} labels known"
        said[0] = f"positive: {said[0]}"
    more = f" +{len(said) - _NAMED}" if len(said) > _NAMED else ""
    return ", ".join(said[:_NAMED]) + more
