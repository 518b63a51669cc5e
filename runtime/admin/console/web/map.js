// The map: nodes are rows, shards are cells; colour and sign say what a copy is. The time line plays back how it came about.
import { json } from './api.js';
import { act } from './dialog.js';
import { live, moment, roleOf, signs, useLive } from './live.js';
import { html, useEffect, useMemo, useRef, useState } from './vendor/preact-htm.js';

const words = { primary: 'primary', replica: 'replica in sync', recovering: 'recovering', moving: 'on its way here', failed: 'failed', down: 'on a node that is down', none: 'no copy' };

export function MapView({ path }) {
  useLive();
  const [at, setAt] = useState(null); // null: live
  const chosen = path[0] ? path.join('/') : '';
  if (live.history.length === 0) return html`<p>Waiting for the shard table…</p>`;
  const now = at === null ? live.history[live.history.length - 1] : moment(at);
  return html`
    <p>Each row is a node, each cell a shard: <${Legend} />. Choose a cell to see why its copies are where they are. Arrow keys move.</p>
    <${Grid} now=${now} chosen=${chosen} />
    <${TimeLine} at=${at} setAt=${setAt} from=${live.history[0].at} to=${Date.now()} />
    ${chosen && html`<${Why} key=${chosen} shard=${chosen} />`}`;
}

const Legend = () => ['primary', 'replica', 'recovering', 'moving', 'down'].map((r, i) => html`${i > 0 && ', '}<span class=${'cell sample ' + r}>${signs[r]}</span> ${words[r]}`);

// Grid draws one moment. It is its own component so that it is drawn again only when the moment is another.
export function Grid({ now, chosen }) {
  const body = useRef();
  const shards = useMemo(() => [...now.rows.values()].sort((a, b) => a.id - b.id), [now]);
  const spaces = useMemo(() => {
    const list = [];
    for (const row of shards) {
      const name = row.shard.slice(0, row.shard.lastIndexOf('/'));
      if (list.length === 0 || list[list.length - 1].name !== name) list.push({ name, count: 0 });
      list[list.length - 1].count++;
    }
    return list;
  }, [shards]);
  const move = (event) => {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    const cell = event.target.closest('[data-row]');
    if (!step || !cell) return;
    event.preventDefault();
    const next = body.current.querySelector(`[data-row="${+cell.dataset.row + step[0]}"][data-column="${+cell.dataset.column + step[1]}"]`);
    if (next) next.focus();
  };
  return html`<div class="scroll" ref=${body} onKeyDown=${move}><table class="grid">
    <caption class="away">Copies of ${shards.length} shards on ${now.nodes.length} nodes, at version ${now.version}</caption>
    <thead><tr><th scope="col">node</th>${spaces.map((s) => html`<th scope="colgroup" colspan=${s.count}>${s.name}</th>`)}</tr></thead>
    <tbody>
      ${now.nodes.map((node, r) => html`<tr class=${node.state}><th scope="row">${node.name}${node.name === now.leader ? ' ★' : ''}${node.state !== 'alive' ? ` (${node.state})` : ''}${node.draining ? ' (draining)' : ''}</th>
        ${shards.map((row, c) => html`<${Cell} row=${row} node=${node} nodes=${now.nodes} at=${[r, c]} chosen=${row.shard === chosen} />`)}</tr>`)}
      <tr><th scope="row">nobody leads</th>${shards.map((row) => html`<td>${!row.primary && html`<span class="cell failed" title=${row.shard}>!</span>`}</td>`)}</tr>
    </tbody></table></div>`;
}

function Cell({ row, node, nodes, at, chosen }) {
  const copy = row.copies.find((c) => c.node === node.name);
  const role = copy ? roleOf(row, copy, nodes) : 'none';
  const label = `${row.shard} on ${node.name}: ${words[role]}${copy ? ', ' + copy.copy : ''}, term ${row.term}`;
  return html`<td><a class=${'cell ' + role + (chosen ? ' chosen' : '')} href=${'#/map/' + row.shard} data-row=${at[0]} data-column=${at[1]}
    tabindex=${at[0] === 0 && at[1] === 0 ? 0 : -1} aria-label=${label} title=${label}>${signs[role]}</a></td>`;
}

const clock = (ms) => new Date(ms).toLocaleTimeString([], { hour12: false }) + '.' + String(ms % 1000).padStart(3, '0');

