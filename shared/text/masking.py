"""Foreign text without what opens something: keys, tokens, passwords and signed URLs, by the forms in which logs print them.

A mask takes too much rather than too little. Not here: JSON, where a member's name says what it is (operations.redaction).
"""

from __future__ import annotations

import re

MASK = "[masked]"
_NAMES = (
    r"pass(?:word|wd|phrase)?|pwd|secret|token|api[-_]?key|(?:account|access|shared|primary|secondary|subscription|private"
    r"|client|master|function)[-_ ]?(?:access[-_ ]?)?(?:key|secret|token)|connection[-_ ]?string|credential|authorization"
    r"|signature|sig|x-functions-key"
)
_PATTERNS = (
    re.compile(r"-----BEGIN [^-]{0,40}PRIVATE KEY-----.*?(?:-----END [^-]{0,40}-----|\Z)", re.DOTALL),
    re.compile(r"^[\w+/]{60,}={0,2}$", re.MULTILINE),  # a line of a key whose beginning is cut off
    re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?"),  # a JSON web token
    re.compile(r"(?<=Bearer )\S+|(?<=Basic )[\w+/=]{8,}", re.IGNORECASE),
    re.compile(r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"),  # user and password in a URL
    re.compile(r"(?<![\w+/])[\w+/]{86}==(?![\w+/=])"),  # a key of a storage account
    re.compile(r"\b(?:sk|ghp|gho|ghs|github_pat|glpat|xox[abp]|AKIA|hf)[-_]?[\w-]{16,}"),
)
_NAMED = re.compile(
    rf"""((?:\b|_|(?<=[a-z]))(?:{_NAMES})\b["']?\s*(?:=>|[=:])\s*["']?)(?!\s|["'\[{{]|None\b|null\b)[^\s"',;&]+""", re.IGNORECASE
)


def masked(text: str) -> str:
    """Return a text with a mask where a secret stands."""
    for pattern in _PATTERNS:
        text = pattern.sub(MASK, text)
    return _NAMED.sub(rf"\1{MASK}", text)
