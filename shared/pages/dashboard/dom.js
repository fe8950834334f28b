// Building the page: elements, tables that keep the reader's place, moments and sizes in words.

import { Problem } from "./api.js";

/** Make an element (`td`, `td.number`) of attributes, listeners and children; empty ones are left out. Strings become text, never HTML. */
export function el(tag, given = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const node = document.createElement(name);
  if (classes.length) node.className = classes.join(" ");
  for (const [attribute, value] of Object.entries(given)) {
    if (typeof value === "function") node.addEventListener(attribute, value);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(attribute, value === true ? "" : value);
  }
  node.append(...solid(children));
  return node;
}

const solid = (children) => [children].flat(Infinity).filter((child) => child !== null && child !== undefined && child !== "" && child !== false);

/** Foreign words amid ours: the direction they run in ends with them. */
export const foreign = (text) => el("bdi", {}, String(text ?? ""));

/** The same, broken between its words where it is too long. */
export const broken = (text) => el("bdi", {}, String(text).split(/(?<=[a-z])(?=[A-Z.])/).flatMap((word) => [word, el("wbr")]));

export const ticked = (text) => text.split("`").map((words, place) => el(place % 2 ? "code" : "bdi", {}, words));

const MOODS = {
  good: ["Succeeded", "Completed", "Done", "Delivered", "Enabled", "up", "read"],
  bad: ["Failed", "RolledBack", "Unhealthy", "Gone", "degraded", "down", "unreadable"],
  watch: ["Refused", "Paused", "Stopped"],
  busy: ["Running", "NotStarted", "Pending", "Creating", "Updating", "Deleting", "Starting", "Stopping", "Restarting", "Resizing", "waiting"],
};
const SIGNS = { good: "✓", bad: "✗", busy: "●", watch: "!", plain: "○" };

/** An element of SVG, made as `el` makes those of HTML. */
function svg(name, given, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [attribute, value] of Object.entries(given)) node.setAttribute(attribute, value);
  node.append(...children);
  return node;
}

const TALL = 64;
const WIDE = 8; // of a part, its gap included

/** Bars over time: `parts` with `outcomes`, stacked by pairs of outcome and mood; the words say what the bars do. */
export function chart(title, parts, stacks, stepS) {
  const of = (part) => stacks.reduce((sum, [name]) => sum + (part.outcomes[name] ?? 0), 0);
  const most = Math.max(1, ...parts.map(of));
  const sums = stacks.map(([name]) => [name, parts.reduce((sum, part) => sum + (part.outcomes[name] ?? 0), 0)]).filter(([, sum]) => sum);
  const bars = parts.flatMap((part, place) => {
    let ground = TALL;
    return stacks.filter(([name]) => part.outcomes[name]).map(([name, mood]) => {
      const height = Math.max(1.5, (part.outcomes[name] / most) * TALL);
      ground -= height;
      return svg("rect", { class: mood, x: place * WIDE, y: ground, width: WIDE - 1.5, height }, svg("title", {}, `${new Date(part.at).toLocaleString()}: ${part.outcomes[name]} ${name}`));
    });
  });
  const said = sums.length ? sums.map(([name, sum]) => `${sum.toLocaleString()} ${name}`).join(", ") : "none";
  const picture = svg("svg", { viewBox: `0 0 ${parts.length * WIDE} ${TALL}`, preserveAspectRatio: "none", role: "img", "aria-label": `${title}: ${said}` }, ...bars);
  const from = parts.length ? ago(parts[0].at) : "";
  return el("figure.chart", {}, el("figcaption", {}, el("strong", {}, title), el("span.soft", {}, sums.length ? `at most ${count(most, "operation")} in ${span(stepS)}` : "none")), picture, el("div.soft.ends", {}, from, el("span", {}, "now")));
}

