// Metrics of this node as lines over the last minutes, which the node keeps: who comes after a failure sees it. Prometheus keeps them for longer: /metrics.
import { json, repeat } from './api.js';
import { html, useEffect, useState } from './vendor/preact-htm.js';

const every = 5000; // as often as the node keeps a moment
const beat = (ms) => new Date(ms).toLocaleTimeString([], { hour12: false });

// grown adds an answer to what is known; one that begins before what is known ends takes its place: the clock was set back.
export function grown(known, answer) {
  const last = known.moments[known.moments.length - 1] ?? 0, more = answer.moments.length;
  const old = more > 0 && answer.moments[0] <= last ? { moments: [], lines: new Map() } : known;
  const moments = [...old.moments, ...answer.moments], lines = new Map();
  const excess = Math.max(0, moments.length - answer.max_kept);
  const blank = (n) => Array(n).fill(null);
  for (const [name, line] of old.lines) lines.set(name, { ...line, values: [...line.values, ...blank(more)] });
  for (const { name, kind, help, values } of answer.lines) {
    const before = old.lines.get(name)?.values || blank(old.moments.length);
    lines.set(name, { name, kind, help, values: [...before, ...values] });
  }
  for (const line of lines.values()) line.values.splice(0, excess);
  return { every: answer.every_ms, left: answer.left_out || 0, moments: moments.slice(excess), lines };
}

// growth is by how much a counter grew up to each moment; null where one of the two is not known, and 0 where the node began anew.
const growth = (values) => values.map((v, i) => (i === 0 || v === null || values[i - 1] === null ? null : Math.max(0, v - values[i - 1])));

// shown makes what is drawn of what is known: the values of a gauge, the growth per second of what only grows, and of what was measured the mean.
export function shown({ moments, lines }) {
  const drawn = [];
  for (const { name, kind, help, values } of lines.values()) {
    const counts = name.endsWith('_sum') && lines.get(name.slice(0, -4) + '_count');
    if (kind === 'gauge') drawn.push({ name, help, unit: '', values });
    else if (counts) {
      const times = growth(counts.values);
      drawn.push({ name: name.slice(0, -4), help, unit: ' mean', values: growth(values).map((v, i) => (v !== null && times[i] > 0 ? v / times[i] : null)) });
    } else drawn.push({ name, help, unit: '/s', values: growth(values).map((v, i) => (v === null ? null : v * 1000 / (moments[i] - moments[i - 1]))) });
  }
  return drawn.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

const large = [[1e9, 'G'], [1e6, 'M'], [1e3, 'k']], small = [[1, 's'], [1e-3, 'ms'], [1e-6, 'µs']];

// short is a value of a metric in few characters; its name says what it is.
export function short(name, v) {
  const time = name.endsWith('_seconds'), unit = name.endsWith('_bytes') ? 'B' : '';
  const [scale, sign] = (time ? small : large).find(([s]) => Math.abs(v) >= s) || [1, time ? 's' : ''];
  return `${+(v / scale).toPrecision(3)} ${sign}${unit}`.trim();
}

// useRecent asks for what has been, and then again and again for what came since.
function useRecent() {
  const [known, setKnown] = useState({ every, left: 0, moments: [], lines: new Map() });
  const [error, setError] = useState('');
  useEffect(() => {
    let open = true, last = known;
    const take = (answer) => {
      if (!open) return;
      last = grown(last, answer);
      setKnown(last);
      setError('');
    };
    const ask = () => json('GET', '/_metrics/recent?after=' + (last.moments[last.moments.length - 1] ?? 0)).then(take, (e) => { if (open) setError(e.message); });
    const stop = repeat(ask, every);
    return () => { open = false; stop(); };
  }, []);
  return [known, error];
}

// useFailovers lists what died, or was moved, since a moment.
function useFailovers(from) {
  const [list, setList] = useState([]);
  useEffect(() => {
    let open = true;
    const stop = repeat(() => json('GET', '/_cluster/failovers').then((a) => { if (open) setList(a.failovers); }, () => {}), every); // lines are worth showing without it
    return () => { open = false; stop(); };
  }, []);
  return list.filter((f) => f.kind === 'failover' && f.at >= from);
}

export function Metrics() {
  const [known, error] = useRecent();
  const [filter, setFilter] = useState('troupe_');
  const { moments } = known, from = moments[0] ?? 0, to = moments[moments.length - 1] ?? 0;
  const deaths = useFailovers(from);
  const drawn = shown(known).filter((s) => s.name.includes(filter));
  return html`<label>Only those with <input type="search" value=${filter} onInput=${(e) => setFilter(e.target.value)} /></label>
    ${error && html`<p class="bad" role="alert">${error}</p>`}
    ${moments.length === 0 && !error && html`<p class="empty">Reading what the node has kept…</p>`}
    ${moments.length > 0 && html`<p>From ${beat(from)} to ${beat(to)}${deaths.length > 0 ? html`. Upright lines are failovers: ${deaths.map((f, i) => html`${i > 0 ? ', ' : ''}<a href=${'#/failovers/' + f.trace}>${f.id}</a> at ${beat(f.at)}`)}` : ''}.</p>`}
    <p><small>Of the node that serves this page, which keeps its last 15 minutes in memory. Counters are shown as growth per second, what is measured as mean; of what has labels the sum, or the largest of ratios and times.
      ${known.left > 0 && ` ${known.left} metrics more are not kept: /metrics.`}</small></p>
    <div class="sparks">${drawn.map((s) => html`<${Spark} key=${s.name + s.unit} s=${s} moments=${moments} every=${known.every} deaths=${deaths} />`)}</div>`;
}

// pathOf draws values over their moments, in a box of 200 by 40; a lone one is a dot. A gap: the node did not run, or there was nothing to tell.
function pathOf(values, moments, x, y, every) {
  let d = '';
  values.forEach((v, i) => {
    if (v === null) return;
    const on = (j) => values[j] !== null && values[j] !== undefined && Math.abs(moments[i] - moments[j]) < 2.5 * every;
    d += `${on(i - 1) ? 'L' : 'M'}${x(moments[i])},${y(v)}${on(i - 1) || on(i + 1) ? '' : 'h2'}`;
  });
  return d;
}

function Spark({ s, moments, every, deaths }) {
  const known = s.values.filter((v) => v !== null);
  const last = s.values[s.values.length - 1], low = Math.min(...known), high = Math.max(...known);
  const from = moments[0], span = Math.max(1, moments[moments.length - 1] - from);
  const x = (at) => (((at - from) / span) * 198).toFixed(1), y = (v) => (38 - ((v - low) / (high - low || 1)) * 36).toFixed(1);
  const say = (v) => short(s.name, v), now = last === null || last === undefined ? '–' : say(last) + s.unit;
  const peak = high > low || (known.length > 0 && now === '–') ? `most ${say(high)} at ${beat(moments[s.values.indexOf(high)])}` : '';
  const words = known.length === 0 ? `${s.name}: nothing to tell` : `${s.name}: ${now}, between ${say(low)} and ${say(high)}${peak && ', ' + peak}`;
  return html`<figure title=${s.help}><figcaption><span>${s.name.split('_').map((part, i) => html`${i > 0 && html`_<wbr />`}${part}`)}</span><b>${now}</b></figcaption>
    <svg viewBox="0 0 200 40" preserveAspectRatio="none" role="img" aria-label=${words}>${deaths.map((f) => html`<line class="death" x1=${x(f.at)} x2=${x(f.at)} y1="0" y2="40" />`)}<path d=${pathOf(s.values, moments, x, y, every)} class="line" /></svg>
    <small>${peak}</small></figure>`;
}
