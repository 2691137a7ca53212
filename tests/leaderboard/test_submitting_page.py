"""The example of docs/submitting.md is run as it stands."""

import re
from pathlib import Path

import pytest

from leaderboard.protocol import PROTOCOLS

PAGE = (Path(__file__).resolve().parents[2] / "docs/submitting.md").read_text()
EXAMPLE = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.slow
def test_the_example_finds_itself_on_the_board(tmp_path, monkeypatch, capsys):
    (code,) = EXAMPLE
    assert len(code.splitlines()) < 40
    monkeypatch.chdir(tmp_path)
    told: dict[str, object] = {}
    exec(compile(code, "docs/submitting.md", "exec"), told)
    folder, *lines = capsys.readouterr().out.splitlines()
    assert folder == "submissions/trial/quarters"
    rows = {line.split()[0]: line for line in lines}
    assert next(iter(rows)) == "quantizer"
    assert {"float32", "sign", "quarters"} <= set(rows)
    assert "Ann Example" in rows["quarters"]
    assert "unverified" in rows["quarters"]
    assert not list(tmp_path.glob("results/*.parquet"))  # a trial is not on the board


def test_the_page_has_the_protocols_as_they_are():
    for protocol in PROTOCOLS.values():
        (line,) = (line for line in PAGE.splitlines() if line.startswith(f"| `{protocol.name}`"))
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert re.findall(r"`([\w-]+)`", cells[1]) == list(protocol.tasks)
        assert re.findall(r"`([\w-]+)`", cells[2]) == list(protocol.encoders)
        assert cells[3] == ", ".join(map(str, protocol.seeds))
        assert cells[4] == str(protocol.runs)
        assert re.findall(r"`([\w-]+)`", cells[5]) == ["float32", *protocol.quantizers]
        assert cells[6] == ("yes" if protocol.on_board else "no")
