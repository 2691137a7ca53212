"""The way to a Ray cluster: whether Ray is there, whether the cluster answers, and silence."""

import logging
import os
import socket
from typing import Any

from molecules.errors import MolmisError

#: Seconds that the machine of an address may take to answer.
_REACH = 10


def imported_ray() -> Any:
    """Return Ray, told to be quiet.

    Raises
    ------
    MolmisError
        If it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
        import ray.util.scheduling_strategies
    except ImportError:
        raise MolmisError(
            "--execute ray needs Ray, which is not installed here: pip install 'molmis[cluster]', or pip "
            "install -c constraints.txt -e '.[cluster]' in a checkout; or leave out --execute"
        ) from None
    return ray


def connect(ray: Any, address: str) -> None:
    """Connect to a cluster, or start one on this machine.

    Raises
    ------
    MolmisError
        If it cannot be reached.
    """
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    _reach(address)
    _silence(ray)
    here = {"include_dashboard": False} if address == "local" else {}
    try:
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level=logging.CRITICAL,
            configure_logging=True,
            **here,
        )
    except (ConnectionError, OSError, RuntimeError, ValueError) as error:
        raise MolmisError(_unreachable(address, " ".join(str(error).split())[:300])) from None


def _reach(address: str) -> None:
    """Refuse the address of a machine that does not answer: Ray itself tries for ten minutes."""
    host, colon, port = address.rpartition(":")
    if not colon:
        if address not in ("local", "auto"):
            raise MolmisError(f"--execute ray:{address}: give host:port, auto or local")
        return
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_REACH):
            return
    except (OSError, ValueError, OverflowError) as error:
        raise MolmisError(_unreachable(address, str(error))) from None


def _unreachable(address: str, reason: str) -> str:
    return (
        f"--execute ray: no Ray cluster answers at {address} ({reason}); start one with ray start --head, "
        "give the address that it prints, or give --execute ray for one of this machine (docs/cluster.md)"
    )


def _silence(ray: Any) -> None:
    """Keep Ray from printing, on standard output, the log of a node that was lost: it is told in one line."""
    worker: Any = getattr(getattr(ray, "_private", None), "worker", None)
    if hasattr(worker, "print_to_stdstream"):
        worker.print_to_stdstream = lambda *_, **__: None
