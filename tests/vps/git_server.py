# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A git server with logins: `git_server.py ADDRESS PORT FOLDER USERS`.

git's own http-backend does the work; here is only what a web server gives it, with nothing but Python's library, so that it runs in any container
that has git and Python. FOLDER holds bare repositories. USERS is a JSON file: {"name": {"password": "...", "push": true}}.
"""

from __future__ import annotations

import base64
import hmac
import json
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit


def user_of(header: str, users: dict[str, dict[str, object]]) -> str:
    """Name of the user whose login this is, or nothing."""
    kind, _, given = header.partition(" ")
    try:
        name, _, password = base64.b64decode(given, validate=True).decode().partition(":")
    except ValueError:
        return ""
    known = kind.lower() == "basic" and name in users
    return name if known and hmac.compare_digest(str(users[name]["password"]).encode(), password.encode()) else ""


def chunks(stream: BinaryIO) -> bytes:
    """A body of which git did not know the length: each push of more than http.postBuffer."""
    body = b""
    while size := int(stream.readline().partition(b";")[0], 16):
        body += stream.read(size)
        stream.readline()
    while stream.readline().strip():
        pass
    return body


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    folder = Path()
    users: dict[str, dict[str, object]] = {}

    def do_GET(self) -> None:
        self.serve(b"")

    def do_POST(self) -> None:
        # read before any answer, or the rest of it would be taken for the next request
        chunked = self.headers.get("Transfer-Encoding", "").lower() == "chunked"
        self.serve(chunks(self.rfile) if chunked else self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def serve(self, body: bytes) -> None:
        url = urlsplit(self.path)
        user = user_of(self.headers.get("Authorization", ""), self.users)
        if not user:
            self.answer(401, {"WWW-Authenticate": 'Basic realm="git"'}, b"a login is needed\n")
            return
        if "git-receive-pack" in f"{url.path}?{url.query}" and not self.users[user].get("push"):
            self.answer(403, {}, b"this login may only read\n")
            return
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            # http-backend has no use for HOME, and what the machine's owner configured is not the server's
            "GIT_CONFIG_GLOBAL": os.devnull,
            "PATH_INFO": unquote(url.path),
            "QUERY_STRING": url.query,
            "REQUEST_METHOD": self.command,
            "REMOTE_USER": user,
            "REMOTE_ADDR": self.client_address[0],
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
        }
        done = subprocess.run(["git", "http-backend"], input=body, env=environment, stdout=subprocess.PIPE, check=False)
        head, found, content = done.stdout.partition(b"\r\n\r\n")
        if not found:
            self.answer(500, {}, b"git http-backend gave no answer\n")
            return
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self.answer(int(headers.pop("Status", "200").split()[0]), headers, content)

    def answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


def server(address: str, port: int, folder: Path, users: dict[str, dict[str, object]]) -> ThreadingHTTPServer:
    return ThreadingHTTPServer((address, port), type("Server", (Handler,), {"folder": folder.resolve(), "users": users}))


if __name__ == "__main__":
    _, given_address, given_port, given_folder, given_users = sys.argv
    server(given_address, int(given_port), Path(given_folder), json.loads(Path(given_users).read_text(encoding="utf-8"))).serve_forever()
