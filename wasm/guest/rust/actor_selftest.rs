//! Tests of troupe_actor.rs itself, natively: rustc --edition 2021 --test actor_selftest.rs
#[macro_use]
mod troupe_actor;
use troupe_actor::*;

actor!("actor_selftest.json", add, echo, keep, list, pay, take, lend, later, dice; replied = settled; migrate = upgrade);

fn add(request: &Json) -> Outcome {
    let count = get("count").integer() + request.integer();
    put("count", count);
    if count < 0 {
        return refuse_for("below-zero", 7, format!("{} would be below zero", me()));
    }
    reply(count)
}

fn echo(request: &Json) -> Outcome {
    reply(request)
}

fn keep(request: &Json) -> Outcome {
    for (key, value) in request.fields() {
        if value.is_null() {
            del(key);
        } else {
            put_bytes(key, value.text().as_bytes());
        }
    }
    reply(())
}

fn list(request: &Json) -> Outcome {
    let entries = scan_bytes(request.text()).map(|(key, value)| format!("{}={};", key, String::from_utf8_lossy(&value)));
    reply(entries.collect::<String>())
}

fn pay(request: &Json) -> Outcome {
    tell(&peer(request["to"].text()), "take", &request["amount"]);
    reply(me())
}

fn take(request: &Json) -> Outcome {
    if request.as_integer().ok_or("no amount")? > 100 {
        return Err("too much".into());
    }
    put("from", sender());
    put("count", get("count").integer() + request.integer());
    reply(event())
}

fn lend(request: &Json) -> Outcome {
    put("token", ask(request["to"].text(), "take", &request["amount"]));
    reply(())
}

fn settled(answer: &Json) -> Outcome {
    put("answer", object! { "token": token(), "answered": answered(), "by": sender(), "said": answer });
    reply(())
}

fn later(request: &Json) -> Outcome {
    forget("tick");
    if !request.is_null() {
        remind("tick", request["after"].integer(), request["every"].integer(), "add", 1);
        put("at", now());
    }
    reply(())
}

fn dice(_: &Json) -> Outcome {
    let all = (0..1000).fold(0u64, |all, _| all | 1 << random_below(6));
    reply(all == 0b111111 && random_below(1) == 0)
}

