// The server's events, read with fetch and not with EventSource: a key travels in a header and never in an address.

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 8000;
const SILENCE_MS = 10000; // the server sends at least a comment every few seconds

export class Refused extends Error {}

// Calls `onSnapshot` with each snapshot and `onLost` with a reason whenever the connection ends; returns only when refused.
export async function follow(key, { onSnapshot, onLost }) {
  let wait = FIRST_WAIT_MS;
  for (;;) {
    let why = "the connection ended";
    try {
      await read(key, (snapshot) => {
        wait = FIRST_WAIT_MS;
        onSnapshot(snapshot);
      });
    } catch (error) {
      if (error instanceof Refused) throw error;
      why = error instanceof Unavailable ? error.message : "the server cannot be reached";
    }
    onLost(why, wait);
    await new Promise((resolve) => setTimeout(resolve, wait));
    wait = Math.min(2 * wait, LONGEST_WAIT_MS);
  }
}

class Unavailable extends Error {}

async function read(key, onSnapshot) {
  const silence = new AbortController();
  let timer = setTimeout(() => silence.abort(), SILENCE_MS);
  try {
    const headers = { Accept: "text/event-stream", ...(key ? { Authorization: `Bearer ${key}` } : {}) };
    const response = await fetch("v1/events", { headers, cache: "no-store", signal: silence.signal });
    if (response.status === 401 || response.status === 403) throw new Refused(await reason(response));
    if (!response.ok) throw new Unavailable(await reason(response));
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let pending = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), SILENCE_MS);
      pending += value;
      const events = pending.split("\n\n");
      pending = events.pop();
      for (const event of events) deliver(event, onSnapshot);
    }
  } finally {
    clearTimeout(timer);
  }
}

function deliver(event, onSnapshot) {
  const lines = event.split("\n");
  const data = lines.filter((line) => line.startsWith("data:")).map((line) => line.slice(5));
  if (data.length) onSnapshot(JSON.parse(data.join("\n")));
}

async function reason(response) {
  try {
    const problem = await response.json();
    return problem.detail || problem.title || `status ${response.status}`;
  } catch {
    return `status ${response.status}`;
  }
}
