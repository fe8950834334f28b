// What opens over a view: one operation, why one resource stays or goes, one firing of a rule.

import { BASE, next, Problem, send } from "./api.js";
import { ago, armError, badge, copyable, count, el, facts, fold, folded, foreign, part, place, took, trouble } from "./dom.js";
import { progress, verb } from "./operations.js";
import { report } from "./report.js";

const BUSY_S = 2;

/** Each makes, for an id, `{title, node, refresh}`; see `route` in main.js. */
export const details = { operation, report, explain, firing };

function operation(id, context) {
  const acts = el("div.bar", { hidden: true });
  const parts = [state, why, about, lines, told, ended].map((make) => part((found) => make(found, context)));
  const path = `operations/${encodeURIComponent(id)}`;
  const cancel = async (query) => {
    try {
      await send(`${path}/cancel${query}`, { method: "POST" });
      context.say("Cancellation accepted");
      acts.replaceChildren();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      const letGo = el("button.danger", { type: "button", click: () => cancel("?abandon=true") }, "Stop following it");
      const what = el("p", {}, "Azure continues; the app stops following it.");
      acts.replaceChildren(trouble(problem), ...(problem.code === "NotCancelable" ? [what, letGo] : []));
      acts.querySelector("button")?.focus();
    }
    context.refresh();
  };
  const offer = () => {
    acts.replaceChildren(el("button.danger", { type: "button", click: () => sure() }, "Cancel this operation"));
    return acts.firstChild;
  };
  const sure = () => {
    const yes = el("button.danger", { type: "button", click: () => cancel("") }, "Yes, cancel it");
    acts.replaceChildren(el("span", {}, "Cancel it?"), yes, el("button", { type: "button", click: () => offer().focus() }, "No, continue"));
    yes.focus();
  };
  offer();
  return {
    title: "Operation",
    node: el("div", {}, parts[0].node, acts, parts.slice(1).map((each) => each.node)),
    async refresh(signal) {
      const found = await send(path, { signal });
      for (const each of parts) each.update(found);
      acts.hidden = Boolean(found.endTime);
      return found.endTime ? 0 : BUSY_S;
    },
  };

  function state(found) {
    const more = found.properties ?? {};
    const where = found.endTime ? "" : more.azureStatus ? `${more.phase}; Azure says ${more.azureStatus}` : more.phase;
    return [
      el("p.lead", {}, el("strong", {}, foreign(place(more.target)))),
      el("p.state", {}, badge(more.outcome ?? found.status), el("span.soft", {}, verb(found)), progress(found), el("span.soft", {}, foreign(where))),
      more.outcome === "Refused" ? el("p.soft", {}, "Azure refused the request at once. Nothing was changed.") : "",
      more.explanation ? "" : armError(found.error),
    ];
  }
}

/** Where a resource is in the portal and, in a workspace, in Studio. */
export function elsewhere(id, links) {
  const [workspace] = /^\/subscriptions\/.*?\/workspaces\/[^/]+/i.exec(id) ?? [];
  if (!id.toLowerCase().startsWith("/subscriptions/")) return [];
  const job = /\/jobs\/([^/]+)$/i.exec(id)?.[1];
  const out = (href, words) => el("a", { href, target: "_blank", rel: "noreferrer" }, words);
  const studio = links.studio && workspace ? out(`${links.studio}/${job ? `runs/${encodeURIComponent(job)}` : ""}?wsid=${encodeURI(workspace)}`, "Studio") : "";
  return [links.portal ? out(`${links.portal}/#resource${encodeURI(id)}`, "Portal") : "", studio ? " " : "", studio];
}

/** The request, to be sent again by hand; its body is not kept in answers. */
function curl(found) {
  const [method, path] = String(found.properties?.request ?? "").split(" ");
  const body = method === "PUT" || method === "PATCH" ? " -d @body.json" : "";
  return `curl -X ${method} "${location.origin}${BASE}${path}" -H "x-functions-key: $KEY"${body}`;
}

/** Why it failed, what to do, and the end of its log. */
function why(found) {
  const said = found.properties?.explanation;
  if (!said) return [];
  const page = String(said.page ?? "").startsWith("https://") ? el("a", { href: said.page, rel: "noreferrer" }, "More at Microsoft Learn") : "";
  const log = said.log ?? {};
  const text = el("pre", { tabindex: "0", "aria-label": "Log" }, (log.lines ?? []).join("\n"));
  const whole = el("button.small", { type: "button", "data-hold": "log", click: async () => {
    whole.disabled = true;
    try {
      text.textContent = await send(next(log.url), { as: "text" });
      whole.remove();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      whole.replaceWith(trouble(problem));
    }
  } }, "Show all of it");
  const shown = log.lines ? [el("p.soft", {}, "End of ", foreign(log.name), " ", log.url ? whole : ""), text] : el("p.soft", {}, foreign(log.problem));
  return [el("section.problem", {}, el("h3", {}, "Why"), el("p", {}, el("code", {}, found.error?.code ?? ""), " ", foreign(said.cause)), el("h3", {}, "Next step"), el("p", {}, foreign(said.next)), page), shown, found.error ? folded("Azure's answer", found.error) : ""];
}

function about(found, context) {
  const more = found.properties ?? {};
  const calls = Object.entries(more.azureCalls ?? {}).map(([what, number]) => count(number, what)).join(", ");
  return facts([
    ["Caller", more.caller ? foreign(more.caller) : ""],
    ["Started", ago(found.startTime)],
    ["Ended", found.endTime ? [ago(found.endTime), `, after ${took(found.startTime, found.endTime)}`] : ""],
    ["Requests to Azure", calls],
    ["Open in", elsewhere(more.target ?? "", context.links)],
  ]);
}

