"""The shape of the app's own answers: operations, reports, firings, health. Every field that an answer may have is here.

A test holds real answers against them with nothing further allowed. Not here: resources, which are Azure's (parts, resources).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from shared.api.access import audit
from shared.api.schemas import OBJECT, STRING, Json
from shared.catalog import grants, kinds, statuses
from shared.chains import asked
from shared.operations import models
from shared.rollouts import rollout_fields, rollout_record

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

COUNT: Json = {"type": "integer", "minimum": 0}
SIGNED: Json = {"type": "number"}
AHEAD = ("storageAheadS", "azureAheadS")
NUMBER: Json = {"type": "number", "minimum": 0}
FLAG: Json = {"type": "boolean"}
MOMENT: Json = {"type": "string", "format": "date-time"}
LINK: Json = {"type": "string", "format": "uri"}
ERROR: Json = {"$ref": "#/components/schemas/ErrorDetail"}
STATUSES: tuple[str, ...] = get_args(statuses.OfOperation)
OUTCOMES = (*STATUSES, "Refused")
PHASES: tuple[str, ...] = get_args(models.Phase)
TRACE: Json = {
    "type": "string",
    "pattern": "^[0-9a-f]{32}$",
    "description": "The W3C trace that it is part of: the caller's `traceparent`, or one that was made for it.",
}


def schemas() -> Json:
    """Return the components of the app's own answers."""
    return {
        "Operation": operation(),
        "Delivery": delivery(),
        "Expiry": expiry(),
        "Report": report(),
        "ReportLine": line(),
        "Firing": firing(),
        "Recipe": recipe(),
        "RecipeDefinition": definition(),
        "RecipeRun": recipe_run(),
        "Mark": mark(),
        "Health": health(),
        "Upload": upload(),
        "Load": load(),
        "Savings": savings(),
        "Costs": costs(),
        "Prices": prices(),
        "Poison": poison(),
        "ParkedEndpoint": parked_endpoint(),
        "Key": key(),
        "AuditEntry": audit_entry(),
        "Approval": approval(),
        "Rollout": rollout(),
        "RolloutBody": rollout_body(),
    }


def rollout() -> Json:
    """Return the schema of a rollout."""
    shares: Json = {"type": "object", "additionalProperties": COUNT}
    line = _record({"at": MOMENT, "what": STRING, "reason": STRING}, ("at", "what"))
    seen = _record({"requests": COUNT, "errors": COUNT, "p95": {"type": ["number", "null"]}}, ("requests", "errors", "p95"))
    figures = {"at": MOMENT, "verdict": {"enum": ["good", "bad", "unsure"]}}
    figures |= {"deployments": {"type": "object", "additionalProperties": seen}}
    said = {
        "id": STRING,
        "name": STRING,
        "endpoint": STRING,
        "deployment": _told("The new one."),
        "status": {"type": "string", "enum": list(get_args(rollout_record.Status))},
        "stage": {"type": "string", "enum": list(get_args(rollout_record.Stage))},
        "caller": STRING,
        "startTime": MOMENT,
        "endTime": MOMENT,
        "traffic": {**shares, "description": "As the rollout left it."},
        "mirrorTraffic": shares,
        "before": _record({"traffic": shares, "mirror": shares}, ("traffic", "mirror"), "Where the traffic goes back to."),
        "steps": {"type": "array", "items": COUNT},
        "percent": _told("Of the present step.", COUNT),
        "since": _told("Since when the present share is in force.", MOMENT),
        "operation": _told("What it waits for."),
        "figures": _record(figures, tuple(figures), "What the last look at the gate saw."),
        "oldUntil": _told("When the old deployments go.", MOMENT),
        "gate": OBJECT,
        "unsure": {"enum": list(rollout_fields.UNSURE)},
        "bake": STRING,
        "keepOld": STRING,
        "history": {"type": "array", "items": line},
    }
    needed = (
        "id",
        "name",
        "endpoint",
        "deployment",
        "status",
        "stage",
        "caller",
        "startTime",
        "traffic",
        "before",
        "steps",
        "history",
    )
    return _record(said, needed, "A rollout: a new deployment that gets the traffic step by step.")


