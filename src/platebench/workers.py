"""Run tasks in the workers of a Dask cluster: processes of this machine, or of several.

The cluster is one of this machine (`--workers`), on loopback only, or one that runs already
(`--scheduler`). Dask gives a task whose worker has died to another one. A task may therefore run
twice, and even at the same time, if a worker has only lost its connection. So no task writes to a
place that counts: it writes aside, and the process that has the results moves what it gets.

Tasks are sent as pickles, so nobody but you may reach the scheduler; that is so with all of Dask.
"""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import queue
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from platebench import __version__, interrupts
from platebench.addresses import masked
from platebench.errors import UserError
from platebench.optional import missing, require
from platebench.temporary import temporary_folder

LIBRARY = "distributed"
"""What `pip install platebench[dask]` installs and this module needs."""

ALLOWED_FAILURES = 3
"""A task whose worker dies is given to another one this often. A running cluster has its own."""

SECONDS_TO_CONNECT = 10
_SECONDS_BETWEEN = 0.3
"""Time between two reports of a worker."""
_SECONDS_TO_STOP = 10
_AHEAD = 4
"""Tasks per thread that the scheduler has at a time. All of them would fill its memory."""
_LEAST_AHEAD = 64

Count = Callable[[int], None]
R_co = TypeVar("R_co", covariant=True)


class WorkerTask(Protocol[R_co]):
    """Something to do in a worker. It can be pickled."""

    def run(self, count: Count) -> R_co:
        """Do it. `count` is called with the number of images that were done since the last call."""

    def __len__(self) -> int:
        """Return the number of images."""


class WorkerDied(UserError):
    """A process that did a part of the work has died. What is done is kept."""


class Unseen(UserError):
    """A worker does not see a file or folder that this process sees."""


