"""Rollouts in a simulated run: good and bad models, callers who promote, pause and abort, others who change the endpoint.

Azure Monitor is silent for a while, or sees few requests. Not here: what goes wrong besides (world).
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shared.rest import errors
from shared.rollouts import rollout_record
from shared.text import times
from tests.serving_azure import ENDPOINT, PATH, PER_MINUTE, Model
from tests.simulation.judge import MOST_LATE_S, Verdict
from tests.unit.rollouts.conftest import BODY, asked

if TYPE_CHECKING:
    from datetime import datetime

    from shared.rollouts.rollout_record import Rollout
    from tests.simulation.world import Effect, World

MODELS = {
    "good": Model(),
    "a little slower": Model(took_ms=60, says=1.01),
    "not there": Model(),  # Azure cannot create the deployment
    "fails": Model(fails=0.3),
    "fails always": Model(fails=1.0),
    "slow": Model(took_ms=200),
    "answers otherwise": Model(says=2),
    "refuses": Model(status=424),
}
GOOD = ("good", "a little slower")
GREEN = f"{ENDPOINT}/deployments/green"
BACK_S = 60.0  # from a bad verdict to the traffic at the live deployment
STRANGE = {"traffic": 4, "mirror": 1, "blue": 2, "green": 2, "gone": 1}
# What another client changes so soon after a look, or during it, was not seen; the look may take long
UNSEEN, UNSEEN_DISTURBED = timedelta(seconds=30), timedelta(seconds=150)
ENDS = {"RolledBack": "rolledBack", "Aborted": "aborted", "Succeeded": "succeeded", "Stopped": "stopped", "Failed": "failed"}
LOOK_S = 900.0  # how often a person looks whether the rollout is paused


@dataclass(frozen=True, kw_only=True)
class Change:
    """What another client changed."""

    at: datetime
    what: str
    traffic: dict[str, int]


class Rollouts:
    """One rollout, and what happens around it."""

    def __init__(self, world: World, _count: int) -> None:
        self.world, self.azure, drawn = world, world.azure, world.drawn
        self.model = drawn.choices(list(MODELS), [4, 2, 1, 2, 1, 1, 1, 1])[0]
        self.azure.serve(green=MODELS[self.model])
        self.azure.per_minute = drawn.choice((PER_MINUTE, PER_MINUTE, 2.0))
        if self.model == "not there":
            self.azure.failing[GREEN] = {"code": "OutOfQuota", "message": "no cores"}
        steps = sorted(drawn.sample(range(5, 95, 5), drawn.randrange(1, 3)))
        mirror = drawn.choice([None, {"percent": 20, "for": "PT5M"}])
        self.plan = {"steps": [*steps, 100], "bake": drawn.choice(["PT2M", "PT5M", "PT10M"]), "mirror": mirror}
        self.plan |= {"keepOld": drawn.choice(["PT0S", "PT10M"]), "unsure": drawn.choice(["pause", "pause", "abort"])}
        self.name, self.answered, self.refused = "", False, ""
        self.changes: list[Change] = []
        self.own: list[tuple[Effect, datetime]] = []  # what the rollout changed, and when something had last gone wrong before
        self.turned_at: datetime | None = None
        self.asked: list[str] = []
        world.stranger = lambda _path: self._strange(weights={"traffic": 1, "blue": 1, "green": 1})
        world.watch = self._watch
        world.plan(0.0, self._begin)
        length = 1800.0
        if drawn.random() < 0.25:
            world.plan(drawn.uniform(0, length), lambda: self._strange(STRANGE))
        if drawn.random() < 0.15 and self.model in GOOD:
            world.plan(drawn.uniform(60, length), lambda: self._turn(Model(fails=0.5)))
        if drawn.random() < 0.2:
            at = drawn.uniform(0, length)
            world.plan(at, lambda: setattr(self.azure, "blind", True))
            world.plan(at + drawn.choice((120, 900, 3600)), lambda: setattr(self.azure, "blind", False))
        if drawn.random() < 0.2:
            what = drawn.choice(("pause", "abort", "promote"))
            world.plan(drawn.uniform(30, length), lambda: self._ask(what))
        world.plan(LOOK_S, self._look)

    def over(self) -> bool:
        """See `runs.Load`."""
        found = self._record()
        return bool(self.refused) or (self.answered and (found is None or found.over))

    # What callers, other clients and models do

    def _begin(self) -> None:
        body = {key: value for key, value in {**BODY, **self.plan, "smoke": None}.items() if value is not None}
        if self.model == "refuses":
            body["smoke"] = [{"send": 1, "expect": "body.score"}]
        self._send("", body)

    def _ask(self, what: str) -> None:
        found = self._record()
        if found is None or not found.under_way:
            return
        if what == "promote" and not self._is_good():
            return  # not done by a client that has looked
        self.asked.append(what)
        self._send(f"/{found.id}/{what}", None)

    def _send(self, below: str, body: Any) -> None:
        def again() -> None:
            self.world.plan(self.world.drawn.choice((1.0, 5.0, 20.0)), lambda: self._send(below, body))

        def ended(problem: Exception | None) -> None:
            if isinstance(problem, errors.TransientError):
                again()
            elif isinstance(problem, errors.StewardError):
                self.world.say(f"refused: {problem.error.code}")
                self.refused = self.refused if below else problem.error.code
            elif problem:
                raise problem
            elif not below:
                self.answered = True

        headers = {"idempotency-key": "k", "callback-url": "queue:told"}
        self.world.spawn("caller", lambda app: asked(app, "POST", below, body, **headers), ended, died=again)

    def _look(self) -> None:
        """A person finds a rollout paused: a good one is promoted, another one aborted."""
        found = self._record()
        if self.refused or (found and not found.under_way):
            return
        if found and found.status == "Paused":
            self._ask("promote" if self._is_good() and not self.azure.blind else "abort")
        self.world.plan(LOOK_S, self._look)

    def _is_good(self) -> bool:
        return self.model in GOOD

    def _turn(self, model: Model) -> None:
        """The new model begins to do badly."""
        self.world.say("the model turns bad")
        self.azure.models = {name: model if "green" in name else each for name, each in self.azure.models.items()}
        self.model, self.turned_at = "turned", self.world.clock()

    def _strange(self, weights: dict[str, int]) -> None:
        """Another client changes something."""
        drawn, endpoint, found = self.world.drawn, self.azure.get(ENDPOINT), self._record()
        what = drawn.choices(list(weights), list(weights.values()))[0]
        green, blue = self.azure.get(GREEN), self.azure.get(f"{ENDPOINT}/deployments/blue")
        ready = green and green["properties"]["provisioningState"] == "Succeeded"
        if not endpoint or not blue or (found and found.over) or (what in ("traffic", "mirror", "green") and not ready):
            return
        own = endpoint["properties"]
        if what == "gone":
            for key in [key for key in self.azure.resources if key.startswith(ENDPOINT.lower())]:
                del self.azure.resources[key]
            self.azure.forget(ENDPOINT)
        elif what in ("blue", "green"):
            (blue if what == "blue" else green)["systemData"]["lastModifiedAt"] = self.azure.now().isoformat()
        elif what == "traffic":
            own["traffic"] = {"blue": 100 - (share := drawn.randrange(1, 5)), "green": share}
            own["mirrorTraffic"] = {}
        else:
            own["mirrorTraffic"] = {"blue": drawn.randrange(1, 5)} if not own["traffic"].get("blue") else {"green": 7}
            own["traffic"] = own["traffic"] if not own["mirrorTraffic"].get("green") else {"blue": 100}
        if what in ("traffic", "mirror"):
            endpoint["systemData"]["lastModifiedAt"] = self.azure.now().isoformat()
        self.world.say(f"FOREIGN {what} {self.azure.traffic()}")
        self.changes.append(Change(at=self.world.clock(), what=what, traffic=self.azure.traffic()))

    def _watch(self, effect: Effect) -> None:
        """Note a change of the rollout's; it takes in place what others changed of the traffic, unless it saw that."""
        self.own.append((effect, self.world.disturbed_at))
        if effect.path == PATH:
            seen = UNSEEN if self.world.disturbed_at <= effect.at - UNSEEN else UNSEEN_DISTURBED
            self.changes = [each for each in self.changes if each.what not in ("traffic", "mirror") or effect.at - each.at > seen]

    def _record(self) -> Rollout | None:
        rows = self.world.tables["cleanup_rows"].rows.values()
        found = [row for row in rows if row.partition.startswith(rollout_record.PREFIX) and row.key != rollout_record.OPEN]
        return rollout_record.from_row(found[0]) if found else None

    # What must hold

    def judge(self, *, quiet: bool) -> Verdict:
        """See `runs.Load`."""
        world = self.world
        world.fuse.looking = True
        verdict, found = Verdict(recoveries=world.recoveries, counts=world.counts), self._record()
        if not quiet or found is None or not found.over:
            stage = found and f"{found.status} {found.stage}"
            verdict.wrong = [] if quiet and self.refused and found is None else [f"stuck: {stage} {self.refused}"]
            return verdict
        verdict.ends[f"rollout {found.status}"] += 1
        wrong = [*self._ending(found), *self._effects(found), *self._seen(found), *self._told(found)]
        about = f"[{self.model} {found.status} {self.azure.traffic()} {[each.what for each in self.changes]}]"
        verdict.wrong = [f"{each} {about}" for each in wrong]
        verdict.wrong += [f"left: blob {name}" for name in world.steward.blobs.blobs if name.startswith("poison/")]
        return verdict

    def _ending(self, found: Rollout) -> list[str]:
        """Where the traffic is when all is over."""
        traffic = self.azure.traffic()
        if found.status == "Succeeded":
            ended = next(times.moment(each["at"]) for each in found.notes if each["what"] == "succeeded")
            late = self.turned_at and ended and ended - self.turned_at < timedelta(seconds=found.plan["bake"])
            bad = [] if self._is_good() or late else ["wrong: it ended on a bad model"]
            return bad + ([] if traffic == {"green": 100} or self.changes else ["wrong: not all of the traffic"])
        if self.changes:
            return []
        if found.status == "Stopped":
            return ["wrong: Stopped, and no other client was there"]
        back = [] if traffic == {"blue": 100} else ["wrong: not back"]
        back += [] if self.azure.get(f"{ENDPOINT}/deployments/blue") else ["wrong: the live deployment is gone"]
        if found.status == "RolledBack" and self._is_good() and found.plan["unsure"] != "abort":
            back.append(f"wrong: a good one went back: {found.notes[-1]}")
        return back if found.status != "Failed" or self.model == "not there" else [*back, f"wrong: Failed {found.notes[-1]}"]

    def _effects(self, found: Rollout) -> list[str]:
        """Each change once; none after another client's that it can have seen."""
        count = Counter(f"{each.write} {each.path.rpartition('/')[2]}" for each, _ in self.own)
        wrong = [f"twice: {name}" for name in ("PUT green", "DELETE blue") if count[name] > 1]
        begun = [each for each in self.world.app.ledger.newest(top=99) if each.target == ENDPOINT and each.method == "PUT"]
        wrong += ["twice: more effects than operations"] if count["PUT echo"] > len(begun) else []
        wrong += [
            f"wrong: {each.write} {each.path} after another client changed {changed.what}"
            for changed in self.changes
            for each, disturbed_at in self.own
            if not (each.write == "DELETE" and changed.what == "green")  # which is all there is by then, and not asked about
            and each.at - changed.at > (UNSEEN if disturbed_at <= changed.at else UNSEEN_DISTURBED)
        ]
        return wrong if self.changes else wrong + self._back(found)

    def _back(self, found: Rollout) -> list[str]:
        """In one PUT, soon."""
        turned = [at for each in found.notes if each["what"] == "back" and (at := times.moment(each["at"]))]
        later = [each for each in self.own if turned and each[0].path == PATH and each[0].at >= turned[0].replace(microsecond=0)]
        if len(later) > 1:
            return [f"twice: back in {len(later)} PUTs"]
        if not later:
            return []
        effect, disturbed_at = later[0]
        late_s = (effect.at - max(turned[0], disturbed_at)).total_seconds()
        return [f"late: back after {late_s:.0f} s"] if late_s > (BACK_S if disturbed_at <= turned[0] else MOST_LATE_S) else []

    def _seen(self, found: Rollout) -> list[str]:
        """Of the callers, no more than the share of the first step met a bad model."""
        if self.model == "turned" or "promote" in self.asked or self.changes:
            return []
        seen, share = self.azure.seen, found.plan["steps"][0] / 100
        most = seen.requests * share * MODELS[self.model].fails + 1
        return [f"wrong: {seen.failed:.0f} of {seen.requests:.0f} calls failed"] if seen.failed > most else []

    def _told(self, found: Rollout) -> list[str]:
        told = {(event := json.loads(held.text))["id"]: event["type"].rpartition(".")[2] for held in self.world.told.messages}
        ends = [each for each in told.values() if each in ENDS.values()]
        return [] if ends == [ENDS[found.status]] else [f"told: {list(told.values())}"]
