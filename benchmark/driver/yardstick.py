"""The bare HTTP reply and the raw rates of this machine."""

import json
from pathlib import Path

from . import tools
from .http import basic, form
from .load import Request
from .process import Server
from .variant import Settings, Variant, variant

WORKERS = 2
RAW_WINDOWS = 3
RAW_WINDOW_MS = 150


def start(binaries: Path, settings: Settings) -> tuple[list[Server], list[Variant]]:
    """bare-hyper with as many workers as the token server has, asked by GET and as introspection asks."""
    command = [str(binaries / "bare-hyper"), "--threads", str(WORKERS)]
    server = Server("bare-hyper", command, "ready", settings.directory / "bare-hyper.log")
    url = f"http://{server.ready_line.split()[1]}"
    question = form(token="lka_" + "0" * 100)
    posts = [Request("POST", "/", basic(f"client-{n:028}", "0" * 43), question) for n in range(settings.tokens)]
    return [server], [
        variant("bare.get", "bare hyper, GET", server, url, [Request("GET", "/")], settings),
        variant("bare.post", "bare hyper, POST with a form", server, url, posts, settings),
    ]


def raw_rates(binaries: Path, seconds: float) -> dict[str, dict[str, float]]:
    """What `raw-rates` measures now: microseconds per signature, Argon2id per second."""
    return json.loads(tools.run([
        str(binaries / "raw-rates"), "--windows", str(RAW_WINDOWS), "--window-ms", str(RAW_WINDOW_MS),
        "--argon2-ms", str(round(seconds * 1000)),
    ]))
