"""Memory that is left, by control groups of both versions made by hand."""

import sys
from types import SimpleNamespace

import psutil
import pytest

from molecules import memory
from molecules.memory import available_memory

GIB = 2**30


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine of 64 GiB without limits; a function that puts the process into groups."""
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=64 * GIB))
    monkeypatch.setattr(memory, "_GROUPS", tmp_path / "groups")
    monkeypatch.setattr(memory, "_MEMBERSHIP", tmp_path / "membership")
    monkeypatch.setattr(memory, "_left_to_process", list)

    def group(lines: str, files: dict[str, str]) -> None:
        (tmp_path / "membership").write_text(lines)
        for name, text in files.items():
            place = tmp_path / "groups" / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)

    return group


def v2(folder: str, limit: object, used: int, files: int = 0) -> dict[str, str]:
    stat = f"anon {used - files}\nfile {files}\ninactive_file {files}\nactive_file 0\n"
    told = {"memory.max": str(limit), "memory.current": str(used), "memory.stat": stat}
    return {f"{folder}/{name}".lstrip("/"): text for name, text in told.items()}


def test_without_groups_it_is_what_the_machine_has(machine):
    assert available_memory() == 64 * GIB
    machine("0::/user\n", v2("user", "max", GIB))
    assert available_memory() == 64 * GIB


def test_the_narrowest_group_above_counts_and_copies_of_files_are_left(machine):
    machine("0::/job/step\n", {**v2("job/step", 16 * GIB, 2 * GIB), **v2("job", 8 * GIB, 3 * GIB, files=GIB)})
    assert available_memory() == 6 * GIB  # 8 - 3 + 1


def test_inside_a_container_the_group_is_the_root(machine):
    machine("0::/docker/0123\n", v2("", 4 * GIB, GIB))
    assert available_memory() == 3 * GIB


def test_version_1(machine):
    machine(
        "9:cpu:/x\n4:memory:/box\n0::/\n",
        {
            "memory/box/memory.limit_in_bytes": str(2 * GIB),
            "memory/box/memory.usage_in_bytes": str(GIB),
            "memory/box/memory.stat": f"total_inactive_file {GIB // 4}\ntotal_active_file {GIB // 4}\n",
        },
    )
    assert available_memory() == 3 * GIB // 2


def test_a_group_beyond_its_limit_leaves_nothing(machine):
    machine("0::/x\n", v2("x", GIB, 2 * GIB))
    assert available_memory() == 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of a process are read on Linux only")
def test_the_limit_of_the_address_space(machine, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(psutil.Process, "rlimit", lambda self, kind: (GIB, psutil.RLIM_INFINITY))
    monkeypatch.setattr(psutil.Process, "memory_info", lambda self: SimpleNamespace(vms=GIB - 1000))
    assert available_memory() == 1000
    monkeypatch.setattr(psutil.Process, "rlimit", lambda self, kind: (psutil.RLIM_INFINITY,) * 2)
    assert available_memory() > 1000
