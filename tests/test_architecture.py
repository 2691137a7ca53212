"""The house: nothing imports to its right, start-up is light, everything public has a docstring."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("molecules", "tasks", "models", "benchmark", "leaderboard")
FILES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))

#: A ``__main__.py`` is a door that only the interpreter opens: what is behind it may stand further right.
HOUSE = [path for path in FILES if path.name != "__main__.py"]


def imported_rooms(path: Path) -> set[str]:
    """Rooms that a file imports anywhere, inside functions too."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names & set(ROOMS)


def test_there_is_something_to_read():
    assert len(FILES) > 40
    assert imported_rooms(ROOT / "benchmark" / "evaluate.py") == {"benchmark", "models", "molecules", "tasks"}


@pytest.mark.parametrize("path", HOUSE, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_arrow_points_back(path):
    own = ROOMS.index(path.relative_to(ROOT).parts[0])
    to_the_right = {room for room in imported_rooms(path) if ROOMS.index(room) > own}
    assert not to_the_right


def test_no_module_imports_a_door():
    assert [path for path in FILES if "__main__ import" in path.read_text()] == []
    code = "import sys; from models.quantizers import QUANTIZERS; len(QUANTIZERS); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = done.stdout.split()
    assert "models.quantizers.zoo" in loaded  # the registry has walked through the package
    assert not [name for name in loaded if name.startswith("benchmark") or name.endswith(".__main__")]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_public_names_have_docstrings_and_files_stay_small(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 400
    tree = ast.parse(text)
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    public = [c for c in tree.body if isinstance(c, ast.ClassDef) and not c.name.startswith("_")]
    bare = [
        getattr(node, "name", "module")
        for node in [tree, *tree.body, *(node for c in public for node in c.body)]
        if isinstance(node, documented)
        and not getattr(node, "name", "x").startswith("_")
        and not ast.get_docstring(node)
    ]
    assert bare == []


@pytest.mark.parametrize(
    "module",
    [
        "benchmark.run",
        "benchmark.reproduce",
        "benchmark.embed_command",
        "benchmark.quantizer_commands",
        "leaderboard.console",
        "leaderboard.export",
        "leaderboard.submit",
        "leaderboard.verify",
        "leaderboard.manifest",
        "leaderboard",
        "tasks.catalogue",
    ],
)
def test_starting_up_loads_nothing_heavy(module):
    code = f"import sys, {module}; print(*sorted(m for m in sys.modules if '.' not in m))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    heavy = {"torch", "torch_geometric", "rdkit", "deepchem", "pandas", "sklearn", "matplotlib", "ray"}
    assert heavy & set(done.stdout.split()) == set()


def test_tables_figures_and_board_do_without_torch_and_rdkit():
    modules = "benchmark.results, benchmark.tables, benchmark.report, benchmark.figures, leaderboard.board"
    code = f"import sys, {modules}; print(*sorted(m for m in sys.modules if '.' not in m))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = set(done.stdout.split())
    assert "pandas" in loaded
    assert {"torch", "torch_geometric", "rdkit", "deepchem"} & loaded == set()


def test_no_file_names_a_place_of_one_machine():
    listed = subprocess.run(["git", "ls-files"], capture_output=True, text=True, cwd=ROOT)
    if listed.returncode:
        pytest.skip("not a git checkout")
    places = ["/" + name + "/" for name in ("work", "root", "home")]
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if path.suffix in {".png", ".svg"} or not path.is_file():
            continue
        text = path.read_text()
        assert [place for place in places if place in text] == [], name
