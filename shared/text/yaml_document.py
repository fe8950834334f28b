"""YAML text as plain Python values, with the line and column of each.

Safe loading only, YAML 1.1 as PyYAML's `safe_load` reads it (which is what the CLI uses: `yes` is true, `010` is 8, an
unquoted date is a date). Refused with line and column: what is not YAML, tags of one's own, a key given twice (unless the
source allows it: then the last one counts, which is noted), aliases that multiply, depth and size beyond any real file.
Not here: what the fields mean (shapes, the kinds' modules).
"""

from __future__ import annotations

import math
import posixpath
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from shared.rest import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TEXT_LIMIT = 512 * 1024  # characters; the largest file of public example repositories has 60 thousand
VALUE_LIMIT = 50_000  # values of one document, aliases counted as often as they are used
DEPTH_LIMIT = 60
INDENT_LIMIT = 2_000  # characters before the first word of a line; each may open a level
DIRECTIVE_LIMIT = 100  # the parser compares each `%TAG` with all before it
BITS_LIMIT = 1_024  # of an integer
BITS_OF_60 = 5.9  # a bit less than a digit in base 60 holds
TOO_LONG = f"An integer of more than {BITS_LIMIT} bits; quote it to keep it text."
TOO_MANY = f"More than {VALUE_LIMIT} values, counting each use of an alias."
NOTE_LIMIT = 20
FILE_LIMIT = 200  # files one YAML may name, directly or not
FILE_DEPTH = 40  # files, each named in the one before

Path = tuple[str | int, ...]

_CORE_TAG = "tag:yaml.org,2002:"
_SCALARS = frozenset({"null", "bool", "int", "float", "str", "timestamp", "binary", "merge", "value"})
_TAGS = {"scalar": _SCALARS, "sequence": frozenset({"seq"}), "mapping": frozenset({"map"})}  # by kind of node


class RefusedError(errors.BadRequestError):
    """A YAML that cannot be translated: `reason` without the place, `line` and `column` from 1, `depth` into the document.

    `others` are further ones of the same YAML.
    """

    def __init__(self, reason: str, *, file: str, line: int, column: int, target: str, depth: int) -> None:
        where = f"{file}, " if file else ""
        super().__init__("InvalidYaml", f"{reason} ({where}line {line}, column {column})", target=target or "body")
        self.reason = reason
        self.file = file
        self.line = line
        self.column = column
        self.depth = depth
        self.others: tuple[RefusedError, ...] = ()

    @property
    def place(self) -> tuple[str, int, int]:
        """File, line and column."""
        return self.file, self.line, self.column

    def whole(self) -> RefusedError:
        """Return the refusal with the others of the same file in its details."""
        if self.others:
            more = f"{self.error.message} (and {len(self.others)} more problem{'s' * (len(self.others) > 1)}, see details)"
            details = tuple(each.error for each in (self, *self.others))
            self.error = replace(self.error, message=more[: errors.MESSAGE_LIMIT], details=details)
        return self

    def saying(self, reason: str) -> RefusedError:
        """Return a refusal of the same place for another reason."""
        target = self.error.target or ""
        return RefusedError(reason, file=self.file, line=self.line, column=self.column, target=target, depth=self.depth)