fn upgrade(from: i32) -> Outcome {
    assert_eq!(event(), EVENT_CALL);
    put("count", get("count").integer() * 10 + from as i64);
    reply("nobody hears this")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(outcome: Outcome) -> String {
        match outcome {
            Ok(v) => v.to_string(),
            Err(r) => format!("{}: {}", r.code, r.text),
        }
    }

    #[test]
    fn json() {
        let mut w = World::new();
        for (text, want) in [
            ("", "null"),
            (r#" {"a" : [1, -2.5e1,true,null , "x\"\u00e9\ud83d\ude00\n\u0001"],"b":{},"c":[]} "#, r#"{"a":[1,-25,true,null,"x\"é😀\n\u0001"],"b":{},"c":[]}"#),
            ("0.125", "0.125"),
            ("9223372036854775807", "9223372036854775807"),
            ("-9223372036854775808", "-9223372036854775808"),
            ("9007199254740993", "9007199254740993"),
        ] {
            assert_eq!(said(w.call("a", "echo", text)), want);
        }
        for bad in ["{", "[1,]", r#"{"a"}"#, r#"{"a":}"#, r#""x"#, "1 2", "nul", "-", "{1:2}", r#""\ud800"x"#, ",", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"] {
            assert_eq!(Json::parse(bad), None, "{}", bad);
        }
        let large = format!("1{}e-350", "0".repeat(350)); // infinity by infinity
        for nought in ["0e400", "-0.0E+999", "0e-400", &large] {
            let v = Json::parse(nought).unwrap();
            assert_eq!((v.integer(), v.number()), (0, 0.0), "{}", nought);
        }
        let v = Json::parse(r#"{"a":2.9,"b":"x","c":true}"#).unwrap();
        assert_eq!((v["a"].integer(), v["a"].as_integer(), v["b"].text(), v["c"].flag(), v["d"]["e"].text(), v["a"].items().len()), (2, None, "x", true, "", 0));
        assert_eq!((Json::from(f64::NAN).to_string(), Json::from(u64::MAX).number(), Json::from(vec![1.into(), Json::Null]).to_string()), ("null".to_string(), u64::MAX as f64, "[1,null]".to_string()));
    }

    #[test]
    fn data() {
        let mut w = World::new();
        assert_eq!(said(w.call("a", "add", "5")), "5");
        assert_eq!(said(w.call("a", "add", "-9")), "7: counter/a would be below zero");
        assert_eq!(w.data("a", "count").integer(), 5);
        assert_eq!(said(w.call("a", "keep", r#"{"k/2":"two","k/1":"one","l":"","k":"x"}"#)), "null");
        assert_eq!(said(w.call("a", "list", r#""k/""#)), r#""k/1=one;k/2=two;""#);
        w.call("a", "keep", r#"{"k/1":null}"#).unwrap();
        assert_eq!(said(w.call("a", "list", r#""""#)), r#""count=5;k=x;k/2=two;l=;""#);
        assert_eq!(w.keys("a"), ["count", "k", "k/2", "l"]);
        assert_eq!(said(w.call("b", "list", r#""""#)), r#""""#);
        let big = "y".repeat(60_000);
        w.call("a", "keep", object! { "big": big.as_str() }.to_string()).unwrap();
        assert_eq!(w.call("a", "list", r#""big""#).unwrap().text().len(), 60_005);
        assert_eq!(said(w.call("a", "dice", "")), "true");
        assert_eq!(w.call("c", "add", "-9").unwrap_err().reason, "below-zero");
        assert_eq!(w.call("a", "nothing", "").unwrap_err().reason, "");
        assert_eq!(said(w.call("a", "nothing", "")), "-1: the manifest has no method nothing: a cluster refuses the message");
        assert_eq!(said(w.call("a", "lost", "")), "-1: there is no method lost");
        w.migrate("a", 3, act_migrate).unwrap();
        assert_eq!(w.data("a", "count").integer(), 53);
    }

    #[test]
    fn messages() {
        let mut w = World::new();
        assert_eq!(said(w.call("a", "pay", r#"{"to":"b","amount":3}"#)), r#""counter/a""#);
        assert_eq!(w.data("b", "count"), Json::Null);
        w.settle();
        assert_eq!((w.data("b", "count").integer(), w.data("b", "from").text()), (3, "counter/a"));
        w.call_as("bank/x", "b", "take", "3").unwrap();
        assert_eq!(w.data("b", "from").text(), "bank/x");
        w.call("a", "pay", r#"{"to":"b","amount":101}"#).unwrap();
        w.call("a", "pay", r#"{"to":"b"}"#).unwrap();
        w.settle();
        assert_eq!(w.refused.iter().map(|r| r.text.as_str()).collect::<Vec<_>>(), ["too much", "no amount"]);
        w.call("a", "lend", r#"{"to":"counter/b","amount":4}"#).unwrap();
        w.settle();
        assert_eq!(w.data("a", "answer").to_string(), r#"{"token":1,"answered":true,"by":"counter/b","said":1}"#);
        w.call("a", "lend", r#"{"to":"counter/b","amount":400}"#).unwrap();
        w.settle();
        assert_eq!(w.data("a", "answer").to_string(), r#"{"token":2,"answered":false,"by":"counter/b","said":"too much"}"#);
        w.call("a", "lend", r#"{"to":"bank/x","amount":5}"#).unwrap();
        w.settle();
        let sent = w.sent().unwrap();
        assert_eq!((sent.to.as_str(), sent.method.as_str(), sent.payload.integer()), ("bank/x", "take", 5));
        w.answer(&sent, Ok(true.into()));
        w.settle();
        assert_eq!(w.data("a", "answer").to_string(), r#"{"token":3,"answered":true,"by":"bank/x","said":true}"#);
    }

    #[test]
    fn reminders() {
        let mut w = World::new();
        w.call("a", "later", r#"{"after":1000,"every":1500}"#).unwrap();
        w.advance(999);
        assert_eq!(w.data("a", "count"), Json::Null);
        w.advance(1);
        w.advance(3250);
        assert_eq!((w.data("a", "count").integer(), w.data("a", "at").integer()), (3, 1_767_225_600_000));
        w.call("a", "later", "").unwrap();
        w.advance(60_000);
        assert_eq!(w.data("a", "count").integer(), 3);
    }

    #[test]
    #[should_panic(expected = "more often than each second")]
    fn bounds() {
        World::new().call("a", "later", r#"{"after":1000,"every":500}"#).unwrap();
    }
}
