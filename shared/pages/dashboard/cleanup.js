// Clean-up: runs, marks, policies, why one resource stays; previews are dry runs, which can be approved.

import { next, Problem, send } from "./api.js";
import { ago, attempt, badge, copyable, count, download, el, facts, fold, foreign, lasting, part, place, section, table, took, trouble } from "./dom.js";

const PAUSE_S = 20;
const BUSY_S = 3;
const PAGE = 15;
const MOST = 100;
const OWNERS = 5;
const SOON_MS = 2 * 86400_000;
const SHIPPED = "default_policies.yaml";
const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

export const cleanUp = {
  title: "Clean-up",
  build(root, context) {
    const answer = el("div", { role: "alert" });
    const preview = async (policy, button) => {
      button.disabled = true;
      context.say("Dry run started");
      const query = policy ? `?${new URLSearchParams({ policy, mode: "dryRun" })}` : "?mode=dryRun";
      const run = await attempt(answer, () => send(`cleanup${query}`, { method: "POST" }));
      if (run) context.go("report", run.name);
      button.disabled = false;
    };
    let wanted = PAGE;
    let shown = false;
    const marks = table("Marked resources: deleted when due, unless the tag is removed or the resource changes", markColumns(context), (each) => each.resource, "No marks. An enforced policy with a grace period marks first and acts when the mark is due.");
    const reports = table("Runs, newest first", reportColumns(context), (each) => each.name, "No runs yet. Preview all policies, or one below.");
    const policies = table("Your policies; each has its own preview", policyColumns(preview), (each) => each.name, "None of your own.");
    const shipped = table("Shipped policies; each has its own preview", policyColumns(preview), (each) => each.name, "No policies.");
    const numbers = part((found) => el("div.cards", {}, cards(found)));
    const rest = fold("Shipped policies", shipped.node);
    const older = el("button", { type: "button", hidden: true, click: () => { wanted = Math.min(MOST, wanted + PAGE); context.refresh(); } }, "Show older");
    const problems = el("div");
    const asked = el("input", { type: "search", size: 40, required: true, spellcheck: "false", placeholder: "workspaces/ws1/computes/c1, or a full id" });
    const explain = (event) => { event.preventDefault(); context.go("explain", asked.value.trim()); };
    const all = el("button.primary", { type: "button", click: () => preview("", all) }, "Preview all policies");
    root.append(
      el("div.bar", {}, all, el("span.soft", {}, "A preview is a dry run: it changes nothing in Azure."),
        el("form.bar.end", { submit: explain }, el("label", {}, "Why is this resource kept or deleted?", asked), el("button", { type: "submit" }, "Explain"))),
      numbers.node,
      answer,
      section("Runs", "Open a dry run to approve it.", reports.node, older),
      section("Marks", "Deleted when due, unless the tag is removed or the resource changes.", marks.node),
      section("Policies", "Files below cleanup/policies/ add, replace or disable policies.", problems, policies.node, rest));

    return {
      async refresh(signal) {
        const [kept, runs, rules, saved, spent] = await Promise.all(["cleanup/marks", `cleanup/reports?$top=${wanted}`, "cleanup/policies", "cleanup/savings", "costs"].map((path) => send(path, { signal })));
        marks.update(kept.value);
        reports.update(runs.value);
        older.hidden = runs.value.length < wanted || wanted >= MOST;
        const own = rules.value.filter((each) => each.source && each.source !== SHIPPED);
        policies.update(own);
        policies.node.hidden = !own.length;
        if (!shown) rest.open = !own.length;
        shown = true;
        shipped.update(rules.value.filter((each) => !own.includes(each)));
        numbers.update({ saved, spent, marked: kept.count ?? kept.value.length, enforced: rules.value.filter((each) => each.mode === "enforce").length, policies: rules.value.length });
        problems.replaceChildren(...rules.problems.map((each) => el("div.problem", {}, el("strong", {}, `${each.file}, line ${each.line}`), ` is ignored: ${each.field ? `${each.field}: ` : ""}${each.message}`)));
        return runs.value.some((each) => !each.endTime) ? BUSY_S : PAUSE_S;
      },
    };
  },
};

function cards({ saved, spent, marked, enforced, policies }) {
  const card = (title, big, small) => el("section.card", {}, el("h2", {}, title), el("p.big", {}, big), el("p.soft", {}, small));
  const money = (value) => `${value.toLocaleString(undefined, { maximumFractionDigits: 0 })} ${saved.currency ?? spent.currency ?? ""}`.trim();
  const hours = (value) => count(Math.round(value), "node-hour");
  const priced = saved.money !== undefined;
  const cost = (each) => (each.money == null ? hours(each.nodeHours) : money(each.money));
  const owners = spent.value.slice(0, OWNERS).flatMap((each) => [foreign(each.name || "unknown"), ` ${cost(each)}; `]);
  return [
    card("Saved this month", priced ? money(saved.money) : hours(saved.nodeHours), saved.runs ? `${priced ? `${hours(saved.nodeHours)}; ` : ""}at most, by ${count(saved.runs, "run")}` : "no enforced run yet"),
    card("Saves a day from now on", priced ? money(saved.moneyADay) : hours(saved.nodeHoursADay), priced ? hours(saved.nodeHoursADay) : "PUT costs/prices to see money"),
    card("Spent this month", cost(spent.total), [...owners, spent.complete ? "an estimate" : "an estimate; not all periods were seen"]),
    card("Marked", marked.toLocaleString(), "deleted when due"),
    card("Enforced policies", enforced.toLocaleString(), `of ${policies.toLocaleString()}; the others are dry runs`),
  ];
}

