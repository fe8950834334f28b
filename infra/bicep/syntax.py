"""Reads Bicep into a tree: as much of the language as infra/azure uses, and nothing that it does not.

pycep (conftest.py) checks that a file is Bicep; it does not say how operators bind, nor what a string embeds. Here both are known,
so that evaluation.py can say what a deployment would make. Not here: the tree itself (tree.py), and what names mean.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infra.bicep.tree import (
    Array,
    Call,
    Choice,
    Declaration,
    Field,
    Item,
    Literal,
    Loop,
    Name,
    Object,
    Operation,
    Text,
    When,
)

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = re.compile(
    r"(?P<space>[ \t]+)|(?P<line>\r?\n)|(?P<comment>(?://|#disable-next-line )[^\n]*)|(?P<word>[A-Za-z_]\w*)|(?P<number>\d+)"
    r"|(?P<sign>&&|\|\||==|!=|<=|>=|[@{}\[\]().,:=?!<>*-])"
)
ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "'": "'", "\\": "\\", "$": "$"}
# The loosest first.
BINARY = (("||",), ("&&",), ("==", "!="), ("<", "<=", ">", ">="))
KEYWORDS = {"targetScope", "using", "import", "param", "var", "output", "type", "resource", "module"}
NAMES = {"true": True, "false": False, "null": None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One word, sign, number or string; `first` on its line. A string's `value` is its parts, texts and expressions by turns."""

    kind: str
    value: Any
    line: int
    first: bool


def read(file: Path) -> list[Declaration]:
    """Read a Bicep or Bicep parameter file.

    Raises:
        SyntaxError: it is not the Bicep that is understood here; the message has file, line and what was found.
    """
    try:
        return _Reader(_tokens(file.read_text())).declarations()
    except SyntaxError as wrong:
        raise SyntaxError(f"{file.name}: {wrong.msg}") from None


def _tokens(text: str) -> list[Token]:
    found, at, line, first = [], 0, 1, True
    while at < len(text):
        if text[at] == "'":
            parts, at = _string(text, at + 1, line)
            found.append(Token(kind="string", value=parts, line=line, first=first))
            first = False
            continue
        match = TOKEN.match(text, at)
        if not match:
            raise SyntaxError(f"line {line}: {text[at : at + 10]!r}")
        at = match.end()
        if match.lastgroup == "line":
            line, first = line + 1, True
        elif match.lastgroup not in {"space", "comment"}:
            found.append(Token(kind=str(match.lastgroup), value=match[0], line=line, first=first))
            first = False
    return [*found, Token(kind="end", value="", line=line, first=True)]


def _string(text: str, at: int, line: int) -> tuple[tuple[Any, ...], int]:
    parts: list[Any] = []
    here = ""
    while text[at] != "'":
        if text[at] == "\n":
            raise SyntaxError(f"line {line}: a string ends on its line")
        if text[at] == "\\":
            here, at = here + ESCAPES[text[at + 1]], at + 2
        elif text.startswith("${", at):
            end = _closing(text, at + 2)
            parts += [here, _Reader(_tokens(text[at + 2 : end])).expression()]
            here, at = "", end + 1
        else:
            here, at = here + text[at], at + 1
    return (*parts, here), at + 1


def _closing(text: str, at: int) -> int:
    """Return where the brace that was opened before `at` is closed; quotes within may hold braces."""
    depth, quoted = 1, False
    while True:
        if text[at] == "'":
            quoted = not quoted
        elif not quoted:
            depth += {"{": 1, "}": -1}.get(text[at], 0)
        if not depth:
            return at
        at += 1


