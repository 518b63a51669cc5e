// The map: where every copy is, live, and played back from what the cluster remembers.
import { json } from './api.js';
import { act } from './dialog.js';
import { Then } from './then.js';
import { Grid, Legend } from './grid.js';
import { live, now, recall, useLive } from './live.js';
import { TimeLine } from './timeline.js';
import { html, useEffect, useState } from './vendor/preact-htm.js';

const spans = [[5 * 60, '5 minutes'], [60 * 60, 'hour'], [24 * 60 * 60, 'day'], [0, 'all that is remembered']];

export function MapView({ path }) {
  useLive();
  const [at, setAt] = useState(null); // null: live
  const [span, setSpan] = useState(spans[0][0]);
  const [end, setEnd] = useState(null); // of the line, while it is not live
  const chosen = path[0] ? path.join('/') : '';
  const past = live.past;
  const ready = past.moments.length > 0;
  useEffect(() => {
    if (!ready) return;
    const from = span ? now() - span * 1000 : 0;
    if (!live.since || from < live.since) recall(from).catch(() => {}); // the line then begins where the page does
  }, [span, ready]);
  if (!ready) return html`<p class="empty">Waiting for the shard table…</p>`;
  const to = at === null || end === null ? Math.ceil(now()) : end;
  const from = Math.floor(span ? Math.max(to - span * 1000, Math.min(past.moments[0].at, to - 1000)) : past.moments[0].at);
  const choose = (t) => {
    if (at === null) setEnd(to);
    setAt(t);
  };
  const shown = at === null ? past.moments.length - 1 : past.indexAt(at);
  return html`
    <div class="bar apart"><${Legend} /><small>Choose a cell to see why its copies are where they are. Arrow keys move.</small></div>
    ${at !== null && html`<p class="note" role="status">This is the table as it was. <button onClick=${() => setAt(null)}>Back to now</button></p>`}
    <${Grid} now=${past.table(shown)} chosen=${chosen} />
    <${TimeLine} past=${past} at=${at} setAt=${choose} from=${from} to=${to}>
      <label>of the last <select value=${span} onChange=${(e) => { setSpan(+e.target.value); setAt(null); }}>${spans.map(([s, text]) => html`<option value=${s}>${text}</option>`)}</select></label>
      <button disabled=${at === null} onClick=${() => setAt(null)}>Live</button>
    <//>
    ${chosen && (at === null ? html`<${Why} key=${chosen} shard=${chosen} />` : html`<${Then} key=${chosen} shard=${chosen} until=${at} table=${past.table(shown)} />`)}`;
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
  if (!answer.e) return html`<p class="empty">Asking the deciders about ${shard}…</p>`;
  const nodes = answer.e.node_allocation_decisions;
  const said = (n) => (n.copy ? n.deciders.filter((x) => x.question !== 'allocate' && x.question !== 'start') : n.deciders); // of a copy that is there: may it stay, and lead?
  const deciders = [...new Set(nodes.flatMap((n) => said(n).map((d) => d.decider)))];
  const scorers = [...new Set(nodes.flatMap((n) => (n.scorers || []).map((s) => s.scorer)))];
  const score = (n, name) => (n.scorers || []).find((s) => s.scorer === name);
  const word = (n, d) => said(n).filter((x) => x.decider === d).sort((a, b) => (b.explanation || '').length - (a.explanation || '').length)[0];
  const objects = (d) => nodes.some((n) => { const w = word(n, d); return w && (w.decision !== 'yes' || w.explanation); });
  const silent = deciders.filter((d) => !objects(d));
  return html`<section aria-label=${'Why ' + shard} class="card">
    <h2>${shard} <small>now</small></h2>
    <p class="mono" role="status">${answer.e.explanation}</p>
    ${answer.e.refuses_writes && html`<p class="bad">⚠ Writes that grow are refused: ${answer.e.refuses_writes}</p>`}
    <${Actions} row=${row} target=${target} />
    <h3>May a copy go there, or stay?</h3>
    <div class="scroll"><table class="why" aria-label="Verdicts"><thead><tr><th scope="col">decider</th>${nodes.map((n) => html`<th scope="col">${n.node_name} ${n.copy ? html`<span class="holds">${holds(n)}</span>` : html`<span class=${'verdict ' + n.node_decision}>${n.node_decision}</span>`}</th>`)}</tr></thead>
    <tbody>${deciders.filter(objects).map((d) => html`<tr><th scope="row">${d}</th>${nodes.map((n) => {
      const w = word(n, d);
      return html`<td>${w && html`<span class=${'verdict ' + w.decision}>${w.decision}</span> ${w.explanation}`}</td>`;
    })}</tr>`)}
    ${scorers.map((name) => html`<tr><th scope="row">${name}</th>${nodes.map((n) => html`<td>${score(n, name) && html`score ${score(n, name).score.toFixed(2)}`}</td>`)}</tr>`)}</tbody></table></div>
    ${scorers.length > 0 && html`<p><small>Scores are in copies: of the nodes that may, the lowest is preferred.</small></p>`}
    ${silent.length > 0 && html`<p><small>${silent.join(', ')} say yes to all of them.</small></p>`}
  </section>`;
}

const holds = ({ node_name: name, copy: c }) => (live.nodes.some((n) => n.name === name && n.state === 'dead') ? 'is down with a copy' : c.failed ? 'has a failed copy' : !c.in_sync ? 'gets a copy' : 'has a copy');

const mostMoves = 12;

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
  return html`<p class="bar">
    ${row.copies.filter((c) => c.in_sync && c.copy !== row.primary).map((c) => html`<button onClick=${() => promote(c.node)}>Promote on ${c.node}</button>`)}
    ${row.copies.filter((c) => c.in_sync).flatMap((c) => free.map((n) => html`<button onClick=${() => move(c.node, n.name)}>Move ${c.node} → ${n.name}</button>`)).slice(0, mostMoves)}
  </p>`;
}
