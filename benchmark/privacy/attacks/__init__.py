"""Membership inference attacks on published heads: one file each; signals in, one score a record out."""

from benchmark.privacy.attacks.base import ATTACKS, Attack
from benchmark.privacy.attacks.signals import Signals

__all__ = ["ATTACKS", "Attack", "Signals"]
