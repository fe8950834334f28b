// Approvals: what waits for another caller than who asked, and what became of it.

import { send } from "./api.js";
import { ago, attempt, badge, el, foreign, table } from "./dom.js";

const PAUSE_S = 15;

export const approvals = {
  title: "Approvals",
  build(root, context) {
    const answer = el("div", { role: "alert" });
    const decide = async (each, word) => {
      if (!confirm(`${word === "approve" ? "Carry out" : "Refuse"} ${each.request}, asked by ${each.caller}?`)) return;
      await attempt(answer, async () => {
        await send(`approvals/${each.name}/${word}`, { method: "POST" });
        context.say(`${each.request}: ${word}d`);
      });
      context.refresh();
    };
    const grid = table("Approvals, newest first", columns(decide), (each) => each.name, "No approvals. The setting STEWARD_APPROVALS says what needs one.");
    root.append(answer, grid.node);
    return {
      async refresh(signal) {
        grid.update((await send("approvals", { signal })).value);
        return PAUSE_S;
      },
    };
  },
};

function columns(decide) {
  const button = (each, word) => el("button", { type: "button", "data-hold": word, "aria-label": `${word} ${each.request}`, click: () => decide(each, word) }, word);
  const buttons = (each) => (each.status === "Pending" ? [button(each, "approve"), " ", button(each, "refuse")] : each.by ? ["by ", foreign(each.by)] : "");
  return [
    { title: "Request", bare: true, cell: (each) => [foreign(each.request), el("div.soft", {}, ago(each.createdAt), " by ", foreign(each.author ? `${each.caller} (${each.author})` : each.caller))] },
    { title: "Status", bare: true, tight: true, cell: (each) => badge(each.status) },
    { title: "Over", tight: true, cell: (each) => (each.status === "Pending" ? ago(each.expiresAt) : "") },
    { title: "Decide", bare: true, tight: true, cell: buttons },
  ];
}
