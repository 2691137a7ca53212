"""The table of a cell as a person reads it: in the terminal, as Markdown, and as sentences."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmark.attack_report import attack_frame
from benchmark.cell_runs import CellRuns
from benchmark.joint_report import joint_frame
from benchmark.notes import notes
from benchmark.privacy.aggregate import Aggregate
from benchmark.privacy.indicator_name import Indicator
from benchmark.record_report import picture_path, shown_quantizers, write_records
from benchmark.results import CellResult
from benchmark.tables import table_of
from molecules.cache import atomic_write
from tasks.task import FRESH

MISSING = "–"

#: What :meth:`Report.write` writes: files, and a folder of figures.
REPORT_FILES = ("table.csv", "table.md", "attacks.csv", "joint_release.csv", "records.csv")
FIGURES = "figures"

#: Heads of the columns that a narrow terminal does without, first the one least missed.
LEAST_NEEDED = (
    "coverage",
    "entropy bits",
    "candidates",
    "size",
    "zeros",
    "TPR@1%",
    "stable",
    "mismatched",
    "bits",
)
#: The same for one so narrow that intervals have gone; what is left then is name, r and relative performance.
LAST_TO_GO = ("MIS ≤", "front", "rank", "performance", "LiRA AUC", "gap × 10²")


@dataclass(frozen=True)
class Column:
    """A column for people: its head, and how one row of the table is shown in it.

    ``name`` is what it goes by where the head depends on the task.
    """

    head: str
    show: Callable[[pd.Series], str]
    name: str = ""

    def is_called(self, name: str) -> bool:
        """Tell whether this is the column of that name."""
        return name in (self.head, self.name)

    def without_interval(self) -> "Column":
        """Return the column with the figure alone."""
        return Column(self.head, lambda row: self.show(row).split(" [")[0], self.name)


def number(value: float, form: str = ".3f") -> str:
    """Return a figure as text: ``form``, or three digits where that would show all zeros or many places."""
    if value is None or pd.isna(value):
        return MISSING
    if form.endswith("f") and value != 0:
        places = int(form[1:-1])
        if abs(value) >= 1000 or abs(value) < 0.5 * 10.0**-places:
            return f"{value:.3g}"
    return format(value, form)


def _interval(row: pd.Series, value: str, low: str, high: str, unit: float = 1.0, form: str = ".3f") -> str:
    if pd.isna(row[value]):
        return MISSING
    figure, *bounds = (unit * row[name] for name in (value, low, high))
    # one form for the three, so that they can be compared
    if abs(figure) >= 1000 or (0 < abs(figure) < 0.5 * 10.0 ** -int(form[1:-1])):
        form = ".3g"
    return f"{figure:{form}} [{bounds[0]:{form}}, {bounds[1]:{form}}]"


def rate_text(row: pd.Series) -> str:
    """Return r in units of 1e-4 with its interval; a mark tells a figure within the resolution.

    ``~`` before a plain rate within the noise floor, ``≥`` where no membership effect is told from none.
    """
    sign = "~ " if row["indicator"] == Indicator.PLAIN else "≥ "
    mark = sign if row["below_resolution"] and not pd.isna(row["r"]) else ""
    return mark + _interval(row, "r", "r_low", "r_high", 1e4, ".2f")


def rank_text(row: pd.Series) -> str:
    """Return the rank; with = where it is shared, and its interval where that holds more than the rank."""
    if pd.isna(row["privacy_rank"]):
        return MISSING
    rank, low, high = (row[f"privacy_rank{end}"] for end in ("", "_low", "_high"))
    return f"{rank}{'=' if row['rank_shared'] else ''}" + (f" [{low}–{high}]" if low < high else "")


def tpr_text(row: pd.Series) -> str:
    """Return the true-positive rate at 1 % false positives, or that so few non-members cannot resolve it."""
    if pd.isna(row["tpr_at_1pct"]):
        return MISSING if pd.isna(row["lira_auc"]) else "unresolvable"
    return number(row["tpr_at_1pct"], ".1%")


def full_pool_text(row: pd.Series) -> str:
    """Return the performance of heads trained on the whole pool: mean and standard deviation over them."""
    if pd.isna(row["full_performance"]):
        return MISSING
    return f"{number(row['full_performance'])} ± {number(row['full_sd'])}"


def _bytes(count: int) -> str:
    return f"{count / 1024:.1f} KiB" if count >= 1024 else f"{count} B"


def columns_for(metric_label: str) -> list[Column]:
    """Return the columns shown, in order."""
    return [
        Column("quantizer", lambda row: str(row["quantizer"])),
        Column("bits", lambda row: number(row["bits"], ".2f")),
        Column("entropy bits", lambda row: number(row["entropy_bits"], ".2f")),
        Column("size", lambda row: _bytes(int(row["packed_bytes"]))),
        Column("zeros", lambda row: number(row["zeros"], ".0%")),
        Column("coverage", lambda row: number(row["coverage"], ".1%")),
        Column("candidates", lambda row: number(row["candidates"], ".1f")),
        Column("r × 10⁴", rate_text),
        Column("rank", rank_text),
        Column("stable", lambda row: number(row["rank_stability"], ".0%")),
        Column(
            "gap × 10²",
            lambda row: _interval(row, "generalization_gap", "gap_low", "gap_high", 100, ".2f"),
        ),
        Column("LiRA AUC", lambda row: _interval(row, "lira_auc", "lira_auc_low", "lira_auc_high")),
        Column("mismatched", lambda row: number(row["lira_auc_mismatched"])),
        Column("MIS ≤", lambda row: _interval(row, "mis_bound", "mis_bound_low", "mis_bound_high")),
        Column("TPR@1%", tpr_text),
        Column(
            metric_label,
            lambda row: _interval(row, "performance", "performance_low", "performance_high"),
            "performance",
        ),
        Column("whole pool", full_pool_text),
        Column("relative", lambda row: number(row["relative_performance"])),
        Column("front", lambda row: "★" if row["pareto"] else ""),
    ]


@dataclass(frozen=True)
class Report:
    """Everything said about one cell.

    Attributes
    ----------
    runs : CellRuns
        What was measured.
    table : DataFrame
        One row a quantizer.
    max_drop : float
        Loss of performance within which a quantizer is recommended.
    """

    runs: CellRuns
    table: pd.DataFrame
    max_drop: float

    @classmethod
    def of(
        cls,
        result: CellResult,
        aggregate: Aggregate = Aggregate.MEAN,
        max_drop: float = 0.02,
        indicator: Indicator = Indicator.MEMBERSHIP,
    ) -> "Report":
        """Return the report of a cell's result."""
        runs = CellRuns(result, aggregate, indicator)
        return cls(runs, table_of(runs), max_drop)

    @property
    def metric_name(self) -> str:
        """The main metric, with its unit where that is not the label's."""
        in_spreads = self.runs.facts.get("performance_unit") == "standard deviations"
        return f"{self.runs.metric.label} (in SDs)" if in_spreads else self.runs.metric.label

    @property
    def metric_label(self) -> str:
        """The main metric, with an arrow to its better side."""
        return f"{self.metric_name} {'↑' if self.runs.metric.greater_is_better else '↓'}"

    def title(self) -> str:
        """Return one line that says what was measured."""
        facts = self.runs.facts
        split = "drawn afresh" if facts["split"] == FRESH else f"{facts['split']} split"
        whole = " quantized, too" if self.runs.scope.whole else ""
        return (
            f"{facts['task']} · {facts['encoder']}{whole} · {facts['runs']} runs on random halves of "
            f"{facts['pool']:,} records · {facts['test']:,} test records ({split}) · "
            f"seed {facts['seed']}"
        )

    def notes(self) -> list[str]:
        """Return the sentences below the table."""
        return notes(self.runs, self.table, self.max_drop, self.metric_name)

    def _rows(self) -> list[pd.Series]:
        ranks = self.table["privacy_rank"]
        shared = ranks.notna() & ranks.duplicated(keep=False)
        return [row for _, row in self.table.assign(rank_shared=shared).iterrows()]

    def render(self, console: Console) -> None:
        """Print the table and its notes, leaving out columns of a narrow terminal, least needed first."""
        shown, left_out = self._fitting(console.width)
        console.print(self._table(shown))
        if left_out:
            told = f"Left out of this narrow table: {', '.join(left_out)}; --out DIR writes all of it."
            console.print(told, highlight=False, markup=False)
        for note in self.notes():
            console.print(note, highlight=False, markup=False)

    def _filled(self) -> list[str]:
        """Return the heads of the columns that hold something."""
        shown = columns_for(self.metric_label)
        return [c.head for c in shown if any(c.show(row) not in (MISSING, "") for row in self._rows())]

    def _fitting(self, width: int) -> tuple[list[Column], list[str]]:
        """Return the columns that fit into a width, and what was left out for it."""
        filled = self._filled()
        shown = [column for column in columns_for(self.metric_label) if column.head in filled]
        left_out: list[str] = []

        def leave_out(heads: tuple[str, ...]) -> None:
            for head in heads:
                if self._width(shown) <= width:
                    return
                left_out.extend(column.head for column in shown if column.is_called(head))
                shown[:] = [column for column in shown if not column.is_called(head)]

        leave_out(LEAST_NEEDED)
        if self._width(shown) > width:
            shown[:] = [column.without_interval() for column in shown]
            left_out.append("intervals")
        leave_out(LAST_TO_GO)
        return shown, left_out

    def _width(self, shown: list[Column]) -> int:
        """Return the characters that a table of these columns takes, with its rules and padding."""
        rows = self._rows()
        return 1 + sum(3 + max(len(c.head), *(len(c.show(row)) for row in rows)) for c in shown)

    def _table(self, shown: list[Column]) -> Table:
        table = Table(
            title=escape(self.title()), title_justify="left", title_style="bold", header_style="bold"
        )
        for place, column in enumerate(shown):
            # names may be broken in a very narrow terminal, figures never
            overflow = "fold" if place == 0 else "ellipsis"
            justify = "left" if place == 0 else "right"
            table.add_column(column.head, justify=justify, no_wrap=place > 0, overflow=overflow)  # type: ignore[arg-type]
        for row in self._rows():
            style = "dim" if row["flags"] else "bold green" if row["pareto"] else ""
            table.add_row(*(escape(column.show(row)) for column in shown), style=style)
        return table

    def markdown(self) -> str:
        """Return title, table and notes as Markdown."""
        shown = self._fitting(10_000)[0]
        lines = [f"## {self.title()}", ""]
        lines.append("| " + " | ".join(column.head for column in shown) + " |")
        lines.append("|" + "|".join(":--" if place == 0 else "--:" for place in range(len(shown))) + "|")
        lines += ["| " + " | ".join(column.show(row) for column in shown) + " |" for row in self._rows()]
        return "\n".join([*lines, "", *(f"- {note}" for note in self.notes()), ""])

    def write(self, folder: Path) -> list[Path]:
        """Write the table, what attacks found, and the figures below ``folder``; return the paths."""
        from benchmark.figures import write_figures

        folder.mkdir(parents=True, exist_ok=True)
        csv, md, attacks, joint, records = (folder / name for name in REPORT_FILES)
        with atomic_write(csv) as temporary:
            self.table.to_csv(temporary, index=False)
        with atomic_write(md) as temporary:
            temporary.write_text(self.markdown(), encoding="utf-8")
        paths = [csv, md]
        for path, frame in ((attacks, attack_frame(self.runs)), (joint, joint_frame(self.runs))):
            if len(frame):
                paths.append(path)
                with atomic_write(path) as temporary:
                    frame.to_csv(temporary, index=False)
        shown = shown_quantizers(self.runs, self.table, self.max_drop)
        pictures = {name: picture_path(folder / FIGURES, name) for name in shown}
        paths += write_records(self.runs, records, pictures)
        return [*paths, *write_figures(self.table, self.metric_label, self.title(), folder / FIGURES)]
