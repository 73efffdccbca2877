"""Latchkey with many applications and subscriptions, and who asks for them."""

import json
from dataclasses import dataclass
from pathlib import Path

from .. import tools
from ..http import Caller, form
from ..latchkey import TOKEN, Latchkey
from ..variant import Settings

SCOPES = {
    "user": "apim:subscribe apim:app_manage apim:sub_manage",
    "admin": "apim:subscribe apim:app_manage apim:sub_manage apim:admin apim:api_view apim:subscription_view apim:subscription_block",
}


@dataclass(frozen=True)
class Extent:
    """How many applications there are, how many of them the administrator's, and of what an import consists."""

    applications: int
    administrators: int
    imported: int
    blocks: int


class Filled:
    """A running server over a large registry."""

    def __init__(self, binaries: Path, settings: Settings, extent: Extent):
        self.binaries, self.settings = binaries, settings
        directory = settings.directory / "registry"
        Latchkey(binaries / "latchkey", directory).server.stop()
        print(f"filling the registry with {extent.applications:,} applications …", flush=True)
        made = json.loads(tools.run([
            str(binaries / "registry"), "--data-dir", str(directory), "--applications", str(extent.applications),
            "--administrator", str(extent.administrators),
        ]))
        self.apis, self.alices, self.administrators = made["apis"], made["alices"], made["administrators"]
        self.latchkey = Latchkey(binaries / "latchkey", directory)
        self.application = self.latchkey.create("registry", "jwt", "password,client_credentials", "/echo/1.0.0")
        self.alice, self.administrator = self.bearer("user"), self.bearer("admin")

    def bearer(self, who: str) -> str:
        """A bearer token for what `who` may do over REST."""
        person = self.latchkey.demo[who]
        asked = form(grant_type="password", username=person["username"], password=person["password"], scope=SCOPES[who])
        answer = Caller(self.latchkey.url).post(TOKEN, self.application.authorization, asked)
        return f"Bearer {answer['access_token']}"
