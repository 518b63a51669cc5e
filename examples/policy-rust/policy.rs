//! cold-storage: shards that nobody asks for are packed onto few, cheap nodes with large disks, so that the others have their
//! memory and cores for what is busy.
//!
//! ```text
//!                 tier=cold, 70 % full   tier=cold, 20 % full   tier=cold, beyond fill   other nodes
//! a cold shard    weight * 0.03          weight * 0.37          weight * 2               weight
//! a warm shard    weight                 weight                 weight                   0
//! ```
//!
//! Lower is better: of the nodes of its tier the fullest that has room comes first, so that few are in use. How full a node is is counted with
//! the copy in question, and that not twice where it is: else the last one to fit would be drawn in and driven out again and again.
#![cfg_attr(target_arch = "wasm32", no_std)]

#[macro_use]
#[path = "../../wasm/guest/rust/troupe.rs"]
mod troupe;
use troupe::*;

policy!("manifest.json", prepare);

struct Settings {
    cold: f64,
    fill: f64,
    weight: f64,
}

static mut SETTINGS: Settings = Settings { cold: 0.0, fill: 0.0, weight: 0.0 };
static mut PACKED: &[bool] = &[]; // by node: whether it is of the tier

fn prepare() -> Result<(), &'static str> {
    let packed = scratch(nodes());
    for n in 0..nodes() {
        packed[n] = attribute(n, "tier") == setting("tier").as_text();
    }
    let figure = |name| setting(name).as_number();
    unsafe {
        PACKED = packed;
        SETTINGS = Settings { cold: figure("cold"), fill: figure("fill"), weight: figure("weight") };
    }
    Ok(())
}

fn settings() -> &'static Settings {
    unsafe { &*core::ptr::addr_of!(SETTINGS) }
}

/// A shard is cold if it was measured, and found to be idle: its disk is known, and its cores are few.
fn is_cold(shard: usize) -> bool {
    shard_primary_disk(shard) > 0.0 && shard_primary_cpu(shard) + shard_replica_cpu(shard) <= settings().cold
}

/// The share of a node's disk that will be taken when all that is under way has ended, and the copy in question is there, which takes
/// `own` beside what is used; none if its size is not known.
fn share(n: usize, own: f64) -> Option<f64> {
    let capacity = node_capacity_disk(n);
    if capacity <= 0.0 {
        return None;
    }
    Some((node_used_disk(n) + node_coming_disk(n) - node_leaving_disk(n) + own) / capacity)
}

scorer!(|q, points| {
    let (cold, s) = (is_cold(q.shard), settings());
    let here = q.copy.and_then(copy_node);
    for n in 0..nodes() {
        points[n] = s.weight
            * match (cold, unsafe { PACKED[n] }) {
                (false, packed) => packed as u8 as f64,
                (true, false) => 1.0,
                (true, true) => match share(n, if here == Some(n) { 0.0 } else { shard_primary_disk(q.shard) }) {
                    Some(share) if share >= s.fill => 2.0,
                    Some(share) => 0.5 * (s.fill - share) / s.fill,
                    None => 0.5,
                },
            };
    }
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packs_what_is_cold() {
        let mut w = World::new(4, 1, 3, 2);
        for (n, (tier, used)) in [("cold", 60.0), ("cold", 15.0), ("cold", 80.0), ("hot", 10.0)].into_iter().enumerate() {
            w.attribute(n, "tier", tier);
            w.set("node_capacity_disk", n, 100.0);
            w.set("node_used_disk", n, used);
        }
        for (shard, (cpu, disk)) in [(0.001, 5.0), (2.0, 5.0), (0.0, 0.0)].into_iter().enumerate() {
            w.set("shard_primary_cpu", shard, cpu);
            w.set("shard_primary_disk", shard, disk);
        }
        w.ready(r#"{"settings":{"cold":0.01,"tier":"cold","fill":0.75,"weight":10}}"#).unwrap();
        assert_eq!(w.points(score, 0, -1, 0).iter().map(|p| format!("{:.2}", p)).collect::<Vec<_>>(), ["0.67", "3.67", "20.00", "10.00"]);
        assert_eq!(w.points(score, 1, -1, 0), [10.0, 10.0, 10.0, 0.0]); // busy
        assert_eq!(w.points(score, 2, -1, 0), [10.0, 10.0, 10.0, 0.0]); // not measured yet
        w.set("node_coming_disk", 1, 50.0);
        assert_eq!(format!("{:.2}", w.points(score, 0, -1, 0)[1]), "0.33");
        w.set("node_coming_disk", 1, 57.0);
        assert_eq!(w.points(score, 0, -1, 0)[1], 20.0); // with the copy it would be full
        w.set("copy_node", 0, 1.0);
        assert_eq!(format!("{:.2}", w.points(score, 0, 0, 1)[1]), "0.20"); // where it is it counts already
    }
}
