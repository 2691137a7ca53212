"""How many threads may compute at once."""

import os

import pytest

from molecules.threads import allowed_threads


@pytest.mark.parametrize(
    ("given", "allowed"), [("3", 3), ("", None), ("0", None), ("many", None), (None, None)]
)
def test_what_is_set_is_heeded_and_what_makes_no_sense_is_not(given, allowed, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if given is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", given)
    assert allowed_threads() == (allowed or os.cpu_count())
