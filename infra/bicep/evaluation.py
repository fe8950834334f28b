"""Says what a deployment of infra/azure would make: parameters in, resources, role assignments and nested deployments out.

What Azure knows only while it deploys (a principal's id, an output) is Runtime: it may stand in properties and in what modules are
given, and nowhere where Resource Manager must know it at the start: names, scopes, conditions and loops. Not here: which properties
a resource type has, and what any value means to Azure.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from infra.bicep.functions import FUNCTIONS, SUBSCRIPTION, resource_id
from infra.bicep.syntax import read
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
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

NAMELESS = {"output", "targetScope", "using", "import"}
STORAGE_DOMAINS = {"AzureCloud": "core.windows.net", "AzureUSGovernment": "core.usgovcloudapi.net"}


class WrongError(Exception):
    """A compiler, or Resource Manager, would refuse it; the message says where and why."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """A value that is known only while the deployment runs; `value` stands for it in what is made."""

    value: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A resource, or a nested deployment.

    Attributes:
        kind: Its type.
        version: Its api-version.
        id: Its resource id.
        name: Its last name.
        body: Everything else that the file says of it.
        file: The file that says it.
    """

    kind: str
    version: str
    id: str
    name: str
    body: dict[str, Any]
    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A module that was deployed."""

    name: str
    outputs: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Group:
    """A resource group or a subscription, as a scope."""

    id: str


@dataclass(slots=True, kw_only=True)
class Deployment:
    """One file, deployed to one scope.

    Attributes:
        file: The file.
        scope: Id of the subscription or resource group.
        given: Its parameters.
        cloud: Name of Azure's cloud.
        environ: What `readEnvironmentVariable` sees.
        made: All that is made, by this and by nested deployments.
    """

    file: Path
    scope: str = SUBSCRIPTION
    given: Mapping[str, Any] = field(default_factory=dict)
    cloud: str = "AzureCloud"
    environ: Mapping[str, str] = field(default_factory=dict)
    made: list[Made] = field(default_factory=list)
    _declared: dict[str, Declaration] = field(default_factory=dict)
    _known: dict[str, Any] = field(default_factory=dict)

    def run(self) -> dict[str, Any]:
        """Deploy everything that the file declares, and return its outputs.

        Raises:
            WrongError: it cannot be deployed.
        """
        declarations = read(self.file)
        self._declared = {each.name: each for each in declarations if each.keyword not in NAMELESS}
        self._declared |= self._imported(declarations)
        wanted = next((each.value.parts[0] for each in declarations if each.keyword == "targetScope"), "resourceGroup")
        if wanted != ("resourceGroup" if "/resourceGroups/" in self.scope else "subscription"):
            self._wrong(f"is for a {wanted}, and is deployed to {self.scope}")
        unknown = set(self.given) - {name for name, each in self._declared.items() if each.keyword == "param"}
        if unknown:
            self._wrong(f"has no parameters {sorted(unknown)}")
        for name in self._declared:
            self._value_of(name)
        outputs = {each.name: self._typed(each, self._eval(each.value, {})) for each in declarations if each.keyword == "output"}
        return {name: unwrapped(value) for name, value in outputs.items()}

    def _imported(self, declarations: list[Declaration]) -> dict[str, Declaration]:
        """Return what the file imports; the other file must offer it."""
        found: dict[str, Declaration] = {}
        for each in (each for each in declarations if each.keyword == "import"):
            offered = {one.name: one for one in read(self.file.parent / each.kind) if "export" in one.decorators}
            if missing := set(each.value) - set(offered):
                self._wrong(f"imports {sorted(missing)}, which {each.kind} does not export")
            found |= {name: offered[name] for name in each.value}
        return found

    def parameters(self) -> dict[str, Any]:
        """Return what a parameter file gives."""
        declarations = read(self.file)
        self._declared = {each.name: each for each in declarations if each.keyword == "var"}
        return {each.name: self._eval(each.value, {}) for each in declarations if each.keyword == "param"}

    def _wrong(self, why: str) -> NoReturn:
        raise WrongError(f"{self.file.name}: {why}")

    def _value_of(self, name: str) -> Any:
        if name not in self._declared:
            self._wrong(f"{name} is not declared")
        if name not in self._known:
            self._known[name] = Runtime(f"<{name} refers to itself>")
            self._known[name] = self._evaluated(self._declared[name])
        return self._known[name]

    def _evaluated(self, declared: Declaration) -> Any:
        if declared.keyword == "type":
            return None
        if declared.keyword == "var":
            return self._eval(declared.value, {})
        if declared.keyword == "param":
            if declared.name not in self.given and declared.value is None:
                self._wrong(f"{declared.name} is not given")
            given = declared.name in self.given
            return self._typed(declared, self.given[declared.name] if given else self._eval(declared.value, {}))
        return self._each(declared, declared.value, {})

    def _each(self, declared: Declaration, body: Any, names: dict[str, Any]) -> Any:
        """Return what a resource or module is: a list where it is a loop, None where its condition is not met."""
        if isinstance(body, Loop):
            return [self._each(declared, body.body, {**names, **inner}) for inner in self._turns(declared.name, body, names)]
        if isinstance(body, When):
            if not self._at_start(declared.name, body.condition, names):
                return None
            body = body.body
        pairs: dict[str, Any] = dict(body.pairs)
        name = self._at_start(declared.name, pairs.pop("name"), names)
        for other in pairs.pop("dependsOn", Array(())).items:
            self._eval(other, names)
        make = self._resource if declared.keyword == "resource" else self._module
        return make(declared, name, pairs, names)

    def _turns(self, of: str, loop: Loop, names: dict[str, Any]) -> Iterator[dict[str, Any]]:
        for index, item in enumerate(self._at_start(of, loop.over, names)):
            yield dict(zip(loop.names, (item, index), strict=False))

    def _at_start(self, of: str, expression: Any, names: dict[str, Any]) -> Any:
        value = self._eval(expression, names)
        if holds_runtime(value):
            self._wrong(f"{of}: {value} is not known when the deployment starts")
        return value

    def _resource(self, declared: Declaration, name: str, pairs: dict[str, Any], names: dict[str, Any]) -> Made:
        kind, _, version = declared.kind.partition("@")
        parent, scope = (
            self._at_start(declared.name, pairs.pop(key), names) if key in pairs else None for key in ("parent", "scope")
        )
        if kind == "Microsoft.Resources/resourceGroups":
            where = f"{self.scope}/resourceGroups/{name}"
        elif parent:
            if kind.rpartition("/")[0] != parent.kind:
                self._wrong(f"{declared.name} is no child of {parent.kind}")
            where = f"{parent.id}/{kind.rpartition('/')[2]}/{name}"
        else:
            where = f"{scope.id if scope else self.scope}/providers/{kind}/{name}"
        body = {key: unwrapped(self._eval(value, names)) for key, value in pairs.items()}
        made = Made(kind=kind, version=version, id=where, name=name, body=body, file=self.file.name)
        if not declared.existing:
            self.made.append(made)
        return made

    def _module(self, declared: Declaration, name: str, pairs: dict[str, Any], names: dict[str, Any]) -> Ended:
        scope = self._at_start(declared.name, pairs["scope"], names).id if "scope" in pairs else self.scope
        given = {key: unwrapped(self._eval(value, names)) for key, value in pairs.get("params", Object(())).pairs}
        where = f"{scope}/providers/Microsoft.Resources/deployments/{name}"
        kind = "Microsoft.Resources/deployments"
        self.made.append(Made(kind=kind, version="", id=where, name=name, body={}, file=self.file.name))
        file = self.file.parent / declared.kind
        outputs = Deployment(file=file, scope=scope, given=given, cloud=self.cloud, made=self.made).run()
        return Ended(name=name, outputs=outputs)

    def _typed(self, declared: Declaration, value: Any) -> Any:
        """Return the value; it must be of the declared type, and what decorators allow."""
        plain = unwrapped(value)
        if not self._fits(plain, declared.kind):
            self._wrong(f"{declared.name} is {plain!r}, expected {declared.kind}")
        bounds = {key: self._eval(arguments[0], {}) for key, arguments in declared.decorators.items() if key != "description"}
        size = len(plain) if isinstance(plain, (str, list)) else plain
        allowed = bounds.get("allowed")
        outside = (
            (allowed is not None and plain not in allowed)
            or size < bounds.get("minValue", bounds.get("minLength", size))
            or size > bounds.get("maxValue", bounds.get("maxLength", size))
            if bounds
            else False
        )
        if outside:
            self._wrong(f"{declared.name} is {plain!r}, expected {bounds}")
        return value

    def _fits(self, value: Any, kind: str) -> bool:
        if kind.endswith("[]"):
            return isinstance(value, list) and all(self._fits(each, kind[:-2]) for each in value)
        if kind.startswith("{"):
            fields = dict(pair.split(": ") for pair in kind[1:-1].split(", "))
            if not isinstance(value, dict) or ("*" not in fields and set(value) != set(fields)):
                return False
            return all(self._fits(each, fields.get("*", fields.get(key, ""))) for key, each in value.items())
        plain = {"string": str, "int": int, "bool": bool, "array": list, "object": dict}.get(kind)
        if plain is None:
            return self._fits(value, self._declared[kind].kind)
        return isinstance(value, plain) and (plain is not int or not isinstance(value, bool))

    def _eval(self, node: Any, names: dict[str, Any]) -> Any:  # noqa: C901, PLR0911 - a branch for each kind of expression
        match node:
            case Literal(value):
                return value
            case Text(parts):
                return self._joined(parts, names)
            case Name(name):
                return names[name] if name in names else self._value_of(name)
            case Field(base, name):
                return self._field(self._eval(base, names), name, base)
            case Item(base, key):
                return self._item(self._eval(base, names), self._eval(key, names), base)
            case Choice(condition, yes, no):
                return self._eval(yes if unwrapped(self._eval(condition, names)) else no, names)
            case Operation(sign, operands):
                return self._operated(sign, operands, names)
            case Array(items):
                return [self._eval(each, names) for each in items]
            case Object(pairs):
                return {
                    key if isinstance(key, str) else self._joined(key.parts, names): self._eval(value, names)
                    for key, value in pairs
                }
            case Loop(_, _, body):
                return [self._eval(body, {**names, **inner}) for inner in self._turns("a list", node, names)]
            case Call(name, arguments):
                return self._called(name, [self._eval(each, names) for each in arguments])
        raise WrongError(f"{self.file.name}: {node}")

    def _joined(self, parts: tuple[Any, ...], names: dict[str, Any]) -> Any:
        values = [part if index % 2 == 0 else self._eval(part, names) for index, part in enumerate(parts)]
        for value in values:
            if not isinstance(unwrapped(value), (str, int)):
                self._wrong(f"a string embeds {value!r}")
        text = "".join(str(unwrapped(value)) for value in values)
        return Runtime(text) if holds_runtime(values) else text

    def _field(self, base: Any, name: str, node: Any) -> Any:
        if base is None:
            self._wrong(f"{node} is not made, and its {name} is asked for")
        if isinstance(base, Made):
            return getattr(base, name) if name in {"id", "name"} else Runtime(f"<{base.name}.{name}>")
        if isinstance(base, Ended):
            return {key: Runtime(value) for key, value in base.outputs.items()} if name == "outputs" else base.name
        if isinstance(base, Runtime):
            inner = base.value
            return Runtime(inner[name] if isinstance(inner, dict) else f"{inner[:-1]}.{name}>")
        if not isinstance(base, dict) or name not in base:
            self._wrong(f"{node} has no {name}")
        return base[name]

    def _item(self, base: Any, key: Any, node: Any) -> Any:
        try:
            return base[key]
        except (IndexError, KeyError):
            self._wrong(f"{node} has no item {key!r}")

    def _operated(self, sign: str, operands: tuple[Any, ...], names: dict[str, Any]) -> Any:
        first = self._eval(operands[0], names)
        if sign in {"&&", "||"} and bool(unwrapped(first)) == (sign == "||"):
            return first
        values = [first, *(self._eval(each, names) for each in operands[1:])]
        plain = [unwrapped(value) for value in values]
        signs: dict[str, Callable[[], Any]] = {
            "!": lambda: not plain[0],
            "-": lambda: -plain[0],
            "&&": lambda: plain[1],
            "||": lambda: plain[1],
            "==": lambda: plain[0] == plain[1],
            "!=": lambda: plain[0] != plain[1],
            "<": lambda: plain[0] < plain[1],
            ">": lambda: plain[0] > plain[1],
            "<=": lambda: plain[0] <= plain[1],
            ">=": lambda: plain[0] >= plain[1],
        }
        found = signs[sign]()
        return Runtime(found) if holds_runtime(values) else found

    def _called(self, name: str, arguments: list[Any]) -> Any:
        plain = [unwrapped(each) for each in arguments]
        if name in FUNCTIONS:
            found = FUNCTIONS[name](*plain)
        elif name in OF_A_DEPLOYMENT:
            found = OF_A_DEPLOYMENT[name](self, *plain)
        else:
            self._wrong(f"{name} is no function that is known here")
        return Runtime(found) if holds_runtime(arguments) else found


def holds_runtime(value: Any) -> bool:
    """Whether a value, or something in it, is known only while the deployment runs."""
    if isinstance(value, dict):
        return any(map(holds_runtime, value.values()))
    return any(map(holds_runtime, value)) if isinstance(value, list) else isinstance(value, Runtime)


def unwrapped(value: Any) -> Any:
    """Return a value with what stands for what is not known yet."""
    if isinstance(value, dict):
        return {key.value if isinstance(key, Runtime) else key: unwrapped(each) for key, each in value.items()}
    if isinstance(value, list):
        return [unwrapped(each) for each in value]
    return unwrapped(value.value) if isinstance(value, Runtime) else value


def _environment(of: Deployment) -> dict[str, Any]:
    suffixes = {"storage": STORAGE_DOMAINS[of.cloud], "keyvaultDns": ".vault.azure.net"}
    return {"name": of.cloud, "suffixes": suffixes, "authentication": {"loginEndpoint": "https://login.microsoftonline.com/"}}


def _home(of: Deployment) -> str:
    return "/".join(of.scope.split("/")[:3])


def _subscription(of: Deployment, name: str = "") -> Any:
    return Group(f"/subscriptions/{name}") if name else {"id": _home(of), "subscriptionId": _home(of).rpartition("/")[2]}


def _group(of: Deployment, *names: str) -> Any:
    if not names:
        return {"id": of.scope, "name": of.scope.rpartition("/")[2]}
    *subscriptions, name = names
    return Group(f"{_subscription(of, *subscriptions).id if subscriptions else _home(of)}/resourceGroups/{name}")


def _fail(of: Deployment, why: str) -> NoReturn:
    raise WrongError(f"{of.file.name}: {why}")


OF_A_DEPLOYMENT: dict[str, Callable[..., Any]] = {
    "environment": _environment,
    "fail": _fail,
    "loadJsonContent": lambda of, file: json.loads((of.file.parent / file).read_text()),
    "loadTextContent": lambda of, file: (of.file.parent / file).read_text(),
    "readEnvironmentVariable": lambda of, name, default: of.environ.get(name, default),
    "resourceGroup": _group,
    "subscription": _subscription,
    "subscriptionResourceId": lambda of, *words: _home(of) + resource_id(*words).removeprefix("<here>"),
}
