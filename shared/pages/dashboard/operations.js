// Operations: the newest first, live; which end is told to screen readers once.

import { next, send } from "./api.js";
import { ago, badge, el, foreign, place, table, took } from "./dom.js";

const BUSY_S = 3;
const QUIET_S = 15;
const PAGE = 50;
const MOST = 200; // of one request
const STATUSES = ["NotStarted", "Running", "Succeeded", "Failed", "Canceled"];

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
    const status = el("select", { change: () => restart() }, el("option", { value: "" }, "all"), STATUSES.map((each) => el("option", {}, each)));
    const below = el("input", { type: "search", size: 36, placeholder: "workspaces/ml-prod, or a full id", spellcheck: "false", change: () => restart() });
    const caller = el("input", { type: "search", size: 16, placeholder: "key:ci", spellcheck: "false", change: () => restart() });
    const more = el("button", { type: "button", hidden: true, click: () => { wanted += PAGE; context.refresh(); } }, "Show older");
    const shown = el("span.soft");
    const first = ["No operations yet. Each change request becomes one; ", el("a", { href: "docs" }, "the API page"), " can send one."];
    const grid = table("Operations, newest first", columns(context), (each) => each.name, first);
    root.append(el("div.bar", {}, el("label", {}, "Status", status), el("label", {}, "At or below", below), el("label", {}, "By", caller)), grid.node, el("div.bar", {}, more, shown));
    let wanted = PAGE;
    let known = null;

    function restart() {
      wanted = PAGE;
      known = null;
      context.refresh();
    }

    async function read(signal) {
      const query = new URLSearchParams({ $top: String(Math.min(wanted, MOST)) });
      if (status.value) query.set("status", status.value);
      if (below.value.trim()) query.set("below", below.value.trim());
      if (caller.value.trim()) query.set("caller", caller.value.trim());
      let path = `operations?${query}`;
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
        const found = await read(signal);
        const narrowed = status.value || below.value.trim() || caller.value.trim();
        grid.update(found, narrowed ? "No matches." : first);
        const open = found.filter((each) => !each.endTime).length;
        shown.textContent = found.length ? `${found.length} shown, ${open} of them running` : "";
        tell(found, known, context);
        known = new Map(found.map((each) => [each.name, each.status]));
        return open ? Math.max(BUSY_S, found.length / 40) : QUIET_S;
      },
    };
  },
};

function columns(context) {
  const said = (each) => each.properties ?? {};
  const name = (each) => el("a", { href: context.link("operation", each.name), "data-hold": "name" }, foreign(place(said(each).target)));
  const state = (each) => (each.endTime ? each.error?.code ?? "" : said(each).azureStatus ?? said(each).phase ?? "");
  return [
    { title: "Target", bare: true, cell: (each) => [name(each), " ", el("span.soft", {}, verb(each))] },
    { title: "Status", bare: true, cell: (each) => [badge(each.status), " ", el("span.soft", {}, foreign(state(each)))] },
    { title: "Progress", bare: true, tight: true, cell: (each) => (each.endTime ? `in ${took(each.startTime, each.endTime)}` : progress(each)) },
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
