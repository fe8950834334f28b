// What opens over a view: one operation, one clean-up report, why one resource stays or goes, one firing of a rule.

import { next, Problem, send } from "./api.js";
import { ago, armError, badge, el, facts, folded, place, table, trouble } from "./dom.js";
import { progress } from "./operations.js";

const BUSY_S = 2;

/** Each makes, for an id, `{title, node, refresh}`; see `route` in main.js. */
export const details = { operation, report, explain, firing };

function operation(id, context) {
  const body = el("div");
  const acts = el("div.bar", { hidden: true });
  const cancel = async (query) => {
    try {
      await send(`operations/${encodeURIComponent(id)}/cancel${query}`, { method: "POST" });
      context.say("The cancellation was accepted");
      acts.replaceChildren();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      const letGo = el("button.danger", { type: "button", click: () => cancel("?abandon=true") }, "Stop following it");
      const what = el("p", {}, "Azure goes on with it; the app only stops looking.");
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
    acts.replaceChildren(el("span", {}, "Cancel it?"), yes, el("button", { type: "button", click: () => offer().focus() }, "No, let it go on"));
    yes.focus();
  };
  offer();
  return {
    title: "Operation",
    node: el("div", {}, acts, body),
    async refresh(signal) {
      const found = await send(`operations/${encodeURIComponent(id)}`, { signal });
      const folds = [...body.querySelectorAll("details")].map((each) => each.open);
      body.replaceChildren(...operationParts(found));
      [...body.querySelectorAll("details")].forEach((each, at) => { each.open = folds[at] ?? false; });
      acts.hidden = Boolean(found.endTime);
      return found.endTime ? 0 : BUSY_S;
    },
  };
}

function operationParts(found) {
  const more = found.properties ?? {};
  const calls = Object.entries(more.azureCalls ?? {}).map(([what, count]) => `${count} ${what}`).join(", ");
  const entries = (more.timeline ?? []).map((each) => el("li", {}, el("strong", {}, each.what), each.detail ? ` ${each.detail}` : "", " ", el("span.soft", {}, new Date(each.at).toLocaleTimeString())));
  const told = (more.deliveries ?? []).map((each) => el("li", {}, badge(each.status), ` ${each.target} `, el("span.soft", {}, `${each.tried} attempts`), each.nextAttempt ? [", next ", ago(each.nextAttempt)] : ""));
  return [
    facts([
      ["Status", [badge(found.status), " ", progress(found)]],
      ["Target", place(more.target)],
      ["Request", el("code", {}, more.request ?? "")],
      ["Kind", more.kind ?? ""],
      ["Caller", more.caller ?? ""],
      ["Started", ago(found.startTime)],
      ["Ended", ago(found.endTime)],
      ["Phase", found.endTime ? "" : [more.phase ?? "", more.azureStatus ? ` (Azure: ${more.azureStatus})` : ""]],
      ["Requests to Azure", calls],
      ["Id", el("code", {}, found.name)],
    ]),
    armError(found.error),
    el("h3", {}, "Time line"),
    el("ol.line", {}, entries),
    ...(told.length ? [el("h3", {}, "Who is told of its end"), el("ul", {}, told)] : []),
    more.result ? folded("Result", more.result) : "",
  ].filter(Boolean);
}

function report(name, context) {
  const head = el("div");
  const columns = [
    { title: "Resource", cell: (each) => [el("strong", {}, place(each.id)), el("div.soft", {}, each.kind)] },
    { title: "Outcome", cell: (each) => badge(each.outcome, each.outcome === "failed" ? "bad" : each.outcome.startsWith("would") ? "watch" : "plain") },
    { title: "Action", cell: (each) => each.action ?? "" },
    { title: "Why", cell: (each) => [each.reason, each.evidence?.length ? el("details", {}, el("summary", {}, "Evidence"), el("ul", {}, each.evidence.map((one) => el("li", {}, one)))) : ""] },
    { title: "Due", cell: (each) => ago(each.due) },
    { title: "Explain", cell: (each) => el("a", { href: context.link("explain", each.id), "aria-label": `Explain ${place(each.id)}` }, "explain") },
  ];
  const grid = table("What is, or would be, done", columns, (each) => `${each.policy} ${each.id}`, "Nothing is or would be done.");
  const more = el("button", { type: "button", hidden: true, click: () => { pages += 1; context.refresh(); } }, "Show more");
  let pages = 1;
  return {
    title: `Clean-up report ${name}`,
    node: el("div", {}, head, grid.node, more),
    async refresh(signal) {
      let path = `cleanup/reports/${encodeURIComponent(name)}?show=changes&$top=100`;
      const lines = [];
      let found = null;
      for (let page = 0; page < pages && path; page += 1) {
        const answer = await send(path, { signal });
        found ??= answer;
        lines.push(...answer.resources);
        path = next(answer.nextLink);
      }
      more.hidden = !path;
      head.replaceChildren(...reportParts(found));
      grid.update(lines);
      grid.node.hidden = !found.endTime && !lines.length;
      if (found.endTime) context.say(`${lines.length} changes in the report`);
      return found.endTime ? 0 : BUSY_S;
    },
  };
}

function reportParts(found) {
  const outcomes = Object.entries(found.outcomes ?? {}).map(([what, count]) => el("span.tag", {}, `${count} ${what}`));
  const saved = Object.entries(found.savings ?? {}).filter(([, value]) => value).map(([what, value]) => `${what}: ${value}`).join(", ");
  const unread = (found.workspaces ?? []).filter((each) => each.reason).map((each) => el("li", {}, `${place(each.id)}: ${each.status}, ${each.reason}`));
  return [
    el("p", {}, badge(found.status), " ", found.mode === "enforce" ? badge("enforce", "watch") : el("span.soft", {}, "dry run: nothing was or will be changed")),
    facts([
      ["Policies", (found.policies ?? []).join(", ")],
      ["Asked for by", found.caller],
      ["Started", ago(found.startTime)],
      ["Ended", ago(found.endTime)],
      ["Looked at", found.looked],
      ["Savings", saved],
    ]),
    el("p", {}, outcomes),
    ...(found.notes ?? []).map((each) => el("p.soft", {}, each)),
    unread.length ? el("ul", {}, unread) : "",
  ].filter(Boolean);
}

function explain(id) {
  const body = el("div", {}, el("p.soft", {}, "Reading what refers to it …"));
  return {
    title: `Why ${place(id)} stays or goes`,
    node: body,
    async refresh(signal) {
      const found = await send(`cleanup/explain?${new URLSearchParams({ resource: id })}`, { signal });
      const mark = found.mark ? el("p", {}, badge("marked", "watch"), ` by ${found.mark.policy}, due `, ago(found.mark.due), `: ${found.mark.reason}`) : null;
      const lock = found.lock ? el("p", {}, badge("locked", "watch"), ` ${typeof found.lock === "string" ? found.lock : JSON.stringify(found.lock)}`) : null;
      const none = found.policies.length ? null : el("p.empty", {}, found.exists ? "No policy is about resources of its kind." : "No policy finds it: it does not exist, or not any more.");
      const notes = (found.notes ?? []).map((each) => el("p.soft", {}, each));
      body.replaceChildren(...[mark, lock, none, ...found.policies.map(verdict), ...notes].filter(Boolean));
      return 0;
    },
  };
}

const HOLDS = { yes: ["holds", "good"], no: ["does not hold", "plain"], unknown: ["unknown", "watch"] };

function verdict(policy) {
  const conditions = policy.conditions.map((each) =>
    el("li", {}, badge(...(HOLDS[each.holds] ?? [each.holds, "plain"])), " ", el("strong", {}, each.condition), ` ${each.because}`, each.evidence.length ? el("div.soft", {}, each.evidence.join("; ")) : ""));
  const acts = policy.step === "keep" ? badge("stays", "good") : badge(`${policy.mode === "enforce" ? "" : "would "}${policy.step === "act" ? policy.action : `${policy.step}, to ${policy.action}`}`, "watch");
  return el("section.sheet", {}, el("h3", {}, policy.policy, " ", acts), el("p", {}, policy.next), el("p.soft", {}, policy.mode === "enforce" ? "This policy is in force." : "This policy only reports."), el("ul", {}, conditions));
}

function firing(id, context) {
  const body = el("div");
  return {
    title: "A rule fired",
    node: body,
    async refresh(signal) {
      const found = await send(`events/firings/${encodeURIComponent(id)}`, { signal });
      const steps = found.steps.map((each) =>
        el("li", {}, el("strong", {}, each.name), " ", el("code", {}, each.does), " ", each.status ? badge(String(each.status), each.status < 400 ? "good" : "bad") : each.skipped ? "skipped" : each.operation ? badge("waiting") : "",
          each.operation ? [" ", el("a", { href: context.link("operation", each.operation) }, "operation")] : ""));
      body.replaceChildren(
        facts([["Rule", found.rule], ["Status", badge(found.status)], ["Started", ago(found.startTime)], ["Ended", ago(found.endTime)], ["Rules before it", found.depth]]),
        armError(found.error) ?? "",
        el("h3", {}, "Steps"), el("ol.line", {}, steps),
        folded("Event", found.event), folded("Answers", found.answers ?? {}));
      return found.endTime ? 0 : BUSY_S;
    },
  };
}
