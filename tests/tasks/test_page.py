"""The page about the tasks is what the code says."""

import subprocess
import sys
from pathlib import Path

from molecules import splits
from tasks.catalogue import TASKS
from tasks.page import page

ROOT = Path(__file__).resolve().parents[2]


def test_the_committed_page_is_what_the_code_makes(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "tasks", "docs", "--out", tmp_path], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    made = (tmp_path / "tasks.md").read_text()
    assert made == page() == (ROOT / "docs" / "tasks.md").read_text()


def test_every_task_stands_on_the_page_with_its_facts():
    text = page()
    for name, task in TASKS.items():
        assert f"\n## {name}\n" in text
        assert task.source in text
        assert task.known_defects in text
    assert all(f"{most:,}" in text for most in (splits.MOST_BUTINA, splits.MOST_FINGERPRINT))
    assert all(name in text for name in splits.SPLITS)


def test_a_folder_that_cannot_be_written_is_one_line():
    done = subprocess.run(
        [sys.executable, "-m", "tasks", "docs", "--out", "/proc/nowhere"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: --out: cannot write in /proc/nowhere")
    assert done.stderr.count("\n") == 1
