"""Whatever is sent, and whatever Azure answers: a refusal in ARM's envelope or an answer, never a failure of the app's own."""

from __future__ import annotations

import io
import json
import re
import zipfile
from typing import Any
from urllib.parse import quote

from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from urllib3 import encode_multipart_formdata

from shared.catalog import kinds, proxy_routes
from shared.rest import client as rest
from shared.rest import clouds


def _requests() -> list[tuple[str, str]]:
    """Return every method and path that there is, with a name that many kinds take."""
    out = [("POST", "uploads"), ("POST", "translate"), ("GET", "operations"), ("GET", "operations/x/result")]
    out += [("POST", "operations/x/cancel"), ("POST", "resourceGroups/rg1/moveResources")]
    for kind in kinds.KINDS:
        scope = f"{kind.plane}/v1.0/" if kind.plane != "arm" else ""
        scope = scope or ("" if kind.namespace in (kinds.ML, kinds.RESOURCES) else f"providers/{kind.namespace}/")
        one = scope + "/".join(f"{each}/name1" for each in kind.types)
        above = one.rpartition("/")[0]
        out += [("GET", above) if verb == "LIST" else (verb, one) for verb in sorted(kind.verbs)]
        out += [("GET", f"{one}/{view}") for view in kind.views] + [("POST", f"{one}/{action.name}") for action in kind.actions]
        out += [("POST", above)] if kind.named_by_us or kind.posted_name else []
    for row in proxy_routes.PASSAGES:
        tail = row.template.replace("[E]", "experiments/e").replace("{*}", "a/b").replace("{}", "name1")
        out += [(verb, f"{row.plane}/workspaces/w1/{re.sub('^E/', 'experiments/e/', tail)}") for verb in sorted(row.verbs)]
    return out


KNOWN = _requests()
ODD = ["..", ".", "%2e%2e", "%00", "%ff", "%C3%28", "%25%32%66", "", " ", "a" * 300, "\u0130", "v9.9"]
WORDS = st.sampled_from(sorted({segment for _, path in KNOWN for segment in path.split("/")}) + ODD)
TEXT = st.text(max_size=12)
SEGMENTS = WORDS | TEXT.map(lambda text: quote(text, safe="%&=+;,@!'()*"))
METHODS = st.sampled_from(["GET", "PUT", "PATCH", "DELETE", "POST"])
ODD_REQUESTS = st.tuples(METHODS, st.sampled_from(KNOWN), st.lists(SEGMENTS, max_size=3)).map(
    lambda three: (three[0], "/".join([three[1][1], *three[2]]))
)
REQUESTS = st.one_of(st.sampled_from(KNOWN), st.sampled_from([each for each in KNOWN if each[0] != "GET"]), ODD_REQUESTS)
NAMES = (
    "$top",
    "$skip",
    "$skipToken",
    "status",
    "target",
    "below",
    "wait",
    "preflight",
    "force",
    "set",
    "path",
    "file",
    "tag",
    "since",
)
NAMES += ("api-version", "compute", "experiment", "archived", "location", "runId", "abandon", "code", "nothing")
VALUES = TEXT | st.sampled_from(["true", "-1", "1", "9" * 30, "2026-01-01", "٣", "null", "a=b", "[0].x", "%", "\x00", "2025-12-01"])
QUERIES = st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=3).map(
    lambda pairs: "&".join(f"{quote(name)}={quote(value)}" for name, value in pairs)
)
MEDIA = [
    "application/json",
    "application/yaml",
    "text/yaml; charset=utf-16",
    "multipart/form-data",
    "multipart/form-data; boundary=x",
]
MEDIA += [
    "",
    "text/html",
    "application/octet-stream",
    "multipart/form-data; boundary=" + "b" * 200,
    "application/json-patch+json",
    ";;",
]
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "content-type": TEXT,
        "prefer": st.sampled_from(["respond-async", "wait=1e9", "wait=-1", "wait", ",;=", "respond-async; wait=٣"]) | TEXT,
        "idempotency-key": TEXT | st.just("k" * 300),
        "upload-id": TEXT | st.just("1795000000-" + "0" * 32) | st.just("99999999999-" + "0" * 32),
        "x-ms-client-request-id": TEXT | st.just("a\r\nb"),
        "x-ms-client-principal-name": TEXT,
    },
)
KEYS = st.sampled_from(
    [
        "properties",
        "location",
        "identity",
        "type",
        "tags",
        "resources",
        "credentials",
        "secrets",
        "key",
        "name",
        "Configuration",
        "$blob",
    ]
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | TEXT
    | st.sampled_from(["Command", "AmlCompute", "/subscriptions/s", "x" * 99])
)
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | TEXT, inner, max_size=4), max_leaves=10
)
REQUIRED: dict[str, Any] = {"location": "westeurope", "name": "name1", "computeType": "ACI", "sku": {"name": "S"}}
REQUIRED["properties"] = {
    path.split(".")[1]: "x" for kind in kinds.KINDS for path in kind.required if path.startswith("properties.")
}
REQUIRED["properties"] |= {path.split(".")[1]: allowed[0] for kind in kinds.KINDS for path, allowed in kind.choices}
WHOLE = st.tuples(JSON, JSON, JSON).map(
    lambda three: {
        **REQUIRED,
        "tags": three[0],
        "identity": three[1],
        "properties": {**REQUIRED["properties"], "properties": three[2]},
    }
)
YAML = st.sampled_from(
    [
        "&a [*a]",
        "a: &x {b: *x}",
        "!!python/object:os.system x",
        "? [a]\n: b",
        "- - -",
        "command: [",
        "%YAML 9",
        "\t",
        "a: 1\na: 2",
        "${{",
    ]
)


