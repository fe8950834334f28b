// What goes on by itself: rules that events trigger; recipes' runs, rollouts, expiries; and approvals, which wait for a second caller.

import { below, send } from "./api.js";
import { ago, armError, badge, broken, copyable, el, facts, fold, folded, foreign, lasted, lasting, line, part, place, section, shares, table } from "./dom.js";

const PAUSE_S = 15;
const BUSY_S = 3;
const PAGE = 30;
const MOST = 200;
const STATUSES = ["Running", "Succeeded", "Failed", "Refused", "Canceled"];

export const plans = {
  title: "Plans",
  build(root, context) {
    const runs = table("Runs of recipes, newest first", runColumns(context), (each) => each.name, "No runs. POST recipes/NAME runs one.");
    const rolled = table("Rollouts, newest first", rolloutColumns(context), (each) => each.id, "No rollouts. POST workspaces/W/onlineEndpoints/E/rollout begins one.");
    const expiries = table("Expiries, the soonest first", expiryColumns(context), (each) => each.name, "No expiries. The header Expires-In on a create makes one.");
    const planned = table("Recipes that start by a schedule", scheduleColumns(context), (each) => each.name, "No schedules. A recipe that is kept may have one: PUT recipes/NAME.");
    root.append(section("Recipes", "Runs, newest first.", runs.node), section("Scheduled recipes", "The next start first.", planned.node), section("Rollouts", "New deployments that get traffic step by step, newest first.", rolled.node), section("Expiries", "What ends by itself, the soonest first.", expiries.node));
    return {
      async refresh(signal) {
        const [went, gone, due, kept] = await Promise.all(["recipes/runs", "rollouts", "expiries", "recipes"].map((path) => send(path, { signal })));
        planned.update(kept.value.filter((each) => each.schedule).sort((one, other) => (one.schedule.next < other.schedule.next ? -1 : 1)));
        runs.update(went.value);
        rolled.update(gone.value);
        expiries.update(due.value);
        return went.value.some((each) => !each.endTime) || gone.value.some(underWay) ? BUSY_S : PAUSE_S;
      },
    };
  },
};

const underWay = (each) => ["Running", "Paused"].includes(each.status);
const VERDICTS = { good: "good", bad: "bad", unsure: "watch" };
const verdict = (each) => (each.figures ? badge(each.figures.verdict, VERDICTS[each.figures.verdict]) : "");

function reached(each) {
  if (each.stage === "done") return "";
  return each.stage === "step" ? `${each.percent} %, step ${each.steps.indexOf(each.percent) + 1} of ${each.steps.length}` : each.stage;
}

function rolloutColumns(context) {
  return [
    { title: "Deployment", bare: true, cell: (each) => [context.to("rollout", each.id, foreign(each.deployment)), el("div.soft", {}, foreign(place(each.endpoint)), " by ", foreign(each.caller))] },
    { title: "Status", bare: true, tight: true, cell: (each) => badge(each.status) },
    { title: "Step", tight: true, cell: reached },
    { title: "Gate", bare: true, tight: true, cell: verdict },
    { title: "Started", tight: true, cell: (each) => ago(each.startTime) },
  ];
}

const ASKS = {
  promote: ["Promote", "It goes on without waiting for the gate."],
  pause: ["Pause", "The deployment keeps its share of the traffic until you promote it."],
  abort: ["Abort", "All traffic goes back to where it was."],
};

