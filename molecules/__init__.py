"""Molecules: SMILES to clean records, graphs, fingerprints and splits, and the cache of them.

The leftmost room of the house: it imports nothing of ours.
"""
