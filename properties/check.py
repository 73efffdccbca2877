"""Tries every operation of docs/openapi.json at a server of its own, and ends with how many passed.

    check.py SCHEMATHESIS

It is run by properties/run. LATCHKEY_BIN is the program; LATCHKEY_LONG=1 tries more.
"""

import base64
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
import xml.etree.ElementTree as ElementTree

HERE = pathlib.Path(__file__).resolve().parent
DOCUMENT = HERE.parent / "docs" / "openapi.json"
# Hashes cost as little as they may, and no failure is one too many: thousands are tried.
SETTINGS = [
    *[f"{listen}=127.0.0.1:0" for listen in ("server.listen", "gateway.http_listen", "gateway.https_listen")],
    "operations.listen=127.0.0.1:0",
    "tls.enabled=false",
    "passwords.memory_kib=7168",
    "passwords.iterations=1",
    "passwords.queue=1024",
    *[f"passwords.brake_{which}_burst=1000000000" for which in ("pair", "address", "account")],
]
PATIENCE = 60.0


class Server:
    """A demo server; everything it keeps goes with it."""

    def __init__(self, home: pathlib.Path) -> None:
        data = home / "data"
        words = [os.environ["LATCHKEY_BIN"], "serve", "--demo", "--data-dir", str(data)]
        for setting in SETTINGS:
            words += ["--set", setting]
        self.log = home / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log)
        deadline = time.monotonic() + PATIENCE
        while not (data / "run.json").is_file() or not (data / "demo.json").is_file():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the server did not start: {self.log.read_text()[-2000:]}")
            time.sleep(0.05)
        self.url = json.loads((data / "run.json").read_text())["server"]
        self.demo = json.loads((data / "demo.json").read_text())

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(PATIENCE)

    def panics(self) -> int:
        """How many handlers panicked, as the log says."""
        return self.log.read_text(errors="replace").count("panicked")

    def ask(self, method: str, path: str, who: dict | None = None, body: dict | None = None):
        """What is answered, as JSON, to a request of `who`, the administrator where nobody is named."""
        who = who or self.demo["admin"]
        request = urllib.request.Request(self.url + path, method=method)
        pair = f"{who['username']}:{who['password']}".encode()
        request.add_header("Authorization", "Basic " + base64.b64encode(pair).decode())
        if body is not None:
            request.add_header("Content-Type", "application/json")
            request.data = json.dumps(body).encode()
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            text = answer.read()
            return json.loads(text) if text else None

    def token(self, scope: str) -> str:
        """A token of the demo's user with these scopes."""
        application, user = self.demo["application"], self.demo["user"]
        form = {"grant_type": "password", "username": user["username"], "password": user["password"], "scope": scope}
        request = urllib.request.Request(self.url + "/oauth2/token", urllib.parse.urlencode(form).encode())
        pair = f"{application['consumer_key']}:{application['consumer_secret']}".encode()
        request.add_header("Authorization", "Basic " + base64.b64encode(pair).decode())
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            told = json.loads(answer.read())
        assert set(told["scope"].split()) == set(scope.split()), told["scope"]
        return told["access_token"]


