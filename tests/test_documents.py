"""Links of the documents lead to files, their commands parse, and their numbers are the code's."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import yaml
from benchmarks.tables import ADDED

from platebench import __version__
from platebench.commands.reference import reference_run_command
from platebench.images.objects import FEATURES
from platebench.results.adapters import LIMIT
from platebench.results.operations import OPERATIONS
from platebench.running.reference_plan import full_plan
from platebench.stores.left_out import LEFT_OUT
from platebench.stores.registry import FORMATS
from tests.command_lines import PROGRAMS, check_command, check_name, words_of
from tests.scratch_checkout import REPOSITORY

DOCS = sorted(file.relative_to(REPOSITORY).as_posix() for file in REPOSITORY.glob("docs/*.md"))
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "results/README.md", *DOCS)
PATHS = re.compile(r"`((?:src|docs|tests|benchmarks|results|\.github|\.ci)/[\w/.-]+)`")
FILES = re.compile(r"`([\w-]+\.(?:py|yml|md|ipynb|toml|txt))`")
OURS = rf"(?:\.venv/bin/)?(?:{'|'.join(PROGRAMS)}) "
LONGEST_README = 120


@cache
def file_names() -> frozenset[str]:
    """The names of all files in the repository that git keeps."""
    listed = subprocess.run(
        ["git", "-C", str(REPOSITORY), "ls-files", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        text=True,
        check=True,
    )
    return frozenset(Path(line).name for line in listed.stdout.splitlines())


def check_files(document: Path, text: str) -> None:
    """Raise for a link or a name of a file that does not exist."""
    for link in re.findall(r"\]\((?!https?://)([^)#]+)", text):
        assert (document.parent / link).exists(), link
    for path in PATHS.findall(text):
        assert (REPOSITORY / path).exists(), path
    for name in FILES.findall(text):
        assert name in file_names(), name


def check_commands(text: str) -> None:
    """Raise for a command that does not parse. A command named in a sentence has no arguments."""
    for line in text.splitlines():
        if re.match(rf"    {OURS}", line):
            check_command(words_of(line))
    for code in re.findall(rf"`({OURS}[^`\n]+)`", text):
        words = words_of(code)
        try:
            check_name(words)
        except (AssertionError, KeyError):
            check_command(words)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_and_named_files_exist(name: str) -> None:
    check_files(REPOSITORY / name, (REPOSITORY / name).read_text())


@pytest.mark.parametrize(
    "wrong", ["[a](docs/nowhere.md)", "`docs/nowhere.md`", "`nowhere.py`", "`.github/nowhere.yml`"]
)
def test_missing_file_is_found(wrong: str) -> None:
    with pytest.raises(AssertionError):
        check_files(REPOSITORY / "README.md", wrong)


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "CHANGELOG.md", *DOCS])
def test_readme_leads_to_the_document(name: str) -> None:
    readme = (REPOSITORY / "README.md").read_text()
    method = (REPOSITORY / "docs" / "method.md").read_text()
    assert f"({name})" in readme or f"({name.removeprefix('docs/')})" in method


def test_readme_is_short() -> None:
    assert len((REPOSITORY / "README.md").read_text().splitlines()) <= LONGEST_README


# The changelog also names commands of the past.
@pytest.mark.parametrize("name", [name for name in DOCUMENTS if name != "CHANGELOG.md"])
def test_documented_commands_parse(name: str) -> None:
    check_commands((REPOSITORY / name).read_text())


@pytest.mark.parametrize(
    "wrong",
    [
        "    platebench measure",
        "    platebench run --fast",
        "    platebench run --stores parquete",
        "    .venv/bin/platebench run --operations fly",
        "    platebench reference keep",
        "    make everything",
        "    asv publsh",
        "`platebench measure`",
        "`platebench calibrate everything`",
        "`platebench run --fast`",
    ],
)
def test_wrong_command_is_found(wrong: str) -> None:
    with pytest.raises((Exception, SystemExit)):
        check_commands(wrong)


def test_formats_page_has_every_operation_format_layout_and_tuning() -> None:
    text = (REPOSITORY / "docs" / "formats.md").read_text()
    words = {operation.name for operation in OPERATIONS.values()}
    for each in FORMATS:
        words |= {each.name, *each.variants, *" ".join(each.variants.values()).split()}
    assert {word for word in words if f"`{word}`" not in text} == set()


def test_numbers_of_the_documents_are_those_of_the_code() -> None:
    formats, glossary, method, review = (
        " ".join((REPOSITORY / "docs" / f"{name}.md").read_text().split())
        for name in ("formats", "glossary", "method", "review")
    )
    assert f"append {ADDED:,} rows" in formats
    for text in (formats, glossary):
        assert f"{len(FEATURES)} features" in text
    for text in (method, review):
        assert f"more than {LIMIT} times as long" in text


def test_contributing_starts_from_modules_of_formats() -> None:
    text = (REPOSITORY / "CONTRIBUTING.md").read_text()
    started = re.findall(r"`(\w+)\.py`", text[text.index("Start from") : text.index("fallback")])
    assert started
    assert set(started) <= {each.module for each in FORMATS}


def test_citation_is_valid_and_has_this_version() -> None:
    schema = ["--builtin-schema", "vendor.citation-file-format", "--force-filetype", "yaml"]
    program = [sys.executable, "-m", "check_jsonschema", *schema, str(REPOSITORY / "CITATION.cff")]
    said = subprocess.run(program, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr
    cited = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text())
    assert cited["version"] == __version__


def test_help_of_reference_run_has_the_planned_numbers_of_images() -> None:
    numbers = [int(name.rpartition("-")[2]) for name in full_plan().image_sets]
    said = f"all stores, {min(numbers):,} to {max(numbers):,} images"
    assert said in str(reference_run_command.__doc__)


def test_ci_script_makes_what_the_tests_need() -> None:
    script = (REPOSITORY / ".ci" / "run").read_text()
    for needed in ("make talk-python", "chromium", "make bioformats"):
        assert script.index(needed) < script.index("make test\n")
    assert script.endswith("make test-long\n")
    assert Path(REPOSITORY / ".ci" / "run").stat().st_mode & 0o100


@pytest.mark.parametrize("format_", FORMATS[1:], ids=lambda format_: format_.name)
def test_formats_page_names_what_opens_each_format(format_) -> None:
    text = (REPOSITORY / "docs" / "formats.md").read_text()
    (row,) = [line for line in text.splitlines() if line.startswith(f"| `{format_.name}`")]
    several = [format_.opened_by, *format_.opened_by_tuning.values()]
    for program in {each for programs in several for each in programs} - {"HDF5 + szip"}:
        assert program in row


def test_formats_page_says_why_formats_were_left_out() -> None:
    lines = (REPOSITORY / "docs" / "formats.md").read_text().splitlines()
    assert {f"| {each.title} | {each.why} |" for each in LEFT_OUT} <= set(lines)
    assert not {each.title.casefold() for each in LEFT_OUT} & {each.name for each in FORMATS}
