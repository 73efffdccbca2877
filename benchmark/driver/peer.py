"""npm's oidc-provider with its in-memory adapter: issue as ES256 and RS256 JWT, introspection of opaque tokens."""

from . import tools
from .http import Caller, basic, form
from .load import Request
from .process import Server
from .variant import Settings, Variant, variant

INTROSPECTION = "/token/introspection"


def authorization(n: int) -> str:
    return basic(f"client-{n}", f"secret-of-bench-client-{n}")


def issue(n: int, kind: str) -> Request:
    """A request for a token of client `n`; the resource indicator chooses its form (see server.js)."""
    body = form(grant_type="client_credentials", scope="read", resource=f"urn:bench:{kind}")
    return Request("POST", "/token", authorization(n), body)


def introspections(url: str, count: int) -> list[Request]:
    """Questions about fresh opaque tokens, each asked by the client that holds it."""
    caller, requests = Caller(url), []
    for n in range(count):
        asked = issue(n, "opaque")
        token = caller.post(asked.path, asked.authorization, asked.body)["access_token"]
        requests.append(Request("POST", INTROSPECTION, authorization(n), form(token=token)))
    return requests


def start(settings: Settings) -> tuple[list[Server], list[Variant]]:
    tools.ensure_peer()
    command = ["node", "server.js", "0", str(settings.clients)]
    server = Server("oidc-provider", command, "ready", settings.directory / "oidc-provider.log", cwd=tools.PEER)
    url = f"http://127.0.0.1:{server.ready_line.split()[1]}"
    everyone = range(settings.clients)
    questions = introspections(url, min(settings.tokens, settings.clients))
    return [server], [
        variant("peer.issue.es256", "oidc-provider, issue ES256", server, url, [issue(n, "es256") for n in everyone], settings),
        variant("peer.issue.rs256", "oidc-provider, issue RS256", server, url, [issue(n, "rs256") for n in everyone], settings),
        variant("peer.introspect", "oidc-provider, introspect opaque", server, url, questions, settings),
    ]
