"""A caller's trace through real parts: the host, the queue, the worker's log as the platform forwards it."""

import json
import time

import requests

from infra.local import stack

ID = "4bf92f3577b34da6a3ce929d0e0e4736"
DEADLINE_S = 120.0


def test_a_callers_trace_is_the_operations_and_stands_in_the_hosts_log(app: stack.App, stack_options: stack.Options) -> None:
    """Queued first, so that another invocation sends it; the line of its end is JSON in the text, all that the platform keeps."""
    headers = {"x-functions-key": app.key, "traceparent": f"00-{ID}-00f067aa0ba902b7-01"}
    asked = f"{app.url}/api/workspaces/ws-traced"
    taken = requests.delete(asked, headers=headers | {"Prefer": "respond-async"}, timeout=30)
    assert taken.status_code == 202, taken.text
    name = taken.json()["name"]
    ended = requests.get(f"{app.url}/api/operations/{name}?wait=60", headers={"x-functions-key": app.key}, timeout=90).json()
    assert ended["properties"]["traceId"] == ID
    lines = lines_of(stack_options, name)
    assert [line["what"] for line in lines if line["what"] != "audit"] == ["operation.accepted", "operation.ended"]
    assert {line["traceId"] for line in lines} == {ID}


def lines_of(options: stack.Options, operation: str) -> list[dict[str, str]]:
    """Return the structured lines about an operation, once its end is among them."""
    end = time.monotonic() + DEADLINE_S
    found: list[dict[str, str]] = []
    while time.monotonic() < end:
        text = (options.state / "logs" / "host.log").read_text(errors="replace")
        objects = [line[line.index('{"what"') :] for line in text.splitlines() if '{"what"' in line and operation in line]
        found = [json.JSONDecoder().raw_decode(each)[0] for each in objects]
        if any(line["what"] == "operation.ended" for line in found):
            break
        time.sleep(0.1)
    return found
