"""Over time: each format over days of its libraries, and asv's pages over the commits.

asv's pages load jQuery, Flot, Bootstrap and three small scripts from the network. asv 0.5.1 has
copies of them in its source archive on PyPI, all under the MIT licence. If that archive has been
fetched, the copies are put beside the pages, and the pages load nothing from the network.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import asv.results

from platebench.errors import UserError
from platebench.results.asv_files import read_asv_file
from platebench.results.over_days import OverDays, over_days
from platebench.results.records import record_files
from platebench.results.strict_json import Damaged
from platebench.results.telling import say_once
from platebench.site.drawing.over_days import over_days_chart
from platebench.site.published import Published
from platebench.site.section import Section, render

FOLDER = "history"
"""The folder of asv's pages in the site."""

ARCHIVE = "asv-0.5.1.tar.gz"
ARCHIVE_SHA256 = "805fc3cc46c0bcf3e7baeaa16a12e4b92f1276c25490db4cb80fc541afa52bfc"
"""The last release of asv with the scripts."""

COPIES = {
    "bootstrap.min.css": "bootstrap-3.1.0.min.css",
    "bootstrap.min.js": "bootstrap-3.1.0.min.js",
    "jquery-3.3.1.min.js": "jquery-3.3.1.min.js",
    "jquery.flot.categories.min.js": "jquery.flot-0.8.3.categories.min.js",
    "jquery.flot.min.js": "jquery.flot-0.8.3.min.js",
    "jquery.flot.orderBars.js": "jquery.flot.orderBars.js",
    "jquery.flot.selection.min.js": "jquery.flot-0.8.3.selection.min.js",
    "jquery.flot.time.min.js": "jquery.flot-0.8.3.time.min.js",
    "md5.min.js": "md5.js",
    "stupidtable.min.js": "stupidtable.js",
}
"""Scripts that asv 0.6's pages load, with their copies in the archive's `asv/www/vendor`."""

_LOADED = re.compile(
    r'<script\s[^>]*?src="(?P<script>https?://[^"]+)"[^>]*>\s*</script>'
    r'|<link\s[^>]*?href="(?P<sheet>https?://[^"]+)"[^>]*>'
)
_FROM_FILE = Path(__file__).parent / "templates" / "from_file.js"


@dataclass(frozen=True)
class History:
    """asv's pages, or the reason why there are none.

    `files` are by path in the site. `hosts` are those that the pages load scripts from, none with
    local copies. `commits` is the number of commits with results, `unknown` the number of those
    that are not in the checked out history and so not in the pages.
    """

    files: Mapping[str, bytes] = field(default_factory=dict)
    why_not: str | None = None
    hosts: tuple[str, ...] = ()
    commits: int = 0
    unknown: int = 0


def days_of(results: Path, machine: str) -> OverDays | None:
    """Return the newest finished history of a machine in `results`; None without one."""
    return over_days(record_files(results, machine))


def section(published: Published, history: History, days: OverDays | None = None) -> Section:
    """Return the formats over days, if they were measured, and asv's pages."""
    return Section(
        anchor="history",
        title="Over time",
        html=render(
            "history.html",
            days=days,
            chart=None if days is None else over_days_chart(days),
            history=history,
            page=f"{FOLDER}/index.html",
            machine=published.machine,
            archive=ARCHIVE,
        ),
        files=history.files,
    )


def make_history(checkout: Path, results: Path, scripts: Path) -> History:
    """Return asv's pages of `results`, made by asv in a temporary folder.

    `checkout` is the git repository of the measured commits, `scripts` the folder of `ARCHIVE` if
    it was fetched. Raises UserError for an archive with another checksum.
    """
    found = _asv_files(results)
    commits = set(found.values())
    if not commits:
        return History(why_not="there are no asv results; runs with uncommitted changes write none")
    known = _ancestors(checkout)
    if not known & commits:
        return History(
            why_not="none of the measured commits is in this git history, which may be a"
            " shallow clone",
            commits=len(commits),
            unknown=len(commits),
        )
    with tempfile.TemporaryDirectory() as folder:
        pages, kept = Path(folder) / "pages", Path(folder) / "results"
        _link(results, kept, [file for file, commit in found.items() if commit in known])
        failed = _publish(checkout, kept, pages)
        if failed is not None:
            return History(why_not=f"asv publish failed: {failed}", commits=len(commits))
        _bring_scripts(pages, scripts / ARCHIVE)
        return History(
            files={
                f"{FOLDER}/{file.relative_to(pages).as_posix()}": file.read_bytes()
                for file in sorted(pages.rglob("*"))
                if file.is_file()
            },
            hosts=hosts_asked((pages / "index.html").read_text("utf-8")),
            commits=len(commits),
            unknown=len(commits - known),
        )


def _asv_files(results: Path) -> dict[Path, str]:
    """Return asv's readable results files, each with its commit; report damaged ones."""
    benchmarks = _readable(results / "benchmarks.json")
    if benchmarks is None:
        return {}
    found = {}
    for folder in sorted({file.parent for file in results.glob("*/*-*.json")}):
        machine = _readable(folder / "machine.json")
        if folder.name.startswith(".") or machine is None or machine["machine"] != folder.name:
            continue
        for file in sorted(folder.glob("*-*.json")):
            content = _readable(file)
            if content is not None and _fits(file, folder.name, benchmarks):
                found[file] = str(content["commit_hash"])
    return found


