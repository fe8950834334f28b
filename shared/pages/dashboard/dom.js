// Building the page: elements whose text is only ever text, tables that keep the reader's place, moments and sizes in words.

/**
 * Make an element. Strings become text, whatever is in them: nothing here reads HTML.
 * @param {string} tag e.g. "td" or "td.number"
 * @param {object} given attributes; functions are listeners (`click`), true is an empty attribute, null and false are left out
 */
export function el(tag, given = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const node = document.createElement(name);
  if (classes.length) node.className = classes.join(" ");
  for (const [attribute, value] of Object.entries(given)) {
    if (typeof value === "function") node.addEventListener(attribute, value);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(attribute, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}

const MOODS = {
  good: ["Succeeded", "Completed", "Delivered", "Enabled", "up", "read"],
  bad: ["Failed", "Unhealthy", "degraded", "down", "unreadable"],
  busy: ["Running", "NotStarted", "Pending", "Creating", "Updating", "Deleting", "Starting", "Stopping", "Restarting", "Resizing", "waiting"],
};
const SIGNS = { good: "✓", bad: "✗", busy: "●", watch: "!", plain: "○" };

/** A state: a sign, a word and a colour, so that none of them is needed. */
export function badge(word, mood = "") {
  const found = mood || Object.keys(MOODS).find((each) => MOODS[each].includes(word)) || "plain";
  return el(`span.badge.${found}`, {}, el("span", { "aria-hidden": "true" }, `${SIGNS[found]} `), String(word || "unknown"));
}

/** A table on wide screens, cards on narrow ones. Roles are written out because a table laid out as blocks loses its own. */
export function table(caption, columns, keyOf, empty) {
  const body = el("tbody", { role: "rowgroup" });
  const head = el("tr", { role: "row" }, columns.map((column) => el("th", { role: "columnheader", scope: "col" }, column.title)));
  const grid = el("table", { role: "table" }, el("caption", {}, caption), el("thead", { role: "rowgroup" }, head), body);
  const none = el("p.empty", { hidden: true }, empty);
  const rows = new Map();

  /** Show these items; rows that did not change are not touched, and focus stays where it was. */
  function update(items) {
    const wanted = new Set();
    let after = null;
    for (const item of items) {
      const id = keyOf(item);
      const print = JSON.stringify(item);
      wanted.add(id);
      let row = rows.get(id);
      if (row?.print !== print) {
        const node = el("tr", { role: "row" }, columns.map((column) => el("td", { role: "cell", "data-title": column.title }, el("div", {}, column.cell(item)))));
        const held = row?.node.contains(document.activeElement) ? document.activeElement.dataset.hold : "";
        if (row) row.node.replaceWith(node);
        row = { node, print };
        rows.set(id, row);
        if (held) node.querySelector(`[data-hold="${held}"]`)?.focus();
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
    grid.hidden = !items.length;
    none.hidden = Boolean(items.length);
  }
  return { node: el("div.table", {}, grid, none), update };
}

/** Terms and what they are; empty ones are left out. */
export function facts(pairs) {
  const shown = pairs.filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return el("dl", {}, shown.map(([term, value]) => el("div", {}, el("dt", {}, term), el("dd", {}, value))));
}

/** JSON as it is, folded. */
export function folded(title, value) {
  return el("details", {}, el("summary", {}, title), el("pre", { tabindex: "0", "aria-label": title }, JSON.stringify(value, null, 2)));
}

/** What went wrong, for people. */
export function trouble(problem) {
  const code = problem.code ? el("code", {}, problem.code) : null;
  return el("div.problem", {}, el("p", {}, el("strong", {}, problem.message), code ? " " : null, code), problem.hint ? el("p", {}, problem.hint) : null);
}

/** An error as ARM writes it, with what lies below it. */
export function armError(error) {
  if (!error) return null;
  const inner = (error.details ?? []).map((each) => el("li", {}, el("code", {}, each.code ?? ""), ` ${each.message ?? ""}`));
  const target = error.target ? el("p", {}, `About: ${error.target}`) : null;
  return el("div.problem", {}, el("p", {}, el("code", {}, error.code ?? ""), ` ${error.message ?? ""}`), target, inner.length ? el("ul", {}, inner) : null);
}

/** A moment, said as how long ago it was or how long it will be; `tick` keeps it true. */
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
  return seconds < -30 ? `in ${span(-seconds + 30)}` : seconds < 5 ? "just now" : `${span(seconds)} ago`;
}

/** Seconds in words, to the unit that matters. */
export function span(seconds) {
  const steps = [[86400, "day"], [3600, "hour"], [60, "minute"], [1, "second"]];
  const [size, name] = steps.find(([each]) => seconds >= each) ?? [1, "second"];
  const count = Math.floor(seconds / size);
  return `${count} ${name}${count === 1 ? "" : "s"}`;
}

/** Where something is, without the parts of an ARM id that everybody here has: `ws1 / computes / cpu`. */
export function place(id) {
  const parts = String(id ?? "").replace(/^\//, "").split("/");
  const provider = parts.findLastIndex((part) => part.toLowerCase() === "providers");
  const names = provider >= 0 ? parts.slice(provider + 2) : parts;
  return (names[0]?.toLowerCase() === "workspaces" ? names.slice(1) : names).join(" / ") || "/";
}