// TimeLine lets the table be seen as it was at any moment since the page was opened.
export function TimeLine({ at, setAt, from, to }) {
  const shown = at === null ? to : at;
  const step = (by) => {
    const h = live.history;
    const i = h.indexOf(moment(shown));
    setAt(h[Math.max(0, Math.min(h.length - 1, i + by))].at);
  };
  return html`<div class="timeline">
    <button onClick=${() => step(-1)} aria-label="One change back">◀</button>
    <input type="range" min=${from} max=${to} value=${shown} step="1" aria-label="Time" aria-valuetext=${clock(shown)} onInput=${(e) => setAt(+e.target.value)} />
    <button onClick=${() => step(1)} aria-label="One change on">▶</button>
    <output>${clock(shown)} · version ${moment(shown).version}</output>
    <button disabled=${at === null} onClick=${() => setAt(null)}>Live</button>
  </div>`;
}

// Why shows what every decider says about every node, now, and what can be done.
function Why({ shard }) {
  const [answer, setAnswer] = useState({});
  const row = live.rows.get(shard);
  const cut = shard.lastIndexOf('/');
  const target = { keyspace: shard.slice(0, cut), shard: +shard.slice(cut + 1) };
  useEffect(() => {
    json('POST', '/_cluster/allocation/explain', target).then((e) => setAnswer({ e }), (error) => setAnswer({ error: error.message }));
  }, [shard, row]);
  if (answer.error) return html`<p class="bad" role="alert">${shard}: ${answer.error}</p>`;
  if (!answer.e) return html`<p>Asking the deciders about ${shard}…</p>`;
  const nodes = answer.e.node_allocation_decisions;
  const deciders = [...new Set(nodes.flatMap((n) => (n.deciders || []).map((d) => d.decider)))];
  const word = (n, d) => (n.deciders || []).filter((x) => x.decider === d).sort((a, b) => (b.explanation || '').length - (a.explanation || '').length)[0];
  return html`<section aria-label=${'Why ' + shard}>
    <h2>${shard}</h2>
    <p><code>${answer.e.explanation}</code></p>
    <${Actions} row=${row} target=${target} />
    <h3>May another copy go there?</h3>
    <div class="scroll"><table class="why"><thead><tr><th scope="col">decider</th>${nodes.map((n) => html`<th scope="col">${n.node_name}<br /><span class=${'verdict ' + n.node_decision}>${n.node_decision}</span></th>`)}</tr></thead>
    <tbody>${deciders.map((d) => html`<tr><th scope="row">${d}</th>${nodes.map((n) => {
      const w = word(n, d);
      return html`<td>${w && html`<span class=${'verdict ' + w.decision}>${w.decision}</span> ${w.explanation}`}</td>`;
    })}</tr>`)}</tbody></table></div>
  </section>`;
}

function Actions({ row, target }) {
  if (!row) return null;
  const name = `${target.keyspace}/${target.shard}`;
  const holders = row.copies.map((c) => c.node);
  const ask = async (command) => {
    const a = await json('POST', '/_cluster/reroute', { commands: [command] });
    if (a.refused.length > 0) throw new Error('Refused: ' + a.refused[0].reason);
    return a.moves.map((m) => m.reason).join('; ') || 'Asked for.';
  };
  const move = (from, to) => act({
    title: `Move ${name} from ${from} to ${to}`, text: 'The copy is made there, and when it is in sync this one goes. Writes go on.',
    command: `troupe reroute move ${name} ${from} ${to}`, run: () => ask({ move: { ...target, from_node: from, to_node: to } }),
  });
  const promote = (node) => act({
    title: `Make ${node} lead ${name}`, text: 'The primary hands over; writes pause for some milliseconds.',
    command: `troupe reroute promote ${name} ${node}`, run: () => ask({ promote: { ...target, node } }),
  });
  const free = live.nodes.filter((n) => !holders.includes(n.name) && n.state === 'alive');
  return html`<p class="buttons left">
    ${row.copies.filter((c) => c.in_sync && c.copy !== row.primary).map((c) => html`<button onClick=${() => promote(c.node)}>Promote on ${c.node}</button>`)}
    ${row.copies.filter((c) => c.in_sync).flatMap((c) => free.map((n) => html`<button onClick=${() => move(c.node, n.name)}>Move ${c.node} → ${n.name}</button>`)).slice(0, 12)}
  </p>`;
}
