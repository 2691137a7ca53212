"""How many threads may compute at once."""

import os


def allowed_threads() -> int:
    """Return ``OMP_NUM_THREADS`` where it is set, as for tasks that share a node, else all cores.

    torch heeds it by itself; pools of threads of this project ask here.
    """
    given = os.environ.get("OMP_NUM_THREADS", "")
    return int(given) if given.isdecimal() and int(given) > 0 else os.cpu_count() or 1
