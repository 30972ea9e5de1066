"""All nine steps in order; also as a program, so that another interpreter can run them.

    python -m platebench.talk.steps FOLDER SCRATCH

gives the talk on the images in FOLDER with that interpreter's libraries, and prints it as JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from platebench.talk.dataset import Material, folder_material
from platebench.talk.images_and_frame import list_images, show_frame
from platebench.talk.lancedb_table import look_at_versions, write_with_lancedb
from platebench.talk.outcome import Outcome, Talk, library_versions
from platebench.talk.package import join_tables
from platebench.talk.parquet_and_awkward import write_with_awkward, write_with_pandas
from platebench.talk.search import search_images
from platebench.talk.three_reads import time_three_reads

Step = Callable[[Material, Path], Outcome]

STEPS: tuple[Step, ...] = (
    list_images,
    show_frame,
    write_with_pandas,
    write_with_awkward,
    write_with_lancedb,
    time_three_reads,
    look_at_versions,
    search_images,
    join_tables,
)


def give_talk(
    material: Material, scratch: Path, announce: Callable[[Outcome], None] = lambda outcome: None
) -> Talk:
    """Do every step, each in a folder of its own below `scratch`; `announce` each outcome."""
    outcomes = []
    for number, step in enumerate(STEPS, 1):
        folder = scratch / f"step-{number}"
        folder.mkdir(parents=True)
        outcomes.append(step(material, folder))
        announce(outcomes[-1])
    return Talk(material.name, library_versions(), outcomes)


def main() -> None:
    """Give the talk that the command line asks for, and print it as JSON."""
    folder, scratch = map(Path, sys.argv[1:])
    talk = give_talk(folder_material(folder, scratch), scratch)
    sys.stdout.write(json.dumps(asdict(talk)) + "\n")


if __name__ == "__main__":
    main()
