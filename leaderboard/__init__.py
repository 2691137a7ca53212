"""The leaderboard: results in; one frame, CSV, Markdown or Parquet out. It trains and loads nothing."""

from leaderboard.board import Board, Source, board

__all__ = ["Board", "Source", "board"]
