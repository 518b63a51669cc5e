// Verdicts: what deciders said of each candidate when they were asked, as a record keeps it.
import { html } from './vendor/preact-htm.js';

// Verdicts shows those about one shard of a record, and lets another be chosen.
export function Verdicts({ record, shard, choose }) {
  const list = record.shards;
  if (list.length === 0) return html`<p class="empty">The node held nothing that had to go elsewhere.</p>`;
  const known = list.find((x) => x.name === shard), s = known || (shard ? null : list[0]);
  const earlier = s ? (record.earlier || []).filter((d) => d.shard === s.id).reverse() : [];
  return html`<section aria-label="Why there"><h2>Why there</h2>
    <p class="bar"><label>Shard <select value=${s ? s.name : ''} onChange=${(e) => choose(e.target.value)}>${!s && html`<option value="">${shard}</option>`}${list.map((x) => html`<option value=${x.name}>${x.name}</option>`)}</select></label> <span role="status">${s ? s.reason || s.problem : ''}</span></p>
    ${s ? html`<${Said} s=${s} words=${record.words} />` : html`<p class="empty">Nothing was decided about ${shard} here${record.omitted > 0 ? `, or it is one of ${record.omitted} shards for which the record has no room` : ''}.</p>`}
    ${earlier.map((d) => html`<h3>Before that${d.to ? ', for ' + d.to : ''}</h3><p class="bar">${d.reason}</p><${Said} s=${d} words=${record.words} />`)}</section>`;
}

// Said is the table of what was said about a shard.
export function Said({ s, words }) {
  if (s.candidates.length === 0) return html`<p class="empty">What the deciders said of this one is not kept.</p>`;
  return html`<div class="scroll"><table class="why" aria-label="Verdicts"><thead><tr>${['candidate', 'verdict', 'decider, module, fuel', 'says', 'reason'].map((h) => html`<th scope="col">${h}</th>`)}</tr></thead><tbody>
    ${s.candidates.flatMap((c) => {
      const lines = linesOf(c, words);
      return lines.map((l, i) => html`<tr class=${i === 0 ? 'begin' : ''}>${i === 0 && html`<th scope="rowgroup" rowspan=${lines.length}>${c.node}${c.chosen ? ' ← chosen' : ''}</th><td rowspan=${lines.length}><span class=${'verdict ' + c.verdict.toLowerCase()}>${c.verdict}</span></td>`}
        <td>${l.who}</td><td><span class=${'verdict ' + l.says.toLowerCase().replace(' ', '_')}>${l.says}</span></td><td>${l.reason}</td></tr>`);
    })}
    </tbody></table></div>`;
}

// Who is a decider with the module that spoke and what it burnt; one of the house that is built in has neither.
const Who = ({ w }) => html`<span class="who">${w.decider}${w.module && html` <small class="mono">${w.module.slice(0, 8)}${w.fuel > 0 ? ` · ${w.fuel}` : ''}</small>`}</span> `;

// linesOf gives each word that has a reason a line, and those that agree without one a line together.
function linesOf(c, all) {
  const said = c.words.map((w) => all[w]);
  const plain = said.filter((w) => w.verdict === 'YES' && !w.reason);
  const lines = said.filter((w) => !plain.includes(w)).map((w) => ({ who: html`<${Who} w=${w} />`, says: w.verdict, reason: w.reason }));
  if (plain.length > 0) lines.push({ who: plain.map((w) => html`<${Who} w=${w} />`), says: 'YES', reason: '' });
  for (const s of c.scores) lines.push({ who: s.scorer, says: 'score', reason: `${s.score.toFixed(2)} copies: of the nodes that may, the lowest is preferred` });
  return lines;
}
