// The grid: nodes are rows, shards are cells; colour and sign say what a copy is.
import { roleOf, signs } from './live.js';
import { Component, html, useMemo, useRef } from './vendor/preact-htm.js';

export const words = { primary: 'primary', replica: 'replica in sync', recovering: 'recovering', moving: 'on its way here', failed: 'failed', down: 'on a node that is down', none: 'no copy' };

export const Legend = () => html`<ul class="legend" aria-label="Signs">${['primary', 'replica', 'recovering', 'moving', 'down'].map((r) => html`<li><span class=${'cell ' + r} aria-hidden="true">${signs[r]}</span> ${words[r]}</li>`)}</ul>`;

const crowded = 40; // shards from which on cells are narrow

// Grid draws one moment; only holds the names of the shards that are wanted, or is missing for all.
export function Grid({ now, chosen, only, link }) {
  const body = useRef();
  const shards = useMemo(() => [...now.rows.values()].filter((r) => !only || only.has(r.shard)).sort((a, b) => a.id - b.id), [now, only]);
  const spaces = useMemo(() => spacesOf(shards), [shards]);
  const move = (event) => {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    const cell = event.target.closest('[data-row]');
    if (!step || !cell) return;
    event.preventDefault();
    const next = body.current.querySelector(`[data-row="${+cell.dataset.row + step[0]}"][data-column="${+cell.dataset.column + step[1]}"]`);
    if (next) next.focus();
  };
  const lost = shards.filter((r) => !r.primary).length;
  return html`<div class="scroll" ref=${body} onKeyDown=${move}><table class=${'grid' + (shards.length > crowded ? ' crowded' : '')}>
    <caption class="away">Copies of ${shards.length} shards on ${now.nodes.length} nodes, at version ${now.version}</caption>
    <thead><tr><th scope="col"><span class="away">node</span></th>${spaces.map((s) => html`<th scope="colgroup" colspan=${s.count} title=${s.name}><span>${s.name}</span></th>`)}</tr></thead>
    <tbody>
      ${now.nodes.map((node, r) => html`<${Line} key=${node.name} node=${node} r=${r} shards=${shards} now=${now} chosen=${chosen} link=${link} />`)}
      <tr class=${'lost' + (lost ? ' some' : '')}><th scope="row">${lost ? `${lost} without a leader` : 'without a leader'}</th>${shards.map((row) => html`<td>${!row.primary && html`<span class="cell failed" title=${row.shard + ' takes no writes'} role="img" aria-label=${row.shard + ' takes no writes'}>!</span>`}</td>`)}</tr>
    </tbody></table></div>`;
}

function spacesOf(shards) {
  const list = [];
  for (const row of shards) {
    const name = row.shard.slice(0, row.shard.lastIndexOf('/'));
    if (list.length === 0 || list[list.length - 1].name !== name) list.push({ name, count: 0 });
    list[list.length - 1].count++;
  }
  return list;
}

// Line is one node. What is on it is said in words as well.
function Line({ node, r, shards, now, chosen, link }) {
  const note = [node.name === now.leader && 'leads', node.state !== 'alive' && node.state, node.draining && 'draining', node.maintenance && 'maintenance'].filter(Boolean).join(', ');
  return html`<tr class=${node.state}><th scope="row" title=${node.name + (note ? ': ' + note : '')}><span class="who">${node.name}</span>${note && html` <small>${note}</small>`}</th>
    ${shards.map((row, c) => html`<${Cell} key=${row.shard} row=${row} node=${node} nodes=${now.nodes} r=${r} c=${c} first=${c === 0 || row.shard.endsWith('/0')} chosen=${row.shard === chosen} link=${link} />`)}</tr>`;
}

// Cell is drawn again only when its row, its node or the choice is another: there are thousands of them.
class Cell extends Component {
  shouldComponentUpdate(next) {
    const p = this.props;
    return next.row !== p.row || next.nodes !== p.nodes || next.chosen !== p.chosen || next.c !== p.c || next.r !== p.r;
  }

  render({ row, node, nodes, r, c, first, chosen, link }) {
    const copy = row.copies.find((x) => x.node === node.name);
    const role = copy ? roleOf(row, copy, nodes) : 'none';
    const label = `${row.shard} on ${node.name}: ${words[role]}${copy ? ', ' + copy.copy : ''}, term ${row.term}`;
    return html`<td class=${first ? 'first' : ''}><a class=${'cell ' + role + (chosen ? ' chosen' : '')} href=${(link || '#/map/') + row.shard} data-row=${r} data-column=${c}
      tabindex=${r === 0 && c === 0 ? 0 : -1} aria-label=${label} title=${label} aria-current=${chosen ? 'true' : undefined}>${signs[role]}</a></td>`;
  }
}
