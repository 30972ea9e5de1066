"""A package index on loopback, of wheels that are made up, each with the day of its upload."""

from __future__ import annotations

import hashlib
import io
import json
import sysconfig
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

HERE = "this-environment"
"""A made-up library that brings everything that is installed where the tests run."""


@dataclass
class LocalIndex:
    """Serves the JSON of PEP 691, with the upload times of PEP 700 unless `tells_times` is False.

    `days` are the days of upload by name and version.
    """

    days: dict[tuple[str, str], str] = field(default_factory=dict)
    tells_times: bool = True
    url: str = ""

    def add(self, name: str, versions: dict[str, str]) -> None:
        self.days |= {(name, version): day for version, day in versions.items()}

    def page(self, name: str) -> dict[str, object] | None:
        files = [self._file(*each) for each in self.days if each[0] == name]
        if not files:
            return None
        return {"meta": {"api-version": "1.1"}, "name": name, "files": files}

    def _file(self, name: str, version: str) -> dict[str, object]:
        content = wheel(name, version)
        file = {
            "filename": wheel_name(name, version),
            "url": f"{self.url}/files/{wheel_name(name, version)}",
            "hashes": {"sha256": hashlib.sha256(content).hexdigest()},
            "size": len(content),
            "core-metadata": True,
        }
        uploaded = {"upload-time": f"{self.days[name, version]}T12:00:00.000000Z"}
        return file | (uploaded if self.tells_times else {})


def wheel_name(name: str, version: str) -> str:
    return f"{name.replace('-', '_')}-{version}-py3-none-any.whl"


def metadata(name: str, version: str) -> bytes:
    return f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()


def wheel(name: str, version: str) -> bytes:
    """Return a wheel without a module; that of `HERE` puts this environment on the path."""
    folder = f"{name.replace('-', '_')}-{version}.dist-info"
    files = {
        f"{folder}/METADATA": metadata(name, version).decode(),
        f"{folder}/WHEEL": "Wheel-Version: 1.0\nGenerator: a-test\nRoot-Is-Purelib: true\n"
        "Tag: py3-none-any\n",
    }
    if name == HERE:
        files["here.pth"] = sysconfig.get_path("purelib") + "\n"
    record = "".join(f"{file},,\n" for file in [*files, f"{folder}/RECORD"])
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as opened:
        for file, text in {**files, f"{folder}/RECORD": record}.items():
            opened.writestr(zipfile.ZipInfo(file), text)
    return sink.getvalue()


@contextmanager
def serving(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalIndex]:
    """Serve an index until the block ends, and make it the only one that uv asks."""
    index = LocalIndex()

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, name = self.path.strip("/").split("/", 1)
            page = index.page(name) if kind == "simple" else None
            content = None if page is None else json.dumps(page).encode()
            if kind == "files":
                known = {wheel_name(*each): each for each in index.days}
                wanted = known[name.removesuffix(".metadata")]
                content = metadata(*wanted) if name.endswith(".metadata") else wheel(*wanted)
            self.send_response(404 if content is None else 200)
            if kind == "simple":
                self.send_header("Content-Type", "application/vnd.pypi.simple.v1+json")
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
    index.url = f"http://127.0.0.1:{server.server_port}"
    for variable in ("UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_INDEX_URL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"{index.url}/simple")
    monkeypatch.setenv("UV_CACHE_DIR", str(cache))
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    try:
        yield index
    finally:
        server.shutdown()
        server.server_close()
