"use strict";
// The curves of a report: one plotly.js figure whose panels share their axis, with controls for mouse and keyboard beside it.
(async () => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const chart = document.getElementById("chart");
  const readout = document.getElementById("readout");
  const several = data.runs.length > 1;
  const state = { axis: data.axes[0], range: null, cursor: null, logarithmic: data.panels.map((panel) => panel.logarithmic) };
  const DASHES = ["solid", "dash", "dot", "dashdot"];
  const SYMBOLS = ["circle", "square", "diamond", "triangle-up", "triangle-down", "cross", "x", "star", "hexagon", "pentagon"];

  // plotly.js lies compressed in the page, which makes the file less than half as large.
  const packed = Uint8Array.from(atob(document.getElementById("library").textContent), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const library = document.createElement("script");
  library.textContent = await new Response(stream).text();
  document.head.append(library);
  document.documentElement.classList.add("script");

  // One clock for all runs: the unit that suits the longest.
  const seconds = Math.max(0, ...data.runs.flatMap((run) => run.lines.map((line) => (line.t ? line.t[line.t.length - 1] : 0))));
  const [clock, unit] = seconds > 7200 ? [3600, "hours"] : seconds > 120 ? [60, "minutes"] : [1, "seconds"];
  const TITLES = { updates: "updates", epochs: "epochs", "wall-clock": `${unit} since the start` };

  function place(run, counts, times) {
    if (state.axis === "epochs") return counts.map((count) => count / run.updates_per_epoch);
    if (state.axis === "wall-clock") return times.map((time) => time / clock);
    return counts;
  }

  const checked = (selector) => document.querySelector(selector)?.checked ?? true;
  const shown = () => data.runs.filter((run, i) => checked(`input[name="run"][value="${i}"]`));
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const y = (panel) => (panel ? `y${panel + 1}` : "y");
  const say = (value) => (value === null ? "NaN" : Number(value.toPrecision(5)).toString());

  function lineStyle(run, line) {
    const groups = run.lines.filter((one) => one.role === "rate").map((one) => one.name);
    const group = line.role === "rate" ? Math.max(groups.indexOf(line.name), 0) : 0;
    const dash = DASHES[group % DASHES.length];
    if (several) return { color: run.color, dash, width: line.role === "training" ? 1 : 1.8 };
    const single = { training: color("--quiet"), validation: data.runs[0].color, rate: "#c9641b" }[line.role];
    return { color: single, dash, width: line.role === "training" ? 1 : 1.8 };
  }

  function traces() {
    const found = [];
    for (const run of shown()) {
      const i = data.runs.indexOf(run);
      for (const line of run.lines) {
        if (line.role === "training" && !checked("#show-training")) continue;
        const label = line.role === "rate" ? ["learning rate", line.name].filter(Boolean).join(" of ") : line.name;
        const validation = line.role === "validation";
        found.push({
          type: "scatter", mode: validation || line.x.length === 1 ? "lines+markers" : "lines", x: place(run, line.x, line.t), y: line.y,
          xaxis: "x", yaxis: y(line.panel), name: escaped(several ? `${run.name}: ${label}` : label), showlegend: false,
          line: { ...lineStyle(run, line), shape: line.steps ? "hv" : "linear" }, // a rate is in force from its count on
          marker: { size: 5, symbol: SYMBOLS[i % SYMBOLS.length] }, opacity: line.role === "training" ? (several ? 0.35 : 0.7) : 1,
          label: several ? `${run.name}: ${label}` : label, connectgaps: false,
          hovertemplate: line.role === "rate" ? "%{y:.5~g}%{text}" : "%{y:.5~g}", text: line.role === "rate" ? told(run, place(run, line.x, line.t)) : undefined,
          hoverinfo: several && line.role === "training" ? "skip" : undefined,
        });
        if (several && line.role === "training") delete found[found.length - 1].hovertemplate;
      }
      if (checked("#show-decisions") && run.decisions.length) {
        found.push({
          type: "scatter", mode: "markers", x: places(run), y: run.decisions.map((one) => one.rate), xaxis: "x", yaxis: y(data.panels.length - 1),
          name: "decision", showlegend: false, hoverinfo: "skip",
          marker: { size: 9, symbol: "triangle-down", color: several ? run.color : "#c9641b", line: { width: 1, color: color("--ground") } },
        });
      }
    }
    return several ? found : [...legend(found), ...found];
  }

  // What the lines of a single run are: one entry per kind, by a trace of its own that draws nothing.
  function legend(found) {
    const kinds = { training: null, validation: null, rate: null };
    const [run] = data.runs;
    for (const line of run.lines) kinds[line.role] ??= line;
    const entries = Object.entries(kinds).filter(([role, line]) => line && (role !== "training" || checked("#show-training")));
    const drawnAs = entries.map(([role, line]) => ({
      type: "scatter", mode: role === "validation" ? "lines+markers" : "lines", x: [null], y: [null], yaxis: y(line.panel), name: role === "rate" ? "learning rate" : role,
      line: lineStyle(run, line), marker: { size: 5 }, hoverinfo: "skip", showlegend: true,
    }));
    const decision = { type: "scatter", mode: "markers", x: [null], y: [null], name: "decision", hoverinfo: "skip", showlegend: true,
      marker: { size: 9, symbol: "triangle-down", color: "#c9641b" } };
    return found.some((trace) => trace.name === "decision") ? [...drawnAs, decision] : drawnAs;
  }

  // What is read at the points of a rate: the decisions that can't be told from them at this zoom.
  function told(run, xs) {
    if (!checked("#show-decisions")) return xs.map(() => "");
    const near = 0.008 * (state.range ? state.range[1] - state.range[0] : xs[xs.length - 1] - xs[0]);
    const decisions = places(run).map((x, i) => [x, `<br>${folded(run.decisions[i].words)}`]);
    return xs.map((x) => decisions.filter(([at]) => Math.abs(at - x) <= near).map(([, words]) => words).join(""));
  }

  const places = (run) => place(run, run.decisions.map((one) => one.count), run.decisions.map((one) => one.t));

  // plotly.js reads a few tags in texts; none of them may come from a run's files.
  const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

  function folded(text) {
    const lines = [""];
    for (const word of text.split(" ")) {
      if (lines[lines.length - 1].length + word.length > 60) lines.push("");
      lines[lines.length - 1] += ` ${word}`;
    }
    return lines.map((line) => escaped(line.trim())).join("<br>");
  }

  function layout(all) {
    const count = data.panels.length;
    const line = { gridcolor: color("--grid"), linecolor: color("--rule"), zeroline: false };
    const gap = 0.035;
    const share = (1 - gap * (count - 1)) / count;
    const found = {
      height: 60 + 215 * count, margin: { l: 78, r: 14, t: 12, b: 48 }, showlegend: !several, paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)", font: { color: color("--ink"), family: getComputedStyle(document.body).fontFamily, size: 12 },
      hovermode: "x unified", hoverdistance: reach(all), hoversubplots: "axis", dragmode: "zoom", legend: { orientation: "h", x: 0, y: 1.005, yanchor: "bottom", itemclick: false, itemdoubleclick: false },
      hoverlabel: { bgcolor: color("--raised"), bordercolor: color("--rule"), font: { color: color("--ink") } },
      xaxis: { ...line, title: { text: TITLES[state.axis] }, anchor: y(count - 1), range: state.range ?? extent(all), hoverformat: ",.6~g", spikecolor: color("--quiet"), spikethickness: 1, spikedash: "solid", unifiedhovertitle: { text: `${TITLES[state.axis]}: %{x}` }, tickformat: state.axis === "updates" ? ",~d" : "" },
      shapes: marks(),
    };
    if (!several) found.margin.t = 40;
    data.panels.forEach((panel, i) => {
      const top = 1 - i * (share + gap);
      found[i ? `yaxis${i + 1}` : "yaxis"] = {
        ...line, title: { text: escaped(panel.title), standoff: 8 }, domain: [Math.max(top - share, 0), top], anchor: "x", fixedrange: true, automargin: true,
        type: state.logarithmic[i] ? "log" : "linear", range: fit(all, i), nticks: 7,
        tickformat: i === count - 1 ? ".2~e" : ".3~g", ...(state.logarithmic[i] ? ticks(fit(all, i)) : {}),
      };
    });
    return found;
  }

  function marks() {
    if (!checked("#show-decisions")) return [];
    return shown().flatMap((run) =>
      places(run).slice(0, 300).map((x) => ({
        type: "line", xref: "x", yref: "paper", x0: x, x1: x, y0: 0, y1: 1, layer: "below",
        line: { width: 1, dash: "dot", color: several ? run.color : color("--quiet") }, opacity: several ? 0.6 : 1,
      })),
    );
  }

  // plotly.js writes labels of a logarithmic axis over each other where it has less than two decades.
  function ticks([low, high]) {
    const within = (digits) => {
      const found = [];
      for (let decade = Math.floor(low); decade <= Math.ceil(high); decade++) found.push(...digits.map((digit) => digit * 10 ** decade));
      return found.filter((value) => Math.log10(value) >= low && Math.log10(value) <= high);
    };
    const found = [[1], [1, 3], [1, 2, 5], [1, 2, 3, 4, 6, 8]].map(within).find((values) => values.length >= 4);
    return found && found.length <= 12 ? { tickmode: "array", tickvals: found } : {};
  }

  // How far from a point it is still read, in units of the axis: half the way to the next, and not beyond a line's end.
  const spacing = (trace) => (trace.x.length > 1 ? (trace.x[trace.x.length - 1] - trace.x[0]) / (trace.x.length - 1) : 0);

  function reach(all) {
    const [low, high] = state.range ?? extent(all);
    const widest = Math.max(0, ...all.filter((trace) => trace.label).map(spacing));
    return Math.max(20, Math.ceil(((0.6 * widest) / (high - low)) * chart.clientWidth));
  }

  function extent(all) {
    const ends = all.flatMap((trace) => (!trace.showlegend && trace.x.length ? [trace.x[0], trace.x[trace.x.length - 1]] : []));
    const low = Math.min(...ends), high = Math.max(...ends);
    const margin = (high - low) * 0.01 || 1;
    return ends.length ? [low - margin, high + margin] : [0, 1];
  }

  // The range of a panel's values that can be seen now.
  function fit(all, panel) {
    const [from, to] = state.range ?? [-Infinity, Infinity];
    const logarithmic = state.logarithmic[panel];
    let low = Infinity, high = -Infinity;
    for (const trace of all.filter((one) => one.yaxis === y(panel))) {
      trace.y.forEach((value, i) => {
        if (value === null || (logarithmic && value <= 0) || trace.x[i] < from || trace.x[i] > to) return;
        low = Math.min(low, value);
        high = Math.max(high, value);
      });
    }
    if (low > high) return logarithmic ? [-1, 0] : [0, 1];
    if (logarithmic) [low, high] = [Math.log10(low), Math.log10(high)];
    const margin = (high - low) * 0.06 || Math.abs(high) * 0.1 || 0.5;
    return [low - margin, high + margin];
  }

  let drawn = [];
  let drawing = false;
  async function draw() {
    drawing = true;
    drawn = traces();
    chart.setAttribute("aria-label", `Curves of ${data.panels.map((panel) => panel.title).join(", ")} over ${state.axis}`);
    await Plotly.react(chart, drawn, layout(drawn), { displayModeBar: false, responsive: true, doubleClick: false });
    drawing = false;
  }

  function zoomTo(low, high) {
    const [first, last] = extent(drawn);
    const width = Math.min(high - low, last - first);
    const from = Math.min(Math.max(low, first), last - width);
    state.range = width >= last - first ? null : [from, from + width];
    return draw();
  }

  function act(what) {
    const [low, high] = state.range ?? extent(drawn);
    const middle = state.cursor !== null && state.cursor > low && state.cursor < high ? state.cursor : (low + high) / 2;
    const width = high - low;
    if (what === "in") return zoomTo(middle - (middle - low) / 2, middle + (high - middle) / 2);
    if (what === "out") return zoomTo(middle - (middle - low) * 2, middle + (high - middle) * 2);
    if (what === "left") return zoomTo(low - width / 4, high - width / 4);
    if (what === "right") return zoomTo(low + width / 4, high + width / 4);
    state.range = null;
    return draw();
  }

  // Reading without a mouse: the values at a place, in the picture and in words.
  function read(x) {
    state.cursor = x;
    const [low, high] = state.range ?? extent(drawn);
    const reading = ((high - low) * 20) / chart.clientWidth;
    const parts = [];
    for (const trace of drawn) {
      if (!trace.label || trace.hoverinfo === "skip" || !trace.x.length) continue;
      const at = nearest(trace.x, x);
      if (Math.abs(trace.x[at] - x) > Math.max(0.6 * spacing(trace), reading)) continue; // the run had ended
      parts.push(`${trace.label} ${say(trace.y[at])}`);
    }
    const words = data.runs.flatMap((run) => run.decisions.filter((one, i) => places(run)[i] === x).map((one) => (several ? `${run.name}: ` : "") + one.words));
    readout.textContent = `${TITLES[state.axis]} ${say(x)}: ${[...parts, ...words].join("; ")}`;
    Plotly.Fx.hover(chart, { xval: x }, ["xy", ...data.panels.slice(1).map((panel, i) => `x${y(i + 1)}`)]);
  }

  function nearest(sorted, x) {
    let low = 0, high = sorted.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (sorted[middle] > x) high = middle;
      else low = middle;
    }
    return Math.abs(sorted[high] - x) < Math.abs(sorted[low] - x) ? high : low;
  }

  function stops(decisions) {
    const all = decisions
      ? shown().flatMap(places)
      : drawn.filter((trace) => trace.label).flatMap((trace) => trace.x);
    return [...new Set(all)].sort((a, b) => a - b);
  }

  async function step(direction, decisions) {
    const all = stops(decisions);
    if (!all.length) return;
    const [low, high] = state.range ?? extent(drawn);
    const from = state.cursor ?? (direction > 0 ? low : high);
    const next = direction > 0 ? all.find((x) => x > from) : all.findLast((x) => x < from);
    if (next === undefined) return;
    if (next < low || next > high) await zoomTo(next - (high - low) / 2, next + (high - low) / 2);
    read(next);
  }

  const KEYS = {
    "+": () => act("in"), "=": () => act("in"), "-": () => act("out"), ArrowLeft: () => act("left"), ArrowRight: () => act("right"),
    0: () => act("reset"), Home: () => act("reset"), ",": () => step(-1, false), ".": () => step(1, false), "[": () => step(-1, true), "]": () => step(1, true),
  };
  chart.addEventListener("keydown", (event) => {
    const found = Object.hasOwn(KEYS, event.key) && !event.ctrlKey && !event.metaKey && !event.altKey ? KEYS[event.key] : null;
    if (!found) return;
    event.preventDefault();
    found();
  });

  document.querySelectorAll("[data-do]").forEach((button) => button.addEventListener("click", () => act(button.dataset.do)));
  document.querySelectorAll('input[name="axis"]').forEach((input) =>
    input.addEventListener("change", () => {
      Object.assign(state, { axis: input.value, range: null, cursor: null });
      readout.textContent = "";
      draw();
    }),
  );
  document.querySelectorAll('input[name="logarithmic"]').forEach((input) =>
    input.addEventListener("change", () => {
      state.logarithmic[Number(input.value)] = input.checked;
      draw();
    }),
  );
  document.querySelectorAll('input[name="run"], #show-training, #show-decisions').forEach((input) => input.addEventListener("change", draw));
  document.querySelectorAll("button.show").forEach((button) =>
    button.addEventListener("click", async () => {
      const x = places(data.runs[Number(button.dataset.run)])[Number(button.dataset.decision)];
      const [first, last] = extent(drawn);
      await zoomTo(x - (last - first) / 8, x + (last - first) / 8);
      chart.focus();
      chart.scrollIntoView({ block: "nearest" });
      read(x);
    }),
  );

  const THEMES = { auto: "as the system", light: "light", dark: "dark" };
  document.getElementById("theme").addEventListener("click", () => {
    const names = Object.keys(THEMES);
    const next = names[(names.indexOf(document.documentElement.dataset.theme) + 1) % names.length];
    document.documentElement.dataset.theme = next;
    document.getElementById("theme-name").textContent = THEMES[next];
    draw();
  });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);

  await draw();
  chart.on("plotly_relayout", (change) => {
    if (!drawing && "xaxis.range[0]" in change) zoomTo(Number(change["xaxis.range[0]"]), Number(change["xaxis.range[1]"]));
  });
  chart.on("plotly_doubleclick", () => act("reset"));
  chart.dataset.ready = "true";
})();
