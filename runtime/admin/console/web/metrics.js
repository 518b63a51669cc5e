// Metrics of this node as lines over the time that the page is open. Prometheus keeps them for longer: /metrics.
import { repeat, text } from './api.js';
import { html, useEffect, useState } from './vendor/preact-htm.js';

const every = 2000, kept = 300;
const series = new Map(); // name -> { kind, help, points }

function take(page) {
  const sums = new Map();
  const kinds = new Map(), helps = new Map();
  for (const line of page.split('\n')) {
    let m = /^# TYPE (\S+) (\S+)/.exec(line);
    if (m) { kinds.set(m[1], m[2]); continue; }
    m = /^# HELP (\S+) (.*)/.exec(line);
    if (m) { helps.set(m[1], m[2]); continue; }
    m = /^([a-z0-9_:]+)(?:\{[^}]*\})? ([-+0-9.eEinfNa]+)/i.exec(line);
    if (!m || m[1].endsWith('_bucket')) continue;
    const before = sums.get(m[1]), value = Number(m[2]);
    sums.set(m[1], before === undefined ? value : kinds.get(m[1]) === 'gauge' && /_(ratio|seconds)$/.test(m[1]) ? Math.max(before, value) : before + value);
  }
  for (const [name, value] of sums) {
    if (!series.has(name)) series.set(name, { kind: kinds.get(name) || 'counter', help: helps.get(name) || '', points: [] });
    const points = series.get(name).points;
    points.push({ at: Date.now(), value });
    if (points.length > kept) points.shift();
  }
}

// shown gives values for a gauge, and growth per second for what only grows.
function shown(s) {
  if (s.kind === 'gauge') return s.points;
  return s.points.slice(1).map((p, i) => ({ at: p.at, value: Math.max(0, (p.value - s.points[i].value) / ((p.at - s.points[i].at) / 1000)) }));
}

const short = (v) => (Math.abs(v) >= 1e9 ? (v / 1e9).toFixed(2) + ' G' : Math.abs(v) >= 1e6 ? (v / 1e6).toFixed(2) + ' M' : Math.abs(v) >= 1e3 ? (v / 1e3).toFixed(2) + ' k' : String(+v.toFixed(3)));

export function Metrics() {
  const [, tick] = useState(0);
  const [filter, setFilter] = useState('troupe_');
  const [error, setError] = useState('');
  useEffect(() => {
    return repeat(() => text('GET', '/metrics').then((page) => { take(page); setError(''); tick((n) => n + 1); }, (e) => setError(e.message)), every);
  }, []);
  const names = [...series.keys()].filter((n) => n.includes(filter)).sort();
  return html`<label>Only those with <input type="search" value=${filter} onInput=${(e) => setFilter(e.target.value)} /></label>
    ${error && html`<p class="bad" role="alert">${error}</p>`}
    <p><small>Of the node that serves this page. Counters are shown as growth per second; of what has labels the sum, or the largest of ratios and times.</small></p>
    <div class="sparks">${names.map((n) => html`<${Spark} key=${n} name=${n} s=${series.get(n)} />`)}</div>`;
}

function Spark({ name, s }) {
  const points = shown(s);
  const last = points.length ? points[points.length - 1].value : s.points[s.points.length - 1].value;
  const low = Math.min(...points.map((p) => p.value)), high = Math.max(...points.map((p) => p.value));
  const d = points.map((p, i) => `${i ? 'L' : 'M'}${((i / Math.max(1, points.length - 1)) * 200).toFixed(1)},${(38 - ((p.value - low) / (high - low || 1)) * 36).toFixed(1)}`).join('');
  return html`<figure title=${s.help}><figcaption>${name}<b>${short(last)}${s.kind === 'gauge' ? '' : '/s'}</b></figcaption>
    <svg viewBox="0 0 200 40" preserveAspectRatio="none" role="img" aria-label=${`${name}: ${short(last)}, between ${short(low)} and ${short(high)}`}><path d=${d} class="line" /></svg></figure>`;
}
