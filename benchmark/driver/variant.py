"""One thing that is measured: a server, the requests it gets, and how many connections send them."""

from dataclasses import dataclass
from pathlib import Path

from .load import LoadPlan, Request, write_requests
from .process import Server

FEW, MANY = 32, 256


@dataclass(frozen=True)
class Variant:
    """`name` is the key in results and goals, `title` what the table shows."""

    name: str
    title: str
    server: Server
    plan: LoadPlan
    connections: tuple[int, ...] = (FEW, MANY)


@dataclass(frozen=True)
class Settings:
    """The size of a run: `clients` per server, `seconds` per sample, where its files are, and where filled
    stores are kept for later runs, if they are."""

    directory: Path
    rounds: int
    seconds: float
    clients: int
    tokens: int
    stores: Path | None = None


def variant(name: str, title: str, server: Server, url: str, requests: list[Request], settings: Settings) -> Variant:
    """A variant whose requests are written to a file of its name."""
    file = write_requests(settings.directory / f"{name}.requests", requests)
    return Variant(name, title, server, LoadPlan(url, file))
