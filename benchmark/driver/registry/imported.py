"""What WSO2 kept, imported: users, applications with keys, and live tokens that are kept by their digests."""

import hashlib
import json
import random
import time
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

from .. import tools
from ..latchkey import Latchkey
from ..rounds import Results
from ..variant import Settings

IMPORTED = "registry.imported"
MILLION = 1_000_000
APPLICATIONS, DEVICES, AT_ONCE = 20, 10, 200
# Until 2066: no clock makes the tokens old.
LIFE_MS = 40 * 365 * 86_400_000
TABLES = {
    "UM_USER": "UM_ID int, UM_USER_ID varchar, UM_USER_NAME varchar, UM_TENANT_ID int",
    "AM_SUBSCRIBER": "SUBSCRIBER_ID int, USER_ID varchar, TENANT_ID int",
    "AM_APPLICATION": "APPLICATION_ID int, NAME varchar, SUBSCRIBER_ID int, APPLICATION_TIER varchar,"
                      " APPLICATION_STATUS varchar, TOKEN_TYPE varchar, UUID varchar",
    "AM_APPLICATION_KEY_MAPPING": "APPLICATION_ID int, CONSUMER_KEY varchar, KEY_TYPE varchar",
    "IDN_OAUTH_CONSUMER_APPS": "ID int, CONSUMER_KEY varchar, CONSUMER_SECRET varchar, USERNAME varchar, TENANT_ID int,"
                               " APP_NAME varchar, GRANT_TYPES varchar, APP_STATE varchar",
    "IDN_OAUTH2_ACCESS_TOKEN": "TOKEN_ID varchar, ACCESS_TOKEN varchar, REFRESH_TOKEN varchar, CONSUMER_KEY_ID int,"
                               " AUTHZ_USER varchar, TENANT_ID int, USER_DOMAIN varchar, USER_TYPE varchar,"
                               " TIME_CREATED timestamp, REFRESH_TOKEN_TIME_CREATED timestamp, VALIDITY_PERIOD bigint,"
                               " REFRESH_TOKEN_VALIDITY_PERIOD bigint, TOKEN_STATE varchar",
    "IDN_OAUTH2_ACCESS_TOKEN_SCOPE": "TOKEN_ID varchar, TOKEN_SCOPE varchar, TENANT_ID int",
}


def run(results: Results, binaries: Path, settings: Settings, tokens: int) -> None:
    """Imports `tokens` tokens into an empty installation that is stopped, and once more, which changes nothing."""
    directory, dump = settings.directory / "imported", settings.directory / "wso2.sql"
    Latchkey(binaries / "latchkey", directory).server.stop()
    with dump.open("w") as file:
        write(file, tokens)
    command = [str(binaries / "latchkey"), "import", "wso2", "--dump", str(dump), "--json", "--data-dir", str(directory)]
    for name in ("seconds", "again.seconds"):
        begun = time.monotonic()
        report = json.loads(tools.run(command))
        seconds = time.monotonic() - begun
        results.note(f"{IMPORTED}.{name}", seconds)
        results.note(f"{IMPORTED}.{name}_per_million", seconds * MILLION / tokens)
    results.note(f"{IMPORTED}.here_already", report["rows"]["tokens"]["here"])
    dump.unlink()


def write(file: TextIO, tokens: int) -> None:
    """A dump as mysqldump writes it."""
    users = max(1, tokens // DEVICES)
    draw = random.Random(1)

    def drawn() -> str:
        return str(uuid.UUID(int=draw.getrandbits(128), version=4))

    def hashed(value: str) -> str:
        return '{\\"hash\\":\\"' + hashlib.sha256(value.encode()).hexdigest() + '\\",\\"algorithm\\":\\"SHA-256\\"}'

    ids = [drawn() for _ in range(tokens)]
    file.write("-- MySQL dump 10.13\n")
    for name, columns in TABLES.items():
        file.write(f"CREATE TABLE `{name}` ({columns});\n")
    insert(file, "UM_USER", (f"({n},'u{n}','user{n}',-1234)" for n in range(users)))
    insert(file, "AM_SUBSCRIBER", ["(1,'user0',-1234)"])
    insert(file, "AM_APPLICATION", (
        f"({n},'App {n}',1,'Unlimited','APPROVED','OAUTH','{drawn()}')" for n in range(APPLICATIONS)))
    insert(file, "AM_APPLICATION_KEY_MAPPING", (f"({n},'key{n}','PRODUCTION')" for n in range(APPLICATIONS)))
    insert(file, "IDN_OAUTH_CONSUMER_APPS", (
        f"({n},'key{n}','{drawn()}','user0',-1234,'App {n}','password refresh_token','ACTIVE')"
        for n in range(APPLICATIONS)))
    at = "'2026-11-01 00:00:00.000'"
    insert(file, "IDN_OAUTH2_ACCESS_TOKEN", (
        f"('{id}','{hashed(drawn())}','{hashed(drawn())}',{n % APPLICATIONS},'user{n % users}',-1234,'PRIMARY',"
        f"'APPLICATION_USER',{at},{at},{LIFE_MS},{LIFE_MS},'ACTIVE')" for n, id in enumerate(ids)))
    insert(file, "IDN_OAUTH2_ACCESS_TOKEN_SCOPE", (
        f"('{id}','device_d{n // users}',-1234)" for n, id in enumerate(ids)))


def insert(file: TextIO, table: str, rows: Iterable[str]) -> None:
    for several in batches(rows):
        file.write(f"INSERT INTO `{table}` VALUES {','.join(several)};\n")


def batches(rows: Iterable[str]) -> Iterator[list[str]]:
    several: list[str] = []
    for row in rows:
        several.append(row)
        if len(several) == AT_ONCE:
            yield several
            several = []
    if several:
        yield several