/** One rollout: its share of the traffic, what the gate saw, what happened; and the ways to steer it. */
export function rollout(id, context) {
  const answer = el("div", { role: "alert" });
  const ask = (word, found) => context.sure(`${ASKS[word][0]} the rollout of ${found.deployment}? ${ASKS[word][1]}`, answer, `${below(id)}/${word}`, { method: "POST", done: `${ASKS[word][0]}: accepted` });
  const seen = table("What the gate saw", [
    { title: "Deployment", cell: ([name]) => foreign(name) },
    { title: "Requests", tight: true, cell: ([, each]) => each.requests.toLocaleString() },
    { title: "Errors", tight: true, cell: ([, each]) => each.errors.toLocaleString() },
    { title: "p95", tight: true, cell: ([, each]) => (each.p95 === null ? "" : `${Math.round(each.p95)} ms`) },
  ], ([name]) => name, "No figures.");
  const state = part((found) => [
    el("p.lead", {}, el("strong", {}, foreign(found.deployment)), " on ", foreign(place(found.endpoint))),
    el("p.state", {}, badge(found.status), lasted(found), el("span.soft", {}, reached(found)), verdict(found)),
    underWay(found) && found.stage !== "back" ? el("div.bar", {}, Object.keys(ASKS).filter((word) => word !== "pause" || found.status === "Running").map((word) =>
      el(word === "abort" ? "button.danger" : "button", { type: "button", "data-hold": word, click: () => ask(word, found) }, ASKS[word][0]))) : "",
    facts([["Traffic", shares(found.traffic)], ["Mirrored to", shares(found.mirrorTraffic)], ["Before", shares(found.before.traffic)], ["Steps", found.steps.map((each) => `${each} %`).join(", ")], ["Each lasts", lasting(found.bake)], ["Caller", foreign(found.caller)],
      ["Old ones go", found.oldUntil ? ago(found.oldUntil) : ""],
      ["Waits for", found.operation ? context.to("operation", found.operation, "operation") : ""]])]);
  const told = part((found) => [
    el("h3", {}, "History"), line(found.startTime, found.history, (each) => foreign((each.reason ?? "").replace(`${each.what} `, ""))), folded("Gate settings", found.gate)]);
  return {
    title: "Rollout",
    node: el("div", {}, state.node, answer, el("h3", {}, "Gate"), seen.node, told.node),
    async refresh(signal) {
      const found = await send(below(id), { signal });
      state.update(found);
      seen.update(Object.entries(found.figures?.deployments ?? {}));
      told.update(found);
      return underWay(found) ? BUSY_S : 0;
    },
  };
}

const over = (step) => step.endTime || ["Succeeded", "Failed", "Skipped", "Canceled"].includes(step.status);

const recipeOf = ({ properties: of = {} }) => of.recipe ?? (of.undoes ? "undo" : "unnamed recipe");

function runColumns(context) {
  const steps = (each) => each.properties?.steps ?? [];
  return [
    { title: "Recipe", bare: true, cell: (each) => [context.to("recipe", each.name, foreign(recipeOf(each))), el("div.soft", {}, "by ", foreign(each.properties?.caller))] },
    { title: "Status", bare: true, cell: (each) => [badge(each.status), " ", el("span.soft", {}, each.error?.code ?? "")] },
    { title: "Steps", tight: true, cell: (each) => `${steps(each).filter(over).length} of ${steps(each).length}` },
    { title: "Started", tight: true, cell: (each) => ago(each.startTime) },
  ];
}

function scheduleColumns(context) {
  const run = (each) => (each.schedule.lastRun ? context.to("recipe", each.schedule.lastRun.split("/").pop(), ago(each.schedule.last)) : "");
  return [
    { title: "Recipe", bare: true, cell: (each) => [el("strong", {}, foreign(each.name)), el("div.soft", {}, foreign(each.description))] },
    { title: "Next start", tight: true, cell: (each) => ago(each.schedule.next) },
    { title: "Last run", tight: true, cell: run },
    { title: "Problem", cell: (each) => each.schedule.problem ?? "" },
  ];
}

function expiryColumns(context) {
  const link = (each) => (each.operation ? context.to("operation", each.operation.split("/").pop(), "operation") : "");
  return [
    { title: "Resource", bare: true, cell: (each) => [el("strong", {}, foreign(place(each.target))), el("div.soft", {}, `${each.act} by `, foreign(each.caller))] },
    { title: "Status", bare: true, tight: true, cell: (each) => badge(each.status) },
    { title: "At", tight: true, cell: (each) => ago(each.at) },
    { title: "Reason", cell: (each) => [each.status === "Done" || !each.reason ? "" : [foreign(each.reason), " "], link(each)] },
  ];
}

