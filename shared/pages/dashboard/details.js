// What opens over a view: one operation, why one resource stays or goes, one firing of a rule, one report of the clean-up.

import { BASE, next, Problem, send } from "./api.js";
import { ago, armError, attempt, badge, copyable, count, download, el, facts, fold, folded, foreign, part, place, table, took, trouble } from "./dom.js";
import { progress, verb } from "./operations.js";
import { recipe } from "./plans.js";

const BUSY_S = 2;

/** Each makes, for an id, `{title, node, refresh}`; see `route` in main.js. */
export const details = { operation, report, explain, firing, recipe };

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

const PAGE = 100;
const COUNTED = 1000; // lines of one request when all are counted
const WOULD = "would ";
const SAID = "would notify"; // takes no request to Azure, so there is nothing to approve

/** How a run goes about it, as a word. */
export function mode(run) {
  if (run.mode !== "enforce") return "dry run";
  return run.approves ? "approved" : "scheduled";
}

/** What became of resources, by number: what was or would be done first, what was kept last. */
export function outcomes(run) {
  const rank = (what) => (what === "kept" ? 2 : what === "limit reached" ? 1 : 0);
  const found = Object.entries(run.outcomes ?? {}).sort(([one], [other]) => rank(one) - rank(other));
  return found.map(([what, number]) => el(`span.tag${rank(what) ? "" : ".told"}`, {}, `${number.toLocaleString()} ${what}`));
}

/** Whether a run has something left that approving it would carry out. */
export function approvable(run) {
  const left = Object.keys(run.outcomes ?? {}).some((what) => what.startsWith(WOULD) && what !== SAID);
  return run.status === "Completed" && left && !run.approvedBy;
}

export function report(name, context) {
  const path = `cleanup/reports/${encodeURIComponent(name)}`;
  const head = part((found) => summary(found, context));
  const acts = el("div");
  const leave = new Map(); // what the approval leaves out: key of the row → id
  const columns = [
    { title: "Resource", bare: true, cell: (each) => [el("strong", {}, foreign(place(each.id))), el("div.soft", {}, `${each.kind}, ${each.policy}`)] },
    { title: "Outcome", bare: true, tight: true, cell: (each) => badge(each.outcome, mood(each.outcome)) },
    { title: "Why", bare: true, cell: (each) => [foreign(each.reason), each.evidence?.length ? fold("Evidence", el("ul", {}, each.evidence.map((one) => el("li", {}, foreign(one))))) : ""] },
    { title: "Due", tight: true, cell: (each) => ago(each.due) },
    { title: "More", bare: true, tight: true, cell: (each) => more(each) },
  ];
  const more = (each) => [
    offered === "approve" && each.outcome.startsWith(WOULD) && each.outcome !== SAID ? el("label.check", {}, el("input", { type: "checkbox", "data-hold": "leave", "aria-label": `Leave out ${place(each.id)}`, change: (event) => { if (event.target.checked) leave.set(each.id.toLowerCase(), each.id); else leave.delete(each.id.toLowerCase()); } }), "leave out") : "",
    el("a", { href: context.link("explain", each.id), "aria-label": `Explain ${place(each.id)}`, "data-hold": "explain" }, "explain"),
    each.operation ? [" ", el("a", { href: context.link("operation", each.operation), "aria-label": `Operation on ${place(each.id)}` }, "operation")] : "",
  ];
  const grid = table("Changes", columns, (each) => `${each.policy} ${each.id}`, "No changes.");
  const older = el("button", { type: "button", hidden: true, click: () => { wanted += PAGE; context.refresh(); } }, "Show more");
  let wanted = PAGE;
  let offered = "";
  return {
    title: `Clean-up report ${name}`,
    node: el("div", {}, head.node, acts, files(name, path), grid.node, older),
    async refresh(signal) {
      const found = await send(`${path}?show=changes&$top=${wanted}`, { signal });
      older.hidden = !found.nextLink;
      head.update({ ...found, resources: null });
      grid.node.hidden = !found.endTime && !found.resources.length;
      const offer = found.endTime ? (approvable(found) ? "approve" : "") : "stop";
      const changed = offer !== offered;
      offered = offer;
      if (changed) acts.replaceChildren(...(offer ? [offer === "stop" ? stopping(path, context) : approving(path, found, leave, context)] : []));
      if (changed) grid.update([]); // whether a row can be left out is part of it
      grid.update(found.resources);
      if (found.endTime) context.say(`${found.status}: ${count(found.resources.length, "change")} in the report`);
      return found.endTime ? 0 : BUSY_S;
    },
  };
}

