"""How many runs make a block: a number only, which tables need without loading torch."""

#: Runs trained in one go: a block is what is stored, and what a stopped bank goes on from.
BLOCK_RUNS = 16
