//! The kind that all SDKs are held equal by, in Rust; see manifest.json.
#[macro_use]
#[path = "../../rust/troupe_actor.rs"]
mod troupe_actor;
use troupe_actor::*;

actor!("manifest.json", add, value, note, notes, pay, compare, later, forget, dice, about; replied = heard; migrate = moved);

fn change(by: i64) -> Outcome {
    let count = get("count").integer() + by;
    if count < 0 {
        return refuse(7, format!("{} would be below zero, at {}", me(), count));
    }
    put("count", count);
    reply(count)
}

fn add(request: &Json) -> Outcome {
    change(request.integer())
}

fn value(_: &Json) -> Outcome {
    reply(get("count").integer())
}

fn note(request: &Json) -> Outcome {
    for (name, text) in request.fields() {
        let key = format!("note/{}", name);
        match text.as_text() {
            Some(text) => put(&key, text),
            None => del(&key),
        }
    }
    reply(scan("note/").count())
}

fn notes(_: &Json) -> Outcome {
    reply(Json::Object(scan("note/").map(|(key, text)| (key[5..].to_string(), text)).collect()))
}

fn pay(request: &Json) -> Outcome {
    let amount = request["amount"].integer();
    if amount <= 0 {
        return refuse_for("bad-amount", 8, format!("an amount of {}", amount));
    }
    tell(&peer(request["to"].text()), "add", amount);
    change(-amount)
}

fn compare(request: &Json) -> Outcome {
    let asked = ask(request.text(), "value", ());
    put(&format!("asked/{}", asked), request.text());
    reply(())
}

fn heard(answer: &Json) -> Outcome {
    del(&format!("asked/{}", token()));
    put(&format!("heard/{}", token()), object! { "from": sender(), "answered": answered(), "said": answer });
    reply(())
}

fn later(request: &Json) -> Outcome {
    remind("tick", request["after"].integer(), request["every"].integer(), "add", &request["amount"]);
    reply(now() + request["after"].integer())
}

fn forget(_: &Json) -> Outcome {
    troupe_actor::forget("tick");
    reply(())
}

fn dice(request: &Json) -> Outcome {
    let below = request["below"].integer() as u64;
    reply((0..request["count"].integer()).map(|_| random_below(below).into()).collect::<Vec<Json>>())
}

fn about(_: &Json) -> Outcome {
    reply(object! { "self": me(), "name": name_of(me()), "sender": sender(), "event": event(), "now": now() })
}

/// Layout 1 had the sum under "n", and took any.
fn moved(from: i32) -> Outcome {
    let n = get("n").integer();
    if n < 0 {
        return refuse(9, format!("{} has {} in layout {}", me(), n, from));
    }
    del("n");
    put("count", n);
    reply(())
}