def planted(server: Server) -> dict[str, list[str]]:
    """Makes something of every kind, of the administrator's and of the user's, and tells the ids."""
    bob = {"userName": "bob", "password": "bobs own password 1"}
    ids = {"userId": ["bob"], "id in Users": [server.ask("POST", "/scim2/Users", body=bob)["id"]]}
    portal, publisher, admin = "/api/am/devportal/v3", "/api/am/publisher/v4", "/api/am/admin/v4"
    apis = server.ask("GET", portal + "/apis")["list"]
    ids["apiId"] = [api["id"] for api in apis]
    for who in (server.demo["admin"], server.demo["user"]):
        name = {"name": "Tried", "throttlingPolicy": "Unlimited"}
        application = server.ask("POST", portal + "/applications", who, name)["applicationId"]
        wanted = {"keyType": "PRODUCTION", "grantTypesToBeSupported": ["client_credentials"]}
        keys = server.ask("POST", f"{portal}/applications/{application}/generate-keys", who, wanted)
        wanted = {"applicationId": application, "apiId": apis[0]["id"], "throttlingPolicy": "Unlimited"}
        subscription = server.ask("POST", portal + "/subscriptions", who, wanted)
        ids.setdefault("applicationId", []).append(application)
        ids.setdefault("keyMappingId", []).append(keys["keyMappingId"])
        ids.setdefault("subscriptionId", []).append(subscription["subscriptionId"])
    ids["keyType"] = ["PRODUCTION", "SANDBOX"]
    api = {"name": "Tried", "context": "/tried", "version": "1", "policies": ["Unlimited"]}
    ids["apiId"].append(server.ask("POST", publisher + "/apis", body=api)["id"])
    revision = server.ask("POST", f"{publisher}/apis/{ids['apiId'][-1]}/revisions", body={})
    ids["revisionId"] = [revision["id"]]
    scope = server.ask("POST", publisher + "/scopes", body={"name": "tried", "bindings": ["admin"]})
    ids["scopeId"], ids["name"], ids["scopeName"] = [scope["id"], "dHJpZWQ="], ["tried"], ["YXBpbTphZG1pbg=="]
    condition = {"conditionType": "USER", "conditionValue": "bob", "conditionStatus": False}
    ids["conditionId"] = [server.ask("POST", admin + "/throttling/deny-policies", body=condition)["conditionId"]]
    for level in ("application", "subscription", "advanced"):
        policies = server.ask("GET", f"{admin}/throttling/policies/{level}")["list"]
        ids[f"policyId in policies/{level}"] = [policy["policyId"] for policy in policies]
    ids["policyId"], ids["policyName"] = ["Unlimited"], ["Unlimited"]
    ids["policyLevel"] = ["application", "subscription"]
    ids["keyManagerId"] = [server.ask("GET", admin + "/key-managers")["list"][0]["id"]]
    ids["environmentId"], ids["tenantDomain"], ids["username"] = ["Default"], ["carbon.super"], ["admin"]
    ids["roleId"] = ["YWRtaW4="]
    for place in ("Groups", "Roles"):
        ids[f"id in {place}"] = [one["id"] for one in server.ask("GET", f"/scim2/{place}")["Resources"]]
    ids["id in Schemas"] = [one["id"] for one in server.ask("GET", "/scim2/Schemas")["Resources"]]
    return ids


def tried(command: list[str], name: str, server: Server, words: list[str], ids: dict) -> tuple[int, int]:
    """Runs schemathesis and tells how many operations passed and failed."""
    report = server.log.parent / f"{name}.xml"
    words = [
        *command, "--config-file", str(HERE / "schemathesis.toml"), "run", str(DOCUMENT), "--url", server.url,
        "--no-color", "--report", "junit", "--report-junit-path", str(report), *words,
    ]
    environment = os.environ | {
        "LATCHKEY_PROPERTIES_IDS": json.dumps(ids),
        "HYPOTHESIS_STORAGE_DIRECTORY": str(report.parent / "hypothesis"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    begin = time.monotonic()
    status = subprocess.run(words, cwd=HERE, env=environment, check=False).returncode
    failed, passed = set(), set()
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        is_bad = case.find("failure") is not None or case.find("error") is not None
        (failed if is_bad else passed).add(case.get("name"))
    print(f"-- {name}: {time.monotonic() - begin:.0f} s, {len(failed)} of {len(passed | failed)} failed")
    if status != 0 and not failed:
        failed.add("schemathesis itself")
    return len(passed - failed), len(failed)


def main() -> int:
    is_long = os.environ.get("LATCHKEY_LONG") == "1"
    examples = ["--max-examples", "200" if is_long else "12"]
    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix="latchkey-properties-") as home:
        server = Server(pathlib.Path(home))
        try:
            ids = planted(server)
            few = server.token("apim:subscribe")
            admin = server.demo["admin"]
            runs = [
                ("few scopes", ["--header", f"Authorization: Bearer {few}", "--phases", "coverage,fuzzing"]),
                ("administrator", ["--auth", f"{admin['username']}:{admin['password']}"]),
            ]
            for name, words in runs:
                good, bad = tried(sys.argv[1:], name, server, [*words, *examples], ids)
                passed, failed = passed + good, failed + bad
            server.ask("GET", "/api/am/devportal/v3/settings")
            if panics := server.panics():
                print(f"{panics} handlers panicked:\n{server.log.read_text(errors='replace')[-4000:]}")
                failed += 1
        finally:
            server.end()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
