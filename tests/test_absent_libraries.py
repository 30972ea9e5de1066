"""If an optional library is missing, everything that does not need it still works."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tifffile

from platebench.commands.site import NEEDS as OF_THE_SITE
from platebench.findings.registry import FINDINGS
from platebench.optional import is_on_pypi, module_of
from platebench.stores import registry
from platebench.talk.outcome import LIBRARIES as OF_THE_TALK
from tests.scratch_checkout import REPOSITORY

ABSENT = Path(__file__).parent / "absent"
"""A folder with a sitecustomize that makes a library appear absent."""

TALK_CELLS = ["JoinPixels", "JoinTables", "NearestCells", "ThreeReads"]

REQUIRED = {"numpy", "pyarrow", "tifffile", "imagecodecs"}
"""Distributions without which nothing works."""

NEEDED = {
    *(name for format_ in registry.FORMATS for name in format_.all_needs),
    *OF_THE_TALK,
    *OF_THE_SITE,
    *(name for finding in FINDINGS for name in finding.libraries),
}

OPTIONAL = {name: module_of(name) for name in sorted(NEEDED - REQUIRED) if is_on_pypi(name)}
"""Distributions that a format, the talk, the site or a finding needs, and their modules."""

SESSION = """
import contextlib, importlib, io, json, sys
from pathlib import Path
from platebench import cli
from platebench.commands import shared
from platebench.stores import registry
from platebench.timing.cell import library_versions
from platebench.running.suite import Suite

checkout, work, commands, modules = sys.argv[1], sys.argv[2], *map(json.loads, sys.argv[3:])
found = {"commands": [], "modules": {}, "stores": {}}
suite = Suite(Path(checkout), ["raw-2"])
cells = suite.cells()
found["cells"] = len(cells)
names = [name.split(".") for name in suite.benchmarks]
found["talk"] = sorted({name[1] for name in names if name[0] == "talk"})
found["libraries"] = sorted(library_versions())
for name in registry.names():
    reason = registry.why_not(name)
    if reason is None:
        registry.find(name)
    found["stores"][str(name)] = reason
for arguments in commands:
    out, err, status = io.StringIO(), io.StringIO(), 0
    shared.console.file, shared.errors.file = out, err
    sys.argv = ["platebench", *arguments]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            cli.main()
        except SystemExit as ended:
            status = int(ended.code or 0)
    found["commands"].append([status, out.getvalue(), err.getvalue()])
for module in modules:
    try:
        importlib.import_module(module)
        found["modules"][module] = None
    except ImportError as error:
        found["modules"][module] = str(error)
print(json.dumps(found))
"""


def without(library: str, work: Path, commands: list[list[str]], modules: list[str]) -> Any:
    """Run commands and imports in a process without a library, and return the results."""
    path = os.pathsep.join([str(ABSENT), str(REPOSITORY / "src")])
    environment = {
        **os.environ,
        "PYTHONPATH": path,
        "ASV_PYTHONPATH": path,
        "PLATEBENCH_TEST_ABSENT": f"{library}={OPTIONAL[library]}",
        "PLATEBENCH_WORK": str(work),
    }
    arguments = [str(REPOSITORY), str(work), json.dumps(commands), json.dumps(modules)]
    done = subprocess.run(
        [sys.executable, "-c", SESSION, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        cwd=REPOSITORY,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_libraries_of_every_kind_are_tried() -> None:
    assert {"h5py", "duckdb", "altair", "zarr"} <= set(OPTIONAL)
    assert OPTIONAL["pylance"] == "lance"


EVERY_TIME = {"altair", "h5py", "pandas", "zarr"}
"""Libraries that the page, image files, tables or several formats need. The others, each of which
takes as long, are for the nightly tests."""


@pytest.mark.parametrize(
    "library",
    [
        pytest.param(name, marks=pytest.mark.long if name in EVERY_TIME else pytest.mark.nightly)
        for name in OPTIONAL
    ],
)
def test_only_what_needs_the_absent_library_is_refused(library: str, tmp_path: Path) -> None:
    table, folder = tmp_path / "images.parquet", tmp_path / "plate"
    pq.write_table(pa.table({"image": [[[1, 2], [3, 4]]]}), table)
    folder.mkdir()
    tifffile.imwrite(folder / "one.tif", np.zeros((4, 6), np.uint8))
    of_it = [finding.name for finding in FINDINGS if library in finding.libraries]
    talk, site = library in OF_THE_TALK, library in OF_THE_SITE
    commands = {
        "stores": ["stores"],
        "findings": ["findings"],
        "findings of it": ["findings", *of_it],
        "look": ["look", str(table), "-o", str(tmp_path / "page.html")],
        "look at TIFF": ["look", str(folder), "-o", str(tmp_path / "page.html")],
    }
    if talk:
        commands["talk"] = ["talk", str(folder)]
    if site:
        commands["site"] = ["site", "build", "--out", str(tmp_path / "site")]
    modules = [] if talk else ["platebench.talk.steps"]
    modules += [] if site else ["platebench.site.build", "platebench.site.readme"]
    found = without(library, tmp_path / "work", list(commands.values()), modules)

    assert found["cells"] > 100
    assert found["talk"] == ([] if talk else TALK_CELLS)
    assert library not in found["libraries"]
    lacking = {str(name) for name in registry.names() if registry.why_not(name)}
    needy = {str(name) for name in registry.names() if library in registry.needs_of(name)}
    assert {name for name, reason in found["stores"].items() if reason} == needy | lacking
    assert all(
        reason.endswith(f"type: pip install {library}")
        for name, reason in found["stores"].items()
        if reason and name not in lacking
    )

    refused = {"talk", "site"} | ({"look", "look at TIFF"} if library == "pandas" else set())
    for name, (status, _, err) in zip(commands, found["commands"], strict=True):
        assert status == (2 if name in refused else 0), (name, err)
        if name in refused:
            (line,) = err.splitlines()
            assert line.startswith("platebench: ")
            assert f"pip install {library}" in line
        else:
            assert err == ""
    assert not any(found["modules"].values()), found["modules"]
