// The shell: what is served, how the cluster stands, and which page is open. Each view has an address of its own.
import { hooks, setToken } from './api.js';
import { act, Dialogs } from './dialog.js';
import { follow, useLive } from './live.js';
import { html, render, useEffect, useState } from './vendor/preact-htm.js';
import { Actors } from './actors.js';
import { Failovers } from './failovers.js';
import { Keys } from './keys.js';
import { MapView } from './map.js';
import { Metrics } from './metrics.js';
import { Nodes } from './nodes.js';
import { Policies } from './policies.js';
import { problemsOf, Problems } from './problems.js';
import { Raw } from './raw.js';
import { Settings } from './settings.js';
import { Topics } from './topics.js';

const pages = [
  ['map', 'Map', MapView], ['problems', 'Problems', Problems], ['failovers', 'Failovers', Failovers], ['nodes', 'Nodes', Nodes], ['policies', 'Policies', Policies], ['actors', 'Actors', Actors], ['topics', 'Topics', Topics],
  ['settings', 'Settings', Settings], ['keys', 'Keys', Keys], ['metrics', 'Metrics', Metrics], ['raw', 'Raw state', Raw],
];

// inside says how many words behind a page's name choose something in it, and lead to no other one.
const inside = { map: 0, failovers: 1 };
const pageOf = (path) => path.slice(0, path[0] in inside ? 1 + inside[path[0]] : path.length).join('/');

const route = () => location.hash.replace(/^#\/?/, '').split('/').map(decodeURIComponent);

function standing(live) {
  if (!live.leader && live.nodes.length > 0) return { status: 'red', words: 'nobody leads the cluster: nothing can be taken over or moved; does a majority of the voters run?' };
  let missing = 0, red = 0;
  for (const row of live.rows.values()) {
    if (!row.primary) red++;
    else if (row.copies.some((c) => !c.in_sync)) missing++;
  }
  const status = live.health ? live.health.status : red ? 'red' : missing ? 'yellow' : 'green';
  const up = live.nodes.filter((n) => n.state !== 'dead').length;
  const words = red ? `${red} of ${live.rows.size} shards serve nothing` : missing ? `all ${live.rows.size} shards served, ${missing} not in full strength` : `all ${live.rows.size} shards served`;
  return { status, words: `${words} · ${up}/${live.nodes.length} nodes · leader ${live.leader || 'none'}` };
}

function Shell() {
  const live = useLive();
  const [path, go] = useState(route());
  useEffect(() => {
    let before = pageOf(route());
    const changed = () => {
      const path = route(), page = pageOf(path);
      go(path);
      if (page !== before) document.getElementById('main').focus(); // else the focus stays at what was chosen
      before = page;
    };
    addEventListener('hashchange', changed);
    return () => removeEventListener('hashchange', changed);
  }, []);
  const page = pages.find(([name]) => name === path[0]) || pages[0];
  const { status, words } = standing(live), problems = problemsOf(live);
  return html`
    <a class="skip" href="#main" onClick=${(e) => { e.preventDefault(); document.getElementById('main').focus(); }}>Skip to the page</a>
    <header>
      <strong>Troupe</strong>
      ${live.nodes.length > 0 && html`<span class=${'health ' + status} role="status"><b>${status}</b> ${words}</span>`}
      ${problems.length > 0 && html`<a class="cause" href="#/problems" title=${problems[0].reason}>Why: ${problems[0].what.length > 1 ? problems[0].what.length + ' shards' : problems[0].what[0]}: ${problems[0].reason}${problems.length > 1 ? ` (and ${problems.length - 1} more)` : ''}</a>`}
      ${!live.online && html`<span class="health red" role="alert">not connected: ${live.problem || 'waiting for the node'}; what is shown is old</span>`}
    </header>
    <nav aria-label="Views">${pages.map(([name, title]) => html`<a href=${'#/' + name} aria-current=${name === page[0] ? 'page' : undefined}>${title}${name === 'problems' && problems.length > 0 ? ` (${problems.length})` : ''}</a>`)}</nav>
    <main id="main" tabindex="-1"><h1>${page[1]}</h1><${page[2]} path=${path.slice(1)} /></main>
    <${Dialogs} />`;
}

hooks.askToken = () => new Promise((resolve) => act({
  title: 'This node asks for a token',
  text: 'It is what the node was started with, as TROUPE_TOKEN. It stays in this tab.',
  fields: html`<label>Token <input name="token" type="password" autocomplete="off" autofocus /></label>`,
  go: 'Use it', silent: true,
  run: async (form) => { setToken(form.get('token')); resolve(); },
}));

follow();
render(html`<${Shell} />`, document.getElementById('app'));
