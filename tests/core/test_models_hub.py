"""The hub: fetching, the cache, being offline and a hub that does not answer; against a small server of our own."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import unquote, urlsplit

import pytest

COMMIT = "c" * 40
PROGRAM = """
import json, sys, time
from mmkit import models
from mmkit.config import settings
from mmkit.errors import MmkitError
seen = []
started = time.perf_counter()
verb, name, files = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
try:
    if verb == "pull":
        note = lambda done, total: seen.append([done, total])
        found = models.pull(name, settings=settings(), files=files, progress=note)
    else:
        found = models.resolve(name, settings=settings(), files=files)
    out = {"files": [str(p.relative_to(found.path)) for p in found.files], "path": str(found.path),
           "revision": found.revision, "source": found.source}
except MmkitError as error:
    out = {"error": str(error), "kind": type(error).__name__, "exit": error.exit_code}
print(json.dumps({**out, "progress": seen, "seconds": time.perf_counter() - started}))
"""


class FakeHub(BaseHTTPRequestHandler):
    """Answers what huggingface_hub asks for one repository, org/name."""

    files: ClassVar[dict[str, bytes]] = {}
    asked: ClassVar[list[str]] = []

    def log_message(self, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.asked.append(path)
        if path.startswith("/api/models/org/name"):
            names = [{"rfilename": n, "size": len(c), "blobId": "0" * 40} for n, c in self.files.items()]
            self.answer(200, json.dumps({"id": "org/name", "sha": COMMIT, "siblings": names}).encode())
        elif path.startswith("/org/name/resolve/"):
            content = self.files[path.split("/", 5)[5]]
            self.answer(200, content, {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "X-Repo-Commit": COMMIT})
        elif path.startswith("/api/models/org/gated"):
            self.answer(403, b"{}", {"X-Error-Code": "GatedRepo"})
        elif path.startswith("/api/models/org/broken"):
            self.answer(500, b"{}")
        else:
            self.answer(404, b"{}", {"X-Error-Code": "RepoNotFound"})

    def answer(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for key, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)


@pytest.fixture
def served(tmp_path):
    header = b"{}"
    FakeHub.files = {
        "model.safetensors": len(header).to_bytes(8, "little") + header,
        "config.json": b"{}",
        "pytorch_model.bin": b"pickle" * 1000,
    }
    FakeHub.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), FakeHub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def ask(tmp_path):
    def call(endpoint: str, verb: str = "resolve", name: str = "hf:org/name", files=None, **variables: str) -> dict:
        environment = {
            **{k: v for k, v in os.environ.items() if "proxy" not in k.lower() and k != "HF_HUB_OFFLINE"},
            "HF_ENDPOINT": endpoint,
            "HF_HOME": str(tmp_path / "hf"),
            "MMKIT_CACHE_DIR": str(tmp_path / "cache"),
            "MMKIT_CONFIG": str(tmp_path / "none.toml"),
            **variables,
        }
        shown = subprocess.run(
            [sys.executable, "-c", PROGRAM, verb, name, json.dumps(files)],
            capture_output=True,
            text=True,
            env=environment,
            timeout=120,
        )
        assert shown.returncode == 0, shown.stderr
        return json.loads(shown.stdout)

    return call


def test_a_model_is_fetched_once_and_then_needs_no_network(served, ask):
    first = ask(served, "pull")
    assert first["files"] == ["config.json", "model.safetensors"]
    assert (first["source"], first["revision"]) == ("hub", COMMIT)
    assert first["progress"][-1] == [12, 12]
    assert not any("pytorch_model.bin" in path for path in FakeHub.asked)
    FakeHub.asked.clear()
    again = ask(served)
    assert again["files"] == first["files"]
    assert FakeHub.asked == []
    assert ask(served, MMKIT_OFFLINE="1")["files"] == first["files"]
    assert ask("http://127.0.0.1:9")["files"] == first["files"]


def test_more_files_of_a_cached_repository_are_fetched_when_they_are_asked_for(served, ask):
    ask(served)
    assert ask(served, files=["pytorch_model.bin"])["files"] == ["pytorch_model.bin"]
    assert ask(served, files=["no such file"], name="hf:org/name")["kind"] == "ModelUnavailable"


def test_offline_and_unreachable_give_the_same_line_soon(ask):
    answers = [
        ask("http://127.0.0.1:9", MMKIT_OFFLINE="1"),
        ask("http://127.0.0.1:9", HF_HUB_OFFLINE="1"),
        ask("http://127.0.0.1:9"),
        ask("http://no-such-host.invalid"),
    ]
    silent = socket.socket()
    silent.bind(("127.0.0.1", 0))
    silent.listen(8)
    started = time.perf_counter()
    answers.append(ask(f"http://127.0.0.1:{silent.getsockname()[1]}"))
    silent.close()
    assert time.perf_counter() - started < 15
    assert {answer["error"] for answer in answers} == {
        "hf:org/name: not in the local cache, and the hub is unreachable or switched off (offline); "
        "run `mmkit models pull hf:org/name` where there is a network, or give a local path"
    }
    assert {answer["exit"] for answer in answers} == {4}


def test_what_the_hub_answers_is_told(served, ask):
    assert "has no public model org/other" in ask(served, name="hf:org/other")["error"]
    assert "agreed to its terms" in ask(served, name="hf:org/gated")["error"]
    assert "not in the local cache" in ask(served, name="hf:org/broken")["error"]


def test_a_download_that_was_cut_off_is_taken_up_again(served, ask, tmp_path):
    first = ask(served)
    next((tmp_path / "hf").rglob("snapshots/*/config.json")).unlink()
    assert ask(served)["files"] == first["files"]
