// Exercises three servers through ioredis as a cluster while shards move: node iocluster.js master|slave HOST:PORT...
// The first argument says whom reads are sent to.
// It prints "ok" at its end; every difference throws.
const assert = require("assert");
const Redis = require("ioredis");

async function count(r) {
  for (let round = 0; round < 40; round++) {
    await Promise.all([...Array(24).keys()].map((i) => r.incr(`io:${i}`)));
    const replies = await r.multi().incr("{io}a").incr("{io}b").exec();
    assert.deepEqual(replies, [[null, round + 1], [null, round + 1]]);
  }
  for (let i = 0; i < 24; i++) assert.equal(await r.get(`io:${i}`), "40");
}

async function replicas(r) {
  for (let i = 0; i < 50; i++) {
    await r.set(`io:r:${i}`, String(i));
    assert.equal(await r.get(`io:r:${i}`), String(i));
  }
}

async function main() {
  const [scaleReads, ...addresses] = process.argv.slice(2);
  const nodes = addresses.map((at) => ({ host: at.split(":")[0], port: Number(at.split(":")[1]) }));
  const settings = { maxRedirections: 64, retryDelayOnTryAgain: 2, retryDelayOnClusterDown: 2, retryDelayOnMoved: 1 };
  const masters = new Redis.Cluster(nodes, settings);
  const readers = new Redis.Cluster(nodes, { ...settings, scaleReads });
  try {
    for (const r of [masters, readers]) for (const key of [...Array(24).keys()].map((i) => `io:${i}`).concat("{io}a", "{io}b")) await r.del(key);
    await count(masters);
    await replicas(readers);
    console.log("ok");
  } finally {
    masters.disconnect();
    readers.disconnect();
  }
}

main().catch((err) => {
  console.error(err);
  process.exit(1);
});
