"""Arms: how they are parsed, their source, their environment, and whether they run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platebench.errors import UserError
from platebench.running import arms
from platebench.running.arms import ArmSpec, make_arm, parse_arm
from platebench.timing.protocol import WORK
from tests.scratch_checkout import REPOSITORY, git

TALK = "lancedb==0.14.0,pylance==0.18.2,pyarrow==16.1.0,pandas==2.2.2,numpy<2"


# Parsing


@pytest.mark.parametrize(
    ("text", "revision", "pins"),
    [
        ("HEAD~1", "HEAD~1", []),
        ("HEAD^", "HEAD^", []),
        ("main@{yesterday}", "main@{yesterday}", []),
        ("v1.0-3-gabc", "v1.0-3-gabc", []),
        (".", None, []),
        ("newest", None, ["newest"]),
        ("main with newest", "main", ["newest"]),
        ("pyarrow==16.1.0", None, ["pyarrow==16.1.0"]),
        (TALK, None, sorted(TALK.split(","))),
        ("pyarrow>=16,<17", None, ["pyarrow>=16,<17"]),
        ("numpy<2,pyarrow>=16, <17 ,!=16.0", None, ["numpy<2", "pyarrow>=16,<17,!=16.0"]),
        ("numpy~=1.26", None, ["numpy~=1.26"]),
        ("main with pyarrow==25.0.1", "main", ["pyarrow==25.0.1"]),
        (". with pyarrow==25.0.1", None, ["pyarrow==25.0.1"]),
        ("  HEAD~1  with  numpy<2 ", "HEAD~1", ["numpy<2"]),
    ],
)
def test_arm_is_parsed_as_revision_pins_or_both(text: str, revision: str | None, pins) -> None:
    assert parse_arm(text) == ArmSpec(text, revision, tuple(pins))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "''"),
        ("  ", "'  '"),
        (" with pyarrow==1", "' with pyarrow==1'"),
        ("main with ", "'main with '"),
        ("pyarrow==16.1.0,,what is this?", "'what is this?'"),
        ("pyarrow=16==", "'pyarrow=16=='"),
        ("main with -e .", "'-e .'"),
        ("main with ,<2", "'<2'"),
    ],
)
def test_unparsable_arm_is_a_one_line_error_that_quotes_it(text: str, named: str) -> None:
    with pytest.raises(UserError) as refused:
        parse_arm(text)
    assert str(refused.value).startswith(f"{named}: ")
    assert "\n" not in str(refused.value)


@given(st.lists(st.sampled_from(TALK.split(",")), unique=True, min_size=1))
def test_order_of_pins_does_not_matter(pins: list[str]) -> None:
    assert parse_arm(",".join(pins)).pins == tuple(sorted(pins))


@given(st.text())
def test_any_text_is_parsed_or_raises_user_error(text: str) -> None:
    try:
        assert parse_arm(text).text == text
    except UserError as error:
        assert len(str(error).splitlines()) == 1


# Source


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with two commits: the least that an arm needs, and some results."""
    folder = tmp_path / "checkout"
    (folder / "benchmarks").mkdir(parents=True)
    (folder / "benchmarks" / "scan.py").touch()
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(REPOSITORY / "src", folder / "src", ignore=ignore)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    (folder / "asv.conf.json").write_text("{}")
    (folder / "pyproject.toml").write_text('[project]\ndependencies = ["numpy>=1.26"]\n')
    (folder / "constraints.txt").write_text("numpy==2.4.2 \\\n    --hash=sha256:0123\n")
    (folder / "results").mkdir()
    (folder / "results" / "old.json").write_text("{}")
    git(folder, "init", "--quiet", "--initial-branch", "main")
    for message in ("Begin", "Go on"):
        (folder / "benchmarks" / "scan.py").write_text(f"# {message}\n")
        git(folder, "add", "--all")
        git(folder, "commit", "--quiet", "--message", message)
    return folder


def made(text: str, repository: Path) -> arms.Arm:
    return make_arm(parse_arm(text), repository, repository.parent / "work", lambda line: None)


