// Numbers as people read them: the same spellings as the command line's.

export function bytes(count) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = count;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : trimmed(value)} ${units[unit]}`;
}

export function seconds(count) {
  if (count == null) return "–";
  if (count >= 86400) return `${Math.floor(count / 86400)} d ${Math.floor((count % 86400) / 3600)} h`;
  if (count >= 3600) return `${Math.floor(count / 3600)} h ${Math.floor((count % 3600) / 60)} min`;
  if (count >= 60) return `${Math.floor(count / 60)} min ${Math.floor(count % 60)} s`;
  if (count >= 1) return `${trimmed(count)} s`;
  if (count >= 1e-3) return `${trimmed(count * 1e3)} ms`;
  return `${trimmed(count * 1e6)} µs`;
}

export function percent(part) {
  return `${(100 * part).toFixed(part < 0.1 ? 1 : 0)} %`;
}

function trimmed(value) {
  return Number(value.toPrecision(3)).toString();
}