def rollout_body() -> Json:
    """Return the schema of what begins a rollout."""
    length = _told("A length of time, such as PT10M.")
    percent: Json = {"type": "integer", "minimum": 1, "maximum": 100}
    limit = _record({"atMost": NUMBER, "atMostOf": _told("The live deployment that is compared with."), "times": NUMBER}, ())
    asked: Json = {"type": "array", "maxItems": rollout_fields.MOST_REQUESTS}
    smoke = _record({"send": {}, "expect": _told("JMESPath over `status` and `body`, or the answer itself.", {})}, ("send",))
    golden = _record({"send": {}, "tolerance": NUMBER, "ignore": {"type": "array", "items": STRING}}, ("send",))
    said = {
        "deployment": _told("Name of the new deployment."),
        "body": _told("Its ARM body, or `like` a deployment, with another `model`, `properties`, `sku` or `tags`.", OBJECT),
        "smoke": {**asked, "items": smoke},
        "golden": {**asked, "items": golden},
        "mirror": _record({"percent": {**percent, "maximum": rollout_fields.MOST_MIRRORED}, "for": length}, ("percent", "for")),
        "steps": {"type": "array", "items": percent, "maxItems": rollout_fields.MOST_STEPS},
        "bake": length,
        "gate": _record({**dict.fromkeys(rollout_fields.LIMITS, limit), "leastRequests": {"type": "integer", "minimum": 1}}, ()),
        "unsure": {"enum": list(rollout_fields.UNSURE)},
        "keepOld": length,
    }
    return _record(said, ("deployment", "body"), "What is not given: steps 10, 50, 100; bake PT10M; 1 % of errors; unsure: pause.")


def approval() -> Json:
    """Return the schema of a request that waits for the approval of another one."""
    said = {
        "id": STRING,
        "name": STRING,
        "status": {"type": "string", "enum": list(get_args(statuses.OfApproval))},
        "what": _told("Which of `STEWARD_APPROVALS` asks for it."),
        "request": STRING,
        "target": STRING,
        "caller": _told("Who asked."),
        "author": _told("Who wrote the rule that asked."),
        "createdAt": MOMENT,
        "expiresAt": MOMENT,
        "decidedAt": MOMENT,
        "by": _told("Who approved or refused it."),
        "operation": _told("What it became."),
    }
    return _record(said, ("id", "name", "status", "what", "request", "caller", "createdAt", "expiresAt"), "It waits, or waited.")


def key() -> Json:
    """Return the schema of a named key."""
    scope = _record({"below": {"type": "array", "items": STRING}, "kinds": {"type": "array", "items": STRING}}, ("below", "kinds"))
    said = {
        "id": STRING,
        "name": STRING,
        "status": {"type": "string", "enum": ["Active", "Revoked"]},
        "role": {"type": "string", "enum": list(grants.ROLES)},
        "scope": scope,
        "createdAt": MOMENT,
        "changedAt": MOMENT,
        "by": _told("Who changed it last."),
    }
    signs_in = {"principal": _told("The object id whose sign-in it is.")}
    return _record(said | signs_in, tuple(said), "What a function key or a sign-in may do; the key itself is the platform's.")


def audit_entry() -> Json:
    """Return the schema of an entry of the audit."""
    said: dict[str, Json] = dict.fromkeys(audit.COLUMNS, STRING)
    said |= {"time": MOMENT, "secret": FLAG, "status": COUNT}
    return _record(said, audit.COLUMNS, "Something that a caller did; `status` 0: the app died before it was answered.")


def operation() -> Json:
    """Return the schema of an operation."""
    event = _record({"at": MOMENT, "what": STRING, "detail": STRING}, ("at", "what"))
    calls = {"type": "object", "description": "Requests to Azure: how many of each sort.", "additionalProperties": COUNT}
    said = {
        "target": _told("ARM id of the resource."),
        "kind": STRING,
        "request": _told("Verb and path, as Azure is sent it."),
        "phase": {"type": "string", "enum": list(PHASES)},
        "outcome": _told("Its status, with `Refused` (Azure refused it at once) apart from `Failed`.", {"enum": list(OUTCOMES)}),
        "azureStatus": _told("The last state of Azure's own operation."),
        "caller": STRING,
        "traceId": TRACE,
        "azureCalls": calls,
        "expires": _record({"at": MOMENT, "id": STRING, "name": STRING, "operation": STRING}, ("at", "name"))
        | {"description": "When what it made is to be ended, as it was asked for; `expiries/{name}` has it as it is."},
        "resource": {"description": "The resource as Azure showed it while the operation goes on."},
        "result": {"description": "The result, in a single operation that has ended."},
        "timeline": {"type": "array", "items": event},
        "explanation": explanation(),
        "deliveries": {"type": "array", "items": _ref("Delivery"), "description": "The deliveries of its notifications."},
    }
    return _record(
        {
            "id": STRING,
            "name": STRING,
            "status": {"type": "string", "enum": list(STATUSES)},
            "startTime": MOMENT,
            "endTime": MOMENT,
            "percentComplete": {"type": "number", "minimum": 0, "maximum": 100},
            "error": ERROR,
            "properties": _record(said, ("target", "kind", "request", "phase", "timeline")),
        },
        ("id", "name", "status", "startTime", "percentComplete", "properties"),
        "An operation of this app, in the form of ARM's own, so that its pollers can follow it.",
    )


