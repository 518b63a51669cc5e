// Tests of actor_world.mjs, and of a module of the kind counter in it: node actor_selftest.mjs MODULE MANIFEST
import assert from "node:assert/strict";
import { load } from "./actor_world.mjs";

const w = await load(process.argv[2], process.argv[3]);
const refused = (code, message) => ({ code, message });

// JSON and data.
assert.equal(w.call("a", "add", 5), 5);
assert.throws(() => w.call("a", "add", -9), refused(7, "counter/a would be below zero, at -4"));
assert.equal(w.data("a", "count"), "5");
assert.equal(w.call("a", "note", { x: 'q"é\n\u0001😀', y: "", z: "b\\/", n: null }), 3);
assert.equal(w.call("a", "note", { y: null }), 2);
assert.deepEqual(w.call("a", "notes"), { x: 'q"é\n\u0001😀', z: "b\\/" });
assert.equal(w.data("a", "note/x"), '"q\\"é\\n\\u0001😀"');
assert.deepEqual(w.keys("a"), ["count", "note/x", "note/z"]);
assert.equal(w.call("b", "add", 2 ** 53), 2 ** 53);
assert.equal(w.call("b", "note", { long: "y".repeat(20_000) }), 1);
assert.equal(w.call("b", "notes").long.length, 20_000);
assert.throws(() => w.call("a", "pay", { to: "b", amount: 0 }), { code: 8, reason: "bad-amount" });
assert.throws(() => w.call("a", "nothing"), { code: -1, reason: "" });
assert.throws(() => w.call("a", "nothing"), refused(-1, "the manifest has no method nothing: a cluster refuses the message"));
w.methods.add("nothing");
assert.throws(() => w.call("a", "nothing"), refused(-1, "there is no method nothing"));

// Messages: the queue keeps their order, and what is not of this kind.
assert.equal(w.call("a", "pay", { to: "c", amount: 2 }), 3);
assert.equal(w.data("c", "count"), "");
w.settle();
assert.equal(w.data("c", "count"), "2");
assert.throws(() => w.call("a", "pay", { to: "c", amount: 9 }), refused(7, "counter/a would be below zero, at -6"));
assert.equal(w.queue.length, 0);
w.call("a", "compare", "counter/c");
w.call("a", "compare", "bank/x");
w.call("a", "compare", "bank/y");
w.settle();
const asked = w.sent();
assert.deepEqual([asked.to, asked.method, asked.payload], ["bank/x", "value", "null"]);
w.answer(asked, 7);
w.refuse(w.sent(), 'no "account"');
w.settle();
assert.deepEqual(JSON.parse(w.data("a", "heard/1")), { from: "counter/c", answered: true, said: 2 });
assert.deepEqual(JSON.parse(w.data("a", "heard/2")), { from: "bank/x", answered: true, said: 7 });
assert.deepEqual(JSON.parse(w.data("a", "heard/3")), { from: "bank/y", answered: false, said: 'no "account"' });
assert.equal(w.data("a", "asked/1"), "");
assert.throws(() => w.call("a", "compare", "nobody"), /trap: .*KIND\/NAME/);

// Time and chance.
assert.equal(w.call("a", "later", { after: 1000, every: 1500, amount: 10 }), w.now + 1000);
w.advance(999);
assert.equal(w.call("a", "value"), 3);
w.advance(3001);
assert.equal(w.call("a", "value"), 33);
w.call("a", "later", { after: 0, every: 0, amount: -1000 });
w.advance(0);
assert.deepEqual(w.refused.map((r) => r.message), ["counter/a would be below zero, at -967"]);
w.call("a", "later", { after: 5, every: 0, amount: 1 });
w.call("a", "forget");
w.advance(60_000);
assert.equal(w.call("a", "value"), 33);
assert.throws(() => w.call("a", "later", { after: 0, every: 1, amount: 1 }), /trap: .*each second/);
assert.ok(w.call("a", "dice", { count: 100, below: 6 }).every((d) => d >= 0 && d < 6));
assert.deepEqual(w.call("a", "about"), { self: "counter/a", name: "a", sender: "", event: 1, now: w.now });
assert.equal(w.callAs("bank/x", "a", "about").sender, "bank/x");
