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
    questions = introspections(url, min(settings.tokens, settings.clients))

    def issuing(kind: str) -> Variant:
        requests = [issue(n, kind) for n in range(settings.clients)]
        return variant(f"peer.issue.{kind}", f"oidc-provider, issue {kind.upper()}", server, url, requests, settings)

    return [server], [
        issuing("es256"), issuing("rs256"),
        variant("peer.introspect", "oidc-provider, introspect opaque", server, url, questions, settings),
    ]
