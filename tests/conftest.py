"""What all tests share: an empty cache of their own."""

import os
from pathlib import Path

import pytest

# before torch is loaded, and for the commands that tests start: several processes that all use every core
# only wait for each other
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
from hypothesis import settings

settings.register_profile("molmis", deadline=None, derandomize=True)
settings.load_profile("molmis")

torch.set_num_threads(2)


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give every test an empty cache, so that none sees what another or the user left."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("MOLMIS_CACHE", str(folder))
    return folder
