//! Tests of troupe.rs itself, natively: rustc --edition 2021 --test selftest.rs
#[macro_use]
mod troupe;
use troupe::*;

policy!("selftest.json", prepare);

fn prepare() -> Result<(), &'static str> {
    if setting("refuse").as_flag() {
        return Err("told to refuse");
    }
    Ok(())
}

rule!(can_allocate, |q, row| {
    for n in 0..nodes() {
        if node_flags(n) & NODE_DRAINING != 0 || attribute(n, "class") == "spot" {
            row.say(n, NO, 1);
        }
    }
    for c in copies(q.shard) {
        row.say(copy_node(c).unwrap(), NOT_PREFERRED, 2);
    }
});

scorer!(|q, points| {
    for n in 0..nodes() {
        points[n] = n as f64 + if q.primary { 0.5 } else { 0.0 };
    }
});

explain!(|capability, q, node, answer, out| {
    why!(out, "{}|{}|{}|{}", node_name(node), capability, q.shard, reason_of(answer) as i32)
});

#[cfg(test)]
mod tests {
    use super::*;

    fn said(word: &dyn Word) -> String {
        let mut room = [0u8; 64];
        let mut s = Sentence::new(&mut room);
        s.write("{}", &[word]);
        let length = s.length;
        String::from_utf8(room[..length].to_vec()).unwrap()
    }

    #[test]
    fn rule_natively() {
        let mut w = World::new(4, 1, 2, 4);
        w.set("node_flags", 1, NODE_DRAINING as f64);
        w.text("node_name", 1, "n2");
        w.attribute(0, "class", "spot");
        w.attribute(2, "class", "solid");
        w.set("copy_node", 6, 3.0);
        w.ready(r#"{"settings":{},"keyspaces":{}}"#).unwrap();
        assert_eq!(w.ask(can_allocate, 1, -1, 0), "c1 c1 00 42");
        assert_eq!(w.points(score, 0, -1, 1), [0.5, 1.5, 2.5, 3.5]);
        assert_eq!(w.why(explain, ALLOCATE, 1, -1, 0, 1, 0xc1), "n2|0|1|1");
        assert_eq!(w.ready(r#"{"settings":{"refuse":true}}"#), Err("told to refuse".to_string()));
    }

    #[test]
    fn settings() {
        let mut w = World::new(1, 1, 1, 1);
        w.ready(r#" {"settings":{"a":"x\"\u00e9\ud83d\ude00\n\/","b":-12.5e2,"c":true,"d":["p", "q"],"f.x":"1","f.y":"2"},"keyspaces":{"orders":{"b":7}}} "#).unwrap();
        assert_eq!(setting("a").as_text(), "x\"é😀\n/");
        assert_eq!((setting("b").as_number(), setting("c").as_flag(), setting("missing").as_flag()), (-1250.0, true, false));
        assert_eq!((setting_of("orders", "b").as_number(), setting_of("others", "b").as_number()), (7.0, -1250.0));
        assert_eq!(setting("d").items().collect::<Vec<_>>(), ["p", "q"]);
        assert_eq!(settings_below("", "f.").map(|(n, s)| format!("{}={}", n, s.as_text())).collect::<Vec<_>>(), ["f.x=1", "f.y=2"]);
        for bad in ["", "{", r#"{"settings":{"a":}}"#, r#"{"settings":{"a":"x}}"#, r#"{"other":{}}"#, r#"{"settings":{"a":1}"#, r#"{"settings":{"a":[1]}}"#, r#"{"settings":{}}x"#, r#"{"settings":{"a":"\ud800\u0000"}}"#] {
            assert!(w.ready(bad).is_err(), "{} was read", bad);
        }
    }

    #[test]
    fn patterns() {
        for (pattern, value, want) in [("*", "", true), ("a*c", "abbc", true), ("a*b*c", "aXbYbZc", true), ("a*c", "abbd", false), ("", "a", false), ("*a*", "bab", true), ("a", "ab", false)] {
            assert_eq!(matches(pattern, value), want, "{} {}", pattern, value);
        }
    }

    #[test]
    fn figures() {
        assert_eq!((said(&Percent(0.12345)), said(&Percent(1536.0))), ("12.3%".to_string(), "153600%".to_string()));
        assert_eq!((said(&Bytes(1536.0)), said(&Bytes(3.0 * 1024f64.powi(5)))), ("1.5KB".to_string(), "3PB".to_string()));
        assert_eq!((said(&Number(-0.005, 2)), said(&Number(1.05, 2)), said(&Number(2.0, 2))), ("-0.01".to_string(), "1.05".to_string(), "2".to_string()));
        assert_eq!((said(&Milliseconds(90061500)), said(&Milliseconds(-250)), said(&Milliseconds(0))), ("25h1m1.5s".to_string(), "-250ms".to_string(), "0s".to_string()));
        assert_eq!(said(&i64::MIN), "-9223372036854775808");
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let mut room = [b'z'; 4];
        let mut s = Sentence::new(&mut room[..2]);
        s.write("{}{}", &[&"abc", &12i64]);
        assert_eq!((s.length, &room), (5, b"abzz"));
    }

    #[test]
    #[should_panic(expected = "row 0 of column node_copies, which has 0; does the manifest need it?")]
    fn column_that_is_not_needed() {
        let _w = World::new(1, 1, 1, 1);
        node_copies(0);
    }

    #[test]
    #[should_panic(expected = "does not need column node_copies")]
    fn setting_a_column_that_is_not_needed() {
        World::new(1, 1, 1, 1).set("node_copies", 0, 1.0);
    }

    #[test]
    fn scratch_is_given_back() {
        let mut w = World::new(1, 1, 1, 1);
        let first = scratch::<u64>(10).as_ptr();
        assert!(scratch::<u8>(100_000).iter().all(|&b| b == 0));
        w.ready(r#"{"settings":{}}"#).unwrap();
        assert_eq!(scratch::<u64>(10).as_ptr(), first);
    }
}
