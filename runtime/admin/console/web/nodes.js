// Nodes: who is there, what each uses, and what can be done with it.
import { json } from './api.js';
import { act } from './dialog.js';
import { useLive } from './live.js';
import { html } from './vendor/preact-htm.js';

const share = (used, all) => (all > 0 ? Math.round((100 * used) / all) : null);

function Share({ used, all, what }) {
  const p = share(used, all);
  if (p === null) return html`–`;
  return html`<meter min="0" max="100" low="85" high="90" optimum="0" value=${p} aria-label=${what}></meter> ${p}\u00a0%`;
}

export function Nodes() {
  const live = useLive();
  const change = (node, action, title, words, command, go) => act({
    title, text: words, command, go, run: async () => { await json('POST', `/_nodes/${encodeURIComponent(node)}/${action}`); },
  });
  return html`<div class="scroll"><table class="list" aria-label="Nodes"><thead><tr>${['Node', 'State', 'Copies', 'Leads', 'CPU', 'Memory', 'Disk', 'Votes', 'Addresses', ''].map((h) => html`<th scope="col">${h || html`<span class="away">Actions</span>`}</th>`)}</tr></thead>
    <tbody>${live.nodes.map((n) => html`<tr class=${n.state}>
      <th scope="row">${n.name}${n.leader ? ' ★' : ''}<br /><small>epoch ${n.epoch} · ${n.roles.join(', ')}</small></th>
      <td>${n.state}${n.draining ? ', draining' : ''}${n.maintenance ? ', in maintenance' : ''}<br /><small>${n.reason || ''}</small></td>
      <td>${n.copies}</td><td>${n.primaries}</td>
      <td>${n.load ? html`<${Share} used=${n.load.cpu} all=${n.load.cpu_capacity} what=${'CPU of ' + n.name} />` : '–'}</td>
      <td>${n.load ? html`<${Share} used=${n.load.memory} all=${n.load.memory_capacity} what=${'memory of ' + n.name} />` : '–'}</td>
      <td>${n.load ? html`<${Share} used=${n.load.disk} all=${n.load.disk_capacity} what=${'disk of ' + n.name} />` : '–'}</td>
      <td>${n.voter ? 'yes' : 'no'}</td>
      <td class="addresses"><small>Redis ${n.resp}<br />HTTP ${n.http}<br />peer ${n.peer}</small></td>
      <td><div class="bar">
        ${n.draining
          ? html`<button aria-label=${'End the drain of ' + n.name} onClick=${() => change(n.name, 'undrain', `Let ${n.name} hold copies again`, 'Copies come back as the balance asks.', `troupe drain ${n.name} --undo`, 'End the drain')}>End drain</button>`
          : html`<button aria-label=${'Drain ' + n.name} onClick=${() => change(n.name, 'drain', `Drain ${n.name}`, 'Its copies go to other nodes, and others lead. Nothing is lost, and writes go on.', `troupe drain ${n.name}`, 'Drain it')}>Drain</button>`}
        ${!n.leader && n.state === 'alive' && html`<button aria-label=${'Let ' + n.name + ' lead'} onClick=${() => act({ title: `Make ${n.name} the placement leader`, command: `troupe leader transfer ${n.name}`,
          run: async () => { await json('POST', '/_cluster/leader?node=' + encodeURIComponent(n.name)); } })}>Let it lead</button>`}
        ${n.state === 'dead' && html`<button aria-label=${'Forget ' + n.name} onClick=${() => change(n.name, 'forget', `Forget ${n.name}`, 'It is no member any more; the copies that it had are given up.', `troupe forget ${n.name}`, 'Forget it')}>Forget</button>`}
      </div></td></tr>`)}</tbody></table></div>
    <p><small>★ leads the cluster. CPU is that of the process; memory and disk are of the machine, whoever uses them.</small></p>`;
}
