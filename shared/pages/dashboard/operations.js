// Operations: the newest first, live; which end is told to screen readers once.

import { next, send } from "./api.js";
import { ago, badge, el, place, table } from "./dom.js";

const BUSY_S = 3;
const QUIET_S = 15;
const STATUSES = ["NotStarted", "Running", "Succeeded", "Failed", "Canceled"];

/** How far an operation is: a number where Azure gives one. */
export function progress(operation) {
  if (operation.endTime) return "";
  const percent = operation.percentComplete;
  const bar = el("progress", { "aria-label": "progress", max: 100, value: percent > 0 ? percent : null });
  return percent > 0 ? [bar, ` ${Math.round(percent)} %`] : bar;
}

export const operations = {
  title: "Operations",
  build(root, context) {
    const status = el("select", { change: () => restart() }, el("option", { value: "" }, "all"), STATUSES.map((each) => el("option", {}, each)));
    const below = el("input", { type: "search", size: 40, placeholder: "/subscriptions/…", spellcheck: "false", change: () => restart() });
    const more = el("button", { type: "button", hidden: true, click: () => { pages += 1; context.refresh(); } }, "Show older");
    const grid = table("The newest first", columns(context), (each) => each.name, "No operations. Each change that is asked of the app becomes one.");
    root.append(el("div.bar", {}, el("label", {}, "Status", status), el("label", {}, "Below this id", below)), grid.node, more);
    let pages = 1;
    let known = null;

    function restart() {
      pages = 1;
      known = null;
      context.refresh();
    }

    async function read(signal) {
      const query = new URLSearchParams({ $top: "25" });
      if (status.value) query.set("status", status.value);
      if (below.value.trim()) query.set("below", below.value.trim());
      let path = `operations?${query}`;
      const found = [];
      for (let page = 0; page < pages && path; page += 1) {
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
        grid.update(found);
        tell(found, known, context);
        known = new Map(found.map((each) => [each.name, each.status]));
        return found.some((each) => !each.endTime) ? BUSY_S : QUIET_S;
      },
    };
  },
};

function columns(context) {
  const properties = (each) => each.properties ?? {};
  const name = (each) => el("a", { href: context.link("operation", each.name), "data-hold": "name" }, place(properties(each).target));
  return [
    { title: "Target", cell: (each) => [name(each), " ", el("span.soft", {}, verb(each))] },
    { title: "Status", cell: (each) => [badge(each.status), " ", el("span.soft", {}, each.endTime ? each.error?.code ?? "" : properties(each).azureStatus ?? properties(each).phase ?? "")] },
    { title: "Progress", cell: progress },
    { title: "Started", cell: (each) => ago(each.startTime) },
    { title: "Ended", cell: (each) => ago(each.endTime) },
    { title: "Caller", cell: (each) => properties(each).caller ?? "" },
  ];
}

/** What is asked of the target: the verb, and the action of a POST. */
function verb(operation) {
  const request = String(operation.properties?.request ?? "");
  return request.startsWith("POST") ? `POST ${request.split("/").pop()}` : request.split(" ")[0];
}

function tell(found, known, context) {
  if (!known) {
    const open = found.filter((each) => !each.endTime).length;
    return context.say(`${found.length} operations shown, ${open} under way`);
  }
  const ended = found.filter((each) => each.endTime && known.has(each.name) && known.get(each.name) !== each.status);
  if (ended.length) context.say(ended.map((each) => `${place(each.properties?.target)}: ${each.status}`).join("; "));
}
