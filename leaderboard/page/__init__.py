"""The board as one HTML file that opens offline: tables, scatter, views of tasks and quantizers, downloads."""

from leaderboard.page.page import Contents, page

__all__ = ["Contents", "page"]
