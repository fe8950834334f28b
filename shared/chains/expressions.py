"""Expressions of rules: JMESPath over what is known of an event, alone (`if`, `expect`) or as `${{ … }}` inside values.

Pure. Not here: what a rule is (rules), the document they are read over (firings), JMESPath itself (text.jmes).
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from shared.rest import errors
from shared.text import jmes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_OPEN = "${{"
_CLOSE = "}}"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class NothingThereError(ValueError):
    """An expression in the middle of a text found nothing to put there."""


def check(text: str) -> None:
    """Refuse what is no JMESPath expression.

    Raises:
        ValueError: with the place inside the expression.
    """
    try:
        jmes.read(text)
    except ValueError as bad:
        message = f"'{text.strip()[:80]}' is not a JMESPath expression: {bad}"
        raise ValueError(message) from None


def value(text: str, document: Mapping[str, Any]) -> Any:
    """Return what an expression finds; None when that is nothing, or the expression does not fit what is there.

    Raises:
        BadRequestError: `ExpressionTooLong`; it would go on and on over this document.
    """
    try:
        return jmes.search(text, document)
    except jmes.MisfitError:  # the same as "not there"
        return None
    except ValueError as bad:
        message = f"The rule's expression '{text.strip()[:200]}' cannot be answered here: {bad}."
        raise errors.BadRequestError("ExpressionTooLong", message, target="expression") from None


def holds(text: str, document: Mapping[str, Any]) -> bool:
    """Return whether an expression finds something true, as JMESPath has it: not null, false, '' or empty."""
    found = value(text, document)
    return found is not None and found is not False and found not in ("", [], {})


def check_all(template: Any) -> None:
    """Check every `${{ … }}` in a value, keys included.

    Raises:
        ValueError: one is no expression or is not closed.
    """
    for piece in all_of(template):
        check(piece)


def all_of(template: Any) -> Iterator[str]:
    """Yield every expression in a value, keys included."""
    for text in _texts(template):
        yield from (piece for piece, is_expression in _pieces(text) if is_expression)


def filled(template: str, value: str) -> str:
    """Return a text with a value in the place of each expression."""
    return mapped(template, lambda _: value)


def mapped(template: str, put: Callable[[str], str]) -> str:
    """Return a text with what a function makes of each expression in its place."""
    return "".join(put(piece) if is_expression else piece for piece, is_expression in _pieces(template))


def render(template: Any, document: Mapping[str, Any]) -> Any:
    """Return a value with each `${{ … }}` replaced: a text that is nothing else becomes what the expression finds, of any type.

    Raises:
        NothingThereError: an expression inside a longer text finds nothing.
    """
    match template:
        case str():
            return _rendered(template, document)
        case dict():
            return {_text(key, document, str): render(inner, document) for key, inner in template.items()}
        case list():
            return [render(inner, document) for inner in template]
        case _:
            return template


def text(template: str, document: Mapping[str, Any], *, encode: Callable[[str], str] = str) -> str:
    """Return a text with each `${{ … }}` replaced by what it finds, passed through `encode` (so that a value stays one segment).

    Raises:
        NothingThereError: an expression finds nothing, or a value has control characters.
    """
    out = _text(template, document, encode)
    if _CONTROL.search(out):
        message = f"'{_CONTROL.sub(' ', out)[:80]}' would contain control characters"
        raise NothingThereError(message)
    return out


def _rendered(template: str, document: Mapping[str, Any]) -> Any:
    pieces = list(_pieces(template))
    if len(pieces) == 1 and pieces[0][1]:
        return value(pieces[0][0], document)
    return _text(template, document, str)


def _text(template: str, document: Mapping[str, Any], encode: Callable[[str], str]) -> str:
    return "".join(encode(_found(piece, document)) if is_expression else piece for piece, is_expression in _pieces(template))


def _found(expression: str, document: Mapping[str, Any]) -> str:
    found = value(expression, document)
    if found is None:
        message = f"'${{{{ {expression.strip()[:80]} }}}}' finds nothing"
        raise NothingThereError(message)
    return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False, separators=(",", ":"))


def _texts(value: Any) -> Iterator[str]:
    pending = [value]
    while pending:
        match pending.pop():
            case str() as found:
                yield found
            case dict() as found:
                pending.extend(found)
                pending.extend(found.values())
            case list() as found:
                pending.extend(found)


def _pieces(template: str) -> Iterator[tuple[str, bool]]:
    """Yield plain texts and expressions in order; `}}` inside an expression's own braces or quotes does not end it.

    Raises:
        ValueError: an expression is not closed.
    """
    rest = template
    while rest:
        plain, opened, rest = rest.partition(_OPEN)
        if plain:
            yield plain, False
        if opened:
            end = _end(rest)
            if end < 0:
                message = f"'{_OPEN}{rest[:60]}' is not closed by '{_CLOSE}'"
                raise ValueError(message)
            yield rest[:end], True
            rest = rest[end + len(_CLOSE) :]


def _end(rest: str) -> int:
    """Return where the expression ends that `rest` begins with, -1 when it does not."""
    depth, quote, position = 0, "", 0
    while position < len(rest):
        character = rest[position]
        if quote:
            position += 1 if character == "\\" else 0
            quote = "" if character == quote else quote
        elif character in "'\"`":
            quote = character
        elif character == "{":
            depth += 1
        elif character == "}":
            if not depth and rest.startswith(_CLOSE, position):
                return position
            depth -= 1
        position += 1
    return -1
