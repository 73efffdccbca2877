"""The gateway beside nginx: what a checked call costs, over plain proxying that checks nothing.

nginx runs one worker, Latchkey one gateway thread; both keep connections to the same upstream, remove the
Authorization header and write no access log. The nginx that asks an introspection endpoint for every call
is what one would build otherwise.
"""

from pathlib import Path

from . import tools
from .goals import Goal, cpu, rate
from .http import Caller
from .latchkey import Latchkey, issue
from .load import Request
from .process import Server
from .rounds import Results
from .variant import Settings, Variant, variant

CONNECTIONS = 64
PLAIN, OPAQUE, JWT, ASKING = "nginx.plain", "gateway.opaque", "gateway.jwt", "nginx.auth_request"
CALL = "/echo/1.0.0/anything"

NGINX = """\
worker_processes 1;
daemon off;
pid {directory}/nginx.pid;
error_log {directory}/nginx-error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy; fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
    keepalive_requests 1000000000;
    upstream backend {{ server {upstream}; keepalive 128; keepalive_requests 1000000000; }}
    upstream tokens {{ server {tokens}; keepalive 128; keepalive_requests 1000000000; }}
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Authorization "";
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Proto $scheme;
    server {{
        listen 127.0.0.1:{plain};
        location / {{ proxy_pass http://backend; }}
    }}
    server {{
        listen 127.0.0.1:{asking};
        location / {{ auth_request /introspect; proxy_pass http://backend; }}
        location = /introspect {{
            internal;
            if ($http_authorization ~ "^Bearer (.+)$") {{ set $token $1; }}
            proxy_method POST;
            proxy_set_header Authorization "{authorization}";
            proxy_set_header Content-Type application/x-www-form-urlencoded;
            proxy_set_body "token=$token";
            proxy_pass http://tokens/oauth2/introspect;
        }}
    }}
}}
"""


def start_upstream(binaries: Path, settings: Settings) -> tuple[Server, str]:
    command = [str(binaries / "bare-hyper"), "--threads", "1"]
    server = Server("upstream", command, "ready", settings.directory / "upstream.log")
    return server, server.ready_line.split()[1]


def start_nginx(settings: Settings, upstream: str, tokens: str, authorization: str) -> tuple[Server, str, str]:
    tools.ensure("nginx", "nginx-light")
    plain, asking = tools.free_ports(2)
    directory = settings.directory / "nginx"
    directory.mkdir()
    file = directory / "nginx.conf"
    file.write_text(NGINX.format(
        directory=directory, upstream=upstream, tokens=tokens, authorization=authorization, plain=plain, asking=asking,
    ))
    script = f"nginx -e {directory}/nginx-error.log -p {directory} -c {file} & pid=$!; trap 'kill $pid' TERM; " \
        "echo ready; wait $pid; wait $pid"
    server = Server("nginx", ["sh", "-c", script], "ready", directory / "nginx.log")
    return server, f"http://127.0.0.1:{plain}", f"http://127.0.0.1:{asking}"


def bearer(token: str) -> Request:
    return Request("GET", CALL, f"Bearer {token}")


def start(binaries: Path, settings: Settings) -> tuple[list[Server], list[Variant]]:
    upstream, address = start_upstream(binaries, settings)
    latchkey = Latchkey(binaries / "latchkey", settings.directory / "gateway", "gateway.threads=1")
    latchkey.publish(f"http://{address}")
    caller = Caller(latchkey.url)

    def tokens(kind: str) -> list[Request]:
        made = []
        for application in latchkey.create_many(kind, kind, settings.tokens, "/echo/1.0.0"):
            asked = issue(application)
            made.append(bearer(caller.post(asked.path, asked.authorization, asked.body)["access_token"]))
        return made

    administrator = latchkey.administrator
    nginx, plain, asking = start_nginx(settings, address, latchkey.url.removeprefix("http://"), administrator)
    opaque, jwt = tokens("opaque"), tokens("jwt")

    def of(name: str, title: str, server: Server, url: str, requests: list[Request]) -> Variant:
        made = variant(name, title, server, url, requests, settings)
        return Variant(made.name, made.title, made.server, made.plan, (CONNECTIONS,))

    return [upstream, latchkey.server, nginx], [
        of(PLAIN, "nginx, plain proxying", nginx, plain, opaque),
        of(OPAQUE, "Latchkey, opaque token", latchkey.server, latchkey.gateway, opaque),
        of(JWT, "Latchkey, JWT", latchkey.server, latchkey.gateway, jwt),
        of(ASKING, "nginx, auth_request to introspection", nginx, asking, opaque),
    ]


def goals(results: Results, introspecting_cpu: float | None) -> list[Goal]:
    """`introspecting_cpu`: microseconds of the token server for each call of the asking nginx."""

    def over_nginx(name: str, quantity=cpu) -> float | None:
        return results.ratio((name, CONNECTIONS), (PLAIN, CONNECTIONS), quantity)

    asking = results.median((ASKING, CONNECTIONS), cpu)
    ours = results.median((OPAQUE, CONNECTIONS), cpu)
    whole = asking + introspecting_cpu if asking and introspecting_cpu else None
    return [
        Goal("call with an opaque token, CPU over nginx's plain proxying", 1.20, over_nginx(OPAQUE), aim=0.95),
        Goal("call with an opaque token, rate over nginx's plain proxying", 0.85, over_nginx(OPAQUE, rate), at_least=True),
        Goal("call with a JWT, CPU over one with an opaque token", 1.15,
             results.ratio((JWT, CONNECTIONS), (OPAQUE, CONNECTIONS), cpu)),
        Goal("call with an opaque token, CPU over nginx with auth_request", 0.30, ours / whole if ours and whole else None),
    ]
