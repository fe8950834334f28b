// What a compute costs while nobody uses it, as far as its own resource tells. What runs prove is the clean-up's to say (explain).

const LONG_RUNNING_S = 2 * 3600;

/** @returns {{state: string, stateMood: string, word: string, mood: string, why: string, since: string}} */
export function cost(compute) {
  const more = compute.properties ?? {};
  const inner = more.properties ?? {};
  const provisioning = more.provisioningState ?? "unknown";
  if (provisioning === "Failed") {
    const error = more.provisioningErrors?.[0]?.error ?? {};
    return told("Failed", "bad", "failed", "watch", [error.code, error.message].filter(Boolean).join(": "));
  }
  if (provisioning !== "Succeeded") return told(provisioning, "busy", "in change", "plain", "");
  switch (more.computeType) {
    case "ComputeInstance": return instance(inner);
    case "AmlCompute": return cluster(inner);
    default: return told(provisioning, "", "attached", "plain", "paid for where it belongs");
  }
}

function instance(inner) {
  const state = inner.state ?? "unknown";
  const since = inner.lastOperation?.operationTime ?? "";
  if (state !== "Running") {
    const stopped = state === "Stopped";
    return told(state, stopped ? "plain" : "", stopped ? "off" : "in change", "plain", stopped ? "no compute cost; its disk remains. Stopped" : "", since);
  }
  const shutdown = inner.idleTimeBeforeShutdown;
  if (shutdown) return told(state, "good", "shuts itself down", "good", `after ${shutdown} of idleness. Running`, since);
  const long = since && (Date.now() - Date.parse(since)) / 1000 > LONG_RUNNING_S;
  return told(state, "good", long ? "may idle" : "running", long ? "watch" : "plain", "no idle shutdown. Started", since);
}

function cluster(inner) {
  const nodes = inner.currentNodeCount ?? 0;
  const idle = inner.nodeStateCounts?.idleNodeCount ?? 0;
  const least = inner.scaleSettings?.minNodeCount ?? 0;
  const state = inner.allocationState === "Resizing" ? "Resizing" : `${nodes} of ${inner.scaleSettings?.maxNodeCount ?? "?"} nodes`;
  const since = inner.allocationStateTransitionTime ?? "";
  if (idle && least) return told(state, "", `${idle} idle`, "watch", `keeps at least ${least}. Steady`, since);
  if (idle) return told(state, "", `${idle} idle`, "plain", `given back after ${inner.scaleSettings?.nodeIdleTimeBeforeScaleDown ?? "a while"}`);
  if (!nodes) return told(state, "plain", "off", "plain", "no nodes, no compute cost");
  return told(state, "good", "in use", "good", least ? `keeps at least ${least}` : "");
}

function told(state, stateMood, word, mood, why, since = "") {
  return { state, stateMood, word, mood, why, since };
}
