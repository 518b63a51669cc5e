// Topics: what services coordinate by. Topics with their partitions and who lags behind, consumer groups with their members, and sessions
// with what they hold. All of it is read only.
import { json, repeat } from './api.js';
import { html, useEffect, useState } from './vendor/preact-htm.js';

const every = 10000; // each answer asks all partitions

// useAnswer asks for a path again and again, while it is shown.
function useAnswer(path) {
  const [answer, setAnswer] = useState({});
  useEffect(() => {
    let open = true;
    setAnswer({});
    const stop = repeat(() => json('GET', path).then((value) => { if (open) setAnswer({ value }); }, (e) => { if (open) setAnswer((old) => ({ value: old.value, error: e.message })); }), every);
    return () => { open = false; stop(); };
  }, [path]);
  return answer;
}

const ago = (ms) => {
  if (!ms) return '–';
  const s = Math.max(0, (Date.now() - ms) / 1000);
  return s < 1 ? 'now' : s < 60 ? `${Math.floor(s)} s ago` : s < 3600 ? `${Math.floor(s / 60)} min ago` : new Date(ms).toLocaleString();
};
const until = (ms) => { const s = (ms - Date.now()) / 1000; return s <= 0 ? 'due' : `in ${s.toFixed(s < 10 ? 1 : 0)} s`; };
const long = (ms) => (ms % 3600000 === 0 ? `${ms / 3600000} h` : ms % 60000 === 0 ? `${ms / 60000} min` : `${ms / 1000} s`);
const keeps = (t) => [t.keep_messages && `${t.keep_messages} a partition`, t.keep_ms && long(t.keep_ms)].filter(Boolean).join(', ') || 'all';
const to = (page, name) => html`<a class="name" href=${`#/topics/${page}/${encodeURIComponent(name)}`}>${name}</a>`;

// Table shows rows of cells; what is a number stands to the right.
function Table({ label, head, rows, empty }) {
  if (rows.length === 0) return html`<p class="empty">${empty}</p>`;
  return html`<div class="scroll"><table class="list" aria-label=${label}><thead><tr>${head.map((h, i) => html`<th scope="col" class=${i > 0 && typeof rows[0][i] === 'number' ? 'number' : ''}>${h}</th>`)}</tr></thead>
    <tbody>${rows.map((r) => html`<tr>${r.map((c, i) => (i === 0 ? html`<th scope="row" class="name">${c}</th>` : html`<td class=${typeof c === 'number' ? 'number' : 'name'}>${c}</td>`))}</tr>`)}</tbody></table></div>`;
}

// Gaps says what an answer does not hold.
function Gaps({ list, error, names }) {
  return html`${error && html`<p class="bad" role="alert">${error}</p>`}
    ${list?.unseen && html`<p class="bad" role="alert">What lies in ${list.unseen.length} shards is not shown, since nobody could look into them now: ${list.unseen.slice(0, 8).join(', ')}${list.unseen.length > 8 ? ' …' : ''}</p>`}
    ${list?.more && html`<p><small>These are the first ${names}; <code>troupe topic list</code> and its kin show all.</small></p>`}`;
}

const problem = (text) => (text ? html`<span class="bad">⚠ ${text}</span>` : '');
const member = (s) => (!s.owner ? html`<span class="bad">⚠ nobody</span>` : s.target && s.target !== s.owner ? `${s.owner}, to go to ${s.target}` : s.owner);

export function Topics({ path }) {
  const [what, name] = path;
  if (what === 'topic' && name) return html`<${Topic} name=${name} />`;
  if (what === 'group' && name) return html`<${Group} name=${name} />`;
  if (what === 'session' && name) return html`<${Session} name=${name} />`;
  return html`<p>What programs coordinate by that embed Troupe: topics and consumer groups (package <code>topics</code>), sessions with locks, elections and keys (package <code>recipes</code>). <code>troupe topic list</code></p>
    <h2>Topics</h2><${List} path="/_topics" pick="topics" label="Topics" head=${['Topic', 'Partitions', 'Messages', 'Ever published', 'Last', 'Keeps', 'Groups']}
      row=${(t) => [to('topic', t.topic), ...(t.partitions ? [t.partitions, t.messages, t.published, ago(t.newest), keeps(t)] : Array(5).fill('–')), html`${t.groups.map((g, i) => html`${i > 0 ? ', ' : ''}${to('group', g)}`)} ${problem(t.problem)}`]} empty="No topic has been made." />
    <h2>Consumer groups</h2><${List} path="/_groups" pick="groups" label="Consumer groups" head=${['Group', 'Members', 'Partitions', 'Without member', 'Lag', 'Topics']}
      row=${(g) => [to('group', g.group), g.members, g.partitions, g.unowned, g.lag, html`${g.topics.map((t, i) => html`${i > 0 ? ', ' : ''}${to('topic', t)}`)} ${problem(g.problem)}`]} empty="Nobody has joined a group." />
    <h2>Sessions</h2><${List} path="/_sessions" pick="sessions" label="Sessions" head=${['Session', 'TTL', 'Over unless renewed', 'Holds or waits for', '']}
      row=${(s) => [to('session', s.session), long(s.ttl_ms), until(s.until), s.held, problem(s.problem)]} empty="No session is open." />`;
}