def _zip(names: list[str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name or "x"), b"x")
    return out.getvalue()


NAME = TEXT.map(lambda text: text.encode("utf-8", "replace").decode().replace("\x00", ""))
CONTENTS = (
    st.binary(max_size=60)
    | st.lists(NAME, max_size=3, unique=True).map(_zip)
    | (JSON | WHOLE | WHOLE).map(lambda value: json.dumps(value).encode())
)
PARTS = st.dictionaries(
    st.sampled_from(
        ["spec", "specPath", "upload", "code", "model", "files", "projectZipFile", "runDefinitionFile", "../x", "a/b.py"]
    )
    | NAME,
    CONTENTS | YAML.map(str.encode),
    max_size=4,
)
BODIES = st.one_of(
    st.tuples(st.just("application/json"), (JSON | WHOLE | WHOLE).map(lambda value: json.dumps(value).encode())),
    st.tuples(st.sampled_from(MEDIA), CONTENTS | st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace"))),
    st.tuples(
        st.just("application/yaml"), YAML.map(str.encode) | WHOLE.map(lambda value: json.dumps(value["properties"]).encode())
    ),
    PARTS.map(lambda parts: encode_multipart_formdata({name: ("f", content) for name, content in parts.items()})[::-1]),
)


class Anything:
    """An Azure that answers every request alike."""

    cloud = clouds.PUBLIC

    def __init__(self, status: int, body: Any) -> None:
        self.status, self.body = status, body

    def send(self, _method: str, url: str, **_: Any) -> rest.Response:
        """See `client.Client.send`."""
        clouds.scope_for(self.cloud, url)
        return rest.Response(status=self.status, url=url, body=self.body, content=json.dumps(self.body).encode())

    def send_signed(self, _method: str, url: str, **_: Any) -> rest.Response:
        """See `client.Client.send_signed`."""
        return rest.Response(status=self.status, url=url, body=self.body)

    send_to_storage = send_signed

    def pages(self, _url: str) -> Any:
        """See `client.Client.pages`."""
        return iter(())

    def token(self, _scope: str) -> str:
        """See `client.Client.token`."""
        return "token"

    def azure_now(self, _url: str) -> None:
        """See `Client.azure_now`."""

    def pressure(self, _subscription: str) -> float:
        """See `client.Client.pressure`."""
        return 0.0


ANSWERS = JSON | st.just(
    {"properties": {"discoveryUrl": "https://westeurope.api.azureml.ms/discovery"}, "api": "https://westeurope.api.azureml.ms"}
)


@settings(
    max_examples=400,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(
    asked=REQUESTS,
    query=QUERIES,
    headers=HEADERS,
    body=BODIES,
    azure=st.tuples(st.sampled_from([200, 200, 201, 202, 204, 400, 404, 409]), ANSWERS),
)
def test_no_request_and_no_answer_of_azure_is_a_server_error(
    run_app: Any,
    asked: tuple[str, str],
    query: str,
    headers: dict[str, str],
    body: tuple[str, bytes],
    azure: tuple[int, Any],
) -> None:
    """Paths, queries, headers, JSON, YAML, parts and zips as nobody should send them; 500 is never the answer."""
    method, path = asked
    media, content = body
    headers = {"content-type": media, **headers}
    whole = f"{path}?{query}" if query else path
    note(f"{method} {whole} {headers} {content!r}")
    with run_app(Anything(*azure)) as app:
        answer = app.send(method, whole, content, **headers)
        said = answer.body if answer.status >= 400 and answer.content[:1] == b"{" else {}
    code = said["error"]["code"] if isinstance(said.get("error"), dict) else ""
    assert code not in ("InternalError", "StewardInternalError"), answer.content
    assert answer.status != 500 or code, answer.content
    assert all("\n" not in value and "\r" not in value for value in answer.headers.values())
