"""Small HTTP requests on loopback, for setting up; the load itself comes from wrk."""

import base64
import http.client
import json
from urllib.parse import urlencode, urlsplit

from .failure import Failure


def basic(name: str, secret: str) -> str:
    """The value of a Basic `Authorization` header; the names and secrets here need no form encoding."""
    return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()


def form(**fields: str) -> str:
    return urlencode(fields)


class Caller:
    """One keep-alive connection to one server."""

    def __init__(self, url: str):
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)

    def post(self, path: str, authorization: str, body: str) -> dict[str, object]:
        """The JSON answer to a form; a `Failure` unless it is a 200."""
        headers = {"Authorization": authorization, "Content-Type": "application/x-www-form-urlencoded"}
        self._connection.request("POST", path, body, headers)
        answer = self._connection.getresponse()
        text = answer.read().decode()
        if answer.status != 200:
            raise Failure(f"POST {path} answered {answer.status}: {text[:500]}")
        return json.loads(text)


class Exchange:
    """One keep-alive connection to one server, for JSON."""

    def __init__(self, url: str):
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)

    def send(self, method: str, path: str, authorization: str, body: str | None = None) -> tuple[int, str]:
        headers = {"Authorization": authorization, "Content-Type": "application/json"}
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        return answer.status, answer.read().decode()

    def status(self, method: str, path: str, authorization: str) -> int:
        return self.send(method, path, authorization)[0]

    def json(self, method: str, path: str, authorization: str, body: str | None = None) -> dict[str, object]:
        """The JSON answer, or nothing; a `Failure` unless it succeeds."""
        status, text = self.send(method, path, authorization, body)
        if status >= 300:
            raise Failure(f"{method} {path} answered {status}: {text[:500]}")
        return json.loads(text) if text else {}


def get(url: str, path: str) -> str:
    """The text at a path; a `Failure` unless the answer is a 200."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        text = answer.read().decode()
    finally:
        connection.close()
    if answer.status != 200:
        raise Failure(f"GET {path} answered {answer.status}: {text[:500]}")
    return text
