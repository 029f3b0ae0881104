"""The pages of the race and the nginx that serves them, whose log is the judge.

Pages are files below one folder: given (`--files`), of a Debian package (`--package`),
or copied once from the server that a list names (`--urls`), so that the race itself
never depends on that server. The nginx is started here with a folder and a port of its
own, one worker, no compression, and tells of every request in its access log.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit

import lxml.etree
import requests

# A server that sends the field LinkChecker lifts linkchecker's pause of 0.1 to 0.6 s
# between two requests to a host (its documentation, "maxrequestspersecond").
CONFIGURATION = """\
daemon off;
worker_processes 1;
pid nginx.pid;
error_log error.log;
{user}
worker_rlimit_nofile 4096;
events {{ worker_connections 2048; }}
http {{
  types {{ text/html html htm; }}
  default_type text/html;
  client_body_temp_path temporary;
  proxy_temp_path temporary;
  fastcgi_temp_path temporary;
  uwsgi_temp_path temporary;
  scgi_temp_path temporary;
  log_format race "$connection $status $body_bytes_sent $request_method $uri";
  access_log access.log race buffer=256k flush=100ms;
  sendfile on;
  tcp_nopush on;
  gzip off;
  keepalive_requests 1000000;
  add_header LinkChecker allowed;
  server {{ listen 127.0.0.1:{port} backlog=1024; root {root}; }}
}}
"""
FRAGMENT = re.compile(rb"""<[^<>]*\sid=["']([A-Za-z][A-Za-z0-9._-]*)["']""")
COPY_THREADS = 8
SHUFFLE_SEED = 3  # any: the same pages in the same order in every race
WAIT_S = 10


class Page(NamedTuple):
    """A page: its path as nginx logs it (decoded), and what is in it."""

    path: str
    size: int
    a_hrefs: int
    has_title: bool
    fragment: str | None

    @classmethod
    def of(cls, file: Path, root: Path) -> Page:
        body = file.read_bytes()
        document = lxml.etree.HTML(body)
        if document is None:  # nothing but comments
            document = lxml.etree.Element("html")
        ids = (found.decode() for found in FRAGMENT.findall(body))
        return cls(
            path="/" + file.relative_to(root).as_posix(),
            size=len(body),
            a_hrefs=len(document.xpath("//a/@href")),
            has_title=bool(document.findtext(".//title")),
            # "#top" is on every page, by definition: nobody needs to look.
            fragment=next((name for name in ids if name.lower() != "top"), None),
        )


class Seen(NamedTuple):
    """What nginx saw of one run."""

    whole: int  # pages of the race sent whole, each counted once
    requests: int
    connections: int


def some_of(files: Iterable[Path], root: Path, count: int) -> list[Page]:
    """Return pages of HTML files in an order mixed the same every time."""
    real = sorted(file for file in files if file.is_file() and not file.is_symlink())
    random.Random(SHUFFLE_SEED).shuffle(real)
    return pages_in(real[:count], root)


def pages_in(files: Iterable[Path], root: Path) -> list[Page]:
    return [Page.of(file, root) for file in files if file.stat().st_size]


def files_of_package(name: str, work: Path) -> tuple[Path, list[Path]]:
    """Return a folder and the HTML files of a Debian package that are below it.

    A package that is not installed is unpacked below `work`: `apt-get download` needs
    no rights and changes nothing on the machine.
    """
    listed = subprocess.run(["dpkg", "-L", name], capture_output=True, text=True)
    if listed.returncode:
        subprocess.run(["apt-get", "download", name], cwd=work, check=True)
        (package,) = work.glob("*.deb")
        root = work / "package"
        subprocess.run(["dpkg-deb", "-x", package, root], check=True)
        return root, list(root.rglob("*.html"))
    files = [Path(line) for line in listed.stdout.split("\n") if line[-5:] == ".html"]
    if not files:
        raise SystemExit(f"the package {name!r} has no .html files")
    return Path(os.path.commonpath(files)), files


def copy_of(list_file: Path, root: Path, count: int) -> list[Page]:
    """Copy the pages of a list below `root`, in the order of the list.

    A page keeps its path; with more than one host, its host is the first folder. Left
    out, and counted: what has a query, no status 200, or is not HTML.
    """
    lines = (line.strip() for line in list_file.read_text().splitlines())
    urls = [line for line in lines if line and not line.startswith("#")][:count]
    hosts = {urlsplit(url).netloc for url in urls}
    files = {}
    for url in urls:
        parts = urlsplit(url)
        path = unquote(parts.path) or "/"
        if not parts.query:
            path += "index.html" if path.endswith("/") else ""
            files[url] = root / (parts.netloc if len(hosts) > 1 else "") / path[1:]

    def copy(url: str) -> Path | None:
        answer = requests.get(url, timeout=60)
        kind = answer.headers.get("Content-Type", "")
        if answer.status_code != 200 or "html" not in kind:
            return None
        files[url].parent.mkdir(parents=True, exist_ok=True)
        files[url].write_bytes(answer.content)
        return files[url]

    with ThreadPoolExecutor(COPY_THREADS) as threads:
        copied = list(dict.fromkeys(filter(None, threads.map(copy, files))))
    if len(copied) < len(urls):
        print(f"{len(urls) - len(copied)} of {len(urls)} pages of the list left out")
    return pages_in(copied, root)


class Nginx:
    """An nginx that serves one folder, and what it saw since the last `mark()`."""

    def __init__(self, address: str, log: Path, worker: int) -> None:
        self.address = address
        self.log = log
        self.worker = worker
        self.read_to = 0
        self.marks = 0

    def url(self, page: Page) -> str:
        return self.address + quote(page.path)

    def lines(self) -> list[str]:
        """Return what was logged since the last call.

        A request of our own ends it: the one worker logs in the order in which
        requests are done, so whatever was done before it stands before it.
        """
        self.marks += 1
        mark = f"/end-of-run-{self.marks}"
        with contextlib.suppress(urllib.error.HTTPError):  # 404
            urllib.request.urlopen(self.address + mark)
        ends_s = time.monotonic() + WAIT_S
        while time.monotonic() < ends_s:
            with self.log.open(encoding="utf-8", errors="replace") as log:
                log.seek(self.read_to)
                text = log.read()
                if f"GET {mark}\n" in text:
                    self.read_to = log.tell()
                    return text.splitlines()[:-1]
            time.sleep(0.05)
        raise SystemExit("nginx does not write its access log")

    def seen(self, wanted: Iterable[Page]) -> Seen:
        sizes = {page.path: page.size for page in wanted}
        whole, connections, requests_seen = set(), set(), 0
        for line in self.lines():
            connection, status, size, method, path = line.split(" ", 4)
            requests_seen += 1
            connections.add(connection)
            if (method, status, int(size)) == ("GET", "200", sizes.get(path)):
                whole.add(path)
        return Seen(len(whole), requests_seen, len(connections))


@contextlib.contextmanager
def nginx(root: Path, work: Path) -> Iterator[Nginx]:
    """Serve a folder until the block ends."""
    program = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if program is None:
        raise SystemExit("the race needs nginx: apt-get install nginx-light")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    user = "user root;" if os.geteuid() == 0 else ""
    configuration = work / "nginx.conf"
    configuration.write_text(CONFIGURATION.format(user=user, port=port, root=root))
    server = subprocess.Popen(
        [program, "-p", work, "-c", configuration, "-e", work / "error.log"]
    )
    try:
        wait_for(port, server)
        yield Nginx(f"http://127.0.0.1:{port}", work / "access.log", server.pid)
    finally:
        server.terminate()
        server.wait(WAIT_S)


def wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    ends_s = time.monotonic() + WAIT_S
    while time.monotonic() < ends_s and server.poll() is None:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        time.sleep(0.05)
    raise SystemExit("nginx did not start; it said why above or in its error.log")
