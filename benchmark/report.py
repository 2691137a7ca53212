"""The table of a cell as a person reads it: in the terminal, as Markdown, and as sentences."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table

from benchmark.metrics import metric_named
from benchmark.privacy.aggregate import Aggregate
from benchmark.results import CellResult
from benchmark.tables import agreement, recommend, summarise
from molecules.cache import atomic_write
from tasks.task import Kind

MISSING = "–"

#: What :meth:`Report.write` writes: two files, and a folder of figures.
REPORT_FILES = ("table.csv", "table.md")
FIGURES = "figures"

#: Heads of the columns that a narrow terminal does without, first the one least missed.
LEAST_NEEDED = ("coverage", "entropy bits", "size", "zeros", "stable", "bits")


@dataclass(frozen=True)
class Column:
    """A column for people: its head, and how one row of the table is shown in it."""

    head: str
    show: Callable[[pd.Series], str]

    def without_interval(self) -> "Column":
        """Return the column with the figure alone."""
        return Column(self.head, lambda row: self.show(row).split(" [")[0])


def _number(value: float, form: str = ".3f") -> str:
    return MISSING if value is None or pd.isna(value) else format(value, form)


def _interval(row: pd.Series, value: str, low: str, high: str, form: str = ".3f") -> str:
    if pd.isna(row[value]):
        return MISSING
    return f"{row[value]:{form}} [{row[low]:{form}}, {row[high]:{form}}]"


def rate_text(row: pd.Series) -> str:
    """Return r in units of 1e-4 with its interval; ~ marks a figure within the noise floor."""
    if pd.isna(row["r"]):
        return MISSING
    mark = "~ " if row["below_resolution"] else ""
    return f"{mark}{1e4 * row['r']:.2f} [{1e4 * row['r_low']:.2f}, {1e4 * row['r_high']:.2f}]"


def _bytes(count: int) -> str:
    return f"{count / 1024:.1f} KiB" if count >= 1024 else f"{count} B"


def columns_for(metric_label: str) -> list[Column]:
    """Return the columns shown, in order."""
    return [
        Column("quantizer", lambda row: str(row["quantizer"])),
        Column("bits", lambda row: _number(row["bits"], ".2f")),
        Column("entropy bits", lambda row: _number(row["entropy_bits"], ".2f")),
        Column("size", lambda row: _bytes(int(row["packed_bytes"]))),
        Column("zeros", lambda row: _number(row["zeros"], ".0%")),
        Column("coverage", lambda row: _number(row["coverage"], ".1%")),
        Column("r × 10⁴", rate_text),
        Column("rank", lambda row: MISSING if pd.isna(row["privacy_rank"]) else str(row["privacy_rank"])),
        Column("stable", lambda row: _number(row["rank_stability"], ".0%")),
        Column("gap × 10²", _gap_text),
        Column(
            metric_label, lambda row: _interval(row, "performance", "performance_low", "performance_high")
        ),
        Column("relative", lambda row: _number(row["relative_performance"])),
        Column("front", lambda row: "★" if row["pareto"] else ""),
    ]


def _gap_text(row: pd.Series) -> str:
    if pd.isna(row["generalization_gap"]):
        return MISSING
    gap, low, high = (100 * row[name] for name in ("generalization_gap", "gap_low", "gap_high"))
    form = ".2f" if abs(gap) < 1000 else ".2g"
    return f"{gap:{form}} [{low:{form}}, {high:{form}}]"


@dataclass(frozen=True)
class Report:
    """Everything said about one cell.

    Attributes
    ----------
    result : CellResult
        What was measured.
    table : DataFrame
        One row a quantizer.
    max_drop : float
        Loss of performance within which a quantizer is recommended.
    """

    result: CellResult
    table: pd.DataFrame
    aggregate: Aggregate
    max_drop: float

    @classmethod
    def of(
        cls, result: CellResult, aggregate: Aggregate = Aggregate.MEAN, max_drop: float = 0.02
    ) -> "Report":
        """Return the report of a cell's result."""
        return cls(result, summarise(result, aggregate), aggregate, max_drop)

    @property
    def metric_label(self) -> str:
        """The main metric, with an arrow to its better side."""
        metric = metric_named(Kind(str(self.result.facts["kind"])), str(self.result.facts["metric"]))
        return f"{metric.label} {'↑' if metric.greater_is_better else '↓'}"

    def title(self) -> str:
        """Return one line that says what was measured."""
        facts = self.result.facts
        return (
            f"{facts['task']} · {facts['encoder']} · {facts['runs']} runs on random halves of "
            f"{facts['pool']:,} records · {facts['test']:,} test records ({facts['split']} split) · "
            f"seed {facts['seed']}"
        )

    def notes(self) -> list[str]:
        """Return the sentences below the table."""
        floor = float(self.table["resolution"].iloc[0])
        return [
            f"r: larger = more private ({self.aggregate} over runs, 95 % bootstrap interval, noise floor "
            f"subtracted). Resolution {1e4 * floor:.2f} × 10⁻⁴; ~ marks figures within it. "
            "r ranks the quantizers of one task; it is no absolute measure of what leaks.",
            "gap: mean loss of non-members less that of members, of the published head; "
            "smaller = more private.",
            *self._not_told_apart(),
            *self._agreement(),
            *self._flagged(),
            *self._recommendation(),
        ]

    def _not_told_apart(self) -> list[str]:
        names = self.table.loc[self.table["below_resolution"] & self.table["r"].notna(), "quantizer"]
        if len(names) < 2:
            return []
        return [f"r does not tell these apart (all within its resolution): {', '.join(names)}."]

    def _agreement(self) -> list[str]:
        found = agreement(self.result, self.aggregate)
        if math.isnan(found.spearman):
            return ["Too few quantizers to compare the order by r with the order by the gap."]
        return [
            f"r and the gap order the quantizers with a Spearman correlation of {found.spearman:.2f} "
            f"[{found.low:.2f}, {found.high:.2f}]"
            + (": they disagree, so read both columns." if found.spearman < 0.7 else ".")
        ]

    def _flagged(self) -> list[str]:
        flagged = self.table[self.table["flags"] != ""]
        return [f"Flag {row['quantizer']}: {row['flags']}." for _, row in flagged.iterrows()]

    def _recommendation(self) -> list[str]:
        """Say in one line which quantizer to take; by the gap where r does not tell those that fit apart."""
        by_r, by_gap = (recommend(self.table, self.max_drop, by) for by in ("r", "generalization_gap"))
        within = f"within a loss of {self.max_drop:.1%} of {self.metric_label[:-2]}"
        if by_r is None or by_gap is None:
            return [f"No recommendation: no quantizer {within} has a known r."]
        if (self.table["relative_performance"] >= 1 - self.max_drop).sum() == 1:
            return [f"Recommended {within}: none but float32; a larger --max-drop lets more in."]
        rows = self.table.set_index("quantizer")
        if rows.loc[by_r.quantizer, "below_resolution"]:
            why = "smallest gap; r does not tell those within the loss apart"
            return [f"Recommended {within}: {self._choice(rows.loc[by_gap.quantizer], why)}."]
        place = f"largest r, rank {rows.loc[by_r.quantizer, 'privacy_rank']}"
        other = (
            "The gap agrees." if by_gap == by_r else f"By the smallest gap it would be {by_gap.quantizer}."
        )
        return [f"Recommended {within}: {self._choice(rows.loc[by_r.quantizer], place)}. {other}"]

    @staticmethod
    def _choice(row: pd.Series, why: str) -> str:
        relative = _interval(row, "relative_performance", "relative_low", "relative_high")
        return f"{row.name} ({why}; relative performance {relative})"

    def render(self, console: Console) -> None:
        """Print the table and its notes, leaving out columns of a narrow terminal, least needed first."""
        shown = columns_for(self.metric_label)
        left_out: list[str] = []
        for head in LEAST_NEEDED:
            if self._width(shown) <= console.width:
                break
            shown = [column for column in shown if column.head != head]
            left_out.append(head)
        if self._width(shown) > console.width:
            shown = [column.without_interval() for column in shown]
            left_out.append("intervals")
        console.print(self._table(shown))
        if left_out:
            told = f"Left out of this narrow table: {', '.join(left_out)}; --out DIR writes all of it."
            console.print(told, highlight=False)
        for note in self.notes():
            console.print(note, highlight=False, markup=False)

    def _width(self, shown: list[Column]) -> int:
        """Return the characters that a table of these columns takes, with its rules and padding."""
        rows = [row for _, row in self.table.iterrows()]
        return 1 + sum(3 + max(len(c.head), *(len(c.show(row)) for row in rows)) for c in shown)

    def _table(self, shown: list[Column]) -> Table:
        table = Table(title=self.title(), title_justify="left", title_style="bold", header_style="bold")
        for place, column in enumerate(shown):
            table.add_column(column.head, justify="left" if place == 0 else "right", no_wrap=True)
        for _, row in self.table.iterrows():
            style = "dim" if row["flags"] else "bold green" if row["pareto"] else ""
            table.add_row(*(column.show(row) for column in shown), style=style)
        return table

    def markdown(self) -> str:
        """Return title, table and notes as Markdown."""
        shown = columns_for(self.metric_label)
        lines = [f"## {self.title()}", ""]
        lines.append("| " + " | ".join(column.head for column in shown) + " |")
        lines.append("|" + "|".join(":--" if place == 0 else "--:" for place in range(len(shown))) + "|")
        for _, row in self.table.iterrows():
            lines.append("| " + " | ".join(column.show(row) for column in shown) + " |")
        return "\n".join([*lines, "", *(f"- {note}" for note in self.notes()), ""])

    def write(self, folder: Path) -> list[Path]:
        """Write ``table.csv``, ``table.md`` and the figures below ``folder``; return the paths."""
        from benchmark.figures import write_figures

        folder.mkdir(parents=True, exist_ok=True)
        csv, md = (folder / name for name in REPORT_FILES)
        with atomic_write(csv) as temporary:
            self.table.to_csv(temporary, index=False)
        with atomic_write(md) as temporary:
            temporary.write_text(self.markdown(), encoding="utf-8")
        return [csv, md, *write_figures(self.table, self.metric_label, self.title(), folder / FIGURES)]
