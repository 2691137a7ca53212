"""From a quantizer's file to its place on the board, and whether what it claims comes out again."""

import dataclasses
import json
import os
import shutil
import tempfile
import time
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from benchmark.execute import Settings, measure
from benchmark.frame_file import frame_content, read_frame, write_frame
from benchmark.results import read_cell
from leaderboard import (
    board,
    compare,
    contained,
    estimate,
    manifest,
    rerun,
    status,
    submit,
    verification,
    verify,
)
from leaderboard.folder import KINDS, read_manifest, read_submission
from leaderboard.machine import machine
from leaderboard.protocol import PROTOCOLS, Place, get_protocol
from leaderboard.submission import asked
from leaderboard.submission import submit as submit_it
from leaderboard.submitted import brought, publish, sources
from molecules.cache import content_key
from molecules.errors import DataError, MolmisError
from tasks.task import DataOptions
from tests.leaderboard.tiny import PROTOCOL, SOURCE, TASK, source, tiny
from tests.listener import Listener

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module", autouse=True)
def protocol():
    with tiny():
        yield


@pytest.fixture(scope="module", autouse=True)
def own_temporary_folder(tmp_path_factory):
    """Keep caches of verifications out of /tmp, where tests of the sandbox look for traces meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("temporary")))
        yield


@pytest.fixture(scope="module")
def first(protocol, tmp_path_factory):
    """A submission that was really measured in the sandbox; nobody may change it."""
    folder = tmp_path_factory.mktemp("first")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOLMIS_CACHE", str(folder / "cache"))
        submit_it(
            source(folder), "quarters", "Ann Example", "https://example.org/a", protocol="tiny",
            submissions=folder / "submissions", results=folder / "results",
        )  # fmt: skip
    return folder


@pytest.fixture
def made(first, tmp_path):
    """A copy of it, to be changed."""
    shutil.copytree(first / "submissions", tmp_path / "submissions")
    return tmp_path / "submissions/tiny/quarters"


@pytest.fixture
def measured_as_before(first, monkeypatch):
    """Have cells come out as they did the first time, without waiting for it; return what was asked for."""
    honest = read_submission(first / "submissions/tiny/quarters")
    seen = []

    def measure(bench, place, name, file, progress):
        seen.append(place)
        result = read_cell(honest.result(honest.cells()[place]))
        return contained.Measured(None, result, {"containment": "limits"})

    monkeypatch.setattr(contained.Bench, "measure", measure)
    return seen


def called(app, *arguments):
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code in (0, 1, 2), repr(done.exception)
    if done.exit_code == 2:
        assert done.stderr.splitlines()[-1].startswith("error: ")
    return done


def rewritten(folder: Path, change) -> None:
    """Change a manifest as somebody would who knows how it is written."""
    told = json.loads((folder / "manifest.json").read_text())
    change(told)
    (folder / "manifest.json").write_text(json.dumps(told))


def rehash(folder: Path) -> None:
    def change(told):
        for cell in told["cells"]:
            for file in cell["files"]:
                file["sha256"] = manifest_hash(folder / file["path"])

    rewritten(folder, change)


def manifest_hash(path: Path) -> str:
    from molecules.cache import file_sha256

    return file_sha256(path)


def test_a_submission_has_everything_and_is_on_the_board(first):
    made = read_submission(first / "submissions/tiny/quarters")
    told = made.manifest
    assert made.source.read_text() == SOURCE
    assert told.about == manifest.about("quarters", "Ann Example", "https://example.org/a")
    assert [(c.task, c.encoder, c.seed) for c in told.cells] == [("tiny", "ecfp", 0), ("tiny", "ecfp", 1)]
    assert told.bits == 2
    assert told.containment.level in ("bubblewrap", "limits")
    assert told.versions.keys() >= {"python", "torch", "rdkit", "numpy"}
    assert told.cost.seconds == pytest.approx(sum(cell.cost.seconds for cell in told.cells), abs=0.05)
    assert told.cost.peak_memory_mib > 50
    for cell in told.cells:
        result = read_cell(made.result(cell))
        assert list(dict.fromkeys(result.rows["quantizer"])) == ["float32", "sign", "quarters"]
        assert result.rows.set_index("quantizer").loc["quarters", "bits"].tolist() == [2, 2]
    stored = sorted(path.name for path in (first / "results").glob("*.parquet"))
    assert stored == sorted(made.result(cell).name for cell in told.cells)
    row = sources(first / "submissions")["quarters"]
    assert (row.author, row.paper, row.verified) == ("Ann Example", "https://example.org/a", "unverified")
    # nothing else was left, but the file that keeps two processes apart
    assert sorted(path.name for path in (first / "submissions/tiny").iterdir()) == [
        ".quarters.lock",
        "quarters",
    ]
    machine_names = (told.model_dump_json(), os.uname().nodename)
    assert machine_names[1] not in machine_names[0]


def test_the_same_submission_again_measures_nothing(first, measured_as_before, tmp_path):
    again = Listener()
    shutil.copytree(first / "submissions", tmp_path / "submissions")
    made = submit_it(
        source(tmp_path), "quarters", "Ann Example", "https://example.org/a", protocol="tiny",
        submissions=tmp_path / "submissions", results=tmp_path / "results", progress=again,
    )  # fmt: skip
    assert made == read_submission(tmp_path / "submissions/tiny/quarters")
    assert measured_as_before == []
    assert len(list((tmp_path / "results").glob("*.parquet"))) == 2  # a store that lacked them has them now
    assert any("is there already" in note for note in again.notes)


def test_a_stopped_submission_goes_on_with_the_next_cell(first, tmp_path, monkeypatch):
    really, seen = contained.Bench.measure, []

    def measure(bench, place, name, file, progress):
        seen.append(place.seed)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return really(bench, place, name, file, progress)

    monkeypatch.setenv("MOLMIS_CACHE", str(first / "cache"))
    monkeypatch.setattr(contained.Bench, "measure", measure)
    monkeypatch.setattr("leaderboard.submission.admitted", lambda path, name: (2.0, ()))
    given = {
        "protocol": "tiny", "submissions": tmp_path / "submissions", "results": tmp_path / "results",
    }  # fmt: skip
    with pytest.raises(KeyboardInterrupt):
        submit_it(source(tmp_path), "quarters", "A", **given)
    assert not list(tmp_path.glob("submissions/tiny/*/manifest.json"))
    assert not list(tmp_path.glob("results/*.parquet"))  # nothing of it is on the board
    made = submit_it(source(tmp_path), "quarters", "A", **given)
    assert seen == [0, 1, 1]
    honest = read_submission(first / "submissions/tiny/quarters")
    for one, two in zip(made.manifest.cells, honest.manifest.cells, strict=True):
        pd.testing.assert_frame_equal(read_cell(made.result(one)).rows, read_cell(honest.result(two)).rows)


def test_a_name_stands_for_one_file(made, tmp_path, measured_as_before):
    given = [
        "--author",
        "Bob",
        "--protocol",
        "tiny",
        "--submissions",
        made.parents[1],
        "--results",
        tmp_path / "r",
    ]
    other = source(tmp_path, SOURCE + "\n# other\n")
    done = called(submit.app, other, "--name", "quarters", *given)
    assert done.exit_code == 2
    assert "is another submission of that name" in done.stderr
    same = source(tmp_path)
    done = called(submit.app, same, "--name", "Quarters", *given)
    assert done.exit_code == 2
    assert "is this very file under the name quarters" in done.stderr
    done = called(submit.app, same, "--name", "quarters", *given)
    assert done.exit_code == 2
    assert "another --author" in done.stderr
    assert read_submission(made).manifest.about.author == "Ann Example"
    assert measured_as_before == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--seeds", "0"], "1 seed given, and tiny takes at least 2"),
        (["--seeds", "0,7"], "1 is not among those given"),
        (["--seeds", "0,one"], "whole numbers"),
        (["--protocol", "board-0"], "unknown protocol 'board-0'"),
        (["--name", "../x"], "--name '../x'"),
        (["--name", "<script>"], "--name '<script>'"),
        (["--name", "sign"], "stands for something else"),
        (["--name", "uniform"], "stands for something else"),
        (["--name", "n" * 61], "at most 60"),
        (["--author", "<script>alert(1)</script>"], "--author"),
        (["--author", "=cmd()"], "--author"),
        (["--author", "a\nb"], "--author"),
        (["--paper", "javascript:alert(1)"], "--paper"),
        (["--device", "tpu"], "--device 'tpu'"),
    ],
)
def test_mistakes_are_told_before_anything_is_measured(arguments, words, tmp_path, measured_as_before):
    given = {"--name": "mine", "--author": "A", "--protocol": "tiny"} | dict([arguments])
    done = called(submit.app, source(tmp_path), *(part for pair in given.items() for part in pair))
    assert done.exit_code == 2
    assert words in done.stderr
    assert measured_as_before == []


def test_links_absent_files_and_folders_are_refused(tmp_path):
    real = source(tmp_path)
    (tmp_path / "link.py").symlink_to(real)
    for name in ("link.py", "absent.py", "."):
        done = called(submit.app, tmp_path / name, "--name", "mine", "--author", "A", "--protocol", "tiny")
        assert done.exit_code == 2
        assert str(tmp_path) in done.stderr


def test_a_quantizer_that_breaks_the_contract_is_told_by_its_own_name(tmp_path):
    constant = source(tmp_path, "BITS = 1\n\n\ndef quantize(matrix):\n    return matrix * 0\n", "nothing.py")
    with pytest.raises(MolmisError, match=r"nothing\.py"):
        submit_it(
            constant, "nothing", "A", protocol="tiny",
            submissions=tmp_path / "submissions", results=tmp_path / "results",
        )  # fmt: skip
    assert not list(tmp_path.glob("submissions/tiny/*/manifest.json"))


def test_honest_results_are_verified_by_measuring_again(first, made, monkeypatch):
    monkeypatch.setenv("MOLMIS_CACHE", str(first / "cache"))
    done = called(verify.app, made, "--seed", 3)
    assert done.exit_code == 0, done.stderr
    assert "verified: 1 of 2 cells" in done.stdout  # 5 % of two cells is one
    assert os.environ["MOLMIS_CACHE"] == str(first / "cache")
    told = verification.read(read_submission(made))
    assert told.verdict == "verified"
    assert [cell.beyond for cell in told.cells] == [0]
    assert told.cells[0].alike
    assert told.cells[0].figures > 500
    assert sources(made.parents[1])["quarters"].verified == "verified"
    rewritten(made, lambda told: told.update(created="2026-01-01T00:00:00Z"))  # it is another submission now
    assert sources(made.parents[1])["quarters"].verified == "unverified"


TAMPERED = [
    ("", "rate", 1.02), ("", "loss_out", 1.0001), ("", "rmse", 0.99), ("", "entropy_bits", 0.98),
    ("attacks", "auc", 0.97), ("attacks", "advantage", 0.9),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "column", "factor"), TAMPERED, ids=lambda value: str(value) or "rows")
def test_one_changed_number_is_found(kind, column, factor, made, measured_as_before):
    cell = read_manifest(made).manifest.cells[1]
    path = next(made / file.path for file in cell.files if Path(file.path).parent.name == (kind or "results"))
    frame, facts = read_frame(path)
    own = frame.index[(frame["quantizer"] == "quarters") & frame[column].notna()][0]
    frame.loc[own, column] *= factor
    write_frame(path, frame, facts)
    if not kind:  # what lies beside says of which rows it is
        for beside in KINDS:
            other, told = read_frame(made / "results" / beside / path.name)
            write_frame(made / "results" / beside / path.name, other, {**told, "of": frame_content(frame)})
    rehash(made)
    done = called(verify.app, made, "--cells", "all", "--seed", 0)
    assert done.exit_code == 1, done.stderr
    assert done.stdout.startswith("mismatching: 2 of 2")
    assert column in done.stdout
    assert "quantizer quarters" in done.stdout
    assert sources(made.parents[1])["quarters"].verified == "mismatching"


def test_a_cell_of_something_else_is_refused(made, measured_as_before):
    cell = read_manifest(made).manifest.cells[1]
    path = read_manifest(made).result(cell)
    frame, facts = read_frame(path)
    write_frame(path, frame, {**facts, "seed": 5})
    rehash(made)
    done = called(verify.app, made)
    assert done.exit_code == 2
    assert "its seed is another one" in done.stderr
    write_frame(path, frame.replace({"quantizer": {"sign": "uniform-2"}}), facts)
    rehash(made)
    assert "holds others" in called(verify.app, made).stderr
    assert not verification.place_of(made).exists()


def _link(folder):
    (folder / "results/link.parquet").symlink_to("/etc/passwd")


def _linked_source(folder):
    (folder / "quantizer.py").unlink()
    (folder / "quantizer.py").symlink_to(folder / "manifest.json")


def _pipe(folder):
    os.mkfifo(folder / "pipe")


def _first_file(path):
    return lambda folder: rewritten(folder, lambda told: told["cells"][0]["files"][0].update(path=path))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: (f / "extra.txt").write_text("x"), "extra.txt"),
        (lambda f: (f / "verification.json").write_text("{}"), "verification.json"),
        (_link, "symbolic link"),
        (_linked_source, "symbolic link"),
        (_pipe, "no ordinary file"),
        (lambda f: (f / "quantizer.py").write_text(SOURCE + "\n"), "not the file that was submitted"),
        (lambda f: (f / "quantizer.py").unlink(), "cannot be read"),
        (lambda f: (f / "manifest.json").write_text("{"), "not as docs/submission.schema.json says"),
        (lambda f: (f / "manifest.json").unlink(), "manifest.json"),
        (_first_file("results/../../x.parquet"), "cells.0.files.0.path"),
        (_first_file("/etc/passwd"), "cells.0.files.0.path"),
        (lambda f: rewritten(f, lambda t: t.update(more=1)), "more"),
        (lambda f: rewritten(f, lambda t: t["about"].update(author="<b>")), "about.author"),
        (lambda f: rewritten(f, lambda t: t["about"].update(author="a" * 201)), "about.author"),
        (lambda f: rewritten(f, lambda t: t["cost"].update(seconds="1")), "cost.seconds"),
        (lambda f: rewritten(f, lambda t: t.update(seeds=[0])), "at least 2"),
        (lambda f: rewritten(f, lambda t: t.update(seeds=[0, 1, 2])), "lacks the cell"),
        (lambda f: rewritten(f, lambda t: t.update(protocol="board-9")), "unknown protocol"),
        (lambda f: rewritten(f, lambda t: t["cells"].append(t["cells"][0])), "twice"),
    ],
)  # fmt: skip
def test_a_folder_that_is_not_whole_is_bad_input(change, words, made, measured_as_before):
    change(made)
    done = called(verify.app, made)
    assert done.exit_code == 2
    assert words in done.stderr.splitlines()[-1]
    assert measured_as_before == []


@pytest.mark.parametrize("text", ["0%", "101%", "5", "some", "-1%", "nan%"])
def test_shares_that_are_none(text):
    with pytest.raises(MolmisError, match="--cells"):
        verify.share_of(text)


def test_shares():
    assert [verify.share_of(text) for text in ("5%", "100%", "all", " 12.5% ")] == [0.05, 1, 1, 0.125]


def test_the_drawing_depends_on_the_verifier_and_on_the_submission(first):
    from dataclasses import replace

    made = read_submission(first / "submissions/tiny/quarters")
    draws = [rerun.drawn(made, 0.05, seed) for seed in range(40)]
    assert {len(draw) for draw in draws} == {1}
    assert {draw[0].seed for draw in draws} == {0, 1}
    assert draws == [rerun.drawn(made, 0.05, seed) for seed in range(40)]
    assert draws != [rerun.drawn(replace(made, sha256="0" * 64), 0.05, seed) for seed in range(40)]
    assert rerun.drawn(made, 1.0, 0) == [Place("tiny", "ecfp", 0), Place("tiny", "ecfp", 1)]


def test_differences_in_times_of_what_is_allowed():
    ours, again = (
        pd.Series([1.0, 2.0, float("nan"), float("nan"), 0.0]),
        pd.Series([1.1, 2.0, float("nan"), 1.0, 0.5]),
    )
    ratio = compare.ratios(ours, again, compare.Tolerance(0.1, 0.1))
    assert ratio[:3] == pytest.approx([0.1 / 0.21, 0, 0])
    assert ratio[3] == float("inf")
    assert ratio[4] == pytest.approx(0.5 / 0.15)
    assert compare.ratios(pd.Series(["a", "b"]), pd.Series(["a", "c"]), compare.OTHERWISE).tolist() == [
        0,
        float("inf"),
    ]
    assert compare.ratios(pd.Series([1, 2]), pd.Series([1, 3]), compare.NONE).tolist() == [0, float("inf")]


def other_arithmetic(result, size):
    """Return a result as another kind of processor might have it: every loss a little different."""
    from dataclasses import replace

    return replace(result, rows=result.rows.assign(**{
        name: result.rows[name] * (1 + size) for name in ("loss_in", "loss_out", "effect")
    }))  # fmt: skip


@pytest.mark.parametrize(("size", "fine"), [(1e-4, True), (0.9, False)])
def test_another_kind_of_processor_has_its_tolerance(size, fine, first):
    made = read_submission(first / "submissions/tiny/quarters")
    result = read_cell(made.result(made.manifest.cells[0]))
    found = compare.compare(result, other_arithmetic(result, size), same_program=True)
    assert not found.alike
    assert (found.beyond == 0) is fine


def test_what_the_board_shows_must_agree_more_closely_than_single_runs(first):
    made = read_submission(first / "submissions/tiny/quarters")
    result = read_cell(made.result(made.manifest.cells[0]))
    again = other_arithmetic(result, 1e-6)
    again.rows["rmse"] *= 1.015  # within what single runs may differ, and all in one direction
    found = compare.compare(result, again, same_program=True)
    assert {one.frame for one in found.told} == {"board"}
    assert {one.column for one in found.told} == {"performance"}


def test_an_estimate_by_what_earlier_submissions_took(made, tmp_path, monkeypatch, measured_as_before):
    monkeypatch.setattr(estimate, "admitted", lambda path, name: (2.0, ()))
    other = source(tmp_path, SOURCE + "\n# other\n")
    done = called(
        submit.app, other, "--name", "next", "--author", "A", "--protocol", "tiny",
        "--submissions", made.parents[1], "--dry-run",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert done.stdout.count(estimate.STORED) == 2
    assert "2 cells" in done.stdout
    assert measured_as_before == []
    assert sorted(path.name for path in made.parent.iterdir() if path.is_dir()) == ["quarters"]


def test_an_estimate_by_a_trial(tmp_path, monkeypatch):
    monkeypatch.setattr(estimate, "admitted", lambda path, name: (2.0, ()))
    asked_for = []
    monkeypatch.setattr(
        contained.Bench,
        "measure",
        lambda bench, *rest: asked_for.append(bench.protocol.runs) or time.sleep(0.01),
    )
    wanted = asked(source(tmp_path), "mine", "A", protocol="tiny", submissions=tmp_path / "none")
    made = estimate.estimate(wanted, tmp_path / "mine.py", DataOptions())
    assert asked_for == [2, 4]
    assert [(one.place.seed, one.by) for one in made] == [(0, estimate.PROBED), (1, estimate.PROBED)]
    assert all(one.seconds > 0 for one in made)
    # 3 s whatever the size, and 2 ms a head and record: 2 heads, 120 records
    assert estimate.Rate(3.0, 0.002).seconds(PROTOCOL, Place("tiny", "ecfp", 0)) == pytest.approx(3.48)
    assert estimate.words(89) == "89 s"
    assert estimate.words(600) == "10 min"


def test_the_published_schema_is_that_of_the_program():
    assert (ROOT / "docs/submission.schema.json").read_text() == manifest.json_schema()


def test_published_protocols_never_change():
    facts = {
        name: protocol.facts() for name, protocol in PROTOCOLS.items() if protocol.on_board and name != "tiny"
    }
    assert {name: content_key(told) for name, told in facts.items()} == {"board-1": "0c046e9851666a87"}


def test_the_protocol_asks_for_every_attack_there_is():
    from benchmark.privacy.attacks import ATTACKS

    assert set(get_protocol("board-1").attacks) <= set(ATTACKS)


def test_results_of_folders_from_elsewhere_reach_the_store_once(made, tmp_path):
    store = tmp_path / "results"
    broken = shutil.copytree(made, made.parent / "broken")
    (broken / "quantizer.py").write_text("")
    notes = Listener()
    told = brought(made.parents[1], store, notes)
    assert list(told) == ["quarters"]
    assert len(list(store.glob("*.parquet"))) == 2
    assert any("broken" in note for note in notes.notes)
    assert list(publish(read_submission(made), store)) == []
    assert "broken" not in sources(made.parents[1], progress=notes)


def test_what_is_left_out_of_a_board_is_told(made, tmp_path):
    shutil.copytree(made, made.parent / "copy")
    verification.place_of(made).write_text("{")
    skipped: list[str] = []
    assert (
        brought(made.parents[1], tmp_path / "results", skipped=skipped)["quarters"].verified == "unverified"
    )
    assert [("copy says that its name is quarters" in line) for line in skipped] == [True, False]
    assert "quarters.verification.json is damaged, so quarters is unverified" in skipped[1]
    with pytest.raises(DataError, match="no folder of submissions"):
        brought(made / "manifest.json", tmp_path / "results")


def test_bits_of_a_manifest_are_those_that_were_measured(made, tmp_path):
    rewritten(made, lambda told: told.update(bits=1.0))
    done = called(verify.app, made)
    assert done.exit_code == 2
    assert "at other bits than the manifest says (1)" in done.stderr


def test_a_folder_under_another_name_is_not_verified(made):
    done = called(verify.app, made.rename(made.parent / "other"))
    assert done.exit_code == 2
    assert "says that its name is quarters" in done.stderr


def test_a_verdict_on_the_present_folder_is_written_beside_it(first, made, monkeypatch):
    monkeypatch.setenv("MOLMIS_CACHE", str(first / "cache"))
    monkeypatch.chdir(made)
    assert called(verify.app, ".").exit_code == 0
    assert sources(made.parents[1])["quarters"].verified == "verified"
    assert read_submission(made).name == "quarters"


def test_a_result_of_something_else_does_not_reach_the_store(made, tmp_path):
    path = read_manifest(made).result(read_manifest(made).manifest.cells[0])
    frame, facts = read_frame(path)
    own = {name: said for name, said in facts["quantizers"].items() if name != "quarters"}
    write_frame(path, frame[frame["quantizer"] != "quarters"], {**facts, "quantizers": own})
    rehash(made)
    notes, store = Listener(), tmp_path / "results"
    assert brought(made.parents[1], store, notes) == {}
    assert any("is to hold quarters" in note for note in notes.notes)
    assert not list(store.glob("*.parquet"))


@pytest.mark.parametrize("verified", [False, True])
def test_two_submissions_that_claim_one_cell(verified, made, tmp_path):
    thief = shutil.copytree(made, made.parent / "thief")
    rewritten(thief, lambda told: told["about"].update(name="thief"))
    if verified:
        with_verdict(made, "verified")
    notes, store = Listener(), tmp_path / "results"
    assert list(brought(made.parents[1], store, notes)) == (["quarters"] if verified else [])
    assert sum("claim the same cell" in note for note in notes.notes) == (1 if verified else 2)
    assert len(list(store.glob("*.parquet"))) == (2 if verified else 0)


def test_results_whose_submission_was_taken_away_are_unverified(made, tmp_path):
    frame = board(tmp_path / "results", submissions=made.parents[1]).frame
    assert "origin" not in frame
    with_verdict(made, "verified")
    shutil.rmtree(made)
    frame = board(tmp_path / "results", submissions=made.parents[1]).frame
    told = frame.drop_duplicates("quantizer").set_index("quantizer")[["source", "author", "verified"]]
    assert told.loc["quarters"].tolist() == ["quarters", "", "unverified"]
    assert told.loc["sign"].tolist() == ["built-in", "", ""]


def test_a_quantizer_of_ones_own_is_local(tmp_path, monkeypatch):
    monkeypatch.setenv("MOLMIS_CACHE", str(tmp_path / "cache"))
    asked = Settings("ecfp", ("sign", str(source(tmp_path))), 2, results=tmp_path / "results", attacks=False)
    measure(TASK, DataOptions(), asked)
    frame = board(tmp_path / "results").frame.set_index("quantizer")
    assert frame["source"].to_dict() == {"float32": "built-in", "sign": "built-in", "mine": "local"}


def test_the_machine_is_told_without_a_name():
    told = machine("cpu")
    assert told.cores >= 1
    assert os.uname().nodename not in told.model_dump_json()


def with_verdict(made: Path, verdict: str) -> None:
    """Write a verification as it would be written."""
    submission = read_submission(made)
    cell = submission.manifest.cells[0]
    one = verification.VerifiedCell(
        task=cell.task, encoder=cell.encoder, seed=cell.seed, key=cell.key,
        alike=True, figures=1, largest=0.0, largest_of="", beyond=int(verdict == "mismatching"),
    )  # fmt: skip
    verification.write(
        made,
        verification.Verification(
            submission=submission.sha256, verdict=verdict, when=manifest.now(), machine=machine("cpu"),
            seed=0, share=0.05, of_cells=2, versions_differ={}, cells=(one,),
        ),
    )  # fmt: skip


@pytest.mark.parametrize("verdict", ["unverified", "verified", "mismatching"])
def test_the_board_says_whether_a_submission_was_verified(verdict, made, tmp_path):
    if verdict != "unverified":
        with_verdict(made, verdict)
    frame = board(tmp_path / "results", submissions=made.parents[1]).frame
    own = frame[frame["quantizer"] == "quarters"]
    assert own[["source", "author", "verified"]].drop_duplicates().to_numpy().tolist() == [
        ["quarters", "Ann Example", verdict]
    ]
    assert set(frame[frame["quantizer"] == "sign"]["verified"]) == {""}
    if verdict == "mismatching":  # neither its own row nor those that stand beside it in its file
        assert set(frame["status"]) == {"mismatching"}
    else:
        assert "mismatching" not in set(frame["status"])


def test_a_submission_cannot_put_its_figures_in_the_place_of_measured_ones():
    rows = [
        {"quantizer": name, "cell": cell, "setting": "s", "code": code, "measured": when, "verified": said}
        for cell, name, code, when, said in [
            ("ours", "float32", "a", "2026-01-01", ""), ("ours", "sign", "b", "2026-01-01", ""),
            ("theirs", "float32", "a", "2026-02-01", ""), ("theirs", "sign", "forged", "2026-02-01", ""),
            ("theirs", "new", "c", "2026-02-01", "unverified"),
        ]
    ]  # fmt: skip
    frame = pd.DataFrame(rows).assign(
        mis_bound=0.9, confounded=False, r=1.0, flags="", no_skill=False, constant_share=0.0
    )
    told = status.with_status(frame)
    assert dict(zip(told["cell"] + " " + told["quantizer"], told["status"], strict=True)) == {
        "ours float32": "counted", "ours sign": "counted", "theirs float32": "repeated",
        "theirs sign": "outdated", "theirs new": "counted",
    }  # fmt: skip
    assert list(told.columns) == [*frame.columns, "status"]


@pytest.mark.parametrize(("processor", "code"), [("another one", 2), (None, 1)])
def test_nobody_is_accused_of_an_encoder_pretrained_elsewhere(
    processor, code, made, measured_as_before, monkeypatch
):
    monkeypatch.setattr(rerun, "pretrained", lambda encoder: True)
    really = contained.Bench.measure

    def measure(*arguments):
        found = really(*arguments)
        return dataclasses.replace(found, result=other_arithmetic(found.result, 0.9))

    monkeypatch.setattr(contained.Bench, "measure", measure)
    if processor is not None:
        rewritten(made, lambda told: told["machine"].update(processor=processor))
    done = called(verify.app, made, "--cells", "all")
    assert done.exit_code == code
    assert ("no verdict" in done.stderr) is (code == 2)
    assert verification.place_of(made).exists() is (code == 1)