def _readable(file: Path) -> dict[str, Any] | None:
    """Return the content of one of asv's files; report a damaged one and return None."""
    try:
        return read_asv_file(file)
    except FileNotFoundError:
        return None
    except Damaged as reason:
        say_once(f"{file}: {reason}; left out of asv's pages")
        return None


def _fits(file: Path, machine: str, benchmarks: Mapping[str, Any]) -> bool:
    """Return True if asv itself can read a file and each benchmark's values in it."""
    try:
        read = asv.results.Results.load(str(file.absolute()), machine_name=machine)
        for name in read.get_all_result_keys() & benchmarks.keys():
            params = benchmarks[name]["params"]
            read.get_result_value(name, params)
            read.get_result_stats(name, params)
    except Exception as error:  # asv publish would fail on it too, with any error
        reason = f"asv cannot read it ({type(error).__name__})"
        say_once(f"{file}: {reason}; left out of asv's pages")
        return False
    return True


def _ancestors(checkout: Path) -> set[str]:
    """Return all commits up to the checked out one; none without a git history."""
    command = ["git", "-C", str(checkout), "rev-list", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return set(done.stdout.split()) if done.returncode == 0 else set()


def _link(results: Path, kept: Path, files: Sequence[Path]) -> None:
    """Make a folder of these results only: asv fails on unknown commits."""
    machines = {file.with_name("machine.json") for file in files}
    wanted = [*files, results / "benchmarks.json", *machines]
    for file in wanted:
        link = kept / file.relative_to(results)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(file.resolve())


def _publish(checkout: Path, results: Path, pages: Path) -> str | None:
    """Run `asv publish` in a process; return its message if it failed."""
    config = pages.with_name("asv.conf.json")
    config.write_text(
        json.dumps(
            {
                "version": 1,
                "project": "platebench",
                "repo": str(checkout.resolve()),
                "branches": ["HEAD"],
                "environment_type": "existing",
                "results_dir": str(results),
                "html_dir": str(pages),
                # Storage is noisy: asv's own limit of 5% gives false alarms.
                "regressions_thresholds": {".*": 0.3},
            }
        )
    )
    command = [sys.executable, "-m", "asv", "--config", str(config), "publish", "--no-pull"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    return None if done.returncode == 0 else said[-1] if said else f"status {done.returncode}"


def _bring_scripts(pages: Path, archive: Path) -> None:
    """Put the scripts beside asv's pages, and make the pages load them, if they were fetched."""
    if not archive.exists():
        return
    for name, content in copies_in(archive).items():
        file = pages / "vendor" / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content)
    asked_for = {
        file.relative_to(pages).as_posix(): file.read_text("utf-8")
        for file in sorted(pages.rglob("*.json"))
    }
    (pages / "asked_for.js").write_text(f"window.askedFor = {json.dumps(asked_for)};\n")
    (pages / _FROM_FILE.name).write_bytes(_FROM_FILE.read_bytes())
    index = pages / "index.html"
    index.write_text(with_copies(index.read_text("utf-8")), "utf-8")


def copies_in(archive: Path) -> dict[str, bytes]:
    """Return the scripts in asv's source archive by name. Raises UserError for another archive."""
    if hashlib.sha256(archive.read_bytes()).hexdigest() != ARCHIVE_SHA256:
        raise UserError(f"{archive}: not {ARCHIVE} as released; remove it and fetch it again")
    with tarfile.open(archive) as opened:
        members = {
            name: opened.extractfile(f"{ARCHIVE.removesuffix('.tar.gz')}/asv/www/vendor/{name}")
            for name in COPIES.values()
        }
        return {name: member.read() for name, member in members.items() if member is not None}


def with_copies(index: str) -> str:
    """Return asv's page with local copies in place of remote scripts and styles.

    An address without a copy stays, and `hosts_asked` returns its host.
    """
    first = f'<script src="vendor/{COPIES["jquery-3.3.1.min.js"]}"></script>'
    return _LOADED.sub(_replaced, index).replace(
        first, f'{first}\n    <script src="{_FROM_FILE.name}"></script>'
    )


def _replaced(tag: re.Match[str]) -> str:
    address = tag["script"] or tag["sheet"]
    copy = COPIES.get(PurePosixPath(urlsplit(address).path).name)
    if copy is None:
        return tag[0]
    if tag["script"]:
        return f'<script src="vendor/{copy}"></script>'
    return f'<link rel="stylesheet" href="vendor/{copy}">'


def hosts_asked(index: str) -> tuple[str, ...]:
    """Return the hosts from which a page loads scripts and styles."""
    asked: Sequence[str] = [tag["script"] or tag["sheet"] for tag in _LOADED.finditer(index)]
    return tuple(dict.fromkeys(urlsplit(address).netloc for address in asked))