/** The report to take along: a table of all its lines, or the page. */
function files(name, path) {
  const answer = el("div", { role: "alert" });
  const get = (form, type) => el("button.small", { type: "button", click: async () => {
    const text = await attempt(answer, () => send(`${path}?format=${form}&$top=10000`, { as: "text" }));
    if (text !== undefined) download(`cleanup-${name}.${form}`, text, type);
  } }, `Download ${form.toUpperCase()}`);
  return el("div", {}, el("p.chips", {}, get("html", "text/html"), get("csv", "text/csv")), answer);
}

function mood(outcome) {
  if (outcome.startsWith(WOULD)) return "watch";
  return { failed: "bad", "under way": "busy", "not done": "plain", "limit reached": "plain", kept: "plain" }[outcome] ?? "good";
}

/** Stop a run: a question, then the answer. */
function stopping(path, context) {
  const node = el("div.bar");
  const ask = el("button.danger", { type: "button", click: () => sure() }, "Stop this run");
  const sure = () => {
    const yes = el("button.danger", { type: "button", click: () => act(node, `${path}/cancel`, context, null, () => context.say("Run stopping")) }, "Yes, stop it");
    const no = el("button", { type: "button", click: () => { node.replaceChildren(ask); ask.focus(); } }, "No, continue");
    node.replaceChildren(el("span", {}, "Nothing more is submitted; submitted operations are followed to their end."), yes, no);
    yes.focus();
  };
  node.append(ask);
  return node;
}

/** Approve a dry run: what exactly it would do is counted first, and said before anybody can agree to it. */
function approving(path, found, leave, context) {
  const node = el("div");
  const ask = el("button.primary", { type: "button", click: () => weigh() }, "Approve …");
  const back = () => { node.replaceChildren(el("div.bar", {}, ask, el("span.soft", {}, "Carries out the changes listed here, after a summary. Tick a resource to leave it out."))); };
  async function weigh() {
    ask.disabled = true;
    try {
      const left = new Set(leave.keys());
      sure(tallied((await everyLine(path)).filter((each) => !left.has(each.id.toLowerCase()))), [...leave.values()]);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      node.replaceChildren(trouble(problem), el("div.bar", {}, ask));
    }
    ask.disabled = false;
  }
  function sure(tally, left) {
    const title = el("h3", { tabindex: "-1", id: "approve-title" }, `Carry out ${count(tally.total, "change")} in ${count(tally.places, "workspace")}?`);
    const words = `Yes, carry out ${count(tally.total, "change")}`;
    const yes = el(`button.${tally.deletes ? "danger" : "primary"}`, { type: "button", click: () => { yes.disabled = true; act(node, `${path}/approve`, context, left.length ? { except: left } : null, (run) => {
      if (run.expiresAt) { location.hash = "/approvals"; return; } // it waits for another caller
      context.say("Approved: run started");
      context.go("report", run.name);
    }); } }, words);
    const no = el("button", { type: "button", click: () => { back(); ask.focus(); } }, "No, change nothing");
    const rows = tally.rows.map(([verb, kind, number]) => el("li", {}, badge(verb, verb === "delete" ? "bad" : "watch"), el("span", {}, el("strong", {}, number.toLocaleString()), ` ${kind}`)));
    node.replaceChildren(el("section.sheet.ask", { role: "group", "aria-labelledby": "approve-title" },
      title,
      el("ul.list", {}, rows),
      left.length ? el("p", {}, `${count(left.length, "resource")} left out.`) : null,
      tally.deletes ? el("p", {}, el("strong", {}, `${count(tally.deletes, "deletion")} cannot be undone.`)) : null,
      el("p.soft", {}, "This dry run ended ", ago(found.endTime), ". Each resource is checked again right before the change; it is kept if it has changed, is in use or is protected."),
      el("div.bar", {}, yes, no)));
    title.focus();
  }
  back();
  return node;
}

