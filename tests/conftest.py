"""What all tests share: an empty cache of their own."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

# before torch is loaded, and for the commands that tests start: several processes that all use every core
# only wait for each other
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
from hypothesis import settings

from tests.done import Done

settings.register_profile("molmis", deadline=None, derandomize=True)
settings.load_profile("molmis")

torch.set_num_threads(2)


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give every test an empty cache, so that none sees what another or the user left."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("MOLMIS_CACHE", str(folder))
    return folder


@pytest.fixture
def here(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Done]:
    """The command in this process, in an empty folder: quicker than in one of its own, which loads torch."""

    def call(*arguments: object, main: Callable[[], None] | None = None) -> Done:
        from benchmark.run import main as of_run

        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setattr(sys, "argv", ["molmis", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            (main or of_run)()
        said = capsys.readouterr()
        return Done(int(ended.value.code or 0), said.out, said.err)

    return call
