"""The door of ``python -m models.embed``: what is behind it stands in ``benchmark``.

Only the interpreter opens it; no module imports it, so nothing of the models depends on the benchmark.
"""

from benchmark.embed_command import main

main()