class Workers:
    """Workers of a Dask cluster. It is a context manager.

    A running cluster is asked at once, so that a wrong address is told early. One of this machine
    is started when there is something to do.
    """

    def __init__(
        self,
        workers: int | None = None,
        scheduler: str | None = None,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        """Give `workers`, a number, or `scheduler`, an address or the path of a scheduler file.

        `say` gets lines for the user. Raises UserError without the library.
        """
        if (workers is None) == (scheduler is None):
            raise ValueError("give either workers or a scheduler")
        require("--workers" if scheduler is None else "--scheduler", LIBRARY)
        self._number = workers
        self._scheduler = scheduler
        self.say = say
        self._stack = ExitStack()
        self._client: Any = None
        self._cluster: Any = None

    def __enter__(self) -> Self:
        logging.getLogger("distributed").setLevel(logging.CRITICAL)  # errors are told in one line
        if self._scheduler is not None:
            self._client = _connected(self._scheduler)
            self._stack.callback(_closed, self._client)
            self._greet(self._client)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client = None
        self._stack.close()

    def run(
        self, tasks: Sequence[WorkerTask[R_co]], show: Callable[[int], None] = lambda images: None
    ) -> Iterator[tuple[int, R_co]]:
        """Run tasks, and yield the position and result of each, in any order.

        `show` is called with the number of images that are done. Raises what a task raises, and
        WorkerDied if a task has lost its worker too often or the scheduler is gone. If it ends
        early, no worker works on any of the tasks any more.
        """
        if not tasks:
            return
        client = self._started()
        run = f"platebench-{uuid.uuid4().hex}"
        progress = _Progress()
        client.subscribe_topic(run, progress.hear)
        over: queue.SimpleQueue[Any] = queue.SimpleQueue()
        running: dict[Any, int] = {}
        waiting = iter(range(len(tasks)))
        try:
            while True:
                room = max(_LEAST_AHEAD, _AHEAD * sum(client.nthreads().values()))
                while len(running) < room and (number := next(waiting, None)) is not None:
                    key = f"{run}-{number}"
                    sent = pickle.dumps(tasks[number])
                    future = client.submit(_run, sent, run, number, key=key, pure=False)
                    running[future] = number
                    future.add_done_callback(over.put)
                if not running:
                    return
                with suppress(queue.Empty):
                    future = over.get(timeout=0.2)
                    number = running[future]
                    result = self._result(future)
                    del running[future]
                    future.release()
                    progress.over(number, len(tasks[number]))
                    yield number, result
                interrupts.check()
                show(progress.images)
        finally:
            if running:
                self._stop(list(running), run)
            with suppress(Exception):  # the scheduler may be gone
                client.unsubscribe_topic(run)

    def _result(self, future: Any) -> Any:
        from distributed import CancelledError
        from distributed.comm import CommClosedError
        from distributed.scheduler import KilledWorker

        try:
            return future.result()
        except KilledWorker as error:
            raise WorkerDied(
                f"{error.allowed_failures + 1} Dask workers have died at the same task, perhaps for"
                " lack of memory; run again with fewer workers, and pack and convert with --resume"
            ) from error
        except (CancelledError, CommClosedError) as error:
            raise WorkerDied(
                "the Dask scheduler is gone; run again, pack and convert with --resume"
            ) from error

    def _started(self) -> Any:
        if self._client is None:
            self._cluster = self._stack.enter_context(_local(self._number or 1))
            from distributed import Client

            self._client = Client(self._cluster, set_as_default=False)
            self._stack.callback(_closed, self._client)
            self._tell_dashboard()
        return self._client

    def _tell_dashboard(self) -> None:
        if link := _dashboard(self._client):
            self.say(f"Dask's dashboard: {link}")

    def _greet(self, client: Any) -> None:
        """Compare the workers' platebench with this one. Raises UserError if they differ."""
        try:
            found: dict[str, str] = client.run(_version)
        except Exception as error:  # whatever an import may raise there
            line = str(error).strip().split("\n", maxsplit=1)[0][:200]
            raise UserError(
                f"a Dask worker cannot import platebench ({line}); install platebench"
                f" {__version__} where the workers run"
            ) from error
        for address, version in found.items():
            if version != __version__:
                raise UserError(
                    f"the Dask worker {address} has platebench {version}, not {__version__};"
                    " install the same version there"
                )
        if not found:
            self.say(f"{masked(str(self._scheduler))}: has no workers yet; waiting for them")
        self._tell_dashboard()

    def _stop(self, futures: list[Any], run: str) -> None:
        """Have the workers stop. Those of this machine are killed: no file may follow."""
        if self._cluster is not None:
            for nanny in self._cluster.workers.values():
                nanny.auto_restart = False
                if nanny.pid is not None:
                    with suppress(ProcessLookupError):
                        os.kill(nanny.pid, signal.SIGKILL)
            return
        with suppress(Exception):  # the scheduler or a worker may be gone
            self._client.cancel(futures)
            self._client.run(_until_stopped, run)


class _Progress:
    """How many images are done, by task: a task that is run again begins again."""

    def __init__(self) -> None:
        self._images: dict[int, int] = {}
        self._over: set[int] = set()
        self._lock = threading.Lock()

    def hear(self, event: tuple[float, Any]) -> None:
        """Note what a worker reports. The client's thread calls it."""
        number, images = event[1]
        with self._lock:
            if number not in self._over:
                self._images[number] = images

    def over(self, number: int, images: int) -> None:
        """Note that a task is over."""
        with self._lock:
            self._over.add(number)
            self._images[number] = images

    @property
    def images(self) -> int:
        """The number of images that are done."""
        with self._lock:
            return sum(self._images.values())


@contextmanager
def _local(workers: int) -> Iterator[Any]:
    """Start a cluster of this machine, on loopback."""
    import dask
    from distributed import LocalCluster

    settings = {
        "distributed.scheduler.allowed-failures": ALLOWED_FAILURES,
        "distributed.worker.multiprocessing-method": "spawn",
        "distributed.admin.large-graph-warning-threshold": "1GB",
    }
    with (
        temporary_folder() as scratch,
        dask.config.set(settings | {"temporary-directory": str(scratch)}),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            memory_limit=0,  # a worker holds one image and what a store buffers
            local_directory=str(scratch),
            silence_logs=logging.CRITICAL,
            preload=[__name__],
        ) as cluster,
    ):
        yield cluster


