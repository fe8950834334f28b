// Clean-up: what is marked, what runs found, which policies there are; previews are dry runs.

import { Problem, send } from "./api.js";
import { ago, badge, el, place, table, trouble } from "./dom.js";

const PAUSE_S = 20;
const BUSY_S = 3;

export const cleanUp = {
  title: "Clean-up",
  build(root, context) {
    const answer = el("div", { role: "alert" });
    const preview = async (policy, button) => {
      button.disabled = true;
      context.say("A dry run begins");
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
    const marks = table("Marked: gone when due, unless somebody takes the tag off or changes them", markColumns(context), (each) => each.resource, "Nothing is marked.");
    const reports = table("Runs, the newest first", reportColumns(context), (each) => each.name, "There was no run yet. Preview a policy below.");
    const policies = table("Each can be previewed alone", policyColumns(preview), (each) => each.name, "There are no policies.");
    const problems = el("div");
    const asked = el("input", { type: "search", size: 50, required: true, spellcheck: "false", placeholder: "workspaces/ws1/computes/c1, or a whole id" });
    const explain = (event) => { event.preventDefault(); context.go("explain", asked.value.trim()); };
    const all = el("button.primary", { type: "button", click: () => preview("", all) }, "Preview all policies");
    root.append(
      el("form.bar", { submit: explain }, el("label", {}, "Why does this resource stay or go?", asked), el("button", { type: "submit" }, "Explain")),
      el("div.bar", {}, all, el("span.soft", {}, "A preview is a dry run: it reads Azure and changes nothing.")), answer,
      el("h2", {}, "Reports"), reports.node, el("h2", {}, "Marks"), marks.node, el("h2", {}, "Policies"), problems, policies.node);

    return {
      async refresh(signal) {
        const [kept, runs, rules] = await Promise.all(["cleanup/marks", "cleanup/reports?$top=15", "cleanup/policies"].map((path) => send(path, { signal })));
        marks.update(kept.value);
        reports.update(runs.value);
        policies.update(rules.value);
        problems.replaceChildren(...rules.problems.map((each) => el("div.problem", {}, el("strong", {}, `${each.file}, line ${each.line}`), ` has no effect: ${each.field ? `${each.field}: ` : ""}${each.message}`)));
        return runs.value.some((each) => !each.endTime) ? BUSY_S : PAUSE_S;
      },
    };
  },
};

function markColumns(context) {
  return [
    { title: "Resource", cell: (each) => el("a", { href: context.link("explain", each.resource), "data-hold": "name" }, place(each.resource)) },
    { title: "Due", cell: (each) => ago(each.due) },
    { title: "Policy", cell: (each) => each.policy },
    { title: "Why", cell: (each) => each.reason },
    { title: "Marked", cell: (each) => [ago(each.markedAt), each.tagged ? "" : el("div.soft", {}, "not as a tag: its kind has none")] },
  ];
}

function reportColumns(context) {
  const outcomes = (each) => Object.entries(each.outcomes ?? {}).map(([what, count]) => el("span.tag", {}, `${count} ${what}`));
  return [
    { title: "Run", cell: (each) => [el("a", { href: context.link("report", each.name), "data-hold": "name" }, each.policies.length > 2 ? `${each.policies.length} policies` : each.policies.join(", ") || each.name), el("div.soft", {}, ago(each.startTime), ` by ${each.caller}`)] },
    { title: "Status", cell: (each) => badge(each.status) },
    { title: "Mode", cell: (each) => (each.mode === "enforce" ? badge("enforce", "watch") : "dry run") },
    { title: "Looked at", cell: (each) => String(each.looked ?? "") },
    { title: "Outcomes", cell: outcomes },
  ];
}

function policyColumns(preview) {
  const start = (each) => {
    const button = el("button", { type: "button", "data-hold": "preview", "aria-label": `Preview ${each.name}`, click: () => preview(each.name, button) }, "Preview");
    return button;
  };
  return [
    { title: "Policy", cell: (each) => [el("strong", {}, each.name), el("div.soft", {}, each.description ?? "")] },
    { title: "About", cell: (each) => each.kind },
    { title: "Does", cell: (each) => `${each.action}${each.grace ? `, ${each.grace} after marking` : ""}` },
    { title: "Mode", cell: (each) => (each.mode === "enforce" ? badge("enforce", "watch") : "dry run") },
    { title: "When", cell: (each) => el("code", {}, each.schedule ?? "on demand") },
    { title: "Preview", cell: start },
  ];
}
