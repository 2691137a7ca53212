"""How the board is made, in plain sentences, with the figures of the board at hand."""

from typing import TYPE_CHECKING

from leaderboard.status import MEANING

if TYPE_CHECKING:
    from leaderboard.board import Board

#: The rules that hold on every board.
RULES = (
    "Cells. A cell is one task with one encoder, split, seed and number of runs. Only cells of one "
    "version of the protocol are on one board, and quantizers of heads are not ranked with those of "
    "whole models.",
    "Places in a cell. By r, larger = more private, with a tie for all that the indicator does not tell "
    "apart. A quantizer that leaves a useless model (constant predictions, or no skill) is the least "
    "private of the cell, however little it leaks: there is nothing to publish.",
    "Cells that count for nobody. Those in which float32 itself has no skill, and those in which "
    "members and non-members differ before any training. They are shown.",
    "Nothing is filled in. The block is the largest set of quantizers and cells in which no figure is "
    "missing (most figures; quantizers are taken in the order of the number of their cells). Quantizers "
    "of the block are ranked with one another over all of its cells. Every other one is partial: it has "
    "the rank it would have among those of the block if only its own cells of the block counted, and "
    "moves nobody else.",
    "Privacy. The share of the others that a quantizer beats in a cell, ties one half, mean over cells. "
    "Mean rank and Borda count (others beaten, summed over cells) say the same: on equally many cells a "
    "task, they order alike.",
    "Performance. The mean of the performance relative to float32 over the same cells.",
    "Means. Every task counts alike, and every cell of a task alike.",
    "Intervals. 95 % percentile intervals of a bootstrap that resamples tasks, and the cells within a "
    "task; they say how far a figure would move with other tasks, not with other runs. There is none "
    "for a single cell.",
    "Pareto layers. Layer 1: none of the block is at least as good in privacy and in performance and "
    "better in one; layer 2: only those of layer 1 are; and so on.",
    "Win matrix. Each pair over the cells that both have, whether in the block or not.",
    "Attacks. MIS is at most what the strongest attack in a cell leaves; the entry has the mean and the "
    "smallest over its cells of the block, without those of useless models. A stronger attack may lower "
    "an entry.",
    "Append-only. A result that is measured again replaces the earlier one on the board, and the "
    "earlier one stays in the store's history. Of several versions of a quantizer's code only the "
    "newest counts.",
)


def rules(board: "Board") -> str:
    """Return the rules of a board and how many of its rows each of them concerns."""
    frame = board.frame
    cells, tasks = frame["setting"].nunique(), frame["task"].nunique()
    counts = frame["status"].value_counts()
    head = (
        f"Protocol {board.protocol}. {len(frame):,} rows of {cells:,} cells on {tasks:,} tasks. r: "
        f"{frame['indicator'].iloc[0]}, {frame['aggregate'].iloc[0]} over runs."
    )
    said = [
        f"{counts[status]:,} rows {status}: {text}." for status, text in MEANING.items() if status in counts
    ]
    return "\n".join([head, *RULES, *said])