@dataclass(slots=True, kw_only=True)
class Source:
    """Where further files come from, and what is kept while they are read.

    Attributes:
        read: Returns a file's text by its path below the first file's folder; None when it is not there.
        folder: The first file's own, among the files as their sender has them.
        opened: How many have been read.
        repeats: A key may stand twice.
        notes: What is worth saying about the files.
    """

    read: Callable[[str], str | None] | None = None
    folder: str = ""
    opened: int = 0
    repeats: bool = False
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One YAML file.

    Attributes:
        name: Its path below the first file's folder; empty for the first file itself.
        marks: Line and column (from 1) by path of the value; a key's own place under `(*path, "")`.
        source: Where files it names are read from.
        depth: How many files lead to it, each named in the one before.
    """

    name: str
    marks: dict[Path, tuple[int, int]]
    source: Source
    depth: int = 0

    @property
    def folder(self) -> str:
        """The folder relative paths in it start from; empty for the first file's."""
        return posixpath.dirname(self.name)

    def resolve(self, path: str) -> str:
        """Return `path` as seen from the first file's folder."""
        return posixpath.normpath(posixpath.join(self.folder, path))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """A value at its place in a document: what the shapes read and refuse.

    Attributes:
        value: The plain value.
        document: The file it stands in.
        path: Keys and indices from the top.
        bindings: Any field may hold a `${{…}}` expression instead of its own type (in the nodes of pipelines).
    """

    value: Any
    document: Document
    path: Path = field(default=())
    bindings: bool = False

    def child(self, key: str | int) -> Cursor:
        """Return the member or element; `key` must be there."""
        return replace(self, value=self.value[key], path=(*self.path, key))

    def get(self, key: str) -> Cursor | None:
        """Return the member, or None when there is none (or this is no mapping)."""
        return self.child(key) if isinstance(self.value, dict) and key in self.value else None

    def children(self) -> Iterator[Cursor]:
        """Walk the elements of a list or the members of a mapping."""
        for key in range(len(self.value)) if isinstance(self.value, list) else list(self.value):
            yield self.child(key)

    def having(self, value: Any) -> Cursor:
        """Return a cursor at the same place with another value."""
        return replace(self, value=value)

    @property
    def target(self) -> str:
        """The path as users write it: `jobs.train.inputs.data`."""
        return ".".join(str(part) for part in self.path)[:200]

    def place(self, *, at_key: bool = False) -> tuple[int, int]:
        """Return the line and column, from 1, of this value (of its key when `at_key`), or of the nearest one around it."""
        path: Path = (*self.path, "") if at_key else self.path
        while path and path not in self.document.marks:
            path = path[:-1]
        return self.document.marks.get(path, (1, 1))

    def refusal(self, message: str, *, at_key: bool = False, member: str = "") -> RefusedError:
        """Build the error to raise for this value (for its key when `at_key`, for a `member` that it lacks)."""
        line, column = self.place(at_key=at_key)
        target = f"{self.target}.{member}".strip(".")
        return RefusedError(message, file=self.document.name, line=line, column=column, target=target, depth=len(self.path))

    def note(self, message: str, *, at_key: bool = False) -> None:
        """Keep something worth saying about this value that is no reason to refuse it."""
        line, column = self.place(at_key=at_key)
        where = f"{self.document.name}, " if self.document.name else ""
        notes, written = self.document.source.notes, f"{message} ({where}line {line}, column {column})"
        if written not in notes and len(notes) < NOTE_LIMIT:
            notes.append(written)

    def open(self, path: str) -> Cursor:
        """Return the YAML file at `path` (relative to this file) as a cursor of its own.

        Raises:
            RefusedError: There is no such file, or it is no YAML.
        """
        if self.document.depth >= FILE_DEPTH:
            raise self.refusal(f"More than {FILE_DEPTH} files are named, each in the one before. Does one name itself?")
        name = self.document.resolve(path)
        return parse(self.read(path), name=name, source=self.document.source, depth=self.document.depth + 1)

    def read(self, path: str) -> str:
        """Return the text of the file at `path` (relative to this file).

        Raises:
            RefusedError: There is no such file, or too many have been read.
        """
        source = self.document.source
        name = self.document.resolve(path)
        source.opened += 1
        if source.opened > FILE_LIMIT:
            raise self.refusal(f"More than {FILE_LIMIT} files are named, directly or not.")
        outside = name.startswith(("/", "..")) and source.read is None
        text = None if source.read is None or outside else source.read(name)
        if text is None:
            asked = posixpath.normpath(posixpath.join(source.folder, name))
            raise self.refusal(f"The file '{path[:200]}' is needed to translate this; send it with the request as '{asked[:200]}'.")
        return text


