"""Many issues on few devices: the family table must stay as large as the devices, the log bounded.

10,000 devices (100 applications with 100 devices each) are renewed at random until the wanted number of
issues is reached; then the database is opened, read-only, and counted.
"""

import random
import sqlite3
from contextlib import closing
from pathlib import Path

from .failure import Failure
from .latchkey import Latchkey, issue
from .load import LoadPlan, measure, write_requests
from .rounds import Results
from .variant import MANY, Settings

APPLICATIONS, DEVICES_EACH = 100, 100
EVENT_MAX = 100_000
SEED = 2
SLICE_SECONDS = 10
DATABASE = "latchkey.db"


def count(database: Path, table: str) -> int:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def database_mb(database: Path) -> float:
    """Size of the database without its log, free pages left out."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        used = sum(
            sign * connection.execute(f"PRAGMA {name}").fetchone()[0]
            for sign, name in ((1, "page_count"), (-1, "freelist_count"))
        )
        return used * connection.execute("PRAGMA page_size").fetchone()[0] / 1e6


def run(results: Results, binary: Path, settings: Settings, issues: int) -> None:
    """Issues at least `issues` tokens and notes rows and sizes after a tenth and at the end."""
    latchkey = Latchkey(binary, settings.directory / "churn", f"store.event_max={EVENT_MAX}")
    try:
        chance = random.Random(SEED)
        clients = latchkey.create_many("churn", "jwt", APPLICATIONS)
        every = [issue(client, f"device_{n}") for client in clients for n in range(DEVICES_EACH)]
        chance.shuffle(every)
        plan = LoadPlan(latchkey.url, write_requests(settings.directory / "churn.requests", every))
        done = issue_until(latchkey, plan, issues // 10)
        note(results, "churn.early", latchkey, done)
        done += issue_until(latchkey, plan, issues - done)
        note(results, "churn", latchkey, done)
    finally:
        latchkey.server.stop()


def issue_until(latchkey: Latchkey, plan: LoadPlan, wanted: int) -> int:
    done = 0
    while done < wanted:
        sample = measure(latchkey.server, plan, MANY, SLICE_SECONDS if wanted - done > 100_000 else 1)
        if sample.is_void:
            raise Failure(f"churn: {sample.non_2xx} refused, {sample.broken} broken.\n{latchkey.server.log_tail()}")
        done += sample.requests
    return done


def note(results: Results, prefix: str, latchkey: Latchkey, issued: int) -> None:
    database = latchkey.directory / DATABASE
    results.note(f"{prefix}.issues", issued)
    results.note(f"{prefix}.family_rows", count(database, "family"))
    results.note(f"{prefix}.event_rows", count(database, "event"))
    results.note(f"{prefix}.database_mb", database_mb(database))
    results.note(f"{prefix}.resident_mb", latchkey.server.resident_mb())
