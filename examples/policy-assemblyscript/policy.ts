// follow-the-traffic: a shard's copies take cores where its clients ask it. A copy that takes many belongs where cores are idle; where
// one that takes none is does not matter.
//
//     points[n] = weight * min(1, cores of the copy / busy) * share of n's cores that would be busy with it
//
//                                     n1: 8 cores, 6 busy   n2: 8 cores, 1 busy
//     a primary that takes 1 core     10 * 1 * 7/8 = 8.75   10 * 1 * 2/8 = 2.5
//     one that takes 0.05             10 * 0.1 * …  = 0.76  10 * 0.1 * …  = 0.13
//
// The copy in question is not counted twice where it is, and what recoveries will bring or take away counts already.
import {
  nodes, points, needs, onPrepare, setting, FLAG_PRIMARY, node_capacity_cpu, node_used_cpu, node_coming_cpu, node_leaving_cpu, shard_primary_cpu, shard_replica_cpu, copy_node,
} from "../../wasm/guest/assemblyscript/troupe";
export { pol_abi_1, pol_alloc, pol_state, pol_configure } from "../../wasm/guest/assemblyscript/troupe";

let busy: f64 = 0;
let weight: f64 = 0;

needs(["node_capacity_cpu", "node_used_cpu", "node_coming_cpu", "node_leaving_cpu", "shard_primary_cpu", "shard_replica_cpu", "copy_node"]);
onPrepare(prepare);

function prepare(): i32 {
  busy = setting("busy").number;
  weight = setting("weight").number;
  return 0;
}

export function score(shard: i32, copy: i32, flags: i32, out: usize): void {
  const cores = (flags & FLAG_PRIMARY) != 0 ? shard_primary_cpu(shard) : shard_replica_cpu(shard);
  const here = copy >= 0 ? copy_node(copy) : -1;
  const matters = weight * min(1, cores / busy);
  for (let n = 0; n < nodes(); n++) {
    const capacity = node_capacity_cpu(n);
    let used = node_used_cpu(n) + node_coming_cpu(n) - node_leaving_cpu(n);
    if (n != here) used += cores;
    // A node that has not been measured is as good as one that is half busy: neither shunned nor flooded.
    points(out, n, matters * (capacity > 0 ? max(0, used) / capacity : 0.5));
  }
}
