"""Latchkey as its users see it: `latchkey serve`, `latchkey app create`, and the token endpoint."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from . import tools
from .http import Caller, basic, form, get
from .load import Request
from .process import Server
from .variant import Settings, Variant, variant

READY = "latchkey ready"
TOKEN, INTROSPECT = "/oauth2/token", "/oauth2/introspect"
LISTENERS = ("server.listen", "operations.listen", "gateway.http_listen", "gateway.https_listen")
CREATORS = 2


@dataclass(frozen=True)
class Application:
    consumer_key: str
    consumer_secret: str

    @property
    def authorization(self) -> str:
        return basic(self.consumer_key, self.consumer_secret)


@dataclass(frozen=True)
class FamilyCache:
    """Families in it, and the looks that found one or went to the file."""

    families: int
    hits: int
    misses: int


class Latchkey:
    """A server on loopback and plain HTTP, with a data directory of its own.

    `options` are settings as `--set` takes them; the last of one key wins. Requests leave no line in the
    log unless they say so: the peers of the comparison write none either. A second `Latchkey` on the same
    directory, after the first was stopped, is a restart.
    """

    def __init__(self, binary: Path, directory: Path, *options: str):
        self.binary, self.directory = binary, directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        listeners = (f"{name}=127.0.0.1:0" for name in LISTENERS)
        settings = ["tls.enabled=false", "log.requests=false", *listeners, *options]
        command = [str(binary), "serve", "--demo", "--data-dir", str(directory)]
        command += [word for setting in settings for word in ("--set", setting)]
        self.server = Server(f"latchkey ({' '.join(options) or 'defaults'})", command, READY, directory / "serve.log")
        addresses = json.loads((directory / "run.json").read_text())
        self.url, self.gateway = addresses["server"], addresses["gateway_http"]
        self._operations = addresses["operations"]
        self.demo = json.loads((directory / "demo.json").read_text())

    @property
    def administrator(self) -> str:
        return basic(self.demo["admin"]["username"], self.demo["admin"]["password"])

    def family_cache(self) -> FamilyCache:
        """How the cache of token families has been used since the start."""
        shown = dict(line.rsplit(" ", 1) for line in get(self._operations, "/metrics").splitlines() if " " in line)
        name = "latchkey_store_cache_{}".format
        return FamilyCache(*(int(shown[name(what)]) for what in ("families", "hits_total", "misses_total")))

    def publish(self, document: dict[str, object], upstream: str, *options: str) -> None:
        """Publishes an OpenAPI document, with its calls going to `upstream`; `options` as `api import` takes them."""
        file = self.directory.parent / "api.json"
        file.write_text(json.dumps(document))
        tools.run([str(self.binary), "api", "import", str(file), "--upstream", upstream, "--publish",
                   *options, "--data-dir", str(self.directory)])

    def create(
        self, name: str, token_format: str, grants: str = "client_credentials", *subscriptions: str,
    ) -> Application:
        subscribing = [word for path in subscriptions for word in ("--subscribe", path)]
        made = json.loads(tools.run([
            str(self.binary), "app", "create", name, "--owner", "alice", "--grants", grants, *subscribing,
            "--token-format", token_format, "--json", "--data-dir", str(self.directory),
        ]))
        return Application(made["consumer_key"], made["consumer_secret"])

    def create_many(self, prefix: str, token_format: str, count: int, *subscriptions: str) -> list[Application]:
        """`count` applications for client_credentials, two being made at a time."""

        def create(n: int) -> Application:
            return self.create(f"{prefix}-{n}", token_format, "client_credentials", *subscriptions)

        with ThreadPoolExecutor(CREATORS) as creators:
            return list(creators.map(create, range(count)))


def issue(application: Application, scope: str = "device_bench") -> Request:
    return Request("POST", TOKEN, application.authorization, form(grant_type="client_credentials", scope=scope))


def password(application: Application, user: dict[str, str], scope: str) -> Request:
    body = form(grant_type="password", username=user["username"], password=user["password"], scope=scope)
    return Request("POST", TOKEN, application.authorization, body)


def introspections(url: str, applications: list[Application], count: int) -> list[Request]:
    """Questions about `count` active tokens, each asked by the client that holds it."""
    caller, questions = Caller(url), []
    for n in range(count):
        application = applications[n % len(applications)]
        asked = issue(application, f"device_bench{n}")
        token = caller.post(asked.path, asked.authorization, asked.body)["access_token"]
        questions.append(Request("POST", INTROSPECT, application.authorization, form(token=token)))
    return questions


def start(binary: Path, settings: Settings, algorithm: str) -> tuple[list[Latchkey], list[Variant]]:
    """The same server twice, on SQLite and with the store switched off, issuing JWTs by `algorithm`."""
    short, signing = algorithm.lower(), f"oauth.token.signing_algorithm={algorithm}"
    stores = {"sqlite": (), "memory": ("store.url=memory:",)}
    servers, variants = [], []
    for store, options in stores.items():
        latchkey = Latchkey(binary, settings.directory / f"{short}-{store}", signing, *options)
        servers.append(latchkey)
        requests = [issue(one) for one in latchkey.create_many("jwt", "jwt", settings.clients)]
        variants.append(variant(
            f"latchkey.issue.{short}.{store}", f"Latchkey, issue {algorithm}, {store}", latchkey.server,
            latchkey.url, requests, settings,
        ))
    return servers, variants


def start_logged(binary: Path, settings: Settings) -> tuple[Latchkey, list[Variant]]:
    """The server as it comes, with a line in the log for every request."""
    logged = Latchkey(binary, settings.directory / "logged", "log.requests=true")
    issuing = logged.create_many("jwt", "jwt", settings.tokens)
    asking = logged.create_many("opaque", "opaque", settings.tokens)
    return logged, [
        variant("logged.issue.es256", "Latchkey, issue ES256, sqlite, logged", logged.server, logged.url,
                [issue(one) for one in issuing], settings),
        variant("logged.introspect", "Latchkey, introspect opaque, logged", logged.server, logged.url,
                introspections(logged.url, asking, settings.tokens), settings),
    ]


def start_opaque(latchkey: Latchkey, settings: Settings) -> list[Variant]:
    """Reuse and introspection on a server that runs already (tokens of `settings.tokens` clients)."""
    opaque = latchkey.create_many("opaque", "opaque", settings.tokens)
    jwt = latchkey.create_many("jwt-asking", "jwt", settings.tokens)

    def of(name: str, title: str, requests: list[Request]) -> Variant:
        return variant(f"latchkey.{name}", f"Latchkey, {title}", latchkey.server, latchkey.url, requests, settings)

    return [
        of("reuse", "reuse opaque", [issue(one) for one in opaque]),
        of("introspect.opaque", "introspect opaque", introspections(latchkey.url, opaque, settings.tokens)),
        of("introspect.jwt", "introspect ES256 JWT", introspections(latchkey.url, jwt, settings.tokens)),
    ]
