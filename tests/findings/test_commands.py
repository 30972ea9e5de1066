"""`platebench findings` lists and reproduces findings, and reports failures by exit status 1."""

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
from platebench.findings.finding import Finding, Kind, Observation
from platebench.findings.registry import FINDINGS
from platebench.findings.run import run_finding
from platebench.stores.registry import FORMATS

Run = Callable[..., tuple[int, str, str]]


class RustPanic(BaseException):
    """Like pyo3_runtime.PanicException."""


def made_up(
    name: str, show: Callable[[Path], Observation] | None, library: str = "numpy"
) -> Finding:
    return Finding(
        name=name,
        title=f"What {name} is of",
        kind=Kind.MORE_BYTES,
        libraries=(library,),
        formats=("parquet",),
        happens="Something happens.",
        instead="Do something else.",
        done="call()" if show else "",
        show=show,
        command="" if show else "platebench talk --over then " + "and so on " * 10,
    )


def is_so(folder: Path) -> Observation:
    (folder / "file").write_bytes(b"left behind")
    return Observation({"bytes stored": 2048, "rows": [3, 1]}, holds=True)


def is_not_so(folder: Path) -> Observation:
    return Observation({"bytes stored": 1}, holds=False)


def is_too_old(folder: Path) -> Observation:
    raise Unsupported("numpy 1 has no such call")


def panics(folder: Path) -> Observation:
    raise RustPanic("called `Option::unwrap()` on a `None` value")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `platebench findings` with made-up findings, in 80 columns."""
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


def test_command_without_names_lists_findings_and_runs_none(run: Run) -> None:
    status, printed, _ = run()
    assert status == 0
    assert "more bytes than the pixels" in printed
    assert "too-old  (numpy)" in printed
    assert "What too-old is of" in printed
    assert "bytes stored" not in printed


def test_list_can_be_printed_as_json(run: Run) -> None:
    _, printed, _ = run("--json")
    assert [each["name"] for each in json.loads(printed)][:2] == ["so", "not-so"]


def test_finding_that_holds_is_shown_with_status_0(run: Run) -> None:
    status, printed, _ = run("so")
    assert status == 0
    for part in ("Something happens.", "Do something else.", "call()", "2,048", "reproduced here"):
        assert part in printed
    assert max(map(len, printed.splitlines())) <= 80


def test_finding_that_does_not_hold_is_reported_with_status_1(run: Run) -> None:
    status, printed, said = run("so", "not-so")
    assert status == 1
    assert "FAILS" in printed
    assert "platebench: not reproduced here: not-so" in said


def test_finding_that_panics_does_not_hold(run: Run) -> None:
    status, printed, said = run("panics")
    assert status == 1
    assert "ended with: RustPanic: called `Option::unwrap()`" in printed
    assert "not reproduced here: panics" in said


def test_finding_that_cannot_run_is_skipped_with_its_reason(run: Run) -> None:
    status, printed, _ = run("too-old", "absent")
    assert status == 0
    assert "numpy 1 has no such call" in printed
    assert "type: pip install no-such-library" in " ".join(printed.split())


def test_finding_that_needs_other_versions_shows_its_command_in_one_line(run: Run) -> None:
    status, printed, _ = run("elsewhere")
    assert status == 0
    assert "needs other versions of the libraries" in printed
    assert "$ platebench talk --over then " + "and so on " * 9 in printed


def test_all_findings_are_printed_as_json_in_order(run: Run) -> None:
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


def test_unknown_name_is_refused(run: Run) -> None:
    with pytest.raises(UserError, match="nothing-of-the-kind: no such finding") as said:
        run("nothing-of-the-kind")
    assert str(said.value).endswith("there are so, not-so, too-old, absent, elsewhere, panics")


def test_run_finding_leaves_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    run_finding(made_up("so", is_so))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("raised", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt()])
def test_full_disk_and_ctrl_c_are_not_results(raised: BaseException) -> None:
    def fails(folder: Path) -> Observation:
        raise raised

    with pytest.raises(type(raised)):
        run_finding(made_up("fails", fails))


def test_command_line_imports_findings_on_demand() -> None:
    loaded = "import sys, platebench.cli; print('platebench.findings.registry' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", loaded], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_registry_imports_no_storage_library() -> None:
    code = (
        "import sys, platebench.findings.registry;"
        "print([name for name in ('lance', 'lancedb', 'pyarrow', 'zarr', 'h5py', 'awkward')"
        " if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_formats_of_findings_are_registered() -> None:
    known = {each.name for each in FORMATS}
    assert all(finding.formats and set(finding.formats) <= known for finding in FINDINGS)
