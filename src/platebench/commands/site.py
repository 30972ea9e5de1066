"""`platebench site`: build the page of the results, and show it."""

from __future__ import annotations

import errno
import gzip
import io
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from platebench.commands.shared import HELP, errors, say
from platebench.errors import UserError
from platebench.optional import require
from platebench.running.checkout import find_checkout
from platebench.running.progress import Bar

NEEDS = ("altair", "jinja2", "markdown-it-py", "vl-convert-python")
"""Packages on PyPI that the page needs."""

COMPRESSED = frozenset({".html", ".css", ".js", ".json", ".svg", ".csv", ".txt"})
"""Suffixes of files that are served compressed."""

site_app = typer.Typer(
    no_args_is_help=True,
    help="Build the page of the results, and show it.",
    context_settings=HELP,
)

Out = Annotated[
    Path | None,
    typer.Option("--out", help="Folder of the site. Default: .platebench/site in the checkout."),
]


@site_app.command("build", epilog="Example: platebench site build --out public")
def build_command(
    results: Annotated[
        Path | None, typer.Option(help="Folder of results. Default: results/ in the checkout.")
    ] = None,
    out: Out = None,
) -> None:
    """Write the site: a folder that works from a file, offline, and on any web server.

    An existing site is replaced when the new one is complete.
    """
    require("the site", *NEEDS)
    from platebench.site.build import Sources, build
    from platebench.timing.workspace import Workspace

    checkout = find_checkout(Path.cwd())
    workspace = Workspace.of(checkout)
    sources = Sources(checkout, results or checkout / "results", workspace)
    with Bar(errors) as bar:
        page = build(sources, out or _usual(), bar.show)
    size = sum(file.stat().st_size for file in page.parent.rglob("*") if file.is_file()) / 1e6
    say(f"{page}: {size:.1f} MB in total")


@site_app.command("serve", epilog="Example: platebench site serve --port 8080")
def serve_command(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 for any free port.")
    ] = 8000,
    out: Out = None,
) -> None:
    """Serve the site on this machine until Ctrl-C."""
    folder = out or _usual()
    if not (folder / "index.html").is_file():
        raise UserError(f"{folder}: there is no site; 'platebench site build' makes it")
    try:
        server = ThreadingHTTPServer(
            ("127.0.0.1", port), partial(_QuietHandler, directory=str(folder))
        )
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        raise UserError(f"port {port}: {error.strerror}; give another with --port") from error
    with server:
        say(f"http://127.0.0.1:{server.server_port}/ shows {folder}; Ctrl-C stops it")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            say("")


@site_app.command("figures", epilog="Example: platebench site figures")
def figures_command() -> None:
    """Update the figure, and the texts with numbers in README.md and docs/, from results/."""
    require("the site", *NEEDS)
    from platebench.site.readme import figures

    checkout = find_checkout(Path.cwd())
    for file in figures(checkout):
        say(str(file.relative_to(checkout)))


class _QuietHandler(SimpleHTTPRequestHandler):
    """Serve files without logging each request; texts are compressed, as web servers do."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Say nothing."""

    def send_head(self) -> io.BytesIO | BinaryIO | None:
        """Send the headers, and return what follows them; None if that is nothing."""
        file = Path(self.translate_path(self.path))
        file = file / "index.html" if file.is_dir() and self.path.endswith("/") else file
        accepted = "gzip" in self.headers.get("Accept-Encoding", "")
        if not accepted or file.suffix not in COMPRESSED or not file.is_file():
            return super().send_head()
        content = gzip.compress(file.read_bytes(), mtime=0)
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", self.guess_type(str(file)))
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        return io.BytesIO(content)


def _usual() -> Path:
    return find_checkout(Path.cwd()) / ".platebench" / "site"