class _Reader:
    """Goes through the tokens of one file, or of what one string embeds."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._at = 0

    def declarations(self) -> list[Declaration]:
        found = []
        while self._next.kind != "end":
            found.append(self._declaration(self._decorators()))
        return found

    def expression(self) -> Any:
        condition = self._binary(0)
        if not self._took("?"):
            return condition
        yes = self.expression()
        self._take(":")
        return Choice(condition, yes, self.expression())

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _advance(self) -> Token:
        self._at += 1
        return self._tokens[self._at - 1]

    def _is(self, *values: str) -> bool:
        return self._next.kind in {"sign", "word"} and self._next.value in values

    def _took(self, value: str) -> bool:
        taken = self._is(value)
        self._at += taken
        return taken

    def _take(self, value: str) -> None:
        if not self._took(value):
            raise SyntaxError(f"line {self._next.line}: {value!r} expected, found {self._next.value!r}")

    def _decorators(self) -> dict[str, tuple[Any, ...]]:
        found = {}
        while self._took("@"):
            call = self._postfix()
            found[call.name] = call.arguments
        return found

    def _declaration(self, decorators: dict[str, tuple[Any, ...]]) -> Declaration:
        word = self._advance()
        if word.value not in KEYWORDS:
            raise SyntaxError(f"line {word.line}: {word.value!r}")
        name = kind = ""
        value, existing = None, False
        if word.value == "import":
            return self._import(word.line)
        if word.value not in {"targetScope", "using"}:
            name = self._advance().value
        if word.value in {"resource", "module"}:
            kind = "".join(self._advance().value)
            existing = self._took("existing")
        elif word.value in {"param", "output"} and not self._is("="):
            kind = self._type()
        if word.value == "using":
            value = self.expression()
        elif word.value == "type":
            self._take("=")
            kind = self._type()
        elif self._took("="):
            value = self._body()
        elif word.value != "param":
            raise SyntaxError(f"line {word.line}: {word.value} {name} has no value")
        return Declaration(
            keyword=word.value, name=name, kind=kind, value=value, existing=existing, decorators=decorators, line=word.line
        )

    def _import(self, line: int) -> Declaration:
        """Read `import { a, b } from 'file'`: the names are its value, the file its kind."""
        self._take("{")
        names = self._until("}", lambda: self._advance().value)
        self._take("from")
        file = "".join(self._advance().value)
        return Declaration(keyword="import", name="", kind=file, value=tuple(names), existing=False, decorators={}, line=line)

    def _type(self) -> str:
        """Return a type as it is written, an object's as `{name: type, …}`; the name `*` stands for any."""
        if not self._took("{"):
            written = str(self._advance().value)
        else:
            fields = []
            while not self._took("}"):
                name = "".join(self._advance().value)
                self._take(":")
                fields.append(f"{name}: {self._type()}")
            written = f"{{{', '.join(fields)}}}"
        while not self._next.first and self._took("["):
            self._take("]")
            written += "[]"
        return written

    def _body(self) -> Any:
        return self._conditional() if self._is("if") else self.expression()

    def _conditional(self) -> When:
        self._take("if")
        self._take("(")
        condition = self.expression()
        self._take(")")
        return When(condition, self.expression())

    def _binary(self, level: int) -> Any:
        if level == len(BINARY):
            return self._unary()
        left = self._binary(level + 1)
        while self._next.kind == "sign" and self._next.value in BINARY[level]:
            sign = self._advance().value
            left = Operation(sign, (left, self._binary(level + 1)))
        return left

    def _unary(self) -> Any:
        for sign in ("!", "-"):
            if self._took(sign):
                return Operation(sign, (self._unary(),))
        return self._postfix()

    def _postfix(self) -> Any:
        found = self._primary()
        while not (self._next.first and self._is("[", "(")):
            line = self._next.line
            sure = self._took("!")
            if self._took("."):
                found = Field(found, self._advance().value, sure)
            elif self._took("["):
                found = Item(found, self.expression())
                self._take("]")
            elif isinstance(found, Name) and self._took("("):
                found = Call(found.name, tuple(self._until(")", self.expression)), line)
            else:
                break
        return found

    def _primary(self) -> Any:
        token = self._advance()
        if token.kind == "string":
            return Text(token.value)
        if token.kind == "number":
            return Literal(int(token.value))
        if token.kind == "word":
            return Literal(NAMES[token.value]) if token.value in NAMES else Name(token.value, token.line)
        if token.value == "(":
            inside = self.expression()
            self._take(")")
            return inside
        if token.value == "{":
            return Object(tuple(self._until("}", self._pair)))
        if token.value == "[":
            return self._loop() if self._is("for") else Array(tuple(self._until("]", self.expression)))
        raise SyntaxError(f"line {token.line}: {token.value!r}")

    def _until(self, end: str, one: Any) -> list[Any]:
        """Read one after the other; in braces and brackets, what is not on a line of its own has a comma before it."""
        found = []
        while not self._took(end):
            found.append(one())
            if not self._took(",") and not self._is(end) and not self._next.first:
                raise SyntaxError(f"line {self._next.line}: {self._next.value!r}")
        return found

    def _pair(self) -> tuple[Any, Any]:
        token = self._advance()
        embeds = token.kind == "string" and len(token.value) > 1
        key = Text(token.value) if embeds else "".join(token.value)
        self._take(":")
        return key, self.expression()

    def _loop(self) -> Loop:
        self._take("for")
        names: tuple[Any, ...]
        if self._took("("):
            item = self._advance().value
            self._take(",")
            names = (item, self._advance().value)
            self._take(")")
        else:
            names = (self._advance().value,)
        self._take("in")
        over = self.expression()
        self._take(":")
        body = self._body()
        self._take("]")
        return Loop(names, over, body)
