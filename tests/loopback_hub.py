"""A hub on 127.0.0.1 that serves files as huggingface.co does: the API calls of a streamed dataset, files with ranges.

A repository is a dict of its files: {"datasets/allenai/c4": {"en/c4-train.00000.json.gz": b"..."}, "bert": {...}}.
"""

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

COMMIT = "0123456789abcdef0123456789abcdef01234567"

Repositories = dict[str, dict[str, bytes]]


class _Handler(BaseHTTPRequestHandler):
    repositories: Repositories
    asked: list[str]
    faults: dict[str, list[str]]

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode())

    def _answer(self, body: str = "") -> None:
        path = unquote(self.path.partition("?")[0]).strip("/")
        self.asked.append(f"{self.command} {path}")
        if file := re.fullmatch(r"(.+)/resolve/[^/]+/(.+)", path):
            if self.command == "GET" and (due := self.faults.get(file[2])):
                return self._fail(due.pop(0), self.repositories[file[1]][file[2]])
            return self._file(self.repositories.get(file[1], {}).get(file[2]))
        call = re.fullmatch(r"api/(?:models/)?(.+?)(?:/(revision|tree|paths-info)/[^/]+(?:/(.+))?)?", path)
        files = self.repositories.get(call[1]) if call else None
        if files is None:
            return self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"})
        if call[2] == "tree":
            return self._json(_entries(files, call[3] or ""))
        if call[2] == "paths-info":
            wanted = set(re.findall(r"paths=([^&]+)", unquote(body))) or set(json.loads(body or "{}").get("paths", []))
            return self._json([entry for entry in _entries(files, "") if entry["path"] in wanted])
        name = call[1].removeprefix("datasets/")
        return self._json({"id": name, "sha": COMMIT, "siblings": [{"rfilename": file} for file in files], "tags": []})

    def _file(self, content: bytes | None) -> None:
        if content is None:
            return self._send(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT})
        facts = {"X-Repo-Commit": COMMIT, "ETag": f'"{_oid(content)}"', "Accept-Ranges": "bytes"}
        part = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not part:
            return self._send(200, content, facts)
        first, last = int(part[1]), min(int(part[2] or len(content)), len(content) - 1)
        facts["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
        return self._send(206, content[first : last + 1], facts)

    def _fail(self, how: str, content: bytes) -> None:
        """Fail once: `busy` answers 503; `cut` ends the connection halfway through the promised bytes."""
        if how == "busy":
            self._send(503, b"", {})
            return
        self.send_response(206)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2])
        self.close_connection = True

    def _json(self, content: object) -> None:
        self._send(200, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Log nothing: the test reads `asked` instead."""


def _entries(files: dict[str, bytes], folder: str) -> list[dict]:
    """Files and folders below `folder`, as the tree of a repository lists them."""
    inside = {name: data for name, data in files.items() if name.startswith(f"{folder}/") or not folder}
    folders = {name.rpartition("/")[0] for name in inside} - {"", folder}
    listed = [{"type": "directory", "path": name, "oid": _oid(name.encode()), "size": 0} for name in sorted(folders)]
    return listed + [{"type": "file", "path": n, "oid": _oid(data), "size": len(data)} for n, data in inside.items()]


def _oid(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()


@contextmanager
def serving(repositories: Repositories, faults: dict[str, list[str]] | None = None) -> Iterator[tuple[str, list[str]]]:
    """The address of a hub with these repositories, and the list of what it was asked.

    `faults`: a file's path -> how the next requests for it fail, each `busy` or `cut`.
    """
    handler = type("Handler", (_Handler,), {"repositories": repositories, "asked": [], "faults": faults or {}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", handler.asked
    finally:
        server.shutdown()
        server.server_close()
