"""How many threads may compute at once."""

import os

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from molecules.threads import allowed_threads, one_blas_thread


@pytest.mark.parametrize(
    ("given", "allowed"), [("3", 3), ("", None), ("0", None), ("many", None), (None, None)]
)
def test_what_is_set_is_heeded_and_what_makes_no_sense_is_not(given, allowed, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if given is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", given)
    assert allowed_threads() == (allowed or len(os.sched_getaffinity(0)))


def test_numpy_multiplies_in_one_thread_for_a_while():
    def threads() -> set[int]:
        return {told["num_threads"] for told in threadpool_info() if told["user_api"] == "blas"}

    np.ones((2, 2)) @ np.ones((2, 2))
    before = threads()
    with one_blas_thread():
        assert threads() == {1}
    assert threads() == before
