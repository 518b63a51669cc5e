// The rule that all SDKs are held equal by, in AssemblyScript; see manifest.json.
import {
  nodes, keyspaces, slots, text, matches, attribute, say, sayAll, points, write, refuse, needs, onPrepare, setting, settingOf, settingsBelow, reasonOf, answerOf, PROMOTE, changes, changedColumn, changedRow, column,
  number, percent, bytes, milliseconds, NO, NOT_PREFERRED, THROTTLE, FLAG_NEW, FLAG_PRIMARY, COPY_IN_SYNC, NODE_DRAINING, NODE_DOWN, NONE,
  ticks, node_name, node_host, node_flags, node_held, node_copies, node_capacity_disk, node_used_disk, keyspace_name, keyspace_node_copies,
  shard_keyspace, shard_number, shard_primary, copy_node, copy_flags,
} from "../../assemblyscript/troupe";
export { pol_abi_1, pol_alloc, pol_state, pol_configure } from "../../assemblyscript/troupe";

let limits: f64[] = []; // by keyspace; 0: none

needs([
  "ticks", "node_name", "node_host", "node_flags", "node_held", "node_copies", "node_capacity_disk", "node_used_disk", "node_attributes", "attribute_name",
  "attribute_value", "keyspace_name", "keyspace_node_copies", "shard_keyspace", "shard_number", "shard_primary", "copy_node", "copy_flags",
]);
onPrepare(prepare);

function prepare(): i32 {
  if (setting("patience").number > 3600e3) return refuse("patience is more than an hour");
  limits = new Array<f64>(keyspaces()).fill(0);
  const all = settingsBelow("", "limit.");
  for (let i = 0; i < all.length; i++) {
    for (let k = 0; k < keyspaces(); k++) if (text(keyspace_name(k)) == all[i].name.substring(6)) limits[k] = all[i].number;
  }
  return 0;
}

function share(n: i32): f64 {
  return node_capacity_disk(n) > 0 ? node_used_disk(n) / node_capacity_disk(n) : 0;
}

export function can_allocate(shard: i32, copy: i32, flags: i32, row: usize): void {
  const k = shard_keyspace(shard);
  const keyspace = text(keyspace_name(k));
  const avoid = settingOf(keyspace, "avoid").list;
  const full = settingOf(keyspace, "full").number;
  const name = setting("attribute").text;
  const strict = setting("strict").flag ? NO : NOT_PREFERRED;
  for (let n = 0; n < nodes(); n++) {
    const value = attribute(n, name);
    for (let i = 0; i < avoid.length; i++) if (matches(avoid[i], value)) say(row, n, NO, 1);
    if (share(n) >= full) say(row, n, strict, 2);
    if ((flags & FLAG_NEW) != 0 && node_held(n) > ticks()) say(row, n, THROTTLE, 3);
    if (limits[k] > 0 && <f64>keyspace_node_copies(k, n) >= limits[k]) say(row, n, NO, 5);
  }
}

export function can_remain(shard: i32, copy: i32, flags: i32, row: usize): void {
  for (let c = shard * slots(); c < (shard + 1) * slots(); c++) {
    if (copy_node(c) == NONE || c == copy || (copy_flags(c) & COPY_IN_SYNC) == 0) continue;
    for (let n = 0; n < nodes(); n++) if (node_host(n) == node_host(copy_node(c))) say(row, n, NO, 4);
  }
}

export function can_promote(shard: i32, copy: i32, flags: i32, row: usize): void {
  if (shard_primary(shard) != NONE) sayAll(row, THROTTLE, 3);
  for (let n = 0; n < nodes(); n++) if ((node_flags(n) & (NODE_DRAINING | NODE_DOWN)) != 0) say(row, n, NOT_PREFERRED, 3);
}

let heard = 0;
let ofCopies = 0;
let last = 0;

export function pol_delta(list: usize, length: i32): void {
  for (let i = 0; i < changes(length); i++) {
    heard++;
    if (changedColumn(list, i) == column("node_copies")) ofCopies++;
    last = changedRow(list, i);
  }
}

export function meter(capability: i32, shard: i32, copy: i32, flags: i32, node: i32): i32 {
  if (capability != PROMOTE) return 0;
  const held = shard_primary(shard) != NONE ? answerOf(THROTTLE, 3) : 0;
  const leaving = (node_flags(node) & (NODE_DRAINING | NODE_DOWN)) != 0 ? answerOf(NOT_PREFERRED, 3) : 0;
  return max(held, leaving);
}

export function score(shard: i32, copy: i32, flags: i32, out: usize): void {
  for (let n = 0; n < nodes(); n++) points(out, n, share(n) + 0.25 * <f64>node_copies(n) + ((flags & FLAG_PRIMARY) != 0 ? 0.5 : 0));
}

export function explain(capability: i32, shard: i32, copy: i32, flags: i32, node: i32, answer: i32, out: usize, room: i32): i32 {
  return write(out, room, sentence(capability, shard, copy, node, answer));
}

function sentence(capability: i32, shard: i32, copy: i32, n: i32, answer: i32): string {
  const k = shard_keyspace(shard);
  const keyspace = text(keyspace_name(k));
  const name = text(node_name(n));
  switch (reasonOf(answer)) {
    case 1: {
      const a = setting("attribute").text;
      return `node ${name} has attribute ${a} ${attribute(n, a)}, which setting avoid of keyspace ${keyspace} keeps shard ${shard_number(shard)} off`;
    }
    case 2:
      return `node ${name} has used ${bytes(node_used_disk(n))} of ${bytes(node_capacity_disk(n))}, ${percent(share(n))} of its disk, and setting full is ` +
        `${number(settingOf(keyspace, "full").number, 2)} (${setting("strict").flag ? "strict" : "not strict"})`;
    case 3:
      return `node ${name} is held for ${node_held(n) - ticks()} ticks more, and setting patience is ${milliseconds(<i64>setting("patience").number)}`;
    case 4:
      return `copy ${copy} of shard ${keyspace}/${shard_number(shard)} shares host ${text(node_host(n))}; asked to ${capability}`;
    case 6:
      return `heard of ${heard} changes, ${ofCopies} of them of node_copies; the last of row ${last}`;
    case 5:
      return `node ${name} has ${keyspace_node_copies(k, n)} copies of ${keyspace}: 100% of ${number(limits[k], 2)}`;
  }
  return "";
}
