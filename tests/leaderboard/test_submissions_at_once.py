"""Several processes submit to one store, and are killed."""

import pytest

from benchmark.results import read_cell
from benchmarks.submissions import Template, faults, real_submission, stress
from tests.leaderboard.tiny import tiny


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    folder = tmp_path_factory.mktemp("template")
    with tiny(), pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOLMIS_CACHE", str(folder / "cache"))
        yield Template(real_submission(folder))


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_lost_doubled_or_half_written(seed, template, tmp_path):
    wrong, kills = stress(tmp_path, template, seed)
    assert wrong == []
    assert kills > 0


def test_faults_are_seen(template, tmp_path):
    assert stress(tmp_path, template, 0, processes=2)[0] == []
    names = ["q0"]
    assert faults(tmp_path, template, names) == []
    path = next((tmp_path / "results").glob("*.parquet"))
    read_cell(path)
    data = path.read_bytes()
    path.write_bytes(data[:-9])
    assert any("damaged" in fault for fault in faults(tmp_path, template, names))
    path.write_bytes(data)
    (path.parent / "copy.parquet").write_bytes(data)
    assert any("3 cells, not 2" in fault for fault in faults(tmp_path, template, names))
    (path.parent / "copy.parquet").unlink()
    (path.parent / "attacks" / path.name).unlink()
    assert any("something else" in fault for fault in faults(tmp_path, template, names))
    (tmp_path / "submissions/tiny/q0/manifest.json").unlink()
    assert len(faults(tmp_path, template, names)) > 1
