// What a compute costs while nobody uses it, as far as its own resource tells. What runs prove is the clean-up's to say (explain).

const LONG_RUNNING_S = 2 * 3600;

/**
 * @returns {{state: string, stateMood: string, word: string, mood: string, why: string, since: string, nodes: number, hours: number}}
 *   `nodes` are those that cost something and may idle, `hours` for how long at most
 */
export function cost(compute) {
  const more = compute.properties ?? {};
  const inner = more.properties ?? {};
  const provisioning = more.provisioningState ?? "unknown";
  if (provisioning === "Failed") {
    const error = more.provisioningErrors?.[0]?.error ?? {};
    return told("Failed", "bad", "failed", "watch", [error.code, error.message].filter(Boolean).join(": "));
  }
  if (provisioning !== "Succeeded") return told(provisioning, "busy", "changing", "plain", "");
  switch (more.computeType) {
    case "ComputeInstance": return instance(inner);
    case "AmlCompute": return cluster(inner);
    default: return told(provisioning, "", "attached", "plain", "billed at its own resource");
  }
}

function instance(inner) {
  const state = inner.state ?? "unknown";
  const since = inner.lastOperation?.operationTime ?? "";
  if (state !== "Running") {
    const stopped = state === "Stopped";
    return told(state, stopped ? "plain" : "", stopped ? "off" : "changing", "plain", stopped ? "no compute cost, its disk remains; stopped" : "", since);
  }
  const shutdown = inner.idleTimeBeforeShutdown;
  if (shutdown) return told(state, "good", "shuts itself down", "good", `after ${shutdown} of idleness; started`, since);
  const on = since ? (Date.now() - Date.parse(since)) / 1000 : 0;
  if (on > LONG_RUNNING_S) return told(state, "good", "may idle", "watch", "no idle shutdown; started", since, 1);
  return told(state, "good", "running", "plain", "no idle shutdown; started", since);
}

function cluster(inner) {
  const nodes = inner.currentNodeCount ?? 0;
  const idle = inner.nodeStateCounts?.idleNodeCount ?? 0;
  const least = inner.scaleSettings?.minNodeCount ?? 0;
  const state = inner.allocationState === "Resizing" ? "Resizing" : `${nodes} of ${inner.scaleSettings?.maxNodeCount ?? "?"} nodes`;
  const since = inner.allocationStateTransitionTime ?? "";
  if (idle && least) return told(state, "", `${idle} idle`, "watch", `kept by a minimum of ${least}; last change`, since, Math.min(idle, least));
  if (idle) return told(state, "", `${idle} idle`, "plain", `released after ${inner.scaleSettings?.nodeIdleTimeBeforeScaleDown ?? "a while"}`);
  if (!nodes) return told(state, "plain", "off", "plain", "no nodes, no compute cost");
  return told(state, "good", "in use", "good", least ? `keeps at least ${least}` : "");
}

function told(state, stateMood, word, mood, why, since = "", nodes = 0) {
  const hours = nodes && since ? Math.floor((Date.now() - Date.parse(since)) / 3600_000) : 0;
  return { state, stateMood, word, mood, why, since, nodes, hours };
}