export function recipe(id, context) {
  const step = (each) => el("li", {}, el("span", {}, badge(each.status)), el("div", {}, el("strong", {}, each.name), " ", each.made ? foreign(place(each.made)) : el("code", {}, foreign(each.does)), each.operation ? [" ", context.to("operation", each.operation.split("/").pop(), "operation")] : "",
    el("div.soft", {}, foreign([each.waitsFor && `waits for ${each.waitsFor}`, each.reason, each.error?.message].filter(Boolean).join("; ")))));
  const shown = part((found) => [
    el("p.lead", {}, el("strong", {}, foreign(recipeOf(found)))),
    el("p.state", {}, badge(found.status), lasted(found)),
    armError(found.error), el("h3", {}, "Steps"), el("ol.line.wide", {}, (found.properties.steps ?? []).map(step)), folded("Parameters", found.properties.parameters ?? {})]);
  return {
    title: "Recipe run",
    node: shown.node,
    async refresh(signal) {
      const found = await send(`recipes/runs/${encodeURIComponent(id)}`, { signal });
      shown.update(found);
      return found.endTime ? 0 : BUSY_S;
    },
  };
}

export const approvals = {
  title: "Approvals",
  build(root, context) {
    const answer = el("div", { role: "alert" });
    const decide = (each, word) => context.sure(`${word === "approve" ? "Carry out" : "Refuse"} ${each.request}, asked by ${each.caller}?`, answer, `approvals/${each.name}/${word}`, { method: "POST", done: `${each.request}: ${word}d` });
    const grid = table("Approvals, newest first", columns(decide), (each) => each.name, "No approvals. The setting STEWARD_APPROVALS says what needs one.");
    root.append(answer, grid.node);
    return {
      async refresh(signal) {
        grid.update((await send("approvals", { signal })).value);
        return PAUSE_S;
      },
    };
  },
};

function columns(decide) {
  const button = (each, word) => el("button", { type: "button", "data-hold": word, "aria-label": `${word} ${each.request}`, click: () => decide(each, word) }, word);
  const buttons = (each) => (each.status === "Pending" ? [button(each, "approve"), " ", button(each, "refuse")] : each.by ? ["by ", foreign(each.by)] : "");
  return [
    { title: "Request", bare: true, cell: (each) => [foreign(each.request), el("div.soft", {}, ago(each.createdAt), " by ", foreign(each.author ? `${each.caller} (${each.author})` : each.caller))] },
    { title: "Status", bare: true, tight: true, cell: (each) => badge(each.status) },
    { title: "Over", tight: true, cell: (each) => (each.status === "Pending" ? ago(each.expiresAt) : "") },
    { title: "Decide", bare: true, tight: true, cell: buttons },
  ];
}

export const events = {
  title: "Events",
  build(root, context) {
    const none = "No rule has run yet. POST events/test shows which rules an event would trigger; POST events sends it.";
    const status = el("select", { change: () => { known = null; context.refresh(); } }, el("option", { value: "" }, "all"), STATUSES.map((each) => el("option", {}, each)));
    const fired = table("Rule runs, newest first", firingColumns(context), (each) => each.name, none);
    const rules = table("Rules in force", RULES, (each) => `${each.file} ${each.name}`, "No rules. PUT a file to events/rules/NAME.");
    const older = el("button", { type: "button", hidden: true, click: () => { wanted = Math.min(MOST, wanted + PAGE); context.refresh(); } }, "Show older");
    const problems = el("div");
    root.append(
      el("div.bar", {}, el("label", {}, "Status", status)),
      section("Rule runs", "Newest first.", fired.node, older),
      section("Rules", "Rules in force, by file.", problems, rules.node));
    let wanted = PAGE;
    let known = null;
    return {
      async refresh(signal) {
        const query = new URLSearchParams({ $top: String(wanted), ...(status.value ? { status: status.value } : {}) });
        const [went, inForce] = await Promise.all([send(`events/firings?${query}`, { signal }), send("events/rules", { signal })]);
        fired.update(went.value, status.value ? "No matches." : none);
        older.hidden = went.value.length < wanted || wanted >= MOST;
        rules.update(inForce.value.map((each) => ({ ...each, last: went.value.find((run) => run.rule === each.name) })));
        problems.replaceChildren(...inForce.problems.map(problem));
        const fresh = known ? went.value.filter((each) => !known.has(each.name)) : [];
        if (fresh.length) context.say(`Fired: ${fresh.map((each) => each.rule).join(", ")}`);
        known = new Set(went.value.map((each) => each.name));
        return went.value.some((each) => !each.endTime) ? BUSY_S : PAUSE_S;
      },
    };
  },
};

