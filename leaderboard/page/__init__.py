"""The board as one HTML file that opens offline: tables, scatter, details of quantizers, downloads."""

from leaderboard.page.page import Contents, board_page, page

__all__ = ["Contents", "board_page", "page"]
