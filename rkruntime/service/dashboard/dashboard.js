// What the runtime does now: one snapshot a second in, the page out.

import { Charts } from "./charts.js";
import { bytes, percent, seconds } from "./format.js";
import { follow, Refused } from "./stream.js";
import { Table } from "./tables.js";

const at = (id) => document.getElementById(id);
const charts = new Charts(at("rate-chart"), at("latency-chart"));

const number = (title, value, text) => ({ title, value, text, kind: "number" });
const size = (title, field) => number(title, (row) => row[field], (row) => bytes(row[field]));
const time = (title, field) => number(title, (row) => row[field], (row) => seconds(row[field]));
const count = (title, field) => number(title, (row) => row[field]);
const words = (title, field, kind) => ({ title, value: (row) => row[field] ?? "", kind });

const kernels = new Table(
  at("kernels"),
  [words("kernel", "name"), count("launches", "launches"), count("failed", "failed"), time("median", "p50_s"), time("95 %", "p95_s"), time("longest", "max_s")],
  { empty: "Nothing was launched yet.", sortBy: 1, descending: true },
);
const classes = new Table(
  at("classes"),
  [size("class", "block_bytes"), count("live", "live"), count("idle", "idle"), count("quarantined", "quarantined"), size("allocated", "allocated_bytes"), size("reserved", "reserved_bytes")],
  { empty: "No size class is in use." },
);
const owners = new Table(
  at("owners"),
  [words("owner", "name"), words("kind", "kind"), count("buffers", "buffers"), size("allocated", "allocated_bytes")],
  { empty: "Nobody holds device memory.", sortBy: 3, descending: true },
);
const actors = new Table(
  at("actors"),
  [words("name", "name"), words("kind", "kind"), words("state", "state"), count("in flight", "in_flight"), count("mailbox", "waiting"), count("messages", "messages"), count("restarts", "restarts"), size("memory", "memory_bytes"), words("last error", "last_error", "wide")],
  { empty: "No actor is live.", sortBy: 3, descending: true },
);

function show(snapshot) {
  document.body.classList.remove("stale");
  at("connection").textContent = "";
  delete at("connection").dataset.lost;
  badge(snapshot.state);
  at("service-name").textContent = snapshot.service?.name ?? "rkruntime";
  const device = snapshot.device ? `${snapshot.device.kind}: ${snapshot.device.name}` : "no device";
  at("about").textContent = `rkruntime ${snapshot.version} · ${device} · ${snapshot.state} for ${seconds(snapshot.for_s)} · process ${snapshot.pid}`;
  showDrain(snapshot);
  showNow(snapshot);
  showMemory(snapshot.memory);
  charts.add(snapshot);
  kernels.show(snapshot.kernels);
  const { live, listed } = snapshot.actors;
  at("actors-count").textContent = live > listed.length ? `The ${listed.length} busiest of ${live}` : `${live} live`;
  actors.show(listed);
  showErrors(snapshot.errors);
}

function badge(state) {
  if (at("state").dataset.state === state) return; // it is a live region: said once
  at("state").dataset.state = state;
  at("state").textContent = state;
  document.title = `${state} · rkruntime`;
}

function showDrain({ drain }) {
  at("drain").hidden = !drain;
  if (!drain) return;
  const done = drain.began_in_flight - drain.in_flight;
  at("drain-progress").max = Math.max(1, drain.began_in_flight);
  at("drain-progress").value = drain.began_in_flight ? done : 1;
  const rest = drain.deadline_in_s == null ? "" : `; the rest is cancelled in ${seconds(Math.max(0, drain.deadline_in_s))}`;
  at("drain-text").textContent = `${done} of ${drain.began_in_flight} in flight have ended${drain.in_flight ? rest : ""}.`;
}

function showNow(snapshot) {
  const { health, memory } = snapshot;
  const unwell = health.checks.filter((check) => !check.ok);
  const cards = [
    ["in flight", snapshot.in_flight],
    ["actors", snapshot.actors.live],
    ["memory pressure", memory?.pressure ?? "–", { level: memory?.pressure }],
    ["ready", health.ready ? "yes" : "no", health.ready ? {} : { bad: "" }],
    ["health", unwell.length ? unwell.map((check) => `${check.name}: ${check.detail}`).join("; ") : "well", unwell.length ? { bad: "" } : {}],
  ];
  at("now").replaceChildren(...cards.map(([name, value, data]) => card(name, value, data)));
}

function card(name, value, data = {}) {
  const term = document.createElement("dt");
  term.textContent = name;
  const shown = document.createElement("dd");
  shown.textContent = value;
  Object.assign(shown.dataset, data);
  const both = document.createElement("div");
  both.append(term, shown);
  return both;
}

function showMemory(memory) {
  const meter = at("memory-meter");
  if (!memory) {
    meter.replaceChildren();
    at("memory-text").textContent = "The device is closed.";
    classes.show([]);
    owners.show([]);
    return;
  }
  const { device, edges } = memory;
  const of = (part) => part / device.limit_bytes;
  meter.replaceChildren(
    bar("cached", { width: of(device.reserved_bytes) }),
    bar("allocated", { width: of(device.allocated_bytes) }),
    ...Object.entries(edges).map(([level, edge]) => bar(`edge ${level}`, { left: edge, title: `${level} from ${percent(edge)}` })),
  );
  const marks = Object.entries(edges).map(([level, edge]) => `${level} from ${percent(edge)}`).join(", ");
  const text = `${bytes(device.allocated_bytes)} allocated of ${bytes(device.limit_bytes)} (${percent(of(device.allocated_bytes))}), ${bytes(device.cached_bytes)} cached, peak ${bytes(device.peak_bytes)}; ${marks}`;
  meter.setAttribute("aria-label", text);
  at("memory-text").textContent = text;
  classes.show(memory.classes);
  owners.show(memory.owners);
}

function bar(name, { width, left, title }) {
  const shown = document.createElement("span");
  shown.className = name;
  if (width != null) shown.style.width = `${100 * Math.min(1, width)}%`;
  if (left != null) shown.style.left = `${100 * left}%`;
  if (title) shown.title = title;
  return shown;
}

function showErrors(errors) {
  const shown = errors.map(({ at: when, where, error }) => {
    const item = document.createElement("li");
    const stamp = document.createElement("time");
    stamp.dateTime = when;
    stamp.textContent = new Date(when).toLocaleTimeString();
    item.append(stamp, ` ${where}: ${error}`);
    return item;
  });
  if (!shown.length) {
    const none = document.createElement("p");
    none.textContent = "None.";
    shown.push(none);
  }
  at("errors").replaceChildren(...shown);
}

function lost(why, waitMs) {
  document.body.classList.add("stale");
  badge("gone");
  at("connection").dataset.lost = "";
  at("connection").textContent = `Not connected: ${why}. What is shown is old; trying again in ${seconds(waitMs / 1000)}.`;
}

async function watch(key) {
  at("sign-in").hidden = true;
  try {
    await follow(key, { onSnapshot: show, onLost: lost });
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    badge("signed out");
    at("sign-in").hidden = false;
    at("sign-in-error").textContent = key ? error.message : "";
    at("key").focus();
  }
}

at("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  const key = at("key").value; // kept in this page's memory alone
  at("key").value = "";
  watch(key);
});

watch(null);