def test_revision_is_copied_without_results_and_history(repository: Path) -> None:
    arm = made("HEAD~1", repository)
    assert arm.checkout != repository
    assert (arm.checkout / "benchmarks" / "scan.py").read_text() == "# Begin\n"
    assert {file.name for file in arm.checkout.iterdir()} == {
        ".platebench-checkout",
        "asv.conf.json",
        "benchmarks",
        "constraints.txt",
        "pyproject.toml",
        "src",
    }
    assert arm.commit.name == git(repository, "rev-parse", "HEAD~1")
    assert arm.variables["PYTHONPATH"] == str(arm.checkout / "src")


def test_checkout_and_its_history_do_not_change(repository: Path) -> None:
    (repository / "benchmarks" / "scan.py").write_text("# changed\n")

    def state() -> list[tuple[str, int, bytes]]:
        files = [file for file in repository.rglob("*") if file.is_file()]
        return sorted((str(file), file.stat().st_mtime_ns, file.read_bytes()) for file in files)

    git(repository, "status")  # which may rewrite the index once
    before = state()
    made("HEAD~1", repository)
    made("HEAD", repository)
    assert state() == before
    assert git(repository, "worktree", "list").count("\n") == 0


def test_complete_copy_is_reused_and_partial_copy_is_replaced(
    repository: Path, monkeypatch
) -> None:
    copy = made("HEAD", repository).checkout
    (copy / "kept").touch()
    assert (made("HEAD", repository).checkout / "kept").exists()
    shutil.rmtree(copy)
    rename = Path.rename

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        made("HEAD", repository)
    assert list(copy.parent.iterdir()) == []
    monkeypatch.setattr(Path, "rename", rename)
    assert made("HEAD", repository).checkout == copy


@pytest.mark.parametrize("revision", ["nowhere", "HEAD~7", "--all", "HEAD:src", "main..main"])
def test_error_names_an_unknown_revision(revision: str, repository: Path) -> None:
    with pytest.raises(UserError, match=f"^{revision}: no such revision in checkout$"):
        made(revision, repository)
    assert not (repository.parent / "work").exists()


def test_error_names_a_revision_without_benchmarks(repository: Path) -> None:
    git(repository, "rm", "--quiet", "-r", "benchmarks")
    git(repository, "commit", "--quiet", "--message", "Remove")
    with pytest.raises(UserError, match=r"^HEAD: this revision has no benchmarks, so there is"):
        made("HEAD", repository)


def test_changed_checkout_has_its_own_name(repository: Path) -> None:
    head = git(repository, "rev-parse", "HEAD")
    assert made(".", repository).commit.name == head
    (repository / "benchmarks" / "scan.py").write_text("# changed\n")
    changed = made(".", repository)
    assert changed.commit.name == f"{head}+changes"
    assert changed.checkout == repository
    assert made("HEAD", repository).commit.name == head
    assert made("HEAD", repository).checkout != repository


def test_arms_share_image_sets_but_not_stored_files(repository: Path) -> None:
    before, after = (Path(made(text, repository).variables[WORK]) for text in ("HEAD~1", "HEAD"))
    assert before != after
    assert Path(made("HEAD", repository).variables[WORK]) == after
    (before / "images" / "raw-2").mkdir()
    assert (after / "images" / "raw-2").is_dir()
    assert (repository.parent / "work" / "images" / "raw-2").is_dir()


def test_equal_arms_have_separate_stored_files(repository: Path) -> None:
    work = repository.parent / "work"
    one, two, three = arms.apart([made(text, repository) for text in (".", ".", "HEAD")], work)
    assert len({one.work, two.work, three.work}) == 3
    (one.work / "images" / "raw-2").mkdir()
    assert (two.work / "images" / "raw-2").is_dir()
    assert arms.apart([one, two], work) == [one, two]


# Libraries


