// Exercises one server through ioredis, plain or as a cluster: node ioredis.js HOST PORT plain|cluster
// It prints "ok" at its end; every difference throws.
const assert = require("assert");
const Redis = require("ioredis");

async function strings(r) {
  for (const left of ["s", "{n}count", "binary", "{t}a", "{t}b"]) await r.del(left);
  assert.equal(await r.set("s", "value"), "OK");
  assert.equal(await r.get("s"), "value");
  assert.equal(await r.get("absent"), null);
  assert.equal(await r.append("s", "!"), 6);
  assert.equal(await r.set("s", "other", "NX"), null);
  assert.equal(await r.incrby("{n}count", 41), 41);
  assert.equal(await r.incr("{n}count"), 42);
  const bytes = Buffer.from([0, 255, 13, 10, 36]);
  await r.set("binary", bytes);
  assert.deepEqual(await r.getBuffer("binary"), bytes);
  assert.deepEqual(await r.mset("{t}a", "1", "{t}b", "2"), "OK");
  assert.deepEqual(await r.mget("{t}a", "{t}b", "{t}c"), ["1", "2", null]);
  assert.equal(await r.del("{t}a", "{t}b"), 2);
}

async function expiry(r) {
  await r.set("e", "x", "PX", 100000);
  const left = await r.pttl("e");
  assert.ok(left > 0 && left <= 100000, `pttl ${left}`);
  assert.equal(await r.persist("e"), 1);
  assert.equal(await r.ttl("e"), -1);
  assert.equal(await r.pexpire("e", -1), 1);
  assert.equal(await r.exists("e"), 0);
}

async function transactions(r) {
  assert.deepEqual(await r.multi().set("{m}x", "1").incr("{m}x").get("{m}x").exec(),
    [[null, "OK"], [null, 2], [null, "2"]]);
}

async function watch(r, other) {
  await r.watch("{m}x");
  await other.set("{m}x", "10");
  assert.equal(await r.multi().set("{m}x", "11").exec(), null);
  assert.equal(await r.get("{m}x"), "10");
}

async function pubsub(r, subscriber) {
  const got = new Promise((resolve) => subscriber.on("message", (channel, text) => resolve([channel, text])));
  assert.equal(await subscriber.subscribe("news"), 1);
  await r.publish("news", "hello");
  assert.deepEqual(await got, ["news", "hello"]);
}

async function scan(r) {
  const want = new Set();
  for (let i = 0; i < 300; i++) {
    want.add(`scan:${i}`);
    await r.set(`scan:${i}`, "x");
  }
  const found = new Set();
  for await (const page of r.scanStream({ match: "scan:*", count: 50 })) page.forEach((k) => found.add(k));
  assert.deepEqual([...found].sort(), [...want].sort());
}

async function pipeline(r) {
  const p = r.pipeline();
  for (let i = 0; i < 500; i++) p.set(`{p}${i}`, String(i)).get(`{p}${i}`);
  const replies = await p.exec();
  assert.equal(replies.length, 1000);
  replies.forEach(([err, v], i) => assert.deepEqual([err, v], [null, i % 2 ? String((i - 1) / 2) : "OK"]));
}

async function main() {
  const [host, port, kind] = process.argv.slice(2);
  const one = () => new Redis({ host, port: Number(port), maxRetriesPerRequest: 0 });
  const made = kind === "cluster"
    ? new Redis.Cluster([{ host, port: Number(port) }], { redisOptions: { maxRetriesPerRequest: 0 } }) : one();
  const [other, subscriber, walker] = [one(), one(), one()];
  try {
    for (const step of [strings, expiry, transactions, pipeline]) await step(made);
    await scan(walker);
    await watch(walker, other);
    await pubsub(made, subscriber);
    console.log("ok");
  } finally {
    [made, other, subscriber, walker].forEach((c) => c.disconnect());
  }
}

main().catch((err) => {
  console.error(err);
  process.exit(1);
});
