import gzip
import hashlib

import pytest

from molecules.errors import DataError
from tasks import locate as module
from tasks.locate import folders, locate
from tasks.raw_file import RawFile
from tasks.task import DataOptions

TABLE = b"smiles,y\nCCO,1\nC,0\n"
SHA256 = hashlib.sha256(TABLE).hexdigest()
FACTS = RawFile("set", "table.csv", "http://127.0.0.1:9/table.csv", SHA256, ("smiles", "y"))
OFFLINE = DataOptions(download=False)


def put(folder, collection="set"):
    path = folder / collection / "table.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(TABLE)
    return path


def test_places_are_tried_in_the_stated_order(tmp_path, monkeypatch, own_cache):
    given, environment, beside, cache = places = [tmp_path / name for name in "abcd"]
    cache = own_cache / "data"
    given.mkdir()
    monkeypatch.setenv("MOLMIS_DATA", str(environment))
    monkeypatch.setattr(module, "BESIDE_CHECKOUT", beside)
    options = DataOptions(data_dir=given, download=False)
    places = [given, environment, beside, cache]
    assert folders(options) == places
    for folder in reversed(places):
        path = put(folder)
        assert locate(FACTS, options) == path


def test_the_collection_folder_comes_before_the_folder_itself(tmp_path):
    bare = put(tmp_path, ".")
    options = DataOptions(data_dir=tmp_path, download=False)
    assert locate(FACTS, options) == bare
    assert locate(FACTS, options).parent == tmp_path
    assert locate(FACTS, DataOptions(data_dir=tmp_path)) == bare
    inner = put(tmp_path)
    assert locate(FACTS, options) == inner


def test_a_damaged_first_file_is_an_error_although_a_good_one_follows(tmp_path, own_cache):
    put(own_cache / "data")
    put(tmp_path).write_bytes(b"")
    with pytest.raises(DataError, match="is empty"):
        locate(FACTS, DataOptions(data_dir=tmp_path))


def test_nowhere_lists_every_place_and_what_to_do(tmp_path, own_cache):
    with pytest.raises(DataError) as caught:
        locate(FACTS, DataOptions(data_dir=tmp_path, download=False))
    message = str(caught.value)
    for part in (
        str(tmp_path),
        str(own_cache / "data"),
        "downloading is off",
        FACTS.url,
        "--data-dir",
        "MOLMIS_DATA",
    ):
        assert part in message
    assert "\n" not in message


def test_a_data_folder_that_is_none(tmp_path):
    with pytest.raises(DataError, match=r"correct --data-dir"):
        locate(FACTS, DataOptions(data_dir=tmp_path / "typo"))


@pytest.fixture
def server(web):
    """The folder that a web server on this machine serves, and the address of a table there."""
    folder, url = web
    return folder, f"{url}/table.csv"


def test_a_download_goes_to_the_cache_once(server, own_cache, listener, capfd):
    web, url = server
    (web / "table.csv").write_bytes(TABLE)
    facts = RawFile("set", "table.csv", url, SHA256, ("smiles", "y"))
    path = locate(facts, DataOptions(progress=listener))
    assert path == own_cache / "data" / "set" / "table.csv"
    assert listener.stages == {"download table.csv": [len(TABLE), len(TABLE)]}
    assert capfd.readouterr() == ("", "")
    (web / "table.csv").unlink()
    assert locate(facts, OFFLINE) == path


def test_an_unknown_checksum_is_waived_by_the_user_only(server, own_cache):
    web, url = server
    (web / "table.csv").write_bytes(TABLE)
    facts = RawFile("set", "table.csv", url, None, ("smiles", "y"))
    with pytest.raises(DataError, match=r"checksum is not known \(--no-verify waives that\); get it from"):
        locate(facts, DataOptions())
    assert locate(facts, DataOptions(verify=False)) == own_cache / "data" / "set" / "table.csv"
    assert locate(facts, DataOptions()).is_file()  # what lies there is used


def test_another_name_is_looked_for_too(tmp_path):
    facts = RawFile("set", "table.csv", "http://127.0.0.1:9/", SHA256, ("smiles",), also=("table.csv.gz",))
    path = tmp_path / "table.csv.gz"
    path.write_bytes(gzip.compress(TABLE))
    assert locate(facts, DataOptions(data_dir=tmp_path, download=False)) == path


def test_a_download_of_something_else_is_not_kept(server, own_cache):
    web, url = server
    (web / "table.csv").write_bytes(b"<html>moved</html>")
    with pytest.raises(DataError, match="web page"):
        locate(RawFile("set", "table.csv", url, SHA256, ("smiles",)), DataOptions())
    assert not list((own_cache / "data" / "set").iterdir())


def test_a_failed_download_is_tried_again_and_then_explained(server, monkeypatch):
    _, url = server
    waits = []
    monkeypatch.setattr("pooch.core.time.sleep", waits.append)
    with pytest.raises(DataError, match=r"downloading .* failed \(HTTPError: 404 .*--data-dir DIR"):
        locate(RawFile("set", "table.csv", url, SHA256, ("smiles",)), DataOptions())
    assert len(waits) == module.RETRIES
