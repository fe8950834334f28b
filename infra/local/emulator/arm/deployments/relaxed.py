"""Bodies of template deployments as ARM reads them: comments, names without quotation marks, texts in single ones.

The Azure CLI sends a template's file as it is, behind the bare name `template`, so that comments and texts of several lines
survive. Line ends in texts and commas behind the last member are taken from every body (`web.py`). The kept JSON5 readers of
PyPI refuse line ends in texts. Not for other bodies: there ARM is not known to be so lenient.
"""

from __future__ import annotations

import re

# What is unclosed is read to the end, once: the JSON reader refuses it.
_PART = re.compile(
    rb"""(?P<text>"(?:[^"\\]++|\\.)*+"?)|'(?P<single>(?:[^'\\]++|\\.)*+)'?"""
    rb"""|(?P<comment>//[^\r\n]*+|/\*.*?(?:\*/|\Z))|(?P<name>(?<![\w$])[A-Za-z_$][\w$]*+)(?=\s*+:)""",
    re.DOTALL,
)


def as_json(body: bytes) -> bytes:
    """The body with every relaxation replaced by what JSON has for it."""
    return _PART.sub(_plain, body)


def _plain(match: re.Match[bytes]) -> bytes:
    if match["comment"] is not None:
        return b" "
    if match["name"] is not None:
        return b'"' + match["name"] + b'"'
    if match["single"] is not None:
        inner = re.sub(rb"""\\(.)|(")""", lambda one: b'\\"' if one[2] else b"'" if one[1] == b"'" else one[0], match["single"])
        return b'"' + inner + b'"'
    return match[0]