function List({ path, pick, label, head, row, empty }) {
  const { value, error } = useAnswer(path);
  if (!value) return error ? html`<p class="bad" role="alert">${error}</p>` : html`<p>Asking every node…</p>`;
  return html`<${Table} label=${label} head=${head} rows=${value[pick].map(row)} empty=${value.problem || empty} /><${Gaps} list=${value} error=${error} names=${value[pick].length} />`;
}

const back = html`<p><a href="#/topics">← all topics, groups and sessions</a></p>`;

function Topic({ name }) {
  const { value: t, error } = useAnswer('/_topics/inspect?topic=' + encodeURIComponent(name));
  if (!t) return html`${back}<p class=${error ? 'bad' : ''}>${error || 'Asking…'}</p>`;
  return html`${back}<h2>Topic ${name}</h2><${Gaps} error=${error} />${problem(t.problem)}
    <p>${t.messages} messages in ${t.partitions} partitions, ${t.published} ever published, keeps ${keeps(t)}. <code>troupe topic show ${name}</code></p>
    <${Table} label="Partitions" head=${['Partition', 'Shard', 'Node', 'First', 'Next', 'Oldest', 'Newest', '']} rows=${t.parts.map((p) => [p.partition, p.shard, p.node || html`<span class="bad">⚠ none</span>`, p.first, p.next, ago(p.oldest), ago(p.newest), problem(p.problem)])} />
    <h3>Groups</h3><${Table} label="Groups of the topic" head=${['Group', 'Partition', 'Offset', 'Lag', 'Member']} rows=${t.by_group.flatMap((g) => g.shares.map((s) => [to('group', g.group), s.partition, s.offset, s.lag, html`${member(s)} ${problem(s.problem)}`]))} empty="No group consumes it." />
    <h3>Subscribers</h3><${Table} label="Subscribers of the topic" head=${['Subscriber', 'Partition', 'Offset', 'Lag', 'How']}
      rows=${t.parts.flatMap((p) => p.subscribers.map((s) => [s.subscriber, p.partition, s.offset, s.lag, s.to ? html`pushed to ${s.to} ${s.tries > 1 ? problem(`sent ${s.tries} times without an answer`) : ''}` : 'polls']))} empty="Nobody subscribes to it." />`;
}

function Group({ name }) {
  const { value: g, error } = useAnswer('/_groups/inspect?group=' + encodeURIComponent(name));
  if (!g) return html`${back}<p class=${error ? 'bad' : ''}>${error || 'Asking…'}</p>`;
  return html`${back}<h2>Group ${name}</h2><${Gaps} error=${error} />${problem(g.problem)}
    <p>${g.members} members, ${g.partitions} partitions, lag ${g.lag}, generation ${g.generation}. <code>troupe group show ${name}</code></p>
    <${Table} label="Members" head=${['Member', 'Timeout', 'Gone unless heard', 'Lag', 'Wants', 'Works on']} rows=${g.by_member.map((m) => [m.member, long(m.timeout_ms), until(m.until), m.lag, m.topics.join(', '), m.holds.join(', ') || '–'])} empty="It has no member: nobody shortens its lag." />
    <h3>Partitions</h3><${Table} label="Partitions of the group" head=${['Topic', 'Partition', 'Offset', 'Next', 'Lag', 'Member']} rows=${g.shares.map((s) => [to('topic', s.topic), s.partition, s.offset, s.next, s.lag, html`${member(s)} ${problem(s.problem)}`])} empty="None." />`;
}

function Session({ name }) {
  const { value: s, error } = useAnswer('/_sessions/inspect?session=' + encodeURIComponent(name));
  if (!s) return html`${back}<p class=${error ? 'bad' : ''}>${error || 'Asking…'}</p>`;
  const how = (h) => (h.token ? `holds it, token ${h.token}` : h.ahead ? `waits, ${h.ahead} before it` : h.waits ? 'waits' : h.keys ? `${h.keys} keys` : 'hears when the session ends');
  return html`${back}<h2>Session ${name}</h2><${Gaps} error=${error} />
    <p>TTL ${long(s.ttl_ms)}, over ${until(s.until)} unless it is renewed. <code>troupe session show ${name}</code></p>
    <${Table} label="Held" head=${['Actor', 'How']} rows=${s.holds.map((h) => [h.actor, h.problem ? problem(h.problem) : how(h)])} empty="It holds nothing, and waits for nothing." />`;
}
