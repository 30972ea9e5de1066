"""Run all nine steps, also as a program for other interpreters.

    python -m platebench.talk.steps FOLDER SCRATCH

runs the talk on the images in FOLDER and prints it as JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from platebench.talk.dataset import Dataset, folder_dataset
from platebench.talk.images_and_frame import list_images, show_frame
from platebench.talk.lancedb_table import look_at_versions, write_with_lancedb
from platebench.talk.outcome import Outcome, Talk, library_versions
from platebench.talk.package import join_tables
from platebench.talk.parquet_and_awkward import write_with_awkward, write_with_pandas
from platebench.talk.search import search_cells
from platebench.talk.three_reads import time_three_reads

Step = Callable[[Dataset, Path], Outcome]

STEPS: tuple[Step, ...] = (
    list_images,
    show_frame,
    write_with_pandas,
    write_with_awkward,
    write_with_lancedb,
    time_three_reads,
    look_at_versions,
    search_cells,
    join_tables,
)


def give_talk(
    dataset: Dataset, scratch: Path, announce: Callable[[Outcome], None] = lambda outcome: None
) -> Talk:
    """Run each step in a separate folder below `scratch`, and pass its outcome to `announce`."""
    outcomes = []
    for number, step in enumerate(STEPS, 1):
        folder = scratch / f"step-{number}"
        folder.mkdir(parents=True)
        outcomes.append(step(dataset, folder))
        announce(outcomes[-1])
    return Talk(dataset.name, library_versions(), outcomes)


def main() -> None:
    """Run the talk on the folder in sys.argv, and print it as JSON."""
    folder, scratch = map(Path, sys.argv[1:])
    talk = give_talk(folder_dataset(folder, scratch), scratch)
    sys.stdout.write(json.dumps(asdict(talk)) + "\n")


if __name__ == "__main__":
    main()
