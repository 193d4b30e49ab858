// The last minutes of each kernel as lines. What is drawn is what this page has seen since it was opened.

const KEPT_S = 300;
const MOST_KERNELS = 6;
const STROKES = ["#3b8fd6", "#d9742b", "#2fa36b", "#a470d6", "#d9534a", "#8a929c"];

export class Charts {
  constructor(rateElement, latencyElement) {
    this.elements = { rate: rateElement, latency: latencyElement };
    this.times = [];
    this.names = [];
    this.series = new Map(); // kernel -> { rate: [], latency: [] }
    this.before = null;
    this.plots = null;
    const redraw = () => this.#build();
    new ResizeObserver(() => this.#resize()).observe(rateElement);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  }

  add(snapshot) {
    const before = this.before;
    this.before = snapshot;
    if (!before || snapshot.at_s <= before.at_s) return;
    const elapsed = snapshot.at_s - before.at_s;
    const counted = new Map(before.kernels.map((kernel) => [kernel.name, kernel.launches]));
    this.times.push(snapshot.at_s);
    const busiest = [...snapshot.kernels].sort((a, b) => b.launches - a.launches).slice(0, MOST_KERNELS);
    for (const { name } of busiest) if (!this.series.has(name)) this.#begin(name);
    const now = new Map(snapshot.kernels.map((kernel) => [kernel.name, kernel]));
    for (const [name, lines] of this.series) {
      const kernel = now.get(name);
      const launched = kernel ? Math.max(0, kernel.launches - (counted.get(name) ?? 0)) : 0;
      lines.rate.push(launched / elapsed);
      lines.latency.push(kernel && launched && kernel.p50_s != null ? 1e3 * kernel.p50_s : null);
    }
    this.#forget(snapshot.at_s - KEPT_S);
    if (!this.plots || this.names.length !== this.series.size) this.#build();
    else this.#draw();
  }

  #begin(name) {
    const gap = new Array(this.times.length - 1).fill(null);
    this.series.set(name, { rate: [...gap], latency: [...gap] });
  }

  #forget(since) {
    const kept = this.times.findIndex((time) => time >= since);
    if (kept <= 0) return;
    this.times.splice(0, kept);
    for (const [name, lines] of this.series) {
      lines.rate.splice(0, kept);
      lines.latency.splice(0, kept);
      if (this.series.size > MOST_KERNELS && !lines.rate.some((rate) => rate > 0)) this.series.delete(name);
    }
  }

  #build() {
    for (const plot of Object.values(this.plots ?? {})) plot.destroy();
    this.names = [...this.series.keys()];
    if (!this.names.length) {
      this.plots = null;
      return;
    }
    const ink = getComputedStyle(document.body).color;
    const grid = getComputedStyle(document.documentElement).getPropertyValue("--line");
    const axis = { stroke: ink, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 } };
    const series = this.names.map((label, index) => ({ label, stroke: STROKES[index % STROKES.length], width: 2 }));
    const options = (element) => ({
      width: Math.max(200, element.clientWidth),
      height: 200,
      scales: { y: { range: (_, low, high) => [0, high > 0 ? 1.1 * high : 1] } },
      axes: [axis, { ...axis, size: 56 }],
      series: [{}, ...series],
    });
    this.plots = {};
    for (const [kind, element] of Object.entries(this.elements)) {
      this.plots[kind] = new uPlot(options(element), this.#data(kind), element);
    }
  }

  #data(kind) {
    return [this.times, ...this.names.map((name) => this.series.get(name)[kind])];
  }

  #draw() {
    for (const [kind, plot] of Object.entries(this.plots)) plot.setData(this.#data(kind));
  }

  #resize() {
    for (const [kind, plot] of Object.entries(this.plots ?? {})) {
      const width = Math.max(200, this.elements[kind].clientWidth);
      if (width !== plot.width) plot.setSize({ width, height: 200 });
    }
  }
}
