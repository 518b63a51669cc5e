//! The rule that all SDKs are held equal by, in Rust; see manifest.json.
#![cfg_attr(target_arch = "wasm32", no_std)]

#[macro_use]
#[path = "../../rust/troupe.rs"]
mod troupe;
use troupe::*;

policy!("manifest.json", prepare);

static mut LIMITS: &[f64] = &[]; // by keyspace; 0: none

fn prepare() -> Result<(), &'static str> {
    if setting("patience").as_number() > 3600e3 {
        return Err("patience is more than an hour");
    }
    let limits = scratch(keyspaces());
    for (name, v) in settings_below("", "limit.") {
        for k in 0..keyspaces() {
            if name.strip_prefix("limit.") == Some(keyspace_name(k)) {
                limits[k] = v.as_number();
            }
        }
    }
    unsafe { LIMITS = limits };
    Ok(())
}

fn limit(k: usize) -> f64 {
    unsafe { LIMITS[k] }
}

fn share(n: usize) -> f64 {
    if node_capacity_disk(n) > 0.0 {
        node_used_disk(n) / node_capacity_disk(n)
    } else {
        0.0
    }
}

rule!(can_allocate, |q, row| {
    let k = shard_keyspace(q.shard);
    let keyspace = keyspace_name(k);
    let (avoid, full) = (setting_of(keyspace, "avoid"), setting_of(keyspace, "full").as_number());
    let (name, strict) = (setting("attribute").as_text(), setting("strict").as_flag());
    for n in 0..nodes() {
        if avoid.items().any(|pattern| matches(pattern, attribute(n, name))) {
            row.say(n, NO, 1);
        }
        if share(n) >= full {
            row.say(n, if strict { NO } else { NOT_PREFERRED }, 2);
        }
        if q.new && node_held(n) > ticks() {
            row.say(n, THROTTLE, 3);
        }
        if limit(k) > 0.0 && keyspace_node_copies(k, n) as f64 >= limit(k) {
            row.say(n, NO, 5);
        }
    }
});

rule!(can_remain, |q, row| {
    for c in copies(q.shard).filter(|&c| Some(c) != q.copy && copy_flags(c) & COPY_IN_SYNC != 0) {
        for n in 0..nodes() {
            if node_host(n) == node_host(copy_node(c).unwrap()) {
                row.say(n, NO, 4);
            }
        }
    }
});

rule!(can_promote, |q, row| {
    if shard_primary(q.shard).is_some() {
        row.say_all(THROTTLE, 3);
    }
    for n in 0..nodes() {
        if node_flags(n) & (NODE_DRAINING | NODE_DOWN) != 0 {
            row.say(n, NOT_PREFERRED, 3);
        }
    }
});

static mut HEARD: (usize, usize, usize) = (0, 0, 0); // changes, those of node_copies, the last row

changed!(|number, row| {
    unsafe { HEARD = (HEARD.0 + 1, HEARD.1 + (number == column("node_copies")) as usize, row) }
});

meter!(|capability, q, node| {
    if capability != PROMOTE {
        return 0;
    }
    let held = if shard_primary(q.shard).is_some() { answer_of(THROTTLE, 3) } else { 0 };
    let leaving = if node_flags(node) & (NODE_DRAINING | NODE_DOWN) != 0 { answer_of(NOT_PREFERRED, 3) } else { 0 };
    held.max(leaving)
});

scorer!(|q, points| {
    for n in 0..nodes() {
        points[n] = share(n) + 0.25 * node_copies(n) as f64 + if q.primary { 0.5 } else { 0.0 };
    }
});

explain!(|capability, q, node, answer, out| {
    let k = shard_keyspace(q.shard);
    let (keyspace, number, name) = (keyspace_name(k), shard_number(q.shard), node_name(node));
    match reason_of(answer) {
        1 => {
            let a = setting("attribute").as_text();
            why!(out, "node {} has attribute {} {}, which setting avoid of keyspace {} keeps shard {} off", name, a, attribute(node, a), keyspace, number)
        }
        2 => {
            let strict = if setting("strict").as_flag() { "strict" } else { "not strict" };
            why!(out, "node {} has used {} of {}, {} of its disk, and setting full is {} ({})", name, Bytes(node_used_disk(node)), Bytes(node_capacity_disk(node)),
                Percent(share(node)), Number(setting_of(keyspace, "full").as_number(), 2), strict)
        }
        3 => why!(out, "node {} is held for {} ticks more, and setting patience is {}", name, node_held(node) - ticks(), Milliseconds(setting("patience").as_number() as i64)),
        4 => why!(out, "copy {} of shard {}/{} shares host {}; asked to {}", q.copy.map_or(-1, |c| c as i64), keyspace, number, node_host(node), capability),
        6 => unsafe { why!(out, "heard of {} changes, {} of them of node_copies; the last of row {}", HEARD.0, HEARD.1, HEARD.2) },
        5 => why!(out, "node {} has {} copies of {}: 100% of {}", name, keyspace_node_copies(k, node), keyspace, Number(limit(k), 2)),
        _ => {}
    }
});