function problem(file) {
  const all = file.error?.details?.length ? file.error.details : [file.error ?? {}];
  return el("div.problem", {}, el("p", {}, el("strong", {}, file.file), " is ignored:"), el("ul", {}, all.map((each) => el("li", {}, foreign(each.message)))));
}

/** Azure ML's types are all of one family: its name says nothing. */
const short = (type) => String(type ?? "").replace(/^Microsoft\.MachineLearningServices\./i, "");

/** A subject is an ARM id, or what Azure ML writes; the former is shortened. */
const about = (subject) => (String(subject).toLowerCase().startsWith("/subscriptions/") ? place(subject) : subject ?? "");

function firingColumns(context) {
  return [
    { title: "Rule", bare: true, cell: (each) => context.to("firing", each.name, each.rule) },
    { title: "Status", bare: true, cell: (each) => [badge(each.status), " ", el("span.soft", {}, each.error?.code ?? "")] },
    { title: "Event", bare: true, cell: (each) => [broken(short(each.event?.type)), el("div.soft", {}, foreign(about(each.event?.subject)))] },
    { title: "Steps", tight: true, cell: (each) => `${each.steps.filter((step) => step.status || step.skipped).length} of ${each.steps.length}` },
    { title: "When", tight: true, cell: (each) => ago(each.startTime) },
  ];
}

const RULES = [
  { title: "Rule", bare: true, cell: (each) => [el("strong", {}, each.name), el("div.soft", {}, foreign(each.description)), (each.warnings ?? []).map((said) => el("div", {}, badge("warning", "watch"), " ", foreign(said)))] },
  { title: "State", bare: true, tight: true, cell: (each) => (each.enabled ? badge("Enabled") : badge("off", "plain")) },
  { title: "On", cell: (each) => each.on.types.map((type) => el("span.tag", {}, broken(short(type)))) },
  { title: "Steps", cell: (each) => each.steps.join(", ") },
  { title: "Last run", tight: true, cell: (each) => (each.last ? [badge(each.last.status), " ", ago(each.last.startTime)] : el("span.soft", {}, "none above")) },
  { title: "File", cell: (each) => broken(each.file) },
];

export function firing(id, context) {
  const shown = part((found) => [
    el("p.lead", {}, el("strong", {}, found.rule)),
    el("p.state", {}, badge(found.status), lasted(found)),
    armError(found.error),
    el("h3", {}, "Steps"), el("ol.line", {}, found.steps.map(step)),
    fold("Event", el("pre", { tabindex: "0", "aria-label": "Event" }, JSON.stringify(found.event, null, 2))),
    folded("Answers", found.answers ?? {}),
    el("h3", {}, "Identifiers"), further(found),
  ]);
  const step = (each) => {
    const state = each.status ? badge(String(each.status), each.status < 400 ? "good" : "bad") : each.skipped ? [badge("skipped", "watch"), " "] : each.operation ? badge("waiting") : badge("not run");
    const link = each.operation ? [" ", context.to("operation", each.operation, "operation")] : "";
    return el("li", {}, el("span", {}, state), el("div", {}, el("strong", {}, each.name), " ", el("code", {}, each.does), link, each.reason ? el("div.soft", {}, foreign(each.reason)) : ""));
  };
  const further = (found) => {
    const named = facts([["Rule run", copyable(found.name, "rule run id")], ["Trace", copyable(found.traceId ?? "", "trace id")], ["Rules before it in the chain", found.depth > 1 ? String(found.depth - 1) : ""]]);
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
