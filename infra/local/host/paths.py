"""A path as the platform sees it: decoded once, before anything else looks at it. Pure.

Kestrel decodes the path of the request line once, all but ``%2F``, and resolves dot segments. ``req.url`` of a function is
made of that decoded path, as PathString of ASP.NET writes it. So ``a%252Fb`` and ``a%2Fb`` both arrive as ``a%2Fb``.
"""

import re
from urllib.parse import quote

_ENCODED = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_PLAIN = "!$&'()*+,-./:;=@_~"  # what PathString leaves as it is, besides letters and digits


def decode(raw: str) -> str:
    """The path as routes see it; what is not UTF-8, and ``%2F``, stays as it was sent."""
    return _without_dots(_ENCODED.sub(lambda run: _decoded(run[0]), raw))


def encode(path: str) -> str:
    """A decoded path as it stands in ``req.url``; what looks percent-encoded is taken for that, as PathString does."""
    return "".join(
        part if _ENCODED.fullmatch(part) else quote(part, safe=_PLAIN) for part in re.split(f"({_ENCODED.pattern})", path)
    )


def unescape(text: str) -> str:
    """Text of a query, decoded; what is not UTF-8 stays as it was sent."""
    return _ENCODED.sub(lambda run: _decoded(run[0], kept=""), text)


def _decoded(run: str, kept: str = "/") -> str:
    octets, out, at = bytes.fromhex(run.replace("%", "")), "", 0
    while at < len(octets):
        size, character = next(((size, text) for size in (1, 2, 3, 4) if (text := _character(octets[at : at + size]))), (1, ""))
        out += character if character not in ("", kept) else run[3 * at : 3 * (at + 1)]
        at += size
    return out


def _character(octets: bytes) -> str:
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return ""


def _without_dots(path: str) -> str:
    kept: list[str] = []
    parts = path.split("/")
    for part in parts:
        if part == "..":
            if len(kept) > 1:
                kept.pop()
        elif part != ".":
            kept.append(part)
    if parts[-1] in (".", ".."):
        kept.append("")
    return "/".join(kept) or "/"
