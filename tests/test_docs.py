"""The pages say what the code does: every column is documented, every command in the README exists."""

import re
from pathlib import Path

from pyarrow.parquet import read_schema
from typer.main import get_command

from benchmark.attack_report import attack_frame
from benchmark.cell_runs import CellRuns
from benchmark.embed_command import app as embed_app
from benchmark.joint_report import joint_frame
from benchmark.metrics import METRICS
from benchmark.record_report import record_frame
from benchmark.run import app
from benchmark.tables import STABLE_COLUMNS, summarise
from leaderboard import board
from leaderboard.sql import query
from leaderboard.status import MEANING, Status
from models.embed.part import REASONS, Part, dropped_file, make_part, part_file
from models.encoders.ecfp import Ecfp
from tests.benchmark.test_attack_table import attacked
from tests.benchmark.test_joint_report import runs_of
from tests.benchmark.test_record_report import sixteen
from tests.benchmark.test_results import written
from tests.benchmark.test_tables import FLOAT, GOOD, result
from tests.leaderboard.test_board import with_attacks

ROOT = Path(__file__).resolve().parents[1]


def documented() -> set[str]:
    rows = (
        line.split("|")[1]
        for line in (ROOT / "docs/columns.md").read_text().splitlines()
        if line.startswith("| `")
    )
    return {name for cell in rows for name in re.findall(r"`([\w.]+)`", cell)}


def test_stable_columns_are_documented_first_and_in_order():
    text = (ROOT / "docs/columns.md").read_text()
    places = [text.index(f"`{name}`", text.index("| column |")) for name in STABLE_COLUMNS]
    assert places == sorted(places)


def test_columns_of_the_table_are_documented():
    made = set(summarise(result(FLOAT, GOOD)).columns)
    made |= {name for metrics in METRICS.values() for name in metrics}
    # the intervals of the metrics are told in the row of the metrics
    made -= {f"{name}_{end}" for metrics in METRICS.values() for name in metrics for end in ("low", "high")}
    assert made - documented() == set()


def test_columns_of_the_attacks_are_documented():
    made = set(attack_frame(CellRuns(attacked())).columns)
    made -= {f"{name}_{end}" for name in made for end in ("low", "high")}
    assert made - documented() == set()


def test_columns_of_the_joint_releases_are_documented():
    made = set(joint_frame(runs_of(0.7)).columns)
    made -= {f"{name}_{end}" for name in made for end in ("low", "high")}
    assert made - documented() == set()


def test_columns_of_the_records_are_documented():
    made = {name for name in record_frame(CellRuns(sixteen())).columns if not name.startswith("label_")}
    assert (made | {"label_"}) - documented() == set()


def test_columns_of_embedded_files_are_documented(tmp_path):
    make_part(Part(0, 1, ["C", ""], ["a", "b"]), Ecfp(), Ecfp.bits, tmp_path, "key")
    made = {*read_schema(part_file(tmp_path, 0)).names, *read_schema(dropped_file(tmp_path, 0)).names}
    assert made == {"row", "id", "smiles", "embedding", "written", "reason"}
    assert made - documented() == set()
    page = (ROOT / "docs/embed.md").read_text()
    assert [name for name in (*made, *REASONS) if f"`{name}`" not in page] == []


def test_options_of_the_page_of_embeddings_exist():
    known = {option for parameter in get_command(embed_app).params for option in parameter.opts}
    page = (ROOT / "docs/embed.md").read_text()
    commands = re.findall(r"python -m models\.embed ([^\n#`]*)", page)
    assert len(commands) == 2
    assert {option for command in commands for option in re.findall(r"--[\w-]+", command)} - known == set()


def test_columns_of_the_board_are_documented(tmp_path):
    written(tmp_path, "k1", "a")
    made = board(tmp_path)
    last = list(made.frame.columns)[list(made.frame.columns).index("setting") :]
    for columns in (last, made.entries, made.wins, made.history, made.wide.columns[:5]):
        assert set(columns) - documented() == set()


def test_every_status_is_documented():
    page = (ROOT / "docs/leaderboard.md").read_text()
    told = {line.split("|")[1].strip(" `") for line in page.splitlines() if line.startswith("| `")}
    assert told | {"missing"} == {str(status) for status in Status} == {str(status) for status in MEANING}


def test_the_queries_of_the_page_can_be_asked(tmp_path):
    page = (ROOT / "docs/leaderboard.md").read_text()
    with_attacks(tmp_path, "k1", "a")
    made = board(tmp_path)
    queries = re.findall(r"^# .*\n((?:(?!#|```).+\n)+)", page.split("Questions in SQL")[1], re.MULTILINE)
    queries += re.findall(r'--sql "(.*)"', page)
    assert len(queries) == 5
    for sql in queries:
        assert len(query(made, sql).columns) > 0


def test_make_targets_of_the_readme_exist():
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"\bmake (\w+)", (ROOT / "README.md").read_text()))
    assert {"run", "test", "bench"} <= named
    assert named <= targets


def test_options_of_the_commands_for_a_cluster_exist():
    page = (ROOT / "docs/cluster.md").read_text().replace("\\\n", " ")
    known = {option for parameter in get_command(app).params for option in parameter.opts}
    known |= {option for parameter in get_command(app).params for option in parameter.secondary_opts}
    commands = re.findall(r"python -m benchmark\.run ((?:[^\n#]|\n    --)*)", page)
    assert len(commands) == 5
    assert {option for command in commands for option in re.findall(r"--[\w-]+", command)} - known == set()
    named = set(re.findall(r"`(--[\w-]+)", page)) - {"--num-gpus"}  # of Ray
    assert named - known == set()


def test_changelog_has_the_block_for_what_is_new():
    assert "## Unreleased" in (ROOT / "CHANGELOG.md").read_text()