const REQUEST = /^(\d{3}) ([0-9a-f-]{20,})$/i; // how Azure answered, and what its support finds the request by

function lines(found) {
  const detail = (each) => {
    const [, status, id] = REQUEST.exec(each.detail ?? "") ?? [];
    return id ? [` ${status} `, el("span.soft", {}, "x-ms-request-id "), copyable(id, "ARM request id")] : each.detail ? [" ", foreign(each.detail)] : "";
  };
  const entries = (found.properties?.timeline ?? []).map((each) =>
    el("li", {}, el("span.soft.mono", { title: new Date(each.at).toLocaleString() }, `+${took(found.startTime, each.at)}`), el("div", {}, el("strong", {}, each.what), detail(each))));
  return [el("h3", {}, "Time line"), el("ol.line", {}, entries)];
}

function told(found) {
  const entries = (found.properties?.deliveries ?? []).map((each) => {
    const last = each.attempts.at(-1);
    const why = each.status !== "Delivered" && last ? ` Last answer: ${last.problem ?? last.status}.` : "";
    return el("li", {}, badge(each.status), " ", foreign(each.target), " ", el("span.soft", {}, count(each.tried, "attempt"), each.nextAttempt ? [", next ", ago(each.nextAttempt)] : "", ".", foreign(why)));
  });
  return entries.length ? [el("h3", {}, "Notifications"), el("ul.list", {}, entries)] : [];
}

function ended(found) {
  const more = found.properties ?? {};
  const named = facts([
    ["Resource", copyable(more.target ?? "", "resource id")],
    ["Operation", copyable(found.name, "operation id")],
    ["Trace", more.traceId ? copyable(more.traceId, "trace id") : ""],
    ["As curl", String(more.request ?? "").includes(" /subscriptions/") ? copyable(curl(found), "as curl") : ""],
  ]);
  named.className = "ids";
  return [more.result ? folded("Result", more.result) : "", el("h3", {}, "Identifiers"), named];
}

function explain(id) {
  const shown = part((found) => found && parts(found));
  shown.node.append(el("p.soft", {}, "Reading references …"));
  return {
    title: `Why ${place(id)} is kept or deleted`,
    node: shown.node,
    async refresh(signal) {
      shown.update(await send(`cleanup/explain?${new URLSearchParams({ resource: id })}`, { signal }));
      return 0;
    },
  };

  function parts(found) {
    const mark = found.mark ? el("p", {}, badge("marked", "watch"), ` by ${found.mark.policy}, due `, ago(found.mark.due), `: ${found.mark.reason}`) : null;
    const lock = found.lock ? el("p", {}, badge("locked", "watch"), ` ${typeof found.lock === "string" ? found.lock : JSON.stringify(found.lock)}`) : null;
    const none = found.policies.length ? null : el("p.empty", {}, found.exists ? "No policy covers this kind." : "It does not exist (any more).");
    return [mark, lock, none, found.policies.map(verdict), (found.notes ?? []).map((each) => el("p.soft", {}, foreign(each)))];
  }
}

const HOLDS = { yes: ["holds", "good"], no: ["does not hold", "plain"], unknown: ["unknown", "watch"] };

function verdict(policy) {
  const conditions = policy.conditions.map((each) =>
    el("li", {}, badge(...(HOLDS[each.holds] ?? [each.holds, "plain"])), " ", el("strong", {}, each.condition), " ", foreign(each.because), each.evidence.length ? el("div.soft", {}, foreign(each.evidence.join("; "))) : ""));
  const acts = policy.step === "keep" ? badge("stays", "good") : badge(`${policy.mode === "enforce" ? "" : "would "}${policy.step === "act" ? policy.action : `${policy.step}, to ${policy.action}`}`, "watch");
  return el("section.sheet", {}, el("h3", {}, policy.policy, " ", acts), el("p", {}, foreign(policy.next)), el("p.soft", {}, policy.mode === "enforce" ? "This policy is enforced." : "This policy is a dry run."), el("ul.list", {}, conditions));
}

function firing(id, context) {
  const shown = part((found) => [
    el("p.lead", {}, el("strong", {}, found.rule)),
    el("p.state", {}, badge(found.status), el("span.soft", {}, ago(found.startTime), found.endTime ? `, took ${took(found.startTime, found.endTime)}` : "")),
    armError(found.error),
    el("h3", {}, "Steps"), el("ol.line", {}, found.steps.map(step)),
    fold("Event", el("pre", { tabindex: "0", "aria-label": "Event" }, JSON.stringify(found.event, null, 2))),
    folded("Answers", found.answers ?? {}),
    el("h3", {}, "Identifiers"), further(found),
  ]);
  const step = (each) => {
    const state = each.status ? badge(String(each.status), each.status < 400 ? "good" : "bad") : each.skipped ? [badge("skipped", "watch"), " "] : each.operation ? badge("waiting") : badge("not run");
    const link = each.operation ? [" ", el("a", { href: context.link("operation", each.operation), "data-hold": each.name }, "operation")] : "";
    return el("li", {}, el("span", {}, state), el("div", {}, el("strong", {}, each.name), " ", el("code", {}, each.does), link, each.reason ? el("div.soft", {}, foreign(each.reason)) : ""));
  };
  const further = (found) => {
    const named = facts([["Firing", copyable(found.name, "firing id")], ["Trace", copyable(found.traceId ?? "", "trace id")], ["Triggering rules", String(Math.max(0, found.depth - 1))]]);
    named.className = "ids";
    return named;
  };
  return {
    title: "Rule run",
    node: shown.node,
    async refresh(signal) {
      const found = await send(`events/firings/${encodeURIComponent(id)}`, { signal });
      shown.update(found);
      return found.endTime ? 0 : BUSY_S;
    },
  };
}
