"""URLs of Azure's are built in one place, of pieces that are each one name, checked and quoted once."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.rest import errors, ids
from tests import tables

ROOT = Path(__file__).parents[3]
BUILDER = Path("shared/rest/ids.py")
# what builds addresses that are not Azure's, and never goes into a request of this app's
OTHERS = {
    "functions/http.py": "this app's own links",
    "functions/routes.py": "this app's own links",
    "shared/api/answer.py": "this app's own links",
    "shared/pages/static.py": "this app's own links",
    "shared/cleanup/cleanup_routes.py": "this app's own links",
    "shared/openapi": "templates of this app's own paths",
    "shared/catalog/grants.py": "keys of what a body names, which are compared and sent nowhere",
    "shared/catalog/yaml": "references inside bodies, in the forms of `az ml`",
    "shared/settings.py": "accounts and hosts that the operator names",
    "shared/durable/account": "the same, of a connection string",
    "shared/durable/azure_storage.py": "Azure's own library builds the URL that is signed there",
}
SIGNS = re.compile(r"://|/(?:subscriptions|resourceGroups|providers|workspaces)/|\w[?]$")
NO_URLS = re.compile(r"\[\^|\(\?|\\d|azureml://|/\.default")  # patterns, references inside bodies, scopes of tokens
SOURCES = re.compile(r"(?:\.arm|(?<!kind)\.path|_suffix|\burl|\bbase|\bserver|\bfront|\bscope|\.uri)$")


def _calls_with_text(tree: ast.AST) -> set[int]:
    """Return the f-strings that are a message: assigned to `message`, or given to something that raises or describes."""
    found: set[int] = set()
    for node in ast.walk(tree):
        named = isinstance(node, ast.Assign) and any(isinstance(each, ast.Name) and "message" in each.id for each in node.targets)
        raised = isinstance(node, ast.Raise)
        worded = isinstance(node, ast.keyword) and node.arg in ("message", "says", "summary", "description")
        if named or raised or worded:
            found |= {id(each) for each in ast.walk(node) if isinstance(each, ast.JoinedStr)}
    return found


def built_by_hand(source: str) -> list[str]:
    """Return the f-strings and sums of a module that put a path or a URL together."""
    tree = ast.parse(source)
    messages = _calls_with_text(tree)
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr) and id(node) not in messages:
            literal = "".join(part.value for part in node.values if isinstance(part, ast.Constant) and isinstance(part.value, str))
            pairs = zip(node.values, node.values[1:], strict=False)
            joined = any(
                isinstance(one, ast.FormattedValue)
                and isinstance(two, ast.Constant)
                and re.match(r"/.|[?]|/$" if two is not node.values[-1] else r"/.|[?]", str(two.value))
                and SOURCES.search(ast.unparse(one.value))
                for one, two in pairs
            )
            chained = any(
                isinstance(one, ast.FormattedValue) and isinstance(two, ast.FormattedValue) and ".arm" in ast.unparse(one.value)
                for one, two in pairs
            )
            shown = all(
                ast.unparse(each.value).startswith("parts.") for each in node.values if isinstance(each, ast.FormattedValue)
            )
            typed = ast.unparse(node).startswith("f'{kinds.ML}/")  # the name of a type
            if shown or typed or NO_URLS.search(literal):  # or a piece of a URL that is there already
                continue
            if joined or chained or (SIGNS.search(literal) and not literal.startswith("api-version=") and " " not in literal):
                found.append(ast.unparse(node))
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add) and "cloud.arm" in ast.unparse(node):
            found.append(ast.unparse(node))
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("quote", "urllib.parse.quote", "urljoin"):
            found += [] if re.search(r"safe=(''|_URL_CHARACTERS)", ast.unparse(node)) else [ast.unparse(node)]
    return found


@pytest.mark.parametrize(
    "source",
    [
        'f"{client.cloud.arm}{workspace.path}/datastores"',
        'f"{target.workspace.path}/runs/{name}/details"',
        'f"/subscriptions/{subscription}/providers/{namespace}"',
        'f"https://{account}.blob{suffix}/{container}"',
        'f"{base}/{name}?api-version={version}"',
        "client.cloud.arm + path",
        "quote(name)",
    ],
)
def test_the_guard_sees_what_is_built_by_hand(source: str) -> None:
    """Otherwise it would guard nothing."""
    assert built_by_hand(source)


def test_no_url_is_built_elsewhere() -> None:
    """Text of a caller, of an event or of Azure can then reach no URL as it is."""
    found = []
    for path in sorted([*ROOT.glob("shared/**/*.py"), *ROOT.glob("functions/*.py")]):
        name = path.relative_to(ROOT)
        if name == BUILDER or any(str(name).startswith(each) for each in OTHERS):
            continue
        found += [f"{name}: {each}" for each in built_by_hand(path.read_text())]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "a/b",
        "a\\b",
        "a?b",
        "a#b",
        "%2e%2e",
        "..%2f..",
        "%2F",
        "a%5cb",
        "x%3Fa=b%23",
        "%252e",
        "a\nb",
        "\x7f",
        "x" * 261,
    ],
)
def test_what_is_no_name_is_refused_wherever_it_would_stand(name: str) -> None:
    """In an id, below a path, as a subscription, as an action."""
    whole = ids.ResourceId(subscription="s", namespace="N.S", types=("workspaces",), names=("w",))
    tries = [
        lambda: ids.segment(name),
        lambda: ids.below("/subscriptions/s", name),
        lambda: whole.child("computes", name).path,
        lambda: ids.ResourceId(subscription=name or "..").path,
        lambda: ids.provider("s", "N.S", "locations", name),
        lambda: ids.blobs("account", ".core.windows.net", name or ".."),
    ]
    for each in tries:
        with pytest.raises(errors.BadRequestError):
            each()


@pytest.mark.parametrize("text", ["West Europe", "westeurope", "WESTEUROPE"])
def test_a_region_is_read_in_any_spelling(text: str) -> None:
    """Bodies have all of them."""
    assert ids.location(text) == "westeurope"


@pytest.mark.parametrize("text", ["", None, "../../x", "west-europe", "a?b", "x/y", {"a": 1}, "é"])
def test_what_is_no_region_becomes_no_piece_of_a_url(text: object) -> None:
    """A check that needs one is not made."""
    assert ids.location(text) == ""


@pytest.mark.parametrize(
    ("server", "path", "version"),
    [
        ("https://x@evil.example", "/subscriptions/s", "2025-12-01"),
        ("https://h/?a=", "/subscriptions/s", "2025-12-01"),
        ("ftp://h", "/subscriptions/s", "2025-12-01"),
        ("https://management.azure.com", "subscriptions/s", "2025-12-01"),
        ("https://management.azure.com", "/subscriptions/s", "2025-12-01&x=1"),
        ("https://management.azure.com", "/subscriptions/../s", "2025-12-01"),
        ("https://management.azure.com", "/subscriptions//s", "2025-12-01"),
        ("https://management.azure.com", "/subscriptions/%2e%2e/s", "2025-12-01"),
        ("https://management.azure.com", "/subscriptions/s%2fx", "2025-12-01"),
        ("https://management.azure.com", "/subscriptions/s%252fx", "2025-12-01"),
    ],
)
def test_a_url_of_odd_pieces_is_not_built(server: str, path: str, version: str) -> None:
    """The last gate before the wire."""
    with pytest.raises(errors.BadRequestError):
        ids.url(server, path, version)


@pytest.mark.parametrize("account", ["", "a/b", "evil.example/", "x?", "UPPER", "a" * 25])
def test_an_account_is_a_name(account: str) -> None:
    """It comes out of a datastore's description, and would be the host."""
    with pytest.raises(errors.BadRequestError):
        ids.blobs(account, ".core.windows.net", "c")


HOSTILE = st.lists(
    st.sampled_from(["..", ".", "/", "%2e", "%2f", "%252f", "\\", "?", "#", "&", "=", "a", "w1", "é", " ", "%", ":", "@", "\r\n"]),
    min_size=1,
    max_size=8,
).map("".join)


@given(names=st.lists(HOSTILE, min_size=1, max_size=4))
@settings(max_examples=100_000 if tables.WHOLE else 500, deadline=None)
@pytest.mark.sweep
def test_a_name_stays_one_segment_or_is_refused(names: list[str]) -> None:
    """However it is written, a server that decodes twice reads as many segments as there are names."""
    try:
        url = ids.url("https://management.azure.com", ids.below("/subscriptions/s", *names), "2025-12-01")
    except errors.BadRequestError:
        return
    parts = urlsplit(url)
    assert (parts.netloc, parts.query) == ("management.azure.com", "api-version=2025-12-01")
    assert [unquote(each) for each in parts.path.split("/")[3:]] == names
    twice = unquote(unquote(parts.path))
    assert twice.count("/") == parts.path.count("/")
    assert not {".", ".."} & set(twice.split("/"))
