// Clean-up: what runs found, what is marked, which policies there are; previews are dry runs, which can be approved.

import { Problem, send } from "./api.js";
import { ago, badge, el, foreign, lasting, place, section, table, trouble } from "./dom.js";
import { approvable, mode, outcomes } from "./report.js";

const PAUSE_S = 20;
const BUSY_S = 3;
const PAGE = 15;
const MOST = 100;
const SOON_MS = 2 * 86400_000;

export const cleanUp = {
  title: "Clean-up",
  build(root, context) {
    const answer = el("div", { role: "alert" });
    const preview = async (policy, button) => {
      button.disabled = true;
      context.say("Dry run started");
      try {
        const query = policy ? `?${new URLSearchParams({ policy, mode: "dryRun" })}` : "?mode=dryRun";
        const run = await send(`cleanup${query}`, { method: "POST" });
        answer.replaceChildren();
        context.go("report", run.name);
      } catch (problem) {
        if (!(problem instanceof Problem)) throw problem;
        answer.replaceChildren(trouble(problem));
      }
      button.disabled = false;
    };
    let wanted = PAGE;
    const marks = table("Marked resources: deleted when due, unless the tag is removed or the resource changes", markColumns(context), (each) => each.resource, "No marks. An enforced policy with a grace period marks first and acts when the mark is due.");
    const reports = table("Runs, newest first", reportColumns(context), (each) => each.name, "No runs yet. Preview all policies, or one below.");
    const policies = table("Policies; each has its own preview", policyColumns(preview), (each) => each.name, "No policies.");
    const older = el("button", { type: "button", hidden: true, click: () => { wanted = Math.min(MOST, wanted + PAGE); context.refresh(); } }, "Show older");
    const problems = el("div");
    const asked = el("input", { type: "search", size: 40, required: true, spellcheck: "false", placeholder: "workspaces/ws1/computes/c1, or a full id" });
    const explain = (event) => { event.preventDefault(); context.go("explain", asked.value.trim()); };
    const all = el("button.primary", { type: "button", click: () => preview("", all) }, "Preview all policies");
    root.append(
      el("div.bar", {}, all, el("span.soft", {}, "A preview is a dry run: it changes nothing in Azure."),
        el("form.bar.end", { submit: explain }, el("label", {}, "Why is this resource kept or deleted?", asked), el("button", { type: "submit" }, "Explain"))),
      answer,
      section("Runs", "Open a dry run to approve it.", reports.node, older),
      section("Marks", "Deleted when due, unless the tag is removed or the resource changes.", marks.node),
      section("Policies", "Files below cleanup/policies/ add, replace or disable policies.", problems, policies.node));

    return {
      async refresh(signal) {
        const [kept, runs, rules] = await Promise.all(["cleanup/marks", `cleanup/reports?$top=${wanted}`, "cleanup/policies"].map((path) => send(path, { signal })));
        marks.update(kept.value);
        reports.update(runs.value);
        older.hidden = runs.value.length < wanted || wanted >= MOST;
        policies.update(rules.value);
        problems.replaceChildren(...rules.problems.map((each) => el("div.problem", {}, el("strong", {}, `${each.file}, line ${each.line}`), ` is ignored: ${each.field ? `${each.field}: ` : ""}${each.message}`)));
        return runs.value.some((each) => !each.endTime) ? BUSY_S : PAUSE_S;
      },
    };
  },
};

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
  const found = /^0 (\d+) (\d+|\*) \* \* (\*|1-5)$/.exec(schedule);
  if (!found) return el("code", {}, schedule);
  const [, minute, hour, days] = found;
  const two = (text) => text.padStart(2, "0");
  return `${days === "*" ? "" : "weekdays, "}${hour === "*" ? `hourly at :${two(minute)}` : `${days === "*" ? "daily " : ""}${two(hour)}:${two(minute)} UTC`}`;
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
