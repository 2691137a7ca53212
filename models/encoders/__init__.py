"""Frozen encoders: molecule to embedding; the contract in ``base``, one file an architecture."""
