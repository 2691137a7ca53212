"""What encoders and quantizers there are, without loading torch: ``python -m benchmark.listed`` writes it.

To ask the registries takes seconds, for every definition needs torch. So what they say is written down beside
a hash of the sources that it was taken from. Where the sources are others, as while somebody writes a new
quantizer, the registries are asked: slower, and always right.
"""

import hashlib
import importlib.util
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

#: By kind, rows of what is printed.
Rows = Sequence[Mapping[str, str | float]]
_FILE = Path(__file__).with_suffix(".json")
#: Where they are defined.
_PACKAGE, _PARTS = "models", ("encoders", "quantizers")


def sources_key() -> str:
    """Return a hash of the sources that define encoders and quantizers."""
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or found.submodule_search_locations is None:
        raise RuntimeError(f"the package {_PACKAGE} is not there")
    (folder,) = found.submodule_search_locations
    digest = hashlib.sha256()
    for path in sorted(path for part in _PARTS for path in (Path(folder) / part).rglob("*.py")):
        digest.update(f"{path.relative_to(folder).as_posix()}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def listed(kind: str) -> Rows:
    """Return the rows of a kind, from the file where it is of these sources, else from the registries.

    Parameters
    ----------
    kind : {"encoders", "quantizers"}
    """
    try:
        told = json.loads(_FILE.read_text(encoding="utf-8"))
        if told["of"] == sources_key():
            rows: Rows = told[kind]
            return rows
    except (OSError, ValueError, KeyError, TypeError):  # the registries know it, too
        pass
    return {"encoders": _encoders, "quantizers": _quantizers}[kind]()


def _encoders() -> Rows:
    from models.encoders.base import ENCODERS

    return [{"name": name, "what": encoder.description} for name, encoder in ENCODERS.items()]


def _quantizers() -> Rows:
    return list(_of_zoo())


def _of_zoo() -> Iterator[dict[str, str | float]]:
    """Yield all quantizers, then those that call a library, whether it is installed or not."""
    from models.quantizers import QUANTIZERS
    from models.quantizers.library import ROWS
    from models.quantizers.zoo import PAPER, zoo_names

    for name in zoo_names("all"):
        one, group = QUANTIZERS[name], "paper, all" if name in PAPER else "all"
        yield {"name": name, "bits": one.bits, "group": group, "library": "", "formula": one.formula}
    for name, one in ((name, ROWS[name]) for name in zoo_names("libraries")):
        row: dict[str, str | float] = {"name": name, "bits": one.bits, "group": "libraries"}
        yield {**row, "library": one.library, "formula": one.formula}


def text() -> str:
    """Return the file, as the registries are now."""
    told = {"of": sources_key(), "encoders": _encoders(), "quantizers": _quantizers()}
    return json.dumps(told, indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    """Write the file."""
    from molecules.cache import atomic_write

    with atomic_write(_FILE) as temporary:
        temporary.write_text(text(), encoding="utf-8")
    sys.stdout.write(f"wrote {_FILE.name}\n")


if __name__ == "__main__":
    main()
