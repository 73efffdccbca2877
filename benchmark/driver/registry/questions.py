"""What is asked of a large registry, each question as requests that alternate."""

from ..load import Request
from ..variant import Settings, Variant, variant
from .filled import Filled

CONNECTIONS = 16
DEVPORTAL, PUBLISHER, ADMIN = "/api/am/devportal/v3", "/api/am/publisher/v4", "/api/am/admin/v4"
PAGE = "limit=25"


def questions(filled: Filled, settings: Settings, applications: int) -> list[Variant]:
    """The variants; their names are what goals know them by."""
    alice, administrator = filled.alice, filled.administrator

    def of(name: str, title: str, who: str, paths: list[str]) -> Variant:
        requests = [Request("GET", path, who) for path in paths]
        made = variant(f"registry.{name}", title, filled.latchkey.server, filled.latchkey.url, requests, settings)
        return Variant(made.name, made.title, made.server, made.plan, (CONNECTIONS,))

    everybodys = f"{ADMIN}/applications?{PAGE}"
    return [
        of("own", "own applications", alice, [f"{DEVPORTAL}/applications?{PAGE}"]),
        of("own.search", "own applications, searched", alice, [f"{DEVPORTAL}/applications?{PAGE}&query=shop"]),
        of("one", "one application", alice, [f"{DEVPORTAL}/applications/{id}" for id in filled.alices]),
        of("subscriptions.application", "subscriptions of an application", alice,
           [f"{DEVPORTAL}/subscriptions?{PAGE}&applicationId={id}" for id in filled.alices]),
        of("apis", "APIs", alice, [f"{DEVPORTAL}/apis?{PAGE}"]),
        of("apis.search", "APIs, searched", alice, [f"{DEVPORTAL}/apis?{PAGE}&query=name:api%201"]),
        of("all", "everybody's applications", administrator, [everybodys]),
        of("all.far", "everybody's applications, the last page", administrator,
           [f"{everybodys}&offset={applications - 25}"]),
        of("all.search.common", "everybody's, a word of a quarter of them", administrator, [f"{everybodys}&name=phone"]),
        of("all.search.rare", "everybody's, a number", administrator,
           [f"{everybodys}&name=%20{number}" for number in range(1000, 9999, 7)]),
        of("subscriptions.api", "subscriptions to an API", administrator,
           [f"{PUBLISHER}/subscriptions?{PAGE}&apiId={id}" for id in filled.apis]),
    ]
