"""What is told of the machine and of the cost of a computation: nothing that names anybody."""

import os
import platform
import resource
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from leaderboard.manifest import Cost, Machine

_UNKNOWN = "unknown"


def machine(device: str) -> Machine:
    """Return what this machine is: system, processor, cores, memory, threads.

    Parameters
    ----------
    device : {"cpu", "cuda"}
        Where the computation runs.
    """
    import torch

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return Machine(
        system=f"{platform.system() or _UNKNOWN} {platform.machine()}".strip(),
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory_gib=round(memory),
        device="cuda" if device.startswith("cuda") else "cpu",
        threads=torch.get_num_threads(),
    )


def _processor() -> str:
    """Return the model of the processor, of letters that a manifest may hold."""
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2] for line in lines if line.startswith("model name")]
    text = " ".join(
        "".join(c for c in (named or [platform.processor()])[0] if c.isalnum() or c in " .()@-").split()
    )
    return text[:100].lstrip("@- ") or _UNKNOWN


@dataclass
class Spent:
    """What a block took; filled in when it ends."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_memory_mib: float = 0.0

    def cost(self) -> Cost:
        """Return it as a manifest has it, rounded."""
        return Cost(
            seconds=round(self.seconds, 2), cpu_seconds=round(self.cpu_seconds, 2),
            peak_memory_mib=round(self.peak_memory_mib, 1),
        )  # fmt: skip


@contextmanager
def spent() -> Iterator[Spent]:
    """Yield what the block takes: time, processor time of this process and of ended children, peak memory."""
    made, begun, before = Spent(), time.monotonic(), _processor_time()
    yield made
    made.seconds, made.cpu_seconds = time.monotonic() - begun, _processor_time() - before
    own, below = (
        resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10  # bytes there, KiB elsewhere
    made.peak_memory_mib = max(own, below) / unit


def _processor_time() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def total(costs: Mapping[object, Cost]) -> Cost:
    """Return the cost of several computations, one after another."""
    return Cost(
        seconds=round(sum(cost.seconds for cost in costs.values()), 2),
        cpu_seconds=round(sum(cost.cpu_seconds for cost in costs.values()), 2),
        peak_memory_mib=max((cost.peak_memory_mib for cost in costs.values()), default=0.0),
    )
