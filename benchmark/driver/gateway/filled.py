"""Latchkey with an API, applications that call it, and many live token families in its store."""

import json
import random
import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from .. import tools
from ..failure import Failure
from ..http import form
from ..latchkey import CREATORS, Application, Latchkey, issue
from ..load import Paced, Request, write_requests
from ..variant import Settings

API = "/calls/1.0.0"
SCOPE = "calls"
# An API whose calls ask for a scope that any application may have.
DOCUMENT = {
    "openapi": "3.0.3", "info": {"title": "Calls", "version": "1.0.0"}, "x-wso2-basePath": API,
    "paths": {
        "/one": {"get": {"security": [{"token": [SCOPE]}], "responses": {"200": {"description": "one"}}}},
        "/open": {"get": {"x-auth-type": "None", "responses": {"200": {"description": "without a token"}}}},
    },
    "components": {"securitySchemes": {"token": {"type": "oauth2", "flows": {"clientCredentials": {
        "tokenUrl": "https://localhost/", "scopes": {SCOPE: "make calls"}}}}}},
}
DATABASE = "latchkey.db"
# Beside the database, in a filled store; and which form of store this is, for those that were kept.
APPLICATIONS, FORM = "applications.json", 1
# Subscription tiers: one that every call is counted by and none is refused by, one that is used up at once.
# Calls without a token have a tier of their own.
AMPLE, ONE, OPEN = "BenchAmple", "BenchOne", "Unauthenticated"
TIERS = {AMPLE: (10**12, "hour"), OPEN: (10**12, "hour"), ONE: (1, "year")}
OPAQUE_APPLICATIONS, JWT_APPLICATIONS = 100, 20
# The same tokens in every run.
SEED = 7
# Sign-ins fail on purpose here, and their hashes are what is measured.
BRAKES = ("pair", "address", "account")
OPTIONS = ("gateway.threads=1", *(f"passwords.brake_{name}_burst=1000000" for name in BRAKES))


def bearer(token: str) -> Request:
    return Request("GET", f"{API}/one", f"Bearer {token}")


def revocation(application: Application, token: str) -> Request:
    return Request("POST", "/oauth2/revoke", application.authorization, form(token=token))


