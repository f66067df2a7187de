"""The snippets of the page, in a real nginx and a real Envoy; skipped where there is none."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from textwrap import indent

import pytest

from slacktide.control.organization import set_side
from tests.clock import TOLD_SECONDS
from tests.docs.documents import BLOCK, ROOT, text_of
from tests.gates.conftest import SECRET, WHO, fetch, serving_any

NGINX, ENVOY = shutil.which("nginx"), shutil.which("envoy")
PAGE = ROOT / "docs" / "how-to" / "gate.md"
CONFIGURATION = """
daemon off; master_process off; error_log stderr; pid {folder}/pid;
events {{}}
http {{
    access_log off; client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
    uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
    upstream slacktide {{ server {slacktide}; }}
    upstream shop {{ server {shop}; }}
    server {{
        listen 127.0.0.1:{port};
        set $slacktide_secret "{secret}"; set $authenticated_user ada; set $organization HOTEL;
        {snippet}
    }}
}}
"""

ENVOY_CONFIGURATION = """
static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: in
          route_config:
            virtual_hosts:
            - {{name: all, domains: ["*"], routes: [{{match: {{prefix: /}}, route: {{cluster: shop}}}}]}}
          http_filters:
{snippet}
          - name: envoy.filters.http.router
            typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
  clusters:
  - {{name: slacktide, type: STATIC, load_assignment: {{cluster_name: slacktide, endpoints: [{slacktide}]}}}}
  - {{name: shop, type: STATIC, load_assignment: {{cluster_name: shop, endpoints: [{shop}]}}}}
"""


async def shop(scope, receive, send):
    """Answer whatever comes through."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"the shop"})


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def snippet(kind):
    """Give the page's snippet of one kind."""
    return next(text for name, text in BLOCK.findall(text_of(PAGE)) if name == kind)


@pytest.fixture
def start():
    """Give a function that starts a proxy and waits until it listens."""
    running = []

    def start(port, *command):
        running.append(subprocess.Popen(command, stderr=subprocess.DEVNULL))
        for _ in range(1000):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.01)
        return f"http://127.0.0.1:{port}"

    yield start
    for process in running:
        process.terminate()
        process.wait()


@pytest.fixture
def nginx(tmp_path, start):
    """Give a function that starts nginx between a server and an application; gives its address."""

    def run(*, slacktide, shop):
        port, path = free_port(), tmp_path / "nginx.conf"
        facts = {"slacktide": slacktide.removeprefix("http://"), "shop": shop.removeprefix("http://"), "secret": SECRET}
        text = CONFIGURATION.format(folder=tmp_path, port=port, snippet=snippet("nginx"), **facts)
        path.write_text(text, encoding="utf-8")
        return start(port, NGINX, "-c", path, "-p", tmp_path)

    return run


@pytest.fixture
def envoy(tmp_path, start):
    """Give a function that starts Envoy between a server and an application; gives its address."""

    def run(**places):
        port, path = free_port(), tmp_path / "envoy.yaml"
        facts = {name: endpoint(url) for name, url in places.items()}
        part = indent(snippet("yaml").replace("SECRET", SECRET), " " * 10)
        path.write_text(ENVOY_CONFIGURATION.format(port=port, snippet=part, **facts), encoding="utf-8")
        return start(port, ENVOY, "-c", path, "--log-level", "error", "--disable-hot-restart")

    return run


def endpoint(url):
    """Write an address as Envoy takes it."""
    address = f"{{socket_address: {{address: 127.0.0.1, port_value: {url.rpartition(':')[2]}}}}}"
    return f"{{lb_endpoints: [{{endpoint: {{address: {address}}}}}]}}"


@pytest.mark.skipif(ENVOY is None, reason="there is no Envoy here")
def test_envoy(site, envoy, plan, soon):
    """The page's snippet lets through and refuses with the whole answer, and believes no client's headers."""
    with serving_any(shop) as application:
        url = envoy(slacktide=site, shop=application)
        soon(lambda: fetch(url, "/").status == 200)
        assert fetch(url, "/a/b?c=d", method="POST", body="x").body == b"the shop"
        plan("HOTEL", end="now+PT1H")
        assert soon(lambda: fetch(url, "/").status != 200) < TOLD_SECONDS
        for headers in ({}, {"X_Slacktide_Organization": "OTHER", "X_Slacktide_Action": "read"}):
            refused = fetch(url, "/task", **headers)
            assert (refused.status, refused.headers["X-Slacktide-Status"]) == (403, "503")
            assert 3500 < int(refused.headers["Retry-After"]) <= 3600
            assert refused.json["code"] == "organization_downtime"


@pytest.mark.skipif(ENVOY is None, reason="there is no Envoy here")
def test_envoy_without_a_server(envoy):
    """Where the server cannot be reached nothing is let through."""
    with serving_any(shop) as application:
        url = envoy(slacktide=f"http://127.0.0.1:{free_port()}", shop=application)
        assert fetch(url, "/").status == 403


@pytest.mark.skipif(NGINX is None, reason="there is no nginx here")
def test_nginx(site, nginx, plan, end, soon, control):
    """The page's snippet lets through, refuses with 503 and 409, and believes no client's headers."""
    with serving_any(shop) as application:
        url = nginx(slacktide=site, shop=application)
        soon(lambda: fetch(url, "/").status == 200)
        assert fetch(url, "/", method="POST", body="x").body == b"the shop"
        key = plan("HOTEL", end="now+PT1H")
        assert soon(lambda: fetch(url, "/").status != 200) < TOLD_SECONDS
        for headers in ({}, {"X_Slacktide_Organization": "OTHER", "X_Slacktide_Action": "read"}):
            refused = fetch(url, "/task", **headers)
            assert (refused.status, refused.headers["Cache-Control"]) == (503, "no-store")
            assert 3500 < int(refused.headers["Retry-After"]) <= 3600
            assert refused.json["code"] == "organization_downtime"
        page = fetch(url, "/task", method="POST", body="x", Accept="text/html")
        assert (page.status, page.headers["Content-Type"]) == (503, "text/html; charset=utf-8")
        assert b"not available" in page.body
        assert b"HOTEL" in page.body
        end(key)
        soon(lambda: fetch(url, "/").status == 200)
        facts = {"state": "reference only", "lives_at": "https://new.example"}
        set_side(control, organization="HOTEL", side="source", **facts, **WHO)
        soon(lambda: fetch(url, "/").status == 409)
        assert fetch(url, "/").headers["Link"] == '<https://new.example>; rel="alternate"'


@pytest.mark.skipif(NGINX is None, reason="there is no nginx here")
def test_nginx_without_a_server(nginx):
    """Where the server cannot be reached nothing is let through."""
    with serving_any(shop) as application:
        url = nginx(slacktide=f"http://127.0.0.1:{free_port()}", shop=application)
        assert fetch(url, "/").status == 500


def test_envoy_asks_with_the_path(site, soon):
    """Envoy writes the request's path behind its own, whatever that is and by whatever method."""
    asked = {"X_Slacktide_Secret": SECRET, "X_Slacktide_Organization": "HOTEL"}
    soon(lambda: fetch(site, "/readyz").json["ready"])
    for path in ("/gate/envoy", "/gate/envoy/", "/gate/envoy/api/decision?a=b", "/gate/envoy/../livez"):
        assert fetch(site, path, method="POST", **asked).status == 200
        assert fetch(site, path).status == 403
    assert fetch(site, "/gate/envoys", **asked).status == 404