def explanation() -> Json:
    """Return the schema of why an operation failed."""
    log = {
        "of": _told("The job, run or deployment that wrote it: of a pipeline or sweep the failed child."),
        "name": STRING,
        "url": _told("Where all of it is."),
        "lines": {**_list(STRING), "description": "The last ones, with secrets masked."},
        "problem": _told("Why it cannot be read now."),
    }
    said = {
        "cause": _told("What happened, in plain words and in Azure's own."),
        "next": _told("What to do, with requests of this API that can be pasted."),
        "page": _told("Where to read on: Microsoft's page, or one of this app's repository."),
        "log": {**_record(log, ()), "description": "Only in a single operation; read when that is, and never stored."},
    }
    return {**_record(said, ("cause", "next")), "description": "Why it failed or was canceled, and the next step."}


def expiry() -> Json:
    """Return the schema of an expiry."""
    said = {
        "id": STRING,
        "name": STRING,
        "status": {"type": "string", "enum": [each for each in get_args(statuses.OfExpiry) if each != "Canceled"]},
        "at": MOMENT,
        "target": _told("ARM id of the resource."),
        "kind": _told("What it is, as policies of the clean-up spell it."),
        "act": {"type": "string", "enum": list(get_args(kinds.EndingAct))},
        "caller": _told("Who asked for it."),
        "createdAt": MOMENT,
        "createdBy": _told("The operation that asked for it."),
        "tag": _told("The tag of the resource that says so, too."),
        "untagged": _told("Why the resource has no tag that says so."),
        "operation": _told("The operation that ended the resource."),
        "endedAt": MOMENT,
        "reason": _told("Why it ended so, or what it waits for."),
    }
    return _record(said, ("id", "name", "status", "at", "target", "kind", "act", "caller", "createdAt", "createdBy"), "An expiry.")


def delivery() -> Json:
    """Return the schema of how notifying one receiver goes."""
    attempt = _record({"at": MOMENT, "status": COUNT, "problem": STRING}, ("at",))
    return _record(
        {
            "target": _told("The receiver, without its query."),
            "type": STRING,
            "eventId": STRING,
            "status": {"type": "string", "enum": ["Pending", "Delivered", "Failed", "Gone"]},
            "attempts": {"type": "array", "items": attempt, "description": "The last few."},
            "tried": COUNT,
            "nextAttempt": MOMENT,
        },
        ("target", "type", "eventId", "status", "attempts", "tried"),
        "The delivery of a notification to one receiver.",
    )


