// Events: the rules in force, and what came of those that fired.

import { send } from "./api.js";
import { ago, badge, el, foreign, place, section, table } from "./dom.js";

const BUSY_S = 3;
const PAUSE_S = 15;
const PAGE = 30;
const MOST = 200;
const STATUSES = ["Running", "Succeeded", "Failed", "Refused", "Canceled"];

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
    { title: "Rule", bare: true, cell: (each) => el("a", { href: context.link("firing", each.name), "data-hold": "name" }, each.rule) },
    { title: "Status", bare: true, cell: (each) => [badge(each.status), " ", el("span.soft", {}, each.error?.code ?? "")] },
    { title: "Event", bare: true, cell: (each) => [foreign(short(each.event?.type)), el("div.soft", {}, foreign(about(each.event?.subject)))] },
    { title: "Steps", tight: true, cell: (each) => `${each.steps.filter((step) => step.status || step.skipped).length} of ${each.steps.length}` },
    { title: "When", tight: true, cell: (each) => ago(each.startTime) },
  ];
}

const RULES = [
  { title: "Rule", bare: true, cell: (each) => [el("strong", {}, each.name), el("div.soft", {}, foreign(each.description)), (each.warnings ?? []).map((said) => el("div", {}, badge("warning", "watch"), " ", foreign(said)))] },
  { title: "State", bare: true, tight: true, cell: (each) => (each.enabled ? badge("Enabled") : badge("off", "plain")) },
  { title: "On", cell: (each) => each.on.types.map((type) => el("span.tag", {}, foreign(short(type)))) },
  { title: "Steps", cell: (each) => each.steps.join(", ") },
  { title: "Last run", tight: true, cell: (each) => (each.last ? [badge(each.last.status), " ", ago(each.last.startTime)] : el("span.soft", {}, "not among those above")) },
  { title: "File", cell: (each) => each.file },
];
