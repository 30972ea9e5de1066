"""`platebench findings` lists findings, shows them again, and its exit status says what came."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from platebench.cli import app
from platebench.errors import Unsupported, UserError
from platebench.findings import registry
from platebench.findings.finding import Finding, Kind, Seen
from platebench.findings.run import show

Run = Callable[..., tuple[int, str, str]]


class RustPanic(BaseException):
    """As pyo3 raises them."""


def made_up(name: str, show: Callable[[Path], Seen] | None, library: str = "numpy") -> Finding:
    return Finding(
        name=name,
        title=f"What {name} is of",
        kind=Kind.MORE_BYTES,
        libraries=(library,),
        happens="Something happens.",
        instead="Do something else.",
        done="call()" if show else "",
        show=show,
        command="" if show else "platebench talk --over then " + "and so on " * 10,
    )


def is_so(folder: Path) -> Seen:
    (folder / "file").write_bytes(b"left behind")
    return Seen({"bytes stored": 2048, "rows": [3, 1]}, holds=True)


def is_not_so(folder: Path) -> Seen:
    return Seen({"bytes stored": 1}, holds=False)


def is_too_old(folder: Path) -> Seen:
    raise Unsupported("numpy 1 has no such call")


def panics(folder: Path) -> Seen:
    raise RustPanic("called `Option::unwrap()` on a `None` value")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `platebench findings` with made-up ones, in 80 columns."""
    findings = (
        made_up("so", is_so),
        made_up("not-so", is_not_so),
        made_up("too-old", is_too_old),
        made_up("absent", is_so, library="no-such-library"),
        made_up("elsewhere", None),
        made_up("panics", panics),
    )
    monkeypatch.setattr(registry, "FINDINGS", findings)
    monkeypatch.setenv("COLUMNS", "80")

    def invoke(*arguments: str) -> tuple[int, str, str]:
        result = CliRunner().invoke(app, ["findings", *arguments])
        if isinstance(result.exception, UserError):
            raise result.exception
        return result.exit_code, result.stdout, result.stderr

    return invoke


def test_without_a_name_they_are_listed_and_none_is_shown(run: Run) -> None:
    status, printed, _ = run()
    assert status == 0
    assert "more bytes than the pixels" in printed
    assert "too-old  (numpy)" in printed
    assert "What too-old is of" in printed
    assert "bytes stored" not in printed


def test_a_list_can_be_had_as_json(run: Run) -> None:
    _, printed, _ = run("--json")
    assert [each["name"] for each in json.loads(printed)][:2] == ["so", "not-so"]


def test_one_that_is_so_is_shown_and_the_status_is_0(run: Run) -> None:
    status, printed, _ = run("so")
    assert status == 0
    for part in ("Something happens.", "Do something else.", "call()", "2,048", "still so here"):
        assert part in printed
    assert max(map(len, printed.splitlines())) <= 80


def test_one_that_is_no_longer_so_is_told_and_the_status_is_1(run: Run) -> None:
    status, printed, said = run("so", "not-so")
    assert status == 1
    assert "NOT SO" in printed
    assert "platebench: not so here: not-so" in said


def test_one_that_ends_otherwise_is_not_so_even_if_a_library_panics(run: Run) -> None:
    status, printed, said = run("panics")
    assert status == 1
    assert "ended with: RustPanic: called `Option::unwrap()`" in printed
    assert "not so here: panics" in said


def test_one_that_cannot_be_shown_here_is_passed_over_with_its_reason(run: Run) -> None:
    status, printed, _ = run("too-old", "absent")
    assert status == 0
    assert "numpy 1 has no such call" in printed
    assert "type: pip install no-such-library" in " ".join(printed.split())


def test_one_that_needs_other_libraries_has_its_command_in_one_line(run: Run) -> None:
    status, printed, _ = run("elsewhere")
    assert status == 0
    assert "needs other versions of the libraries" in printed
    assert "$ platebench talk --over then " + "and so on " * 9 in printed


def test_all_are_shown_as_json_in_their_order(run: Run) -> None:
    status, printed, _ = run("--all", "--json")
    records = {record["name"]: record for record in json.loads(printed)}
    assert status == 1
    assert [record["holds"] for record in records.values()] == [
        *(True, False),
        *(None, None, None),
        False,
    ]
    assert records["so"]["facts"] == {"bytes stored": 2048, "rows": [3, 1]}
    assert list(records["so"]["versions"]) == ["numpy"]


def test_an_unknown_name_is_a_misuse(run: Run) -> None:
    with pytest.raises(UserError, match="nothing-of-the-kind: no such finding") as said:
        run("nothing-of-the-kind")
    assert str(said.value).endswith("there are so, not-so, too-old, absent, elsewhere, panics")


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    show(made_up("so", is_so))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("raised", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt()])
def test_a_full_disk_and_ctrl_c_are_no_findings(raised: BaseException) -> None:
    def fails(folder: Path) -> Seen:
        raise raised

    with pytest.raises(type(raised)):
        show(made_up("fails", fails))


def test_the_command_line_loads_no_finding_until_one_is_asked_for() -> None:
    loaded = "import sys, platebench.cli; print('platebench.findings.registry' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", loaded], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_the_list_of_findings_loads_no_library() -> None:
    code = (
        "import sys, platebench.findings.registry;"
        "print([name for name in ('lance', 'lancedb', 'pyarrow', 'zarr', 'h5py', 'awkward')"
        " if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
