"""Where a raw file is found: the user's folder, the environment, beside the checkout, the cache, the web."""

import logging
import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from molecules.cache import atomic_write, cache_dir
from molecules.errors import DataError
from molecules.progress import Progress
from tasks.raw_file import RawFile, check_file
from tasks.task import DataOptions

#: The data folder that may lie beside a checkout of this repository.
BESIDE_CHECKOUT = Path(__file__).resolve().parents[2] / "shared" / "datasets"
#: How often a download is tried again before it counts as failed.
RETRIES = 3
#: Seconds without an answer after which one try of a download fails.
TIMEOUT = 30


def folders(options: DataOptions) -> list[Path]:
    """Return the folders in which raw files are looked for, in order.

    The user's ``data_dir``, ``$MOLMIS_DATA``, ``../shared/datasets`` beside the checkout, the user's cache.

    Raises
    ------
    DataError
        If ``data_dir`` is given and is no folder.
    """
    places = []
    if options.data_dir is not None:
        if not options.data_dir.is_dir():
            raise DataError(f"data folder {options.data_dir} is not a folder; correct --data-dir")
        places.append(options.data_dir)
    if os.environ.get("MOLMIS_DATA"):
        places.append(Path(os.environ["MOLMIS_DATA"]))
    return [*places, BESIDE_CHECKOUT, cache_dir("data")]


def locate(file: RawFile, options: DataOptions) -> Path:
    """Find a raw file, download it if it is nowhere, and check it.

    In every folder the places of the file are looked at, ``<folder>/<collection>/<name>`` and then
    ``<folder>/<name>`` for one that is no member of an archive. The first file there is taken: if it is
    damaged that is an error, not a reason to look further.

    Parameters
    ----------
    file : RawFile
        What is looked for.
    options : DataOptions
        Where to look, and whether to download and verify.

    Returns
    -------
    Path
        A file that passed its checks.

    Raises
    ------
    DataError
        If the file is nowhere and cannot be downloaded, or fails its checks.
    UnknownNameError
        If a column is missing.
    """
    looked_at = list(dict.fromkeys(folders(options)))  # $MOLMIS_DATA may be the folder beside the checkout
    for folder in looked_at:
        for path in (folder / place for place in file.places):
            if path.is_file():
                check_file(path, file, options.verify)
                return path
    reason = "downloading is off"
    if options.download and file.sha256 is None and options.verify:
        reason = "it is not downloaded by itself because its checksum is not known (--no-verify waives that)"
    elif options.download:
        try:
            return _download(file, options)
        except (OSError, ValueError) as error:  # no network, refused, cut short: all end in the same advice
            reason = f"downloading {file.url} failed ({type(error).__name__}: {_first_line(error)})"
    where = ", ".join(map(str, looked_at))
    if file.archive is not None:
        raise DataError(
            f"{file.archive.member} was not found in {where} (nor {file.collection}/ there), and {reason}; "
            f"get the archive {file.archive.name} from {file.url}, unpack it into DIR/{file.collection}/, so "
            f"that there is DIR/{file.places[0]}, and name DIR with --data-dir DIR or MOLMIS_DATA"
        )
    raise DataError(
        f"{file.name} was not found in {where} (nor {file.collection}/ there), "
        f"and {reason}; get it from {file.url} and name its folder with --data-dir DIR or MOLMIS_DATA"
    )


def _download(file: RawFile, options: DataOptions) -> Path:
    """Download into the cache; what fails its checks is not kept."""
    folder = cache_dir("data") / file.collection
    if file.archive is None:
        path = _fetched(folder, file.name, file.url, options)
        _check_or_remove(path, file, options, path)
        return path
    archive = _fetched(folder, file.archive.name, file.url, options)
    path = folder / file.archive.member
    try:
        with zipfile.ZipFile(archive) as packed, atomic_write(path) as part:
            part.write_bytes(packed.read(file.archive.member))
    except (zipfile.BadZipFile, KeyError, zlib.error) as error:
        archive.unlink()  # so that the next try does not meet it again
        raise ValueError(
            f"{file.archive.name} is no zip archive that holds {file.archive.member} ({_first_line(error)})"
        ) from error
    _check_or_remove(path, file, options, archive)
    return path


def _check_or_remove(path: Path, file: RawFile, options: DataOptions, downloaded: Path) -> None:
    """Check a file that was downloaded; take it and what it came in away if that fails."""
    try:
        check_file(path, file, options.verify)
    except Exception:
        path.unlink()
        downloaded.unlink(missing_ok=True)
        raise


def _fetched(folder: Path, name: str, url: str, options: DataOptions) -> Path:
    """Return a file of the cache, downloaded if it is not there."""
    import pooch  # takes a while to import, and most runs never download

    with _bar(options.progress, name) as bar, _without_log(pooch.get_logger()):
        keeper = pooch.create(
            path=folder, base_url="", registry={name: None}, urls={name: url}, retry_if_failed=RETRIES
        )
        downloader = pooch.HTTPDownloader(progressbar=bar, timeout=TIMEOUT)
        return Path(keeper.fetch(name, downloader=downloader))


class _Bar:
    """What pooch takes for a progress bar, drawn on a :class:`Progress`."""

    def __init__(self, progress: Progress, name: str, stack: ExitStack) -> None:
        self._progress, self._name, self._stack = progress, name, stack
        self._left = 0

    @property
    def total(self) -> int:
        return self._left

    @total.setter
    def total(self, size: int) -> None:
        # Set by pooch once the server has told the size, and again when it tries again.
        self._stack.close()
        self._left = size
        self._advance = self._stack.enter_context(self._progress.stage(f"download {self._name}", size))

    def update(self, size: int) -> None:
        steps = min(size, self._left)
        self._left -= steps
        self._advance(steps)

    def reset(self) -> None:
        """Do nothing: pooch then repeats the full size, which ``update`` cuts to what is left."""

    def close(self) -> None:
        self._stack.close()


@contextmanager
def _bar(progress: Progress, name: str) -> Iterator[_Bar]:
    with ExitStack() as stack:
        yield _Bar(progress, name, stack)


@contextmanager
def _without_log(logger: logging.Logger) -> Iterator[None]:
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else "no details"
