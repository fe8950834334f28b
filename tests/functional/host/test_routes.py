"""Paths are decoded as Kestrel does, and route templates match as in ASP.NET Core: pure, no server."""

import pytest

from infra.local.host import paths, routes, templates
from infra.local.host.functions import Function
from tests import tables


def matched(template: str, path: str, prefix: str = "api"):
    """Route parameters of one template on one raw path."""
    function = Function(name="f", id="f", trigger={"type": "httpTrigger", "name": "req", "route": template}, outputs=())
    found = routes.find(routes.table([function], prefix), "GET", paths.decode(path))
    return None if found is None else found[1]


@tables.each(
    ("template", "path", "expected"),
    [
        ("a/{x}", "/api/a/1", {"x": "1"}),
        ("a/{x}", "/api/a/1/", {"x": "1"}),
        ("a/{x}", "/api/a//", None),
        ("a/{x}", "/api/a/1/2", None),
        ("a/{x?}", "/api/a", {}),
        ("a/{x=z}", "/api/a", {"x": "z"}),
        ("a/{*rest}", "/api/a", {}),
        ("a/{*rest}", "/api/a/", {}),
        ("a/{*rest}", "/api/a/b//c", {"rest": "b//c"}),
        ("a/{**rest}", "/api/a/b%2Fc", {"rest": "b%2Fc"}),
        ("a/{*rest}", "/api/a//b", None),  # H7: an empty segment begins no catch-all
        ("a/{*rest}", "/api/a//", None),
        ("{*rest}", "/api/x//y", {"rest": "x//y"}),
        ("{*rest}", "/api//x", None),
        ("{*rest}", "//api/x", None),
        ("{*rest}", "/api", {}),
        ("{*rest}", "/api/", {}),
        ("a/{x:int}", "/api/a/-5", {"x": "-5"}),
        ("a/{x:int}", "/api/a/2147483648", None),
        ("a/{x:long}", "/api/a/2147483648", {"x": "2147483648"}),
        ("a/{x:guid}", "/api/a/7f2c3f0e-52ae-4b43-9a8e-0c5a7e2b8d11", {"x": "7f2c3f0e-52ae-4b43-9a8e-0c5a7e2b8d11"}),
        ("a/{x:guid}", "/api/a/7", None),
        ("a/{x:alpha:minlength(2)}", "/api/a/ab", {"x": "ab"}),
        ("a/{x:alpha:minlength(2)}", "/api/a/a", None),
        ("a/{x:length(2,3)}", "/api/a/abcd", None),
        ("a/{x:range(1,9)}", "/api/a/9", {"x": "9"}),
        ("a/{x:max(9)}", "/api/a/10", None),
        ("a/{x:regex(^v[0-9]+$)}", "/api/a/v12", {"x": "v12"}),
        ("a/{x:bool}", "/api/a/True", {"x": "True"}),
        ("a/{name}.{ext}", "/api/a/b.c.json", {"name": "b.c", "ext": "json"}),
        ("a/v{x}", "/api/a/V1", {"x": "1"}),
        ("a/{x}", "/api/a/%C3%A9", {"x": "é"}),
        ("a/{x}", "/api/a/%FF", {"x": "%FF"}),
    ],
)
def test_a_template_matches_as_in_aspnet(template, path, expected):
    """What a parameter is given is decoded; what the path does not reach is left out."""
    assert matched(template, path) == expected


def test_the_prefix_may_be_empty():
    """host.json routePrefix ""."""
    assert matched("{*rest}", "/anything/at/all", prefix="") == {"rest": "anything/at/all"}


@pytest.mark.parametrize("template", ["a/{x:unknown}", "a/{", "a/x}y", "{*rest}/b", "a/{x{y}}"])
def test_a_template_that_cannot_be_read_is_refused_at_the_start(template):
    """Not silently never matched."""
    with pytest.raises(templates.RouteError):
        matched(template, "/api/a")


@pytest.mark.parametrize(
    ("raw", "plain"),
    [("/a/../b", "/b"), ("/../../a", "/a"), ("/a/.", "/a/"), ("/a/b/..", "/a/"), ("/a/%2E%2e/b", "/b"), ("/", "/")],
)
def test_dot_segments_are_removed(raw, plain):
    """As Kestrel does before routing."""
    assert paths.decode(raw) == plain


@pytest.mark.parametrize(
    ("raw", "decoded", "in_url"),
    [
        ("/a%20b", "/a b", "/a%20b"),
        ("/%41", "/A", "/A"),
        ("/caf%C3%A9", "/café", "/caf%C3%A9"),
        ("/a%2Fb", "/a%2Fb", "/a%2Fb"),
        ("/a%2fb", "/a%2fb", "/a%2fb"),
        ("/a%252Fb", "/a%2Fb", "/a%2Fb"),  # H8: two paths, one sight of them
        ("/%2541", "/%41", "/%41"),
        ("/100%25", "/100%", "/100%25"),
        ("/%252e%252e/x", "/%2e%2e/x", "/%2e%2e/x"),
        ("/%20%FF%20", "/ %FF ", "/%20%FF%20"),
        ("/a:b,c;d='e'@~$f", "/a:b,c;d='e'@~$f", "/a:b,c;d='e'@~$f"),
        ("/%5Bx%5D%3F%23", "/[x]?#", "/%5Bx%5D%3F%23"),
    ],
)
def test_a_path_is_decoded_once_also_in_the_url(raw, decoded, in_url):
    """H8: all but ``%2F``; the URL is written from the decoded path."""
    assert paths.decode(raw) == decoded
    assert paths.encode(decoded) == in_url