async function act(node, path, context, body, then) {
  const spot = el("div");
  const found = await attempt(spot, () => send(path, { method: "POST", body }));
  if (found) then(found);
  else node.replaceChildren(spot);
  context.refresh();
}

async function everyLine(path) {
  const found = [];
  for (let from = `${path}?show=changes&$top=${COUNTED}`; from;) {
    const answer = await send(from);
    found.push(...answer.resources);
    from = next(answer.nextLink);
  }
  return found;
}

/** How many of what: of each verb and kind, in how many workspaces. */
function tallied(lines) {
  const todo = lines.filter((each) => each.outcome.startsWith(WOULD) && each.outcome !== SAID);
  const numbers = new Map();
  for (const each of todo) {
    const key = JSON.stringify([each.outcome.slice(WOULD.length), each.kind]);
    numbers.set(key, (numbers.get(key) ?? 0) + 1);
  }
  const rows = [...numbers].map(([key, number]) => [...JSON.parse(key), number]).sort(([one], [other]) => (other === "delete") - (one === "delete"));
  const places = new Set(todo.map((each) => each.id.toLowerCase().split("/").slice(0, 9).join("/"))).size;
  return { rows, places, total: todo.length, deletes: todo.filter((each) => each.outcome === `${WOULD}delete`).length };
}

function summary(found, context) {
  const link = (name, words) => el("a", { href: context.link("report", name), "data-hold": name }, words);
  const saved = found.savings ?? {};
  const money = (value) => `${value.toLocaleString()} ${saved.currency ?? ""}`.trim();
  const aDay = saved.nodeHoursADay ? [`${saved.nodeHoursADay.toLocaleString()} node-hours a day`, saved.moneyADay ? `, ${money(saved.moneyADay)}` : ""] : "";
  const idle = saved.idleNodeHours ? [`${saved.idleNodeHours.toLocaleString()} node-hours`, saved.idleMoney ? `, ${money(saved.idleMoney)}` : ""] : "";
  const unread = (found.workspaces ?? []).filter((each) => each.reason).map((each) => el("li", {}, badge(each.status), " ", foreign(place(each.id)), ": ", foreign(each.reason)));
  const notes = found.notes ?? [];
  const policies = found.policies ?? [];
  return [
    el("p.state", {}, badge(found.status), mode(found), found.phase ? el("span.soft", {}, `now: ${found.phase}`) : "",
      found.mode === "enforce" ? "" : el("span.soft", {}, "changes nothing"),
      found.approvedBy ? el("span", {}, "Approved: ", link(found.approvedBy, "the run")) : "",
      found.approves ? el("span", {}, "Carries out ", link(found.approves, "this dry run")) : ""),
    el("p", {}, outcomes(found)),
    facts([
      ["Caller", foreign(found.caller)],
      ["Started", ago(found.startTime)],
      ["Took", found.endTime ? took(found.startTime, found.endTime) : ""],
      ["Checked", found.looked === undefined ? "" : count(found.looked, "resource")],
      [found.mode === "enforce" ? "Saves" : "Would save", aDay],
      ["Idle so far", idle],
      ["Trace", copyable(found.traceId, "trace id")],
      ["Policies", policies.length > 3 ? "" : policies.join(", ")],
    ]),
    policies.length > 3 ? fold(`${policies.length} policies`, el("p", {}, policies.map((each) => el("span.tag", {}, each)))) : "",
    unread.length ? fold(`${count(unread.length, "workspace")} not read`, el("ul.list", {}, unread)) : "",
    notes.length ? fold(count(notes.length, "note"), el("ul", {}, notes.map((each) => el("li", {}, foreign(each))))) : "",
  ];
}
