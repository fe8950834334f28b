"""Route templates match as in ASP.NET Core: pure, no server."""

import pytest

from infra.local.host import routes
from infra.local.host.functions import Function


def matched(template: str, path: str, prefix: str = "api"):
    """Route parameters of one template on one raw path."""
    function = Function(name="f", id="f", trigger={"type": "httpTrigger", "name": "req", "route": template}, outputs=())
    found = routes.find(routes.table([function], prefix), "GET", routes.decode(path))
    return None if found is None else found[1]


@pytest.mark.parametrize(
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
    with pytest.raises(routes.RouteError):
        matched(template, "/api/a")


@pytest.mark.parametrize(
    ("raw", "plain"),
    [("/a/../b", "/b"), ("/../../a", "/a"), ("/a/.", "/a/"), ("/a/b/..", "/a/"), ("/a/%2E%2e/b", "/b"), ("/", "/")],
)
def test_dot_segments_are_removed(raw, plain):
    """As Kestrel does before routing."""
    assert routes.without_dots(raw) == plain
