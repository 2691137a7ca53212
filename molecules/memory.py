"""How much memory there is: of the machine, of the container, and of the limits of the process."""

from pathlib import Path

import psutil

#: Where control groups are told of: of which group a process is, and what each may take.
_MEMBERSHIP, _GROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")
#: Names of limit, use and reclaimable files of version 2 and of version 1.
_V2 = ("memory.max", "memory.current", ("inactive_file", "active_file"))
_V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", ("total_inactive_file", "total_active_file"))


def available_memory() -> int:
    """Return the bytes that this process may still take before it is stopped, swap not counted.

    The least of what the machine has left, of what every control group above the process has left (a
    container, a job of a cluster), and of the limit of the address space (``ulimit -v``). Memory that holds
    copies of files counts as left, for the system takes it back when it is needed.
    """
    machine = int(psutil.virtual_memory().available)
    return max(0, min([machine, *_left_to_groups(), *_left_to_process()]))


def available_on_gpu() -> int:
    """Return the bytes of the GPU that are free, or kept by torch to be used again."""
    import torch

    free, _ = torch.cuda.mem_get_info()
    return int(free + torch.cuda.memory_reserved() - torch.cuda.memory_allocated())


def _left_to_process() -> list[int]:
    """Return what the limit of the address space leaves, if there is one."""
    process = psutil.Process()
    if not hasattr(process, "rlimit"):  # another system than Linux
        return []
    limit, _ = process.rlimit(psutil.RLIMIT_AS)
    return [] if limit in (-1, psutil.RLIM_INFINITY) else [limit - process.memory_info().vms]


def _left_to_groups() -> list[int]:
    """Return what every control group of the process leaves, if it limits memory."""
    try:
        lines = [line.split(":", 2) for line in _MEMBERSHIP.read_text().splitlines()]
    except OSError:
        return []
    found = []
    for number, controllers, place in lines:
        if number == "0":
            root, names = _GROUPS, _V2
        elif "memory" in controllers.split(","):
            root, names = _GROUPS / "memory", _V1
        else:
            continue
        path = Path(place.lstrip("/"))
        # seen from inside a container, its group is the root of what is mounted
        found += [_left(root / above, *names) for above in (path, *path.parents)]
    return [left for left in found if left is not None]


def _left(group: Path, limit: str, use: str, reclaimable: tuple[str, ...]) -> int | None:
    """Return what one control group leaves; None if it has no limit, or none is told."""
    try:
        told = (group / limit).read_text().strip()
        if told == "max":
            return None
        used = int((group / use).read_text())
        counts = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        return int(told) - used + sum(int(counts.get(name, 0)) for name in reclaimable)
    except (OSError, ValueError):
        return None
