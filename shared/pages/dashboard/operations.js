// Operations: how many and how they ended, over time; then the list, the newest first, live; screen readers hear of each end once.

import { next, send } from "./api.js";
import { ago, badge, chart, el, foreign, part, place, table, took } from "./dom.js";

const BUSY_S = 3;
const QUIET_S = 15;
const LOAD_MS = 60_000; // between two counts
const PAGE = 50;
const MOST = 200; // of one request
const DAY = "P1D";
/** What can be chosen, and what is asked for it. */
const STATES = [
  ["", "any", {}],
  ["Running", "running", { outcome: "Running" }],
  ["old", "open for over an hour", { status: "Running", until: "PT1H" }],
  ["NotStarted", "not started", { outcome: "NotStarted" }],
  ["Succeeded", "succeeded", { outcome: "Succeeded" }],
  ["Failed", "failed", { outcome: "Failed" }],
  ["Refused", "refused at once", { outcome: "Refused" }],
  ["Canceled", "canceled", { outcome: "Canceled" }],
];
const TIMES = [["", "any time"], ["PT1H", "last hour"], [DAY, "last 24 hours"], ["P7D", "last 7 days"], ["P30D", "last 30 days"]];
const LOST = [["Failed", "bad"], ["Refused", "watch"]];
const STACKS = [["Succeeded", "good"], ["Running", "busy"], ["NotStarted", "busy"], ["Canceled", "plain"], ...LOST];

/** How far an operation is: a number where Azure gives one. */
export function progress(operation) {
  if (operation.endTime) return "";
  const percent = operation.percentComplete;
  const bar = el("progress", { "aria-label": "progress", max: 100, value: percent > 0 ? percent : null });
  return percent > 0 ? [bar, ` ${Math.round(percent)} %`] : bar;
}

/** What is asked of the target: the verb, and the action of a POST. */
export function verb(operation) {
  const request = String(operation.properties?.request ?? "");
  return request.startsWith("POST") ? `POST ${request.split("/").pop()}` : request.split(" ")[0];
}

export const operations = {
  title: "Operations",
  build(root, context) {
    const choice = (pairs) => el("select", { change: () => restart() }, pairs.map(([value, words]) => el("option", { value }, words)));
    const text = (size, placeholder) => el("input", { type: "search", size, placeholder, spellcheck: "false", change: () => restart() });
    const find = text(24, "name, caller, code, trace or id");
    const [status, since] = [choice(STATES), choice(TIMES)];
    const further = { kind: text(20, "workspaces/jobs"), caller: text(14, "key:ci"), below: text(30, "workspaces/ml-prod, or a full id") };
    const more = el("button", { type: "button", hidden: true, click: () => { wanted += PAGE; context.refresh(); } }, "Show older");
    const shown = el("span.soft");
    const first = ["No operations yet. Each change request becomes one; ", el("a", { href: "docs" }, "the API page"), " can send one."];
    const grid = table("Operations, newest first", columns(context), (each) => each.name, first);
    const load = part((found) => numbers(found, status, find, restart));
    root.append(
      el("div.bar", {}, el("label", {}, "Find", find), el("label", {}, "Status", status), el("label", {}, "Time", since),
        el("details.filters", {}, el("summary", {}, "More filters"), el("div.bar", {}, el("label", {}, "Kind", further.kind), el("label", {}, "By", further.caller), el("label", {}, "At or below", further.below)))),
      load.node, grid.node, el("div.bar", {}, more, shown));
    let wanted = PAGE;
    let known = null;
    let counted = 0;

    function restart() {
      wanted = PAGE;
      known = null;
      counted = 0;
      context.refresh();
    }

    /** What the filters ask for, but for the status. */
    function asked() {
      const fields = { find, ...further, since };
      return Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, field.value.trim()]).filter(([, value]) => value));
    }

    async function read(signal) {
      const [, , state] = STATES.find(([value]) => value === status.value);
      let path = `operations?${new URLSearchParams({ $top: String(Math.min(wanted, MOST)), ...asked(), ...state })}`;
      const found = [];
      while (path && found.length < wanted) {
        const answer = await send(path, { signal });
        found.push(...answer.value);
        path = next(answer.nextLink);
      }
      more.hidden = !path;
      return found;
    }

    return {
      async refresh(signal) {
        let found;
        try {
          found = await read(signal);
        } catch (failure) {
          if (failure.status >= 400 && failure.status < 500) grid.update([], "Nothing is shown: the filter was refused.");
          throw failure;
        }
        grid.update(found, status.value || Object.keys(asked()).length ? "No matches." : first);
        const open = found.filter((each) => !each.endTime).length;
        shown.textContent = found.length ? `${found.length} shown, ${open} of them running` : "";
        tell(found, known, context);
        known = new Map(found.map((each) => [each.name, each.status]));
        if (Date.now() - counted > LOAD_MS) {
          load.update(await send(`load?${new URLSearchParams({ ...asked(), since: since.value || DAY })}`, { signal }));
          counted = Date.now();
        }
        return open ? Math.max(BUSY_S, found.length / 40) : QUIET_S;
      },
    };
  },
};

