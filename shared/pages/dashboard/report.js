// One report of the clean-up: what was or would be done; approving a dry run, stopping a run.

import { next, Problem, send } from "./api.js";
import { ago, attempt, badge, copyable, count, download, el, facts, fold, foreign, part, place, table, took, trouble } from "./dom.js";

const BUSY_S = 2;
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
  const head = part((found) => about(found, context));
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

function about(found, context) {
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
