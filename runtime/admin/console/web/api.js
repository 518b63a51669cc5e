// How the console speaks to the node that served it. A token, if the node asks for one, stays in this tab.

let token = sessionStorage.getItem('troupe.token') || '';
let asking = null; // one question for the token at a time

export function setToken(value) {
  token = value;
  sessionStorage.setItem('troupe.token', value);
}

// Refused is an answer that is no success: the node's own words, and what kind of refusal it is.
export class Refused extends Error {
  constructor(status, kind, reason) {
    super(reason);
    this.status = status;
    this.kind = kind;
  }
}

// askToken is replaced by the shell with a dialog; it resolves when the person has answered.
export const hooks = { askToken: async () => {} };

async function request(method, path, body, signal) {
  const headers = {};
  if (token) headers.Authorization = 'Bearer ' + token;
  const options = { method, headers, signal };
  if (body !== undefined) {
    options.body = typeof body === 'string' || body instanceof Blob ? body : JSON.stringify(body);
    headers['Content-Type'] = typeof body === 'string' || body instanceof Blob ? 'application/octet-stream' : 'application/json';
  }
  const answer = await fetch(path, options);
  if (answer.status === 401) {
    asking = asking || hooks.askToken().finally(() => { asking = null; });
    await asking;
    return request(method, path, body, signal);
  }
  if (!answer.ok) {
    const text = await answer.text();
    let kind = '', reason = text || answer.statusText;
    try {
      const e = JSON.parse(text).error;
      kind = e.kind;
      reason = e.reason;
    } catch { /* it was no JSON: the text says it all */ }
    throw new Refused(answer.status, kind, reason);
  }
  return answer;
}

export const json = async (method, path, body, signal) => (await request(method, path, body, signal)).json();
export const text = async (method, path, body, signal) => (await request(method, path, body, signal)).text();
export const send = (method, path, body) => request(method, path, body);

// repeat asks now, and again so many milliseconds after each answer, but not while nobody sees the page. ask may answer false: that was
// all. It returns what ends it.
export function repeat(ask, every) {
  let open = true, asking = false, timer = 0;
  const turn = async () => {
    clearTimeout(timer);
    if (!open || asking || document.hidden) return;
    asking = true;
    let more;
    try {
      more = await ask();
    } finally {
      asking = false;
      if (open && more !== false) timer = setTimeout(turn, every);
    }
    if (more === false) stop();
  };
  const stop = () => {
    open = false;
    clearTimeout(timer);
    document.removeEventListener('visibilitychange', turn);
  };
  document.addEventListener('visibilitychange', turn);
  turn();
  return stop;
}

// lines yields the JSON values of a stream, one per line, until it ends or the signal does.
export async function* lines(path, signal) {
  const answer = await request('GET', path, undefined, signal);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    rest += value;
    const parts = rest.split('\n');
    rest = parts.pop();
    for (const part of parts) if (part) yield JSON.parse(part);
  }
}
