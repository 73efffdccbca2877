"""The yardstick: nginx that forwards, over HTTP/1.1, over HTTP/2, and after asking an introspection endpoint."""

from dataclasses import dataclass

from .. import tools
from ..process import Server
from ..variant import Settings

CONFIGURATION = """\
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
        listen 127.0.0.1:{http2} http2;
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


@dataclass(frozen=True)
class Nginx:
    """One worker; the URLs of its three ways to forward."""

    server: Server
    plain: str
    http2: str
    asking: str


def start(settings: Settings, upstream: str, tokens: str, authorization: str) -> Nginx:
    """Forwards to `upstream`; `tokens` is the address of the server that is asked as `authorization`."""
    tools.ensure("nginx", "nginx-light")
    ports = tools.free_ports(3)
    directory = settings.directory / "nginx"
    directory.mkdir()
    file = directory / "nginx.conf"
    plain, http2, asking = ports
    file.write_text(CONFIGURATION.format(
        directory=directory, upstream=upstream, tokens=tokens, authorization=authorization, plain=plain, http2=http2,
        asking=asking,
    ))
    script = f"nginx -e {directory}/nginx-error.log -p {directory} -c {file} & pid=$!; trap 'kill $pid' TERM; " \
        "echo ready; wait $pid; wait $pid"
    server = Server("nginx", ["sh", "-c", script], "ready", directory / "nginx.log")
    return Nginx(server, *(f"http://127.0.0.1:{port}" for port in ports))