@pytest.fixture
def commands(repository: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that would make environments. Each "new" interpreter is a link to this one."""
    monkeypatch.setattr(shutil, "which", lambda name, path=None: "/somewhere/uv")
    asked: list[list[str]] = []

    def run(command: list[str]) -> None:
        asked.append(command)
        if "venv" in command:
            python = Path(command[-1]) / "bin" / "python"
            python.parent.mkdir(parents=True, exist_ok=True)
            python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
            python.chmod(0o755)

    monkeypatch.setattr(arms, "_run", run)
    return asked


def constrained(repository: Path, text: str) -> None:
    (repository / "constraints.txt").write_text(text)
    git(repository, "commit", "--quiet", "--all", "--message", "Move the pins")


def test_arm_with_the_same_constraints_uses_this_interpreter(repository, commands) -> None:
    for text in (".", "HEAD", "HEAD~1"):
        assert made(text, repository).python == Path(sys.executable)
    assert commands == []
    assert not (repository.parent / "work" / "environments").exists()


def test_revisions_share_the_environment_of_the_same_pins(
    repository: Path, commands: list[list[str]]
) -> None:
    first = made("HEAD~1 with numpy<2", repository).python
    assert first != Path(sys.executable)
    assert first.is_relative_to(repository.parent / "work" / "environments")
    count = len(commands)
    assert count > 0
    assert made("HEAD with numpy<2", repository).python == first
    assert made("numpy<2", repository).python == first
    assert len(commands) == count, "it is made once"
    assert made("numpy<1.27", repository).python != first


def test_other_constraints_or_python_need_another_environment(
    repository: Path, commands: list[list[str]], monkeypatch
) -> None:
    first = made("HEAD with numpy<2", repository).python
    constrained(repository, "numpy==2.4.1\n")
    second = made("HEAD with numpy<2", repository).python
    monkeypatch.setattr(sys, "version", "3.99.0 (made up)")
    third = made("HEAD with numpy<2", repository).python
    assert len({first, second, third}) == 3


def test_revision_uses_its_own_constraints(repository: Path, commands: list[list[str]]) -> None:
    constrained(repository, "numpy==2.4.1\n")
    assert made("HEAD", repository).python == Path(sys.executable)
    python = made("HEAD~1", repository).python
    assert python != Path(sys.executable)
    assert (python.parents[1] / "pinned.txt").read_text().strip() == "numpy==2.4.2"
    assert (python.parents[1] / "wanted.in").read_text() == "numpy>=1.26\n"


def test_python_pin_that_this_python_meets_uses_this_python(repository, commands) -> None:
    python = made("python>=3.11,numpy<2", repository).python
    assert "python" not in (python.parents[1] / "wanted.in").read_text()
    assert [command[command.index("--python") + 1] for command in commands[:2]] == (
        [sys.executable] * 2
    )
    assert made("numpy<2", repository).python == python, "the same environment"


def test_python_pin_selects_another_interpreter(
    repository: Path, commands: list[list[str]], tmp_path: Path, monkeypatch
) -> None:
    other = tmp_path / "python-other"
    other.write_text("#!/bin/sh\nprintf '3.10.99 (made up)'\n")
    other.chmod(0o755)
    uv = tmp_path / "uv"
    uv.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\necho {other}\n')
    uv.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda name, path=None: str(uv))
    python = made("python<3.11,numpy<2", repository).python
    assert (tmp_path / "asked").read_text().split()[-1] == "<3.11"
    assert [command[command.index("--python") + 1] for command in commands[:2]] == [str(other)] * 2
    assert made("numpy<2", repository).python != python


def test_missing_python_is_a_one_line_error(repository, commands, monkeypatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name, path=None: None)
    with pytest.raises(UserError, match=r"python<3\.11: no such Python found; install one"):
        made("python<3.11,numpy<2", repository)
    assert commands == []


def test_newest_libraries_ignore_the_constraints(repository, commands) -> None:
    python = made("newest", repository).python
    pinned = (python.parents[1] / "pinned.txt").read_text()
    assert [line for line in pinned.splitlines() if not line.startswith("#")] == []
    assert (python.parents[1] / "wanted.in").read_text() == "numpy>=1.26\n"


@pytest.mark.parametrize("error", [UserError("pins do not resolve"), KeyboardInterrupt()])
@pytest.mark.parametrize("step", [1, 2, 3])
def test_failed_install_leaves_no_environment(
    error: BaseException, step: int, repository: Path, commands: list[list[str]], monkeypatch
) -> None:
    run = arms._run

    def fails_at_step(command: list[str]) -> None:
        run(command)
        if len(commands) == step:
            raise error

    monkeypatch.setattr(arms, "_run", fails_at_step)
    with pytest.raises(type(error)):
        made("numpy<2", repository)
    assert list((repository.parent / "work" / "environments").iterdir()) == []
    monkeypatch.setattr(arms, "_run", run)
    assert made("numpy<2", repository).python.exists()


def test_partial_environment_of_a_crash_is_not_used(repository, commands) -> None:
    python = made("numpy<2", repository).python
    count = len(commands)
    (python.parents[1] / "ready").unlink()
    (python.parents[1] / "stray").touch()
    assert made("numpy<2", repository).python == python
    assert len(commands) == 2 * count
    assert not (python.parents[1] / "stray").exists()


def test_failed_resolution_is_a_one_line_error_with_its_reason(tmp_path: Path, monkeypatch) -> None:
    uv = tmp_path / "uv"
    uv.write_text(
        "#!/bin/sh\n"
        "echo '  × No solution found when resolving dependencies:' >&2\n"
        "echo '  ╰─▶ Because there is no version of numpy==99 you are out of luck.' >&2\n"
        "exit 1\n"
    )
    uv.chmod(0o755)
    with pytest.raises(UserError) as refused:
        arms._run([str(uv), "pip", "compile"])
    said = str(refused.value)
    assert said.startswith("the pins do not resolve or install: No solution found when")
    assert "no version of numpy==99" in said
    assert len(said.splitlines()) == 1


def test_environment_is_made_by_venv_and_pip_without_uv(repository, commands, monkeypatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name, path=None: None)
    said: list[str] = []
    make_arm(parse_arm("numpy<2"), repository, repository.parent / "work", said.append)
    assert [command[1:3] for command in commands] == [["-m", "venv"], ["-m", "pip"]]
    assert said[0] == "making an environment for numpy<2"
    assert "uv" in said[1], "that unpinned libraries are the newest must be known"


def test_revision_uses_its_own_constraints_without_uv(repository, commands, monkeypatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name, path=None: None)
    constrained(repository, "numpy==2.4.1\n")
    python = made("HEAD~1", repository).python
    pip = commands[-1]
    held = Path(pip[pip.index("-c") + 1])
    assert held == python.parents[1] / "pinned.txt"
    assert held.read_text().strip() == "numpy==2.4.2"


# Checks that the source runs


def test_error_says_why_the_source_does_not_run(repository: Path) -> None:
    shutil.rmtree(repository / "src")
    package = repository / "src" / "platebench"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('numpy 1 is too old')\n")
    with pytest.raises(UserError, match="does not run with these libraries: ImportError: numpy 1"):
        made(".", repository)


def test_error_says_which_signal_killed_the_interpreter(repository: Path) -> None:
    shutil.rmtree(repository / "src")
    package = repository / "src" / "platebench"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("import os\nos.kill(os.getpid(), 9)\n")
    with pytest.raises(UserError, match="the process ended by SIGKILL without a message"):
        made(".", repository)


def test_arm_lists_its_python_and_library_versions(repository: Path) -> None:
    arm = made(".", repository)
    assert arm.python_version == ".".join(map(str, sys.version_info[:3]))
    assert {"numpy", "pyarrow"} <= set(arm.libraries)
    answer = subprocess.run(
        [str(arm.python), "-c", "import platebench; print(platebench.__file__)"],
        capture_output=True, text=True, check=True, env={**os.environ, **arm.variables},
    ).stdout  # fmt: skip
    assert Path(answer.strip()).is_relative_to(arm.checkout / "src")
