"""Runs the demo's steps in order and shows each: what, status, seconds, ARM calls. The first that fails ends it."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import requests
from rich.markup import escape

from infra.local import stack
from infra.local.demo import cleaning, deploying, guarding, hooking, provisioning, refusals, training
from infra.local.demo.client import Control, StepError, Steward
from infra.local.demo.story import Story
from infra.local.emulator import scene

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

ARM = "management.azure.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One line of the demo."""

    number: str
    what: str
    do: Callable[[Story], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a step took.

    Attributes:
        status: The step's own words, or why it failed.
        calls: Requests that reached Azure during it: host, method and path.
    """

    step: Step
    ok: bool
    status: str
    seconds: float
    calls: tuple[tuple[str, str, str], ...]

    @property
    def arm_calls(self) -> int:
        """How many of the calls went to ARM."""
        return sum(host == ARM for host, _, _ in self.calls)


STEPS = tuple(
    Step(number=number, what=what, do=do)
    for number, what, do in (
        ("1a", "list resource groups", provisioning.list_groups),
        ("1b", "list workspaces", provisioning.list_workspaces),
        ("1c", "look into a second subscription", provisioning.list_subscriptions),
        ("2a", "provision a workspace", provisioning.provision_workspace),
        ("2b", "find the regional API server", provisioning.read_workspace),
        ("3", "provision a compute cluster", provisioning.provision_compute),
        ("4a", "start an experiment run (v1)", training.start_run),
        ("4b", "show its log", training.read_log),
        ("4c", "start a command job (v2)", training.start_job),
        ("5a", "register the model, list models", deploying.register_model),
        ("5b", "upload the scoring script", deploying.upload_code),
        ("5c", "deploy to an online endpoint", deploying.deploy),
        ("6a", "score it", deploying.score),
        ("6b", "subscribe to events, put rules", hooking.subscribe),
        ("6c", "an event: a model rolls out", hooking.roll_out),
        ("6d", "a score wakes a parked endpoint", guarding.wake_by_score),
        ("6e", "a guarded rollout", guarding.guarded_rollout),
        ("6f", "a recipe, taken back", guarding.recipe),
        ("7a", "refused: unknown VM size", refusals.unknown_vm_size),
        ("7b", "refused: missing dependency", refusals.missing_dependency),
        ("7c", "fails later: registry without admin", refusals.registry_without_admin),
        ("7d", "refused: no such workspace", refusals.no_such_workspace),
        ("8a", "a stale model, an idle compute", cleaning.make_stale),
        ("8b", "the clean-up timer", cleaning.clean_up),
        ("8c", "a cluster that expires", guarding.expire),
        ("8d", "what compute cost, by owner", cleaning.read_costs),
        ("9a", "delete the endpoint", cleaning.delete_endpoint),
        ("9b", "delete the model (v2 and v1)", cleaning.delete_models),
        ("9c", "delete compute and workspace", cleaning.delete_workspace),
    )
)


def widened(options: stack.Options) -> stack.Options:
    """Return the options of a stack whose app works in a second subscription, too, with the roles that infra/azure gives."""
    lab = {"id": scene.LAB_SUBSCRIPTION_ID, "resourceGroups": [scene.LAB_GROUP], "wholeSubscription": False}
    lab |= {"eventResourceGroups": [], "eventWorkspaces": []}
    settings = {"STEWARD_SUBSCRIPTIONS": ",".join(scene.SUBSCRIPTIONS)} | dict(options.settings)
    return replace(options, settings=settings, parameters={"otherSubscriptions": [lab]} | dict(options.parameters))


def run(running: stack.Stack, options: stack.Options, console: Console) -> bool:
    """Do all steps against a running stack, and leave what each took in ``report.json`` of the state folder.

    Returns:
        Whether all of them ended as they should, and Azure refused nothing for want of a role.
    """
    azure = running.azure
    control = Control(azure.control)
    app = Steward(running.app.url, running.app.key, running.app.master_key)
    with requests.Session() as outside:
        outside.trust_env = False
        outside.proxies = {"https": azure.proxy}
        outside.verify = str(azure.ca)
        story = Story(
            app=app,
            azure=control,
            outside=outside,
            storage=running.storage.connection_string(),
            folder=options.state,
            ml_python=stack.ML_PYTHON,
        )
        control.call("PUT", "limits", json={"page_size": 2})  # so that short lists have pages, too
        done: list[Done] = []
        for step in STEPS:
            done.append(_do(step, story, console))
            if not done[-1].ok:
                break
            azure.part.check()
            running.app.part.check()
    _summary(done, console)
    refused = sorted(
        {f"{each['method']} {each['path']}" for each in control.requests() if each["status"] == requests.codes.forbidden}
    )
    for each in refused:  # the app holds the roles of infra/azure, and they suffice
        console.print(f"[red]refused for want of a role:[/] {escape(each)}", highlight=False, soft_wrap=True)
    app.close()
    control.close()
    (options.state / "report.json").write_text(json.dumps([_as_json(each) for each in done], indent=2))
    return all(each.ok for each in done) and not refused


def _do(step: Step, story: Story, console: Console) -> Done:
    before = max((received["order"] for received in story.azure.requests()), default=0)
    began = time.monotonic()
    label = f"{step.number:>3}  {step.what}"
    with console.status(escape(label)) as spinner:
        story.app.watch = lambda state: spinner.update(f"{escape(label)}: {escape(state)} {time.monotonic() - began:.0f} s")
        try:
            status, ok = step.do(story), True
        except StepError as error:
            status, ok = str(error), False
        except requests.RequestException as error:
            status, ok = f"no answer: {error}", False
        except (KeyError, TypeError, ValueError) as error:
            status, ok = f"an answer is not as documented: {error!r}", False
    calls = tuple((got["host"], got["method"], got["path"]) for got in story.azure.requests(after=before))
    done = Done(step=step, ok=ok, status=status, seconds=time.monotonic() - began, calls=calls)
    _line(done, console)
    return done


def _line(done: Done, console: Console) -> None:
    mark = "[green]ok  [/]" if done.ok else "[red]FAIL[/]"
    calls = f"{done.arm_calls} ARM call{'' if done.arm_calls == 1 else 's'}"
    console.print(
        f"{mark} {done.step.number:>3}  {done.step.what:<37} {done.seconds:6.1f} s  {calls:>12}  {escape(done.status)}",
        highlight=False,
        soft_wrap=True,
    )


def _summary(done: list[Done], console: Console) -> None:
    good = sum(each.ok for each in done)
    seconds = sum(each.seconds for each in done)
    arm, other = sum(each.arm_calls for each in done), sum(len(each.calls) - each.arm_calls for each in done)
    colour = "green" if good == len(STEPS) else "red"
    console.print(
        f"[{colour}]{good} of {len(STEPS)} steps as expected[/] in {seconds:.1f} s: "
        f"{arm} ARM calls, {other} to Azure's other hosts",
        highlight=False,
        soft_wrap=True,
    )


def _as_json(done: Done) -> dict[str, object]:
    return {
        "step": done.step.number,
        "what": done.step.what,
        "ok": done.ok,
        "status": done.status,
        "seconds": round(done.seconds, 2),
        "armCalls": done.arm_calls,
        "calls": [" ".join(call) for call in done.calls],
    }
