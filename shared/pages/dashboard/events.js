// Events: the rules in force, and what came of those that fired.

import { send } from "./api.js";
import { ago, badge, el, table } from "./dom.js";

const BUSY_S = 3;
const PAUSE_S = 15;

export const events = {
  title: "Events",
  build(root, context) {
    const fired = table("Rules that fired, the newest first", firingColumns(context), (each) => each.name, "No rule has fired yet.");
    const rules = table("Rules in force", RULES, (each) => `${each.file} ${each.name}`, "There are no rules. PUT a file of them to events/rules/NAME.");
    const problems = el("div");
    root.append(el("h2", {}, "Fired"), fired.node, el("h2", {}, "Rules"), problems, rules.node);
    let known = null;
    return {
      async refresh(signal) {
        const [went, inForce] = await Promise.all([send("events/firings?$top=30", { signal }), send("events/rules", { signal })]);
        fired.update(went.value);
        rules.update(inForce.value);
        problems.replaceChildren(...inForce.problems.map((each) => el("div.problem", {}, el("strong", {}, each.file), ` has no effect: ${each.error?.message ?? ""}`)));
        const fresh = known ? went.value.filter((each) => !known.has(each.name)) : [];
        if (fresh.length) context.say(`Fired: ${fresh.map((each) => each.rule).join(", ")}`);
        known = new Set(went.value.map((each) => each.name));
        return went.value.some((each) => !each.endTime) ? BUSY_S : PAUSE_S;
      },
    };
  },
};

function firingColumns(context) {
  return [
    { title: "Rule", cell: (each) => el("a", { href: context.link("firing", each.name), "data-hold": "name" }, each.rule) },
    { title: "Status", cell: (each) => [badge(each.status), " ", el("span.soft", {}, each.error?.code ?? "")] },
    { title: "Event", cell: (each) => [each.event?.type ?? "", el("div.soft", {}, each.event?.subject ?? "")] },
    { title: "Steps", cell: (each) => `${each.steps.filter((step) => step.status || step.skipped).length} of ${each.steps.length}` },
    { title: "When", cell: (each) => ago(each.startTime) },
  ];
}

const RULES = [
  { title: "Rule", cell: (each) => [el("strong", {}, each.name), el("div.soft", {}, each.description ?? "")] },
  { title: "State", cell: (each) => (each.enabled ? badge("Enabled") : badge("off", "plain")) },
  { title: "On", cell: (each) => each.on.types.map((type) => el("span.tag", {}, type)) },
  { title: "Steps", cell: (each) => each.steps.join(", ") },
  { title: "File", cell: (each) => each.file },
];
