"""The words that a manifest may hold."""

import pytest
from pydantic import TypeAdapter

from leaderboard.manifest import Line, as_line


@pytest.mark.parametrize(
    "said",
    [
        "levels < 2 | > 4", "=sum(1)", " - \t`x`\n\ny\\z", "<>", "", "é" * 500, "a " * 300, "@ =-+ b",
        "\u202eright to left",
    ],
)  # fmt: skip
def test_whatever_is_said_becomes_a_line(said):
    line = as_line(said)
    assert TypeAdapter(Line).validate_python(line) == line


def test_plain_words_are_left_as_they_are():
    assert as_line("ends on a single level (1 of 4)") == "ends on a single level (1 of 4)"
