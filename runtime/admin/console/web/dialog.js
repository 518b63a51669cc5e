// Every action that changes something asks first, and shows the command line that does the same.
import { html, useEffect, useRef, useState } from './vendor/preact-htm.js';

let open = () => {};

// act asks, runs, and says what came of it, unless it is silent about that. run returns a sentence, or nothing. command is a line, or
// gives one for what the form holds.
export const act = (action) => open(action);

// quoted is a word as a shell takes it.
export const quoted = (word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);

export function Dialogs() {
  const [action, show] = useState(null);
  const [state, setState] = useState({});
  const element = useRef(), shown = useRef();
  const form = useRef();
  const [command, say] = useState('');
  open = (a) => { setState({}); say(''); show(a); };
  const read = () => say(typeof action.command === 'function' ? action.command(new FormData(form.current)) : action.command);
  useEffect(() => {
    if (!action) return;
    shown.current = action;
    if (!element.current.open) element.current.showModal();
    read();
  }, [action]);
  const close = () => { element.current.close(); show(null); };
  const closed = () => show((now) => (element.current.open || now !== shown.current ? now : null)); // told late: another may be asked by now
  const run = async (event) => {
    event.preventDefault();
    setState({ busy: true });
    try {
      const done = await action.run(new FormData(event.target));
      if (action.silent) close(); else setState({ done: done || 'Done.' });
    } catch (e) {
      setState({ failed: e.message });
    }
  };
  if (!action) return html`<dialog ref=${element}></dialog>`;
  return html`<dialog ref=${element} onClose=${closed} aria-labelledby="dialog-title">
    <form ref=${form} onSubmit=${run} onInput=${read}>
      <h2 id="dialog-title">${action.title}</h2>
      ${action.text && html`<p>${action.text}</p>`}
      ${action.fields}
      ${action.command && html`<p class="command"><span>The same from a terminal:</span><code>${command}</code></p>`}
      <p role="status" class=${state.failed ? 'bad' : ''}>${state.failed || state.done || (state.busy ? 'Working…' : '')}</p>
      <div class="bar end">
        <button type="button" onClick=${close}>${state.done ? 'Close' : 'Cancel'}</button>
        ${!state.done && html`<button class="go" disabled=${state.busy}>${action.go || 'Do it'}</button>`}
      </div>
    </form>
  </dialog>`;
}