export function download(name, text, type) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  el("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

/** A state: a sign, a word and a colour. */
export function badge(word, mood = "") {
  const found = mood || Object.keys(MOODS).find((each) => MOODS[each].includes(word)) || "plain";
  return el(`span.badge.${found}`, {}, el("span", { "aria-hidden": "true" }, `${SIGNS[found]} `), String(word || "unknown"));
}

/** Replace what a node holds; focus (`data-hold`) and what is unfolded stay. */
function refill(node, children) {
  const held = node.contains(document.activeElement) ? document.activeElement.dataset.hold : "";
  const open = new Set([...node.querySelectorAll("details[open]")].map((each) => each.dataset.fold));
  node.replaceChildren(...solid(children));
  for (const each of node.querySelectorAll("details")) if (open.has(each.dataset.fold)) each.open = true;
  if (held) node.querySelector(`[data-hold="${CSS.escape(held)}"]`)?.focus();
}

/** A part of the page that changes only with what it shows. */
export function part(make) {
  const node = el("div");
  let print = null;
  return {
    node,
    update(given) {
      const now = JSON.stringify(given) ?? "";
      if (now !== print) refill(node, make(given));
      print = now;
    },
  };
}

/** A table, cards on narrow screens (then roles must be written out). A `tight` column is narrow; a `bare` one has no label on cards. */
export function table(caption, columns, keyOf, empty) {
  const body = el("tbody", { role: "rowgroup" });
  const tag = (name, column) => `${name}${column.tight ? ".tight" : ""}${column.bare ? ".bare" : ""}`;
  const head = el("tr", { role: "row" }, columns.map((column) => el(tag("th", column), { role: "columnheader", scope: "col" }, column.title)));
  const grid = el("table", { role: "table" }, el("caption", {}, el("span.unseen", {}, caption)), el("thead", { role: "rowgroup" }, head), body);
  const none = el("p.empty", { hidden: true });
  const node = el("div.table", { hidden: true }, grid, none);
  const rows = new Map();
  const rowOf = (item) => el("tr", { role: "row" }, columns.map((column) => el(tag("td", column), { role: "cell", "data-title": column.title }, el("div", {}, column.cell(item)))));

  function update(items, otherwise = empty) {
    const wanted = new Set();
    let after = null;
    for (const item of items) {
      const id = keyOf(item);
      const print = JSON.stringify(item);
      wanted.add(id);
      let row = rows.get(id);
      if (!row) {
        row = { node: rowOf(item), print };
        rows.set(id, row);
      } else if (row.print !== print) {
        refill(row.node, [...rowOf(item).children]);
        row.print = print;
      }
      const place = after ? after.nextSibling : body.firstChild;
      if (place !== row.node) body.insertBefore(row.node, place);
      after = row.node;
    }
    for (const [id, row] of rows) {
      if (!wanted.has(id)) {
        row.node.remove();
        rows.delete(id);
      }
    }
    node.hidden = false;
    grid.hidden = !items.length;
    none.hidden = Boolean(items.length);
    none.replaceChildren(...solid(otherwise));
  }
  return { node, update };
}

export function section(title, said, ...rest) {
  return el("section", {}, el("div.section-head", {}, el("h2", {}, title), said ? el("span.soft", {}, said) : null), rest);
}

/** Terms and values; empty ones are left out. */
export function facts(pairs) {
  const shown = pairs.filter(([, value]) => solid([value]).length);
  return el("dl", {}, shown.map(([term, value]) => el("div", {}, el("dt", {}, term), el("dd", {}, value))));
}

export function copyable(text, what) {
  const button = el("button.small", { type: "button", "aria-label": `Copy ${what}`, "data-hold": `copy ${what}` }, "Copy");
  const code = el("code", {}, text);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch { // the browser refuses: the reader can press the keys
      getSelection().selectAllChildren(code);
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
  return [code, " ", button];
}

export function fold(title, ...children) {
  return el("details", { "data-fold": String(title) }, el("summary", { "data-hold": `fold ${title}` }, title), children);
}

export function folded(title, value) {
  return fold(title, el("pre", { tabindex: "0", "aria-label": title }, JSON.stringify(value, null, 2)));
}

/** Do something that the app may refuse; then the place shows it, and nothing is returned. */
export async function attempt(spot, work) {
  try {
    const found = await work();
    spot.replaceChildren();
    return found;
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    spot.replaceChildren(trouble(problem));
    return undefined;
  }
}

export function trouble(problem) {
  const code = problem.code ? el("code", {}, problem.code) : null;
  return el("div.problem", {}, el("p", {}, el("strong", {}, foreign(problem.message)), code ? " " : null, code), problem.hint ? el("p", {}, problem.hint) : null);
}

/** An error as ARM writes it, with what lies below it. */
export function armError(error) {
  if (!error) return null;
  const inner = (error.details ?? []).map((each) => el("li", {}, el("code", {}, each.code ?? ""), " ", foreign(each.message)));
  const target = error.target ? el("p", {}, "About: ", foreign(error.target)) : null;
  return el("div.problem", {}, el("p", {}, el("code", {}, error.code ?? ""), " ", foreign(error.message)), target, inner.length ? el("ul", {}, inner) : null);
}

/** A moment, as its distance; `tick` keeps it true. */
export function ago(moment) {
  return moment ? el("time", { datetime: moment, title: new Date(moment).toLocaleString() }, distance(moment)) : "";
}

export function tick() {
  for (const node of document.querySelectorAll("time")) {
    const words = distance(node.dateTime);
    if (node.textContent !== words) node.textContent = words;
  }
}

function distance(moment) {
  const seconds = (Date.now() - Date.parse(moment)) / 1000;
  return seconds < -30 ? `in ${span(-seconds, Math.round)}` : seconds < 5 ? "just now" : `${span(seconds)} ago`;
}

/** `1 node`, `3 nodes`. */
export const count = (number, thing) => `${number.toLocaleString()} ${thing}${number === 1 ? "" : "s"}`;

/** Seconds in words, to the unit that matters. */
export function span(seconds, round = Math.floor) {
  const steps = [[86400, "day"], [3600, "hour"], [60, "minute"], [1, "second"]];
  const [size, name] = steps.find(([each]) => seconds >= each) ?? [1, "second"];
  return count(round(seconds / size), name);
}

/** How long something took: `40 ms`, `3 min 20 s`. */
export function took(from, to) {
  const seconds = Math.max(0, (Date.parse(to) - Date.parse(from)) / 1000);
  if (!Number.isFinite(seconds)) return "";
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

export const lasted = (found) => el("span.soft", {}, ago(found.startTime), found.endTime ? `, took ${took(found.startTime, found.endTime)}` : "");

/** What happened since a moment, in order; `more` says the rest of each. */
export const line = (since, entries, more) => el("ol.line", {}, entries.map((each) =>
  el("li", {}, el("span.soft.mono", { title: new Date(each.at).toLocaleString() }, `+${took(since, each.at)}`), el("div", {}, el("strong", {}, foreign(each.what)), " ", more(each)))));

/** The traffic of an endpoint: each deployment with its share. */
export const shares = (traffic) => Object.entries(traffic ?? {}).map(([name, share]) => el("span.tag", {}, foreign(name), `: ${share} %`));

/** `P7D` is `7 days`; a duration of several units stays as it is. */
export function lasting(text) {
  const found = /^PT?(\d+)([WDHMS])$/.exec(text ?? "");
  const units = { W: "week", D: "day", H: "hour", M: "minute", S: "second" };
  return found ? count(Number(found[1]), units[found[2]]) : text ?? "";
}

/** A short ARM id: `ws1 / computes / cpu`. */
export function place(id) {
  const parts = String(id ?? "").replace(/^\//, "").split("/");
  const provider = parts.findLastIndex((each) => each.toLowerCase() === "providers");
  const names = provider >= 0 ? parts.slice(provider + 2) : parts;
  return (names[0]?.toLowerCase() === "workspaces" ? names.slice(1) : names).join(" / ") || "/";
}
