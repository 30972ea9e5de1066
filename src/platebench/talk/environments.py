"""Run the talk with other library versions: those of 2024, of 2025, or any pins."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from platebench.errors import UserError
from platebench.running.arms import ArmSpec, make_arm, parse_arm
from platebench.talk.dataset import Dataset
from platebench.talk.outcome import Talk
from platebench.temporary import temporary_folder

ENVIRONMENTS = {
    "then": "python<3.13,"
    "lancedb==0.14.0,pylance==0.18.2,pyarrow==16.1.0,pandas==2.2.2,numpy<2,awkward==2.6.5,"
    "duckdb==1.0.0,h5py==3.11.0,imagecodecs==2024.6.1,pillow==10.3.0,scikit-image==0.24.0,"
    "scipy==1.13.1,tifffile==2024.6.18",
    "between": "lancedb==0.24.0,pylance==0.30.0,pyarrow==20.0.0,pandas==2.3.0,numpy==2.2.6,"
    "awkward==2.8.4,duckdb==1.3.1,h5py==3.14.0,imagecodecs==2025.3.30,pillow==11.2.1,"
    "scikit-image==0.25.2,scipy==1.15.3,tifffile==2025.6.11",
}
"""Pins by name. `then`: 2024, with the oldest LanceDB that installs today; NumPy 1 has no release
for Python 3.13. `between`: June 2025.
"""

TODAY = "today"


def requirements_of(environment: str) -> str:
    """Return the pins of a named environment; other strings are returned unchanged."""
    return ENVIRONMENTS.get(environment, environment)


def parse_environment(environment: str) -> ArmSpec:
    """Parse an environment. Raises UserError if it is neither a known name nor pins."""
    spec = parse_arm(requirements_of(environment))
    if spec.revision is not None:
        raise UserError(
            f"{environment}: give {', '.join(ENVIRONMENTS)}, or pins such as lancedb==0.24.0"
        )
    return spec


def environment_python(
    environment: str, checkout: Path, work: Path, say: Callable[[str], None]
) -> Path:
    """Return the interpreter of an environment, which is created if necessary.

    Raises UserError for an unknown name and for pins that cannot be resolved.
    """
    return make_arm(parse_environment(environment), checkout, work, say).python


def give_talk_with(python: Path, folder: Path) -> Talk:
    """Run the talk on the images in `folder` with another interpreter.

    Raises UserError with the last line of its stderr if it fails.
    """
    source = Path(__file__).parents[2]
    with temporary_folder() as scratch:
        done = subprocess.run(
            [str(python), "-W", "ignore", "-m", "platebench.talk.steps", str(folder), str(scratch)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": str(source)},
        )
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise UserError(f"{python}: the talk failed with this interpreter ({said[-1]})")
    return Talk.from_json(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Print the interpreter of the environment that is named, for the tests (TALK_PYTHON there)."""
    from platebench.running.checkout import find_checkout
    from platebench.timing.workspace import Workspace

    checkout = find_checkout(Path.cwd())
    work = Workspace.of(checkout).own().root
    print(
        environment_python(sys.argv[1], checkout, work, lambda line: print(line, file=sys.stderr))
    )


def common_folder(dataset: Dataset) -> Path:
    """Return the deepest folder that contains all files of a dataset."""
    return Path(os.path.commonpath([file.parent for file in dataset.files]))


if __name__ == "__main__":
    main()
