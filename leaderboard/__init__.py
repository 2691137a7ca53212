"""The leaderboard: results in; one frame, CSV, Markdown or Parquet out. It trains and loads nothing."""

from leaderboard.board import Board, board

__all__ = ["Board", "board"]
