// Clean-up: what runs found, what is marked, which policies there are; previews are dry runs, which can be approved.

import { send } from "./api.js";
import { ago, attempt, badge, count, el, fold, foreign, lasting, part, place, section, table } from "./dom.js";
import { approvable, mode, outcomes } from "./details.js";

const PAUSE_S = 20;
const BUSY_S = 3;
const PAGE = 15;
const MOST = 100;
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
    const policies = table("Your policies; each has its own preview", policyColumns(preview), (each) => each.name, "None of your own: files below cleanup/policies/ add, replace or disable policies.");
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
        const [kept, runs, rules, saved] = await Promise.all(["cleanup/marks", `cleanup/reports?$top=${wanted}`, "cleanup/policies", "cleanup/savings"].map((path) => send(path, { signal })));
        marks.update(kept.value);
        reports.update(runs.value);
        older.hidden = runs.value.length < wanted || wanted >= MOST;
        const own = rules.value.filter((each) => each.source && each.source !== SHIPPED);
        policies.update(own);
        policies.node.hidden = !own.length;
        if (!shown) rest.open = !own.length;
        shown = true;
        shipped.update(rules.value.filter((each) => !own.includes(each)));
        numbers.update({ saved, marked: kept.count ?? kept.value.length, enforced: rules.value.filter((each) => each.mode === "enforce").length, policies: rules.value.length });
        problems.replaceChildren(...rules.problems.map((each) => el("div.problem", {}, el("strong", {}, `${each.file}, line ${each.line}`), ` is ignored: ${each.field ? `${each.field}: ` : ""}${each.message}`)));
        return runs.value.some((each) => !each.endTime) ? BUSY_S : PAUSE_S;
      },
    };
  },
};

function cards({ saved, marked, enforced, policies }) {
  const card = (title, big, small) => el("section.card", {}, el("h2", {}, title), el("p.big", {}, big), el("p.soft", {}, small));
  const money = (value) => `${value.toLocaleString(undefined, { maximumFractionDigits: 0 })} ${saved.currency ?? ""}`.trim();
  const hours = (value) => count(Math.round(value), "node-hour");
  const priced = saved.money !== undefined;
  return [
    card("Saved this month", priced ? money(saved.money) : hours(saved.nodeHours), saved.runs ? `${priced ? `${hours(saved.nodeHours)}; ` : ""}at most, by ${count(saved.runs, "run")}` : "no enforced run yet"),
    card("Saves a day from now on", priced ? money(saved.moneyADay) : hours(saved.nodeHoursADay), priced ? hours(saved.nodeHoursADay) : "prices: cleanup/prices.csv"),
    card("Marked", marked.toLocaleString(), "deleted when due"),
    card("Enforced policies", enforced.toLocaleString(), `of ${policies.toLocaleString()}; the others are dry runs`),
  ];
}

function markColumns(context) {
  const left = (each) => Date.parse(each.due) - Date.now();
  return [
    { title: "Resource", bare: true, cell: (each) => el("a", { href: context.link("explain", each.resource), "data-hold": "name" }, foreign(place(each.resource))) },
    { title: "Due", tight: true, cell: (each) => (left(each) < 0 ? badge("due now", "bad") : [ago(each.due), " ", left(each) < SOON_MS ? badge("soon", "watch") : ""]) },
    { title: "Why", bare: true, cell: (each) => [foreign(each.reason), el("div.soft", {}, `policy ${each.policy}`)] },
    { title: "Marked", tight: true, cell: (each) => [ago(each.markedAt), each.tagged ? "" : el("div.soft", {}, "not in Azure: this kind has no tags")] },
  ];
}

function reportColumns(context) {
  const named = (each) => (each.policies.length > 2 ? `${each.policies.length} policies` : each.policies.join(", ") || each.name);
  const then = (each) => {
    if (each.approvedBy) return el("a", { href: context.link("report", each.approvedBy) }, "approved");
    return approvable(each) ? el("a", { href: context.link("report", each.name), "aria-label": `Review ${named(each)}` }, "review") : "";
  };
  return [
    { title: "Run", bare: true, cell: (each) => [el("a", { href: context.link("report", each.name), "data-hold": "name" }, named(each)), el("div.soft", {}, ago(each.startTime), " by ", foreign(each.caller))] },
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