def parse(text: str, *, name: str = "", source: Source | None = None, depth: int = 0) -> Cursor:
    """Read one YAML document.

    Raises:
        RefusedError: It is not YAML, not one document, or one of the refusals named above.
    """
    import yaml

    document = Document(name=name, marks={}, source=source or Source(), depth=depth)
    top = Cursor(value=None, document=document)
    if len(text) > TEXT_LIMIT:
        message = f"The YAML has {len(text)} characters; {TEXT_LIMIT} are read at most."
        raise top.refusal(message)
    _check_extent(text, top)
    try:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
    except UnicodeEncodeError:  # of JSON's \ud800
        raise top.refusal("This is not YAML: it holds half of a surrogate pair.") from None
    try:
        node = loader.get_single_node()
        value = _Reader(loader, document.marks, top, yaml.YAMLError).read(node, (), 0) if node is not None else None
    except yaml.MarkedYAMLError as bad:
        mark = bad.problem_mark or bad.context_mark
        document.marks[()] = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise top.refusal(f"This is not YAML: {bad.problem or bad.context or 'it cannot be read'}.") from None
    except (yaml.YAMLError, ValueError, RecursionError) as bad:
        unprintable = yaml.reader.Reader.NON_PRINTABLE.search(text)
        if unprintable:
            before = text[: unprintable.start()]
            document.marks[()] = (before.count("\n") + 1, len(before) - before.rfind("\n"))
        raise top.refusal(f"This is not YAML: {str(bad).splitlines()[0][:200] if str(bad) else 'too deep'}.") from None
    finally:
        loader.dispose()
    return Cursor(value=value, document=document)


class _Reader:
    """Walks a node tree of PyYAML: values out, marks aside."""

    def __init__(self, loader: Any, marks: dict[Path, tuple[int, int]], top: Cursor, broken: type[Exception]) -> None:
        self.loader = loader
        self.broken = broken
        self.marks = marks
        self.top = top
        self.values = 0
        self.under: set[int] = set()
        self.flat: dict[int, list[Any]] = {}

    def read(self, node: Any, path: Path, depth: int) -> Any:
        self.marks[path] = (node.start_mark.line + 1, node.start_mark.column + 1)
        self.count(1, path)
        if depth > DEPTH_LIMIT:
            raise self.refusal(path, f"Nested deeper than {DEPTH_LIMIT} levels.")
        if not str(node.tag).startswith(_CORE_TAG) or node.tag.removeprefix(_CORE_TAG) not in _TAGS[node.id]:
            shown = str(node.tag).replace(_CORE_TAG, "!!")
            raise self.refusal(path, f"The tag {shown[:80]} is not allowed here: only plain YAML values are.")
        if node.id == "scalar":
            return self.scalar(node, path)
        if id(node) in self.under:
            raise self.refusal(path, "An alias refers to a value that contains it.")
        self.under.add(id(node))
        try:
            return self.sequence(node, path, depth) if node.id == "sequence" else self.mapping(node, path, depth)
        finally:
            self.under.discard(id(node))

    def count(self, more: int, path: Path) -> None:
        self.values += more
        if self.values > VALUE_LIMIT:
            raise self.refusal(path, TOO_MANY)

    def scalar(self, node: Any, path: Path) -> Any:
        kind = node.tag.removeprefix(_CORE_TAG)
        if kind in ("value", "merge"):  # "=" and "<<", which have a meaning of their own as keys only
            return str(node.value)
        if kind == "int" and node.value.count(":") * BITS_OF_60 > BITS_LIMIT:  # the library takes minutes to make it
            raise self.refusal(path, TOO_LONG)
        try:
            value = self.loader.construct_object(node)
            value = value.decode() if isinstance(value, bytes) else value
        except (ValueError, KeyError, AttributeError, OverflowError, self.broken) as bad:
            reason = "it has too many digits" if "string conversion" in str(bad) else str(bad).splitlines()[0][:120]
            raise self.refusal(path, f"'{node.value[:60]}' is not a valid {kind}: {reason}.") from None
        if isinstance(value, int) and value.bit_length() > BITS_LIMIT:
            raise self.refusal(path, TOO_LONG)
        if isinstance(value, float) and not math.isfinite(value):
            raise self.refusal(path, f"'{node.value[:60]}' is a number that JSON has not; quote it to keep it text.")
        return value

    def sequence(self, node: Any, path: Path, depth: int) -> list[Any]:
        return [self.read(item, (*path, index), depth + 1) for index, item in enumerate(node.value)]

    def mapping(self, node: Any, path: Path, depth: int) -> dict[Any, Any]:
        own = [pair for pair in node.value if not pair[0].tag.endswith(":merge")]
        seen: set[Any] = set()
        for key_node, _ in own:
            key = self.key(key_node, path)
            if key in seen:
                self.marks[(*path, key, "")] = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
                if not self.top.document.source.repeats:
                    raise self.refusal((*path, key, ""), f"The key '{str(key)[:80]}' is given twice.")
                twice = Cursor(value=None, document=self.top.document, path=(*path, key))
                twice.note(f"The key '{str(key)[:80]}' is given twice; the last one counts, as for the CLI.", at_key=True)
            seen.add(key)
        out: dict[Any, Any] = {}
        for key_node, value_node in self.merged(node, path):
            key = self.key(key_node, path)
            self.marks[(*path, key, "")] = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            out[key] = self.read(value_node, (*path, key), depth + 1)
        return out

    def merged(self, node: Any, path: Path) -> list[Any]:
        """Return a mapping's pairs behind those that its `<<` names: as PyYAML's flatten_mapping, which doubles without end."""
        if id(node) in self.flat:
            return self.flat[id(node)]
        self.flat[id(node)] = []  # of a mapping that merges itself
        out: list[Any] = []
        for key_node, value_node in node.value:
            if not key_node.tag.endswith(":merge"):
                continue
            for each in value_node.value[::-1] if value_node.id == "sequence" else [value_node]:
                if each.id != "mapping":
                    self.marks[path] = (each.start_mark.line + 1, each.start_mark.column + 1)
                    raise self.refusal(path, "'<<' takes a mapping for merging, or a list of them.")
                pairs = self.merged(each, path)
                self.count(len(pairs), path)
                out += pairs
        self.flat[id(node)] = out + [pair for pair in node.value if not pair[0].tag.endswith(":merge")]
        return self.flat[id(node)]

    def key(self, node: Any, path: Path) -> Any:
        if node.id != "scalar":
            self.marks[path] = (node.start_mark.line + 1, node.start_mark.column + 1)
            raise self.refusal(path, "A key must be a plain value.")
        return self.scalar(node, path)

    def refusal(self, path: Path, message: str) -> RefusedError:
        at_key = bool(path) and path[-1] == ""
        cursor = Cursor(value=None, document=self.top.document, path=path[:-1] if at_key else path)
        return cursor.refusal(message, at_key=at_key)


