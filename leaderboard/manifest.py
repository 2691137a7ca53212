"""What a submission says of itself: its manifest, checked by a schema that is published.

``python -m leaderboard.manifest`` writes the JSON Schema to ``docs/submission.schema.json``.
"""

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import typer
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from molecules.command_line import Debug, run_app, user_errors
from molecules.errors import DataError, MolmisError

#: Raised when manifests change their form.
SCHEMA = 1
#: Most bytes of a manifest, and of one file of results.
MANIFEST_BYTES, RESULT_BYTES = 4 << 20, 256 << 20
#: Marks with which a text could turn into something else in a page or a table.
_MARKS = frozenset("<>|`\\")


def _plain(text: str) -> str:
    """Refuse text that is more than a line of words."""
    wrong = sorted({letter for letter in text if not letter.isprintable() or letter in _MARKS})
    if wrong:
        raise ValueError(
            f"holds {', '.join(map(ascii, wrong[:3]))}; write one line without {' '.join(sorted(_MARKS))}"
        )
    if text != " ".join(text.split()) or text[:1] in "=+-@":
        raise ValueError("begins with a blank or one of = + - @, ends with a blank, or holds two in a row")
    return text


def as_line(text: str) -> str:
    """Return what the program says of a stranger's file as a line that a manifest may hold."""
    kept = "".join(letter if letter.isprintable() and letter not in _MARKS else " " for letter in text)
    return " ".join(kept.split()).lstrip("=+-@ ")[:200].rstrip() or "no words"


#: One line of words, written by a stranger.
Line = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_plain)]
#: What the board calls a submission: it names a folder, too.
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,59}$")]
#: A task, an encoder or a package.
Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+:=,-]{0,99}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Key = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
Url = Annotated[str, StringConstraints(max_length=300, pattern=r"^https?://[A-Za-z0-9][!#-;=?-Z_a-z~%]*$")]
#: A file of results, below the folder of the submission.
ResultPath = Annotated[
    str,
    StringConstraints(
        max_length=240,
        pattern=r"^results/((attacks|records|joint_release)/)?[A-Za-z0-9][A-Za-z0-9._+-]*\.parquet$",
    ),
]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Strict(BaseModel):
    """Strict: nothing is converted, nothing unknown is let through, nothing changes afterwards."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class File(Strict):
    """A file of results and its hash."""

    path: ResultPath
    sha256: Sha256


class Cost(Strict):
    """What measuring took; of work that was stopped and done again, the last time counts."""

    seconds: Seconds = Field(description="wall-clock time")
    cpu_seconds: Seconds = Field(description="processor time, of the sandbox too")
    peak_memory_mib: Seconds = Field(description="largest resident memory of one process, in MiB")


class CellEntry(Strict):
    """One measured cell."""

    task: Word
    encoder: Word
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    key: Key = Field(description="hash of everything its figures depend on")
    files: Annotated[tuple[File, ...], Field(min_length=1, max_length=4, strict=False)]
    cost: Cost


class About(Strict):
    """What the author says."""

    name: Name
    author: Line
    paper: Url | None = None


class Source(Strict):
    """The submitted file."""

    file: Literal["quantizer.py"] = "quantizer.py"
    sha256: Sha256


class Containment(Strict):
    """How its code was run."""

    level: Word = Field(description="what was around its processes")
    walls: dict[Word, bool | int | Line] = Field(max_length=40, description="what of it the kernel enforced")


class Machine(Strict):
    """Where it was measured, without any name."""

    system: Line
    processor: Line
    cores: Annotated[int, Field(ge=1)]
    memory_gib: Annotated[int, Field(ge=0)]
    device: Literal["cpu", "cuda"]
    threads: Annotated[int, Field(ge=1)]


class Manifest(Strict):
    """The manifest of a submission."""

    schema_version: Literal[1] = 1
    about: About
    protocol: Word
    seeds: Annotated[
        tuple[Annotated[int, Field(ge=0, lt=2**63)], ...], Field(min_length=1, max_length=100, strict=False)
    ]
    created: Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]
    source: Source
    bits: Annotated[float, Field(gt=0, le=32)]
    flags: Annotated[tuple[Line, ...], Field(max_length=20, strict=False)] = ()
    containment: Containment
    versions: dict[Word, Line] = Field(max_length=40, description="of Python and packages")
    commit: Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{40})?$")] = ""
    machine: Machine
    cost: Cost
    cells: Annotated[tuple[CellEntry, ...], Field(min_length=1, max_length=10_000, strict=False)]

    def text(self) -> str:
        """Return it as it is written: JSON, the same for the same content."""
        return json.dumps(self.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n"


def now() -> str:
    """Return the time as manifests have it."""
    from datetime import UTC

    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"


def parse(data: bytes, where: str) -> Manifest:
    """Return the manifest in the bytes of a file.

    Parameters
    ----------
    data : bytes
        JSON.
    where : str
        What the file is called, for messages.

    Raises
    ------
    DataError
        If it is too long, no JSON, or not as the schema says.
    """
    if len(data) > MANIFEST_BYTES:
        raise DataError(f"{where} is longer than {MANIFEST_BYTES >> 20} MiB, so it is no manifest")
    try:
        return Manifest.model_validate_json(data)
    except ValidationError as error:
        raise DataError(f"{where} is not as docs/submission.schema.json says: {_first(error)}") from None


def about(name: str, author: str, paper: str | None) -> About:
    """Return what an author says of a submission.

    Raises
    ------
    MolmisError
        If it is nothing that a board can show.
    """
    try:
        return About(name=name, author=author, paper=paper)
    except ValidationError as error:
        field = error.errors()[0]["loc"][0]
        rules = {
            "name": "it must begin with a letter or digit and have at most 60 of letters, digits and . _ + -",
            "paper": "it must be an address that begins with http:// or https://",
            "author": "it must be one line of at most 200 letters without < > | ` \\",
        }
        given = {"name": name, "author": author, "paper": paper}[str(field)]
        raise MolmisError(f"--{field} {ascii(given)[:80]}: {rules[str(field)]}") from None


def _first(error: ValidationError) -> str:
    """Return the first thing that is wrong, in one line, with nothing of what a stranger wrote."""
    first, count = (
        error.errors(include_url=False, include_input=False, include_context=False)[0],
        error.error_count(),
    )
    place = ".".join(str(part)[:40] for part in first["loc"]) or "the whole"
    more = f" (and {count - 1} more)" if count > 1 else ""
    message = first["msg"].replace("Value error, ", "")[:200]
    return f"{ascii(place)[1:-1]}: {message}{more}"


def json_schema() -> str:
    """Return the JSON Schema of manifests, as it is published."""
    made = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Manifest.model_json_schema()}
    return json.dumps(made, indent=1) + "\n"


def schema(
    out: Annotated[Path, typer.Option(help="File to write.")] = Path("docs/submission.schema.json"),
    debug: Debug = False,
) -> None:
    """Write the JSON Schema of the manifest of submissions."""
    with user_errors(debug):
        from molecules.cache import atomic_write, writable_file

        writable_file(out, "--out")
        with atomic_write(out) as temporary:
            temporary.write_text(json_schema(), encoding="utf-8")
        typer.echo(f"wrote {out}", err=True)


app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
app.command()(schema)


def main() -> None:
    """Run the command line."""
    run_app(app, "python -m leaderboard.manifest")


if __name__ == "__main__":
    main()