def report() -> Json:
    """Return the schema of a run of the clean-up."""
    unit = {"id": STRING, "status": {"type": "string", "enum": ["read", "unreadable", "skipped", "waiting"]}, "reason": STRING}
    saved = {"nodeHoursADay": NUMBER, "idleNodeHours": NUMBER, "moneyADay": NUMBER, "idleMoney": NUMBER, "currency": STRING}
    asked = dict.fromkeys(("seconds", "callsPer1000", "secondsPer1000"), NUMBER)
    counts = {"type": "object", "additionalProperties": COUNT}
    savings = _record({**saved, "unpriced": _list(STRING)})
    seen = {"id": STRING, "status": {"type": "string", "enum": ["read", "unreadable"]}, "reason": STRING, "looked": COUNT}
    seen |= {"outcomes": counts, "savings": savings}
    return _record(
        {
            "id": STRING,
            "name": STRING,
            "status": {"type": "string", "enum": ["Running", "Completed", "Stopped", "Failed"]},
            "mode": {"type": "string", "enum": ["dryRun", "enforce"]},
            "caller": STRING,
            "startTime": MOMENT,
            "endTime": MOMENT,
            "phase": _told("What a run that goes on is doing."),
            "traceId": {**TRACE, "description": "The W3C trace of its reads and of the operations of its acts."},
            "policies": _list(STRING),
            "approves": _told("The dry run that this one carries out."),
            "approvedBy": _told("The run that carries this one out."),
            "looked": COUNT,
            "outcomes": {**counts, "description": "How many resources came to what: `kept`, `would delete`, `deleted`, …"},
            "savings": savings,
            "requests": _record({"calls": COUNT, **asked}),
            "notes": _list(STRING),
            "workspaces": _list(_record(unit, ("id", "status"))),
            "subscriptions": _list(_record(seen, ("id", "status", "looked", "outcomes", "savings"))),
            "byPolicy": {"type": "object", "additionalProperties": counts},
            "resources": _list(_ref("ReportLine")),
            "deliveries": _list(_ref("Delivery")),
            "nextLink": LINK,
        },
        ("id", "name", "status", "mode", "caller", "startTime", "traceId", "policies", "notes"),
        "A run of the clean-up; with `resources` when one report is asked for.",
    )


def line() -> Json:
    """Return the schema of what a report says of one resource."""
    return _record(
        {
            **dict.fromkeys(("id", "kind", "policy", "reason", "action", "outcome"), STRING),
            "evidence": _list(STRING),
            "since": MOMENT,
            "due": MOMENT,
            "saves": OBJECT,
            "notify": OBJECT,
            "operation": _told("The operation that carried it out."),
            "error": ERROR,
        },
        ("id", "kind", "policy", "reason", "outcome"),
    )


def mark() -> Json:
    """Return the schema of a mark of the clean-up."""
    known = {"resource": STRING, "policy": STRING, "reason": STRING, "tagged": FLAG, "markedAt": MOMENT, "due": MOMENT}
    return _record(known, known)


def firing() -> Json:
    """Return the schema of a firing of a rule."""
    step = {
        "name": STRING,
        "does": STRING,
        "status": COUNT,
        "skipped": FLAG,
        "reason": STRING,
        "operation": STRING,
        "approval": STRING,
    }
    return _record(
        {
            "id": STRING,
            "name": STRING,
            "rule": STRING,
            "status": {"type": "string", "enum": ["Running", "Succeeded", "Failed", "Refused", "Canceled"]},
            "startTime": MOMENT,
            "endTime": MOMENT,
            "depth": _told("How many rules led to it, itself included.", COUNT),
            "traceId": {**TRACE, "description": "The W3C trace of its requests: its event's, or one of its own."},
            "event": {"type": ["object", "null"]},
            "steps": _list(_record(step, ("name", "does"))),
            "answers": {"type": "object", "description": "Of a single firing: what each step was answered."},
            "error": ERROR,
        },
        ("id", "name", "rule", "status", "startTime", "depth", "traceId", "steps"),
        "A rule that fired, and what came of its requests.",
    )


def definition() -> Json:
    """Return the schema of what a recipe is written as."""
    fields = {
        "description": STRING,
        "schedule": _told("When it starts by itself, with its defaults: NCRONTAB in UTC (docs/recipes.md).", STRING),
        "parameters": _told("Name → `{type, default, enum, pattern, description}`, or its default value.", OBJECT),
        "steps": _told("Name → one of `request`, `notify`, `wait`, `until`, `approve`, and its fields (docs/recipes.md).", OBJECT),
        "onFailure": {"type": "string", "enum": ["stop"]},
    }
    return _record(fields, ("steps",), "Several requests of this API as one.")


def recipe() -> Json:
    """Return the schema of a recipe as it is kept."""
    planned = _record({"next": MOMENT, "last": MOMENT, "lastRun": STRING, "problem": STRING}, ("next",))
    said = {"id": STRING, "name": STRING, "shipped": FLAG, "by": STRING, "properties": _ref("RecipeDefinition")}
    said |= {"schedule": planned}
    return _record(said, ("id", "name", "shipped", "properties"), "A recipe that can be started by its name.")