def copy(source: Path, target: Path) -> None:
    """A copy of a store, which appears whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(target.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    tools.run(["cp", "-a", "--reflink=auto", str(source), str(unfinished)])
    unfinished.rename(target)


@dataclass(frozen=True)
class Applications:
    """Who calls: with opaque tokens, with JWTs, with one call in all, and who signs users in."""

    opaque: list[Application]
    jwt: list[Application]
    over_limit: list[Application]
    signing_in: list[Application]


class Filled:
    """A running gateway over `families` live families, beside what the measurements add.

    Where `settings.stores` is a directory, the filled store is kept there, and copied by later runs.
    """

    def __init__(self, binaries: Path, settings: Settings, families: int, upstream: str):
        self.binaries, self.settings = binaries, settings
        self.devices = families // OPAQUE_APPLICATIONS
        self.directory = settings.directory / f"filled-{families}"
        room = self.devices + 100_000
        self.options = (*OPTIONS, f"oauth.device.max_per_user={room}", f"oauth.max_families_per_user={room}")
        kept = settings.stores and settings.stores / f"calls-{FORM}-{families}"
        if kept and kept.is_dir():
            copy(kept, self.directory)
        else:
            self._make(families)
            if kept:
                copy(self.directory, kept)
        read = json.loads((self.directory / APPLICATIONS).read_text())
        self.who = Applications(**{kind: [Application(**one) for one in held] for kind, held in read.items()})
        self.latchkey = self._start()
        self.latchkey.publish(DOCUMENT, f"http://{upstream}", "--update")

    def _make(self, families: int) -> None:
        """A stopped server with everything in its store."""
        self.latchkey = self._start()
        self.latchkey.publish(DOCUMENT, "http://127.0.0.1:9")
        self.latchkey.server.stop()
        self._insert_tiers()
        self.latchkey = self._start()
        try:
            made = Applications(
                self._subscribed("opaque", OPAQUE_APPLICATIONS, AMPLE), self._subscribed("jwt", JWT_APPLICATIONS, AMPLE),
                self._subscribed("opaque", 1, ONE),
                [self.latchkey.create("signing-in", "opaque", "password,refresh_token")],
            )
        finally:
            self.latchkey.server.stop()
        file = self.directory / APPLICATIONS
        file.touch(0o600)
        file.write_text(json.dumps(asdict(made)))
        self._fill(families, made.opaque)

    def _start(self) -> Latchkey:
        return Latchkey(self.binaries / "latchkey", self.directory, *self.options)

    def restart(self) -> None:
        """With empty caches."""
        self.latchkey.server.stop()
        self.latchkey = self._start()

    def stop(self) -> None:
        self.latchkey.server.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _insert_tiers(self) -> None:
        with closing(sqlite3.connect(self.directory / DATABASE)) as database, database:
            for name, (calls, unit) in TIERS.items():
                limit = {"calls": calls, "window": {"units": 1, "unit": unit}}
                tier = {"name": name, "level": "subscription", "limit": limit, "burst": None, "past_limit": "refuse"}
                database.execute("REPLACE INTO tier VALUES ('subscription', ?, ?)", (name, json.dumps(tier)))

    def _subscribed(self, token_format: str, count: int, tier: str) -> list[Application]:
        def create(n: int) -> Application:
            name = f"{tier}-{token_format}-{n}"
            made = self.latchkey.create(name, token_format)
            tools.run([str(self.latchkey.binary), "app", "subscribe", name, API, "--tier", tier,
                       "--data-dir", str(self.directory)])
            return made

        with ThreadPoolExecutor(CREATORS) as creators:
            return list(creators.map(create, range(count)))

    def _fill(self, families: int, clients: list[Application]) -> None:
        print(f"filling {families:,} families …", flush=True)
        names = self.settings.directory / "filled.clients"
        names.write_text("".join(one.consumer_key + "\n" for one in clients))
        tools.run([
            str(self.binaries / "fill"), "--data-dir", str(self.directory), "--clients", str(names),
            "--devices", str(self.devices), "--scope", SCOPE,
        ])

    def tokens(self, requests: list[Request]) -> list[str]:
        """The access tokens that the token endpoint answers to these requests, in their order."""
        asked = write_requests(self.settings.directory / "tokens.requests", requests)
        answers = self.settings.directory / "tokens.answers"
        Paced(self.binaries, self.latchkey.url, asked, 60, "--once", "--collect", str(answers)).result()
        tokens = answers.read_text().splitlines()
        answers.unlink()
        if len(tokens) != len(requests) or not all(tokens):
            raise Failure(f"{len(requests)} tokens were asked for and {sum(map(bool, tokens))} came")
        return tokens

    def spread(self, count: int) -> list[str]:
        """Tokens of families picked at random out of all."""
        chance = random.Random(SEED)
        places = chance.sample(range(self.devices * OPAQUE_APPLICATIONS), count)
        return self.tokens([
            issue(self.who.opaque[place // self.devices], f"{SCOPE} device_{place % self.devices}") for place in places
        ])

    def fresh(self, applications: list[Application], count: int, label: str) -> tuple[list[Application], list[str]]:
        """Tokens of new families, with the applications that hold them."""
        holders = [applications[n % len(applications)] for n in range(count)]
        asked = [issue(holder, f"{SCOPE} device_{label}{n}") for n, holder in enumerate(holders)]
        return holders, self.tokens(asked)

    def revoke(self, holders: list[Application], tokens: list[str]) -> None:
        requests = [revocation(holder, token) for holder, token in zip(holders, tokens)]
        file = write_requests(self.settings.directory / "revoke.requests", requests)
        figures, _ = Paced(self.binaries, self.latchkey.url, file, 60, "--once").result()
        if figures["requests"] != len(requests) or figures["non_2xx"] or figures["broken"]:
            raise Failure(f"not every token could be revoked: {figures}")