def _connected(scheduler: str) -> Any:
    """Connect to a running scheduler."""
    from distributed import Client

    given: dict[str, str] = {}
    if "://" in scheduler:
        given["address"] = scheduler
    elif Path(scheduler).is_file():
        given["scheduler_file"] = scheduler
    else:
        raise UserError(
            f"--scheduler {masked(scheduler)}: give an address such as tcp://10.0.0.1:8786, or the"
            " path of a scheduler file"
        )
    try:
        return Client(timeout=SECONDS_TO_CONNECT, set_as_default=False, **given)
    except Exception as error:  # each wrong address has an error of its own
        raise UserError(
            f"--scheduler {masked(scheduler)}: no Dask scheduler answers there; start one with"
            " 'dask scheduler', and give the address that it prints"
        ) from error


def _closed(client: Any) -> None:
    with suppress(Exception):  # its cluster may be gone
        client.close(timeout=2)


def _dashboard(client: Any) -> str | None:
    """Return the address of Dask's dashboard, which needs bokeh, or None."""
    services = client.scheduler_info(n_workers=0).get("services", {})
    if missing("bokeh") or "dashboard" not in services:
        return None
    return str(client.dashboard_link)


# What runs in a worker.


def dask_setup(worker: Any) -> None:
    """Let Ctrl-C reach the main process only. Dask calls it when a worker of `_local` starts."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


_ASIDE = threading.Lock()


@contextmanager
def aside() -> Iterator[None]:
    """In a task: let the worker begin its next task meanwhile. One task at a time is aside."""
    from distributed import secede

    with _ASIDE:
        secede()
        yield


def here() -> str:
    """In a task: return the address of its worker."""
    from distributed import get_worker

    return str(get_worker().address)


def require_seen(path: Path) -> None:
    """In a task: raise Unseen if its worker cannot read the file or folder `path`."""
    try:
        if path.is_dir():
            next(path.iterdir(), None)
        else:
            path.open("rb").close()
    except OSError as error:
        raise unseen(path, error.strerror) from error


def unseen(path: Path, reason: str | None) -> Unseen:
    """Return the error for a path that the worker of this task cannot read."""
    return Unseen(
        f"the Dask worker {here()} cannot read {path} ({reason}); every worker must see source and"
        " destination under the same paths as this process"
    )


def _run(sent: bytes, run: str, number: int) -> Any:
    """Run a task. Its worker reports how many images are done, and stops if nobody waits."""
    from distributed import get_worker

    worker = get_worker()
    key = worker.get_current_task()
    images, reported = 0, time.monotonic()

    def count(more: int) -> None:
        nonlocal images, reported
        images += more
        if time.monotonic() - reported < _SECONDS_BETWEEN:
            return
        reported = time.monotonic()
        task = worker.state.tasks.get(key)
        if task is None or task.state == "cancelled":
            raise _Unwanted
        worker.log_event(run, (number, images))

    task: WorkerTask[Any] = pickle.loads(sent)
    return task.run(count)


class _Unwanted(Exception):
    """The result of a task is not wanted any more."""


def _version() -> str:
    return __version__


async def _until_stopped(run: str, dask_worker: Any) -> None:
    """Wait until a worker does not work on a task of a run any more, or for some seconds."""
    end = time.monotonic() + _SECONDS_TO_STOP
    while time.monotonic() < end:
        if not any(task.key.startswith(run) for task in dask_worker.state.all_running_tasks):
            return
        await asyncio.sleep(0.1)