def recipe_run() -> Json:
    """Return the schema of a run of a recipe."""
    states = {"type": "string", "enum": list(get_args(asked.State))}
    step = {"name": STRING, "does": STRING, "status": states, "needs": _list(STRING), "startTime": MOMENT, "endTime": MOMENT}
    step |= {"next": MOMENT, "answer": COUNT, "operation": STRING, "waitsFor": STRING, "approvedBy": STRING, "approval": STRING}
    step |= {"made": _told("The id of what it made.", STRING), "reason": STRING, "tries": COUNT, "error": ERROR}
    properties = {"recipe": STRING, "caller": STRING, "undoes": STRING, "parameters": OBJECT}
    properties |= {"steps": _list(_record(step, ("name", "does", "status", "needs"))), "deliveries": _list(_ref("Delivery"))}
    return _record(
        {
            "id": STRING,
            "name": STRING,
            "status": {"type": "string", "enum": list(get_args(statuses.OfRun))},
            "startTime": MOMENT,
            "endTime": MOMENT,
            "percentComplete": COUNT,
            "properties": _record(properties, ("parameters", "steps")),
            "error": ERROR,
        },
        ("id", "name", "status", "startTime", "percentComplete", "properties"),
        "One run of a recipe, as an operation.",
    )


def health() -> Json:
    """Return the schema of `health/details`; a part that cannot be read is `{"error"}` instead."""
    point = dict.fromkeys(("code", "message", "next"), STRING)
    first = _record({"file": STRING, "line": COUNT, "column": COUNT, "message": STRING}, ("file", "message"))
    files = _record({"mistakes": COUNT, "files": COUNT, "first": first})
    oldest = _record({"name": STRING, "target": STRING, "startTime": MOMENT, "ageS": COUNT})
    about = {"about": _told("The operation, report or firing that it is about.")}
    lost = _record({**about, **delivery()["properties"]}, ("about", *delivery()["required"]))
    told = {**dict.fromkeys(("triedAgain", "givenUp", "givenUpToday"), COUNT), "newest": _list(lost)}
    allowance = {"subscription": STRING, "allowance": STRING, "left": COUNT, "of": COUNT}
    queue = {"name": STRING, "messages": COUNT, "poison": COUNT}
    timer = {"name": STRING, "quietS": _told("Seconds since its last run.", COUNT), "late": FLAG}
    met = _record({"stored": STRING, "reason": STRING}, ("stored", "reason"))
    code = _record({"name": STRING, "count": COUNT}, ("name", "count"))
    outcomes = {"type": "object", "additionalProperties": COUNT}
    hour = {
        **_record({"outcomes": outcomes, "codes": _list(code)}),
        "description": "Those accepted in the last hour.",
    }
    parts: Json = {
        "missing": _list(_told("A queue, table or container that the app needs and its account does not have.", STRING)),
        "queues": _list(_record(queue, queue)),
        "clocks": _record({name: _told(f"Seconds that {name[:-6]}'s clock is ahead of this process's.", SIGNED) for name in AHEAD}),
        "timers": _list(_record({**timer, "last": MOMENT}, timer)),
        "operations": _record({"open": COUNT, "oldest": oldest, "unreadable": _list(met), "lastHour": hour}),
        "firings": _record({"failedToday": COUNT, "rules": _list(STRING)}),
        "deliveries": _record(told),
        "eventsPutAside": _record({"count": COUNT, "prefix": STRING}),
        "messagesPutAside": _record({"count": COUNT, "prefix": STRING}),
        "unreadable": _record({"count": COUNT, "rows": _list(met)}),
        "settings": _record({"problems": _list(_record({"setting": STRING, "message": STRING}, ("setting", "message")))}),
        "policyFiles": files,
        "ruleFiles": files,
        "throttling": _record({"refused": COUNT, "allowances": _list(_record(allowance, allowance))}),
        "token": _record({"signedIn": FLAG}),
    }
    failed = _record({"error": ERROR}, ("error",))
    known = {
        "status": {"type": "string", "enum": ["up", "degraded"], "description": "`degraded`: a part cannot be read."},
        "at": MOMENT,
        "attention": {"type": "array", "items": _record(point, point), "description": "Problems, in words."},
        "caller": STRING,
        "role": {"type": "string", "enum": list(grants.ROLES)},
        "links": _told("Where the cloud's portal and Studio are.", _record({"portal": LINK, "studio": LINK}, ("portal", "studio"))),
    }
    whole = {name: {"anyOf": [failed, part]} for name, part in parts.items()}
    return _record({**known, **whole}, known, "A caller with a scope gets the required members alone.")