def _check_extent(text: str, top: Cursor) -> None:
    """Refuse depth and numbers beyond reason before the parser builds anything from them.

    A look at the characters clears almost every file; what it does not clear is read token by token, up to the first one too many.
    """
    deepest = level = separators = 0
    for character in text:
        if character in "[{":
            level += 1
            deepest = max(deepest, level)
        elif character in "]}":
            level = max(0, level - 1)
        elif character in ",:\n-?":
            separators += 1
    lines = text.splitlines()
    if max((len(line) - len(line.lstrip("- ?")) for line in lines), default=0) > INDENT_LIMIT:
        raise top.refusal(f"Nested deeper than {DEPTH_LIMIT} levels.")
    if sum(line.startswith("%") for line in lines) > DIRECTIVE_LIMIT:
        raise top.refusal(f"More than {DIRECTIVE_LIMIT} lines that start with %.")
    if deepest > DEPTH_LIMIT or separators > VALUE_LIMIT:
        _check_tokens(text, top)


def _check_tokens(text: str, top: Cursor) -> None:
    """Refuse what YAML's own signs nest too deep, or too many values; signs within a text do not count.

    The scanner recurses into nothing. It is slow in open brackets, so it must be left at the first one too many.
    """
    import yaml

    starts = yaml.FlowSequenceStartToken | yaml.FlowMappingStartToken | yaml.BlockSequenceStartToken | yaml.BlockMappingStartToken
    ends = yaml.FlowSequenceEndToken | yaml.FlowMappingEndToken | yaml.BlockEndToken
    level = written = keys = entries = 0
    try:
        for token in yaml.scan(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            if isinstance(token, starts):
                level, written = level + 1, written + 1
            elif isinstance(token, ends):
                level -= 1
            elif isinstance(token, yaml.ScalarToken | yaml.AliasToken):
                written += 1
            elif isinstance(token, yaml.KeyToken):
                keys += 1
            elif isinstance(token, yaml.BlockEntryToken):
                entries += 1
            deep = level > DEPTH_LIMIT + 1
            if deep or max(written - keys, keys + entries) > VALUE_LIMIT:  # each key and entry has a value, written or not
                top.document.marks[()] = (token.start_mark.line + 1, token.start_mark.column + 1)
                raise top.refusal(f"Nested deeper than {DEPTH_LIMIT} levels." if deep else TOO_MANY)
    except yaml.YAMLError:
        return  # the parser says it better