function markColumns(context) {
  const left = (each) => Date.parse(each.due) - Date.now();
  return [
    { title: "Resource", bare: true, cell: (each) => context.to("explain", each.resource, foreign(place(each.resource))) },
    { title: "Due", tight: true, cell: (each) => (left(each) < 0 ? badge("due now", "bad") : [ago(each.due), " ", left(each) < SOON_MS ? badge("soon", "watch") : ""]) },
    { title: "Why", bare: true, cell: (each) => [foreign(each.reason), el("div.soft", {}, `policy ${each.policy}`)] },
    { title: "Marked", tight: true, cell: (each) => [ago(each.markedAt), each.tagged ? "" : el("div.soft", {}, "not in Azure: this kind has no tags")] },
  ];
}

function reportColumns(context) {
  const named = (each) => (each.policies.length > 2 ? `${each.policies.length} policies` : each.policies.join(", ") || each.name);
  const then = (each) => {
    if (each.approvedBy) return context.to("report", each.approvedBy, "approved");
    return approvable(each) ? context.to("report", each.name, "review", `Review ${named(each)}`) : "";
  };
  return [
    { title: "Run", bare: true, cell: (each) => [context.to("report", each.name, named(each)), el("div.soft", {}, ago(each.startTime), " by ", foreign(each.caller))] },
    { title: "Status", bare: true, tight: true, cell: (each) => badge(each.status) },
    { title: "Mode", bare: true, tight: true, cell: mode },
    { title: "Checked", tight: true, cell: (each) => (each.looked ?? "").toLocaleString() },
    { title: "Outcomes", bare: true, cell: outcomes },
    { title: "Next", bare: true, tight: true, cell: then },
  ];
}

/** When a schedule is due, in words where it is simple: seconds, minutes, hours, days, months, weekdays. */
function when(schedule) {
  if (!schedule) return "on demand";
  const every = /^0 \*\/(\d+) \* \* \* \*$/.exec(schedule);
  if (every) return `every ${every[1]} minutes`;
  const found = /^0 (\d+) (\d+|\*) \* \* (\*|1-5|[0-6]|[A-Z][a-z]{2})$/.exec(schedule);
  if (!found) return el("code", {}, schedule);
  const [, minute, hour, days] = found;
  const two = (text) => text.padStart(2, "0");
  const day = days === "1-5" ? "weekdays, " : days === "*" ? "" : `${DAYS[days] ?? days}, `;
  return `${day}${hour === "*" ? `hourly at :${two(minute)}` : `${days === "*" ? "daily " : ""}${two(hour)}:${two(minute)} UTC`}`;
}

function policyColumns(preview) {
  const start = (each) => {
    const button = el("button", { type: "button", "data-hold": "preview", "aria-label": `Preview ${each.name}`, click: () => preview(each.name, button) }, "Preview");
    return button;
  };
  return [
    { title: "Policy", bare: true, cell: (each) => [el("strong", {}, each.name), el("div.soft", {}, foreign(each.description))] },
    { title: "Does", bare: true, cell: (each) => [`${each.action} `, el("span.soft", {}, each.kind), each.grace ? el("div.soft", {}, `${lasting(each.grace)} after marking`) : ""] },
    { title: "Mode", bare: true, tight: true, cell: (each) => (each.mode === "enforce" ? badge("enforce", "watch") : "dry run") },
    { title: "When", tight: true, cell: (each) => when(each.schedule) },
    { title: "Preview", bare: true, tight: true, cell: start },
  ];
}

/** Why one resource is kept or deleted. */
export function explain(id) {
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
    const lock = found.lock ? el("p", {}, badge("locked", "watch"), ` ${found.lock}`) : null;
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

const LINES = 100;
const COUNTED = 1000; // lines of one request when all are counted
const WOULD = "would ";
const SAID = "would notify"; // takes no request to Azure, so there is nothing to approve

function mode(run) {
  if (run.mode !== "enforce") return "dry run";
  return run.approves ? "approved" : "scheduled";
}

/** What became of resources, by number: what was or would be done first, what was kept last. */
function outcomes(run) {
  const rank = (what) => (what === "kept" ? 2 : what === "limit reached" ? 1 : 0);
  const found = Object.entries(run.outcomes ?? {}).sort(([one], [other]) => rank(one) - rank(other));
  return found.map(([what, number]) => el(`span.tag${rank(what) ? "" : ".told"}`, {}, `${number.toLocaleString()} ${what}`));
}

/** Whether a run has something left that approving it would carry out. */
function approvable(run) {
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
    context.to("explain", each.id, "explain", `Explain ${place(each.id)}`),
    each.operation ? [" ", context.to("operation", each.operation, "operation", `Operation on ${place(each.id)}`)] : "",
  ];
  const grid = table("Changes", columns, (each) => `${each.policy} ${each.id}`, "No changes.");
  const older = el("button", { type: "button", hidden: true, click: () => { wanted += LINES; context.refresh(); } }, "Show more");
  let wanted = LINES;
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

/** Approve a dry run: what it would do is counted and shown first. */
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
      found.approvedBy ? el("span", {}, "Approved: ", context.to("report", found.approvedBy, "the run")) : "",
      found.approves ? el("span", {}, "Carries out ", context.to("report", found.approves, "this dry run")) : ""),
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
