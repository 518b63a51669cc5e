// The time line: what held when, as a strip of health that can be played, and stepped through change by change.
import { html, useEffect, useMemo, useRef, useState } from './vendor/preact-htm.js';

export const clock = (ms) => new Date(ms).toLocaleTimeString([], { hour12: false }) + '.' + String(Math.floor(ms) % 1000).padStart(3, '0');

// lasting is how long a play takes, whatever span it is of, in seconds; 0: change by change.
const paces = [[1, 'in 1 s'], [5, 'in 5 s'], [15, 'in 15 s'], [60, 'in a minute'], [0, 'change by change']];
const stepMillis = 400; // of change by change

// usePlay moves at from its place to the end, and says whether it runs.
function usePlay({ past, at, setAt, from, to, pace }) {
  const [playing, setPlaying] = useState(false);
  const place = useRef(at);
  place.current = at;
  useEffect(() => {
    if (!playing) return undefined;
    let frame = 0, before = performance.now(), owed = 0;
    const go = (t) => {
      const passed = t - before;
      before = t;
      let next = place.current;
      if (pace > 0) {
        next += passed * (to - from) / (pace * 1000);
      } else if ((owed += passed) >= stepMillis) {
        owed = 0;
        const after = past.moments[past.indexAt(next) + 1];
        next = after ? after.at : to;
      }
      if (next !== place.current) setAt(Math.min(next, to));
      if (next >= to) { setPlaying(false); return; }
      frame = requestAnimationFrame(go);
    };
    frame = requestAnimationFrame(go);
    return () => cancelAnimationFrame(frame);
  }, [playing, pace, from, to, past]);
  return [playing, setPlaying];
}

// TimeLine shows a span of a past, and lets its moment be chosen or played. at null: live.
export function TimeLine({ past, at, setAt, from, to, children }) {
  const [pace, setPace] = useState(5);
  const shown = Math.min(to, Math.max(from, at === null ? to : at));
  const [playing, setPlaying] = usePlay({ past, at: shown, setAt, from, to, pace });
  const index = past.indexAt(shown), m = past.moments[index];
  const step = (by) => {
    setPlaying(false);
    const next = past.moments[Math.max(0, Math.min(past.moments.length - 1, index + by))];
    setAt(Math.min(to, Math.max(from, next.at)));
  };
  const play = () => {
    if (!playing && shown >= to) setAt(from);
    setPlaying(!playing);
  };
  const words = m.red ? `${m.red} of its shards nobody leads` : m.yellow ? `${m.yellow} shards lack a copy` : 'all shards served';
  return html`<div class="timeline" role="group" aria-label="Time line">
    <div class="track">
      <${Strip} past=${past} from=${from} to=${to} />
      <input type="range" min=${from} max=${to} value=${shown} step="1" aria-label="Time" aria-valuetext=${`${clock(shown)}, version ${m.version}, ${words}`}
        onInput=${(e) => { setPlaying(false); setAt(+e.target.value); }} />
    </div>
    <div class="bar">
      <button class="play" onClick=${play} aria-label=${playing ? 'Pause' : 'Play'}>${playing ? '❚❚ Pause' : '▶ Play'}</button>
      <select aria-label="Pace" value=${pace} onChange=${(e) => setPace(+e.target.value)}>${paces.map(([s, text]) => html`<option value=${s}>${text}</option>`)}</select>
      <button onClick=${() => step(-1)} aria-label="One change back">◀</button>
      <button onClick=${() => step(1)} aria-label="One change on">▶</button>
      <output class="mono">${clock(shown)} · version ${m.version}${m.leader ? ` · leader ${m.leader}` : ' · nobody leads'} · <span class=${'state ' + (m.red ? 'red' : m.yellow ? 'yellow' : 'green')}>${words}</span></output>
      ${children}
    </div>
  </div>`;
}

// Strip draws how the cluster stood over the span, and a tick for each change.
function Strip({ past, from, to }) {
  const parts = useMemo(() => {
    const x = (t) => ((Math.min(to, Math.max(from, t)) - from) / Math.max(1, to - from)) * 1000;
    const runs = [], ticks = new Set();
    past.moments.forEach((m, i) => {
      const next = past.moments[i + 1];
      if (m.at > to || (next && next.at < from)) return;
      const state = m.red ? 'red' : m.yellow ? 'yellow' : 'green';
      const end = next ? x(next.at) : 1000, last = runs[runs.length - 1];
      if (last && last.state === state) last.end = end; else runs.push({ state, begin: x(m.at), end });
      if (m.at >= from) ticks.add(Math.round(x(m.at)));
    });
    return { runs, ticks: [...ticks] };
  }, [past, past.moments.length, from, to]);
  return html`<svg class="strip" viewBox="0 0 1000 16" preserveAspectRatio="none" aria-hidden="true">
    ${parts.runs.map((r) => html`<rect class=${r.state} x=${r.begin} y="5" width=${Math.max(2, r.end - r.begin)} height="6" />`)}
    ${parts.ticks.map((t) => html`<line x1=${t} x2=${t} y1="1" y2="15" />`)}</svg>`;
}