def upload() -> Json:
    """Return the schema of room for a large file."""
    expires, kept = _told("Until when it can be put there.", MOMENT), _told("Until when a request can name it.", MOMENT)
    return _record({"id": STRING, "sasUri": LINK, "expires": expires, "keptUntil": kept}, ("id", "sasUri", "expires", "keptUntil"))


def load() -> Json:
    """Return the schema of how many operations there were, over time."""
    counts = {"type": "object", "additionalProperties": COUNT, "description": "How many ended how, or go on."}
    part = _record({"at": MOMENT, "outcomes": counts}, ("at", "outcomes"))
    most = {**_list(_record({"name": STRING, "count": COUNT}, ("name", "count"))), "description": "The most frequent."}
    known = {"since": MOMENT, "until": MOMENT, "stepS": _told("Seconds of each part.", COUNT), "outcomes": counts}
    known |= {"value": _list(part), **dict.fromkeys(("codes", "callers", "kinds"), most)}
    return _record(known, known)


def savings() -> Json:
    """Return the schema of what the acts of runs have saved."""
    known = {"since": MOMENT, "runs": COUNT, "nodeHours": NUMBER, "nodeHoursADay": NUMBER}
    return _record({**known, "money": NUMBER, "moneyADay": NUMBER, "currency": STRING}, known, "An estimate, upwards.")


def costs() -> Json:
    """Return the schema of what compute cost."""
    unknown = {"type": ["number", "null"], "description": "null: not known."}
    sums = {"nodeHours": unknown, "idleHours": unknown, "money": unknown, "unpriced": _list(_told("A VM size without a price."))}
    group = {"name": _told("'' for what belongs to none of them."), "id": STRING, "workspace": STRING}
    text = {"type": ["string", "null"]}
    gap = {"workspace": _told("null: of all of them.", text), "since": MOMENT, "until": MOMENT, "reason": STRING}
    known = {
        "by": STRING,
        "since": MOMENT,
        "until": MOMENT,
        "estimate": _told("What the numbers are, and are not."),
        "currency": _told("As the price file names it.", text),
        "priceSource": _told("The file of prices; null without one, and then there is no money.", text),
        "value": _list(_record({**group, **sums}, ("name", "nodeHours", "idleHours"))),
        "total": _record(sums, ("nodeHours", "idleHours")),
        "complete": _told("Everything in the window was seen.", {"type": "boolean"}),
        "notSeen": _list(_record(gap, gap)),
    }
    return _record({**known, "problems": _list(_told("A line of the price file that cannot be read."))}, known)


def prices() -> Json:
    """Return the schema of the price table."""
    table: Json = {"type": "object", "additionalProperties": {"type": "number"}, "description": "Of a node-hour, by VM size."}
    said = {"currency": STRING, "prices": table, "problems": _list(_told("A line of a file stored otherwise that cannot be read."))}
    return _record(said, said)


def poison() -> Json:
    """Return the schema of a message that could not be processed."""
    said = {
        "id": _told("Names it in DELETE."),
        "place": _told("The poison queue, or the blob that keeps it."),
        "at": MOMENT,
        "tried": COUNT,
        "text": _told("Its beginning; secrets are masked."),
        "reason": STRING,
    }
    return _record(said, ("id", "place", "text", "reason"))


def parked_endpoint() -> Json:
    """Return the schema of an endpoint that sleeps."""
    deployment = _record({"name": STRING, "instanceType": STRING, "instances": COUNT}, ("name",))
    return _record(
        {"endpoint": STRING, "parkedAt": MOMENT, "deployments": _list(deployment)}, ("endpoint", "parkedAt", "deployments")
    )


def _record(properties: Mapping[str, Any], required: Iterable[str] = (), description: str = "") -> Json:
    out: Json = {"type": "object", **({"description": description} if description else {})}
    return {**out, **({"required": list(required)} if required else {}), "properties": dict(properties)}


def _list(items: Json) -> Json:
    return {"type": "array", "items": items}


def _told(description: str, schema: Json | None = None) -> Json:
    return {**(schema or STRING), "description": description}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}
