"""The password grant at its limit, and what it does to the traffic beside it."""

from pathlib import Path

from .latchkey import Latchkey, issue, password
from .load import Load, LoadPlan, measure, write_requests
from .process import Server
from .rounds import Results, take
from .variant import FEW, Settings, Variant

# Light traffic: so many connections, each waiting so long after every reply. About 200 requests/s.
LIGHT_CONNECTIONS = 4
LIGHT_DELAY = "delay=20"
# Several devices, so that concurrent sign-ins of the one user do not queue for one family.
DEVICES = 50


class Passwords:
    """Saturating sign-ins on a Latchkey of their own, with light client_credentials traffic beside them.

    The same light traffic to the bare server is the control: what its p99 loses while the cores hash is
    the machine's doing, not the token server's.
    """

    def __init__(self, binary: Path, bare: Server, bare_url: str, settings: Settings):
        self.seconds = settings.seconds
        self.latchkey = Latchkey(binary, settings.directory / "passwords")
        application = self.latchkey.create("signing-in", "jwt", "password,refresh_token")
        others = self.latchkey.create_many("light", "jwt", 20)
        sign_ins = [password(application, self.latchkey.demo["user"], f"device_{n}") for n in range(DEVICES)]
        light = [issue(one) for one in others]
        directory = settings.directory
        self.sign_ins = Variant(
            "latchkey.password", "Latchkey, password grant", self.latchkey.server,
            LoadPlan(self.latchkey.url, write_requests(directory / "password.requests", sign_ins)), (FEW,),
        )
        light_file = write_requests(directory / "light.requests", light)
        self.light = {
            "latchkey": (self.latchkey.server, LoadPlan(self.latchkey.url, light_file, (LIGHT_DELAY,))),
            "bare": (bare, LoadPlan(bare_url, light_file, (LIGHT_DELAY,))),
        }

    def round(self, results: Results, raw: dict[str, dict[str, float]]) -> None:
        """Sign-ins alone over the `raw` rate of this round, then the light traffic before and during them."""
        take(results, self.sign_ins, FEW, self.seconds)
        if self.sign_ins.name in results.failed:
            return
        rate = results.samples[(self.sign_ins.name, FEW)][-1].per_second
        results.note("password.of_raw", rate / raw["argon2id_two_threads"]["per_second"])
        for name, (server, plan) in self.light.items():
            before = self._light(results, f"light.{name}.before", server, plan)
            plan_of_sign_ins = self.sign_ins.plan
            saturation = Load(plan_of_sign_ins.url, plan_of_sign_ins.requests, FEW, self.seconds + 2)
            during = self._light(results, f"light.{name}.during", server, plan)
            figures, _ = saturation.result()
            results.note("light.sign_ins_refused", figures["non_2xx"] + figures["broken"])
            results.note(f"light.{name}.p99_ratio", during / before)

    def _light(self, results: Results, name: str, server: Server, plan: LoadPlan) -> float:
        sample = measure(server, plan, LIGHT_CONNECTIONS, self.seconds)
        results.note(f"{name}.p50_ms", sample.p50_ms)
        results.note(f"{name}.p99_ms", sample.p99_ms)
        results.note(f"{name}.refused", sample.non_2xx + sample.broken)
        return sample.p99_ms
