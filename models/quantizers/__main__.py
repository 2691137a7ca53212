"""The door of ``python -m models.quantizers``: what is behind it stands in ``benchmark``.

Only the interpreter opens it; no module imports it, so nothing of the zoo depends on the benchmark.
"""

from benchmark.quantizer_commands import main

main()