/** How many ended how (each a filter), why some did not succeed, and both over time. */
function numbers(found, status, find, restart) {
  const total = Object.values(found.outcomes).reduce((sum, each) => sum + each, 0);
  if (!total) return [];
  const choose = (field, value) => () => { field.value = field.value === value ? "" : value; restart(); };
  const chips = STACKS.filter(([name]) => found.outcomes[name]).map(([name]) =>
    el("button.chip", { type: "button", "data-hold": name, title: `Only those that are ${name}`, click: choose(status, name) }, badge(name), ` ${found.outcomes[name].toLocaleString()}`));
  const codes = found.codes.map(({ name, count }) => el("button.chip", { type: "button", "data-hold": `code ${name}`, title: `Find ${name}`, click: choose(find, name) }, el("code", {}, foreign(name)), ` ${count.toLocaleString()}`));
  return el("section.load", { "aria-label": "Load and failures" },
    el("div.charts", {}, chart("Operations", found.value, STACKS), chart("Failed or refused", found.value, LOST)),
    el("p.chips", {}, chips, codes.length ? el("span.soft", {}, "because of") : "", codes));
}

function columns(context) {
  const said = (each) => each.properties ?? {};
  const name = (each) => el("a", { href: context.link("operation", each.name), "data-hold": "name" }, foreign(place(said(each).target)));
  const state = (each) => (each.endTime ? each.error?.code ?? "" : said(each).azureStatus ?? said(each).phase ?? "");
  return [
    { title: "Target", bare: true, cell: (each) => [name(each), " ", el("span.soft", {}, verb(each))] },
    { title: "Status", bare: true, cell: (each) => [badge(said(each).outcome ?? each.status), " ", el("span.soft", {}, foreign(state(each)))] },
    { title: "Took", bare: true, tight: true, cell: (each) => (each.endTime ? took(each.startTime, each.endTime) : progress(each)) },
    { title: "Started", tight: true, cell: (each) => ago(each.startTime) },
    { title: "By", cell: (each) => by(said(each).caller ?? "", context) },
  ];
}

/** Who asked; a run of the clean-up leads to its report. */
function by(caller, context) {
  const run = /^cleanup:(\d{8}T\d{6}Z-[0-9a-f]+)$/.exec(caller)?.[1];
  return run ? el("a", { href: context.link("report", run), "data-hold": "by" }, "clean-up") : foreign(caller);
}

function tell(found, known, context) {
  if (!known) {
    const open = found.filter((each) => !each.endTime).length;
    return context.say(`${found.length} operations shown, ${open} running`);
  }
  const ended = found.filter((each) => each.endTime && known.has(each.name) && known.get(each.name) !== each.status);
  if (ended.length) context.say(ended.map((each) => `${place(each.properties?.target)}: ${each.status}`).join("; "));
}
