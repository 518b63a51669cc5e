//! ballot: an election. A vote names several candidates, each of which gets the voter's whole power, and it loses half of its weight each half-life,
//! unless it is cast again.
//!
//! Nothing runs while votes decay. Instead of old ones getting lighter, new ones get heavier:
//!
//! ```text
//! weight of a vote = power × 2^(steps from opening to casting / 16)      a step is a sixteenth of the half-life
//! what a tally says = weight / 2^(steps from opening to now / 16)
//!
//! key              value
//! ballot           {"candidates": […], "choices": 2, "half_life": ms, "opened": ms, "closes": ms}
//! candidate/NAME   {"weight": "131072", "voters": 1}
//! vote/VOTER       {"for": […], "power": 1, "step": 16}
//! ```
//!
//! Weights are whole numbers: a vote that is taken back takes away what it brought, to the last bit, however late.
#[macro_use]
#[path = "../../wasm/guest/rust/troupe_actor.rs"]
mod troupe_actor;
use troupe_actor::*;

actor!("ballot.json", open, cast, power, tally);

const STEPS: i64 = 16;

/// 2^(n/16), in 65536ths.
const GROWTH: [u128; STEPS as usize] = [65536, 68438, 71468, 74632, 77936, 81386, 84990, 88752, 92682, 96785, 101070, 105545, 110218, 115098, 120194, 125515];

/// A ballot takes votes for so many half-lives. Powers of a million million, cast by ten million voters, fit into a weight until then.
const HALF_LIVES: i64 = 40;

/// The longest time that a ballot is opened with, in seconds: a century, near enough.
const MOST_S: i64 = 3_000_000_000;

/// What one of power weighs if it is cast in a step.
fn unit(step: i64) -> u128 {
    GROWTH[(step % STEPS) as usize] << (step / STEPS).min(110)
}

fn open(request: &Json) -> Outcome {
    if !get("ballot").is_null() {
        return refuse(1, format!("{} is open already", me()));
    }
    let (choices, half_life, closes) = (request["choices"].integer(), request["half_life_s"].integer(), request["closes_s"].integer());
    let candidates = request["candidates"].items();
    if candidates.is_empty() || candidates.len() > 100 || choices < 1 || choices > 30 || half_life < 1 || half_life > MOST_S || closes < 0 || closes > MOST_S {
        return refuse(1, format!("a ballot has 1 to 100 candidates, 1 to 30 choices, a half_life_s of 1 to {}, and closes_s of up to that, if it closes", MOST_S));
    }
    for c in candidates {
        let name = c.text();
        if name.is_empty() || name.len() > 200 || !get(&candidate(name)).is_null() {
            return refuse(1, format!("candidates are different texts of 1 to 200 bytes; {} is none", c));
        }
        put(&candidate(name), object! { "weight": "0", "voters": 0 });
    }
    let closes = if closes > 0 { now() + closes * 1000 } else { 0 };
    put("ballot", object! { "candidates": &request["candidates"], "choices": choices, "half_life": half_life * 1000, "opened": now(), "closes": closes });
    reply(candidates.len())
}

fn candidate(name: &str) -> String {
    format!("candidate/{}", name)
}

/// What it was opened with.
fn ballot() -> Outcome {
    match get("ballot") {
        Json::Null => refuse(2, format!("{} has not been opened", me())),
        ballot => Ok(ballot),
    }
}

fn step(ballot: &Json, at: i64) -> i64 {
    (at - ballot["opened"].integer()).max(0) * STEPS / ballot["half_life"].integer()
}

fn closed(ballot: &Json) -> bool {
    let closes = ballot["closes"].integer();
    closes > 0 && now() >= closes || step(ballot, now()) >= HALF_LIVES * STEPS
}

/// The key of the sender's vote. Who sends is said by the host: nobody can speak for another.
fn vote() -> Result<String, Refusal> {
    if kind_of(sender()) != "voter" {
        return refuse(3, "only voters vote: troupe actor call voter/NAME vote '{\"ballot\": …}'");
    }
    Ok(format!("vote/{}", sender()))
}

/// Adds a vote to its candidates, or takes it away from them.
fn count(vote: &Json, add: bool) {
    let weight = vote["power"].integer() as u128 * unit(vote["step"].integer());
    for name in vote["for"].items() {
        let key = candidate(name.text());
        let (had, voters) = (weight_of(&get(&key)), get(&key)["voters"].integer());
        let has = if add { had.checked_add(weight) } else { had.checked_sub(weight) };
        put(&key, object! { "weight": has.expect("a weight out of its bounds").to_string(), "voters": if add { voters + 1 } else { voters - 1 } });
    }
}

fn weight_of(candidate: &Json) -> u128 {
    candidate["weight"].text().parse().unwrap_or(0)
}

fn cast(request: &Json) -> Outcome {
    let (ballot, key) = (ballot()?, vote()?);
    if closed(&ballot) {
        return refuse(4, format!("{} is closed", me()));
    }
    let chosen = match &request["for"] {
        Json::List(names) => names,
        other => return refuse(5, format!("for is {}; it must be a list of candidates", other)),
    };
    if chosen.len() as i64 > ballot["choices"].integer() {
        return refuse(5, format!("{} candidates; {} takes {} at most", chosen.len(), me(), ballot["choices"]));
    }
    for (i, name) in chosen.iter().enumerate() {
        if get(&candidate(name.text())).is_null() {
            return refuse(5, format!("{} is no candidate; there are {}", name, ballot["candidates"]));
        }
        if chosen[..i].contains(name) {
            return refuse(5, format!("{} is there twice", name));
        }
    }
    count(&get(&key), false);
    let vote = object! { "for": &request["for"], "power": request["power"].integer().max(0), "step": step(&ballot, now()) };
    count(&vote, true);
    if chosen.is_empty() {
        del(&key);
    } else {
        put(&key, vote);
    }
    reply(())
}

/// A voter tells of its power and hears no answer, so that none is a refusal: a ballot that has not been opened has no vote either.
fn power(request: &Json) -> Outcome {
    let (ballot, key) = (get("ballot"), vote()?);
    let old = get(&key);
    if !old.is_null() && !closed(&ballot) {
        let new = object! { "for": &old["for"], "power": request.integer().max(0), "step": &old["step"] };
        count(&old, false);
        count(&new, true);
        put(&key, new);
    }
    reply(())
}

fn tally(_: &Json) -> Outcome {
    let ballot = ballot()?;
    let closes = ballot["closes"].integer();
    let at = if closes > 0 { closes.min(now()) } else { now() };
    let one = unit(step(&ballot, at)) as f64;
    let mut all: Vec<(String, Json)> = scan("candidate/").collect();
    all.sort_by_key(|(key, c)| (std::cmp::Reverse(weight_of(c)), key.clone()));
    let rows = all.iter().map(|(key, c)| {
        let weight = (weight_of(c) as f64 / one * 1000.0).round() / 1000.0;
        object! { "candidate": &key["candidate/".len()..], "weight": weight, "voters": &c["voters"] }
    });
    reply(object! { "open": !closed(&ballot), "tally": rows.collect::<Vec<Json>>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally_of(w: &mut World) -> String {
        let rows = w.call("lunch", "tally", "").unwrap();
        let one = |row: &Json| format!("{} {} of {}", row["candidate"].text(), row["weight"], row["voters"]);
        rows["tally"].items().iter().map(one).collect::<Vec<String>>().join(", ")
    }

    fn opened() -> World {
        let mut w = World::new();
        w.call("lunch", "open", r#"{"candidates":["soup","salad","bread"],"choices":2,"half_life_s":160,"closes_s":1000}"#).unwrap();
        w
    }

    #[test]
    fn votes_lose_weight_unless_they_are_renewed() {
        let mut w = opened();
        w.call_as("voter/ann", "lunch", "cast", r#"{"for":["soup","bread"],"power":100}"#).unwrap();
        w.call_as("voter/ben", "lunch", "cast", r#"{"for":["salad"],"power":80}"#).unwrap();
        assert_eq!(tally_of(&mut w), "bread 100 of 1, soup 100 of 1, salad 80 of 1");
        w.advance(160_000);
        assert_eq!(tally_of(&mut w), "bread 50 of 1, soup 50 of 1, salad 40 of 1");
        w.call_as("voter/ben", "lunch", "cast", r#"{"for":["salad"],"power":80}"#).unwrap();
        assert_eq!(tally_of(&mut w), "salad 80 of 1, bread 50 of 1, soup 50 of 1");
        w.call_as("voter/ann", "lunch", "power", "40").unwrap(); // less power, as old as before
        w.call_as("voter/cleo", "lunch", "power", "40").unwrap(); // has not voted
        assert_eq!(tally_of(&mut w), "salad 80 of 1, bread 20 of 1, soup 20 of 1");
        w.call_as("voter/ann", "lunch", "cast", r#"{"for":[]}"#).unwrap();
        w.advance(800_000);
        assert_eq!(tally_of(&mut w), "salad 2.5 of 1, bread 0 of 0, soup 0 of 0");
    }

    #[test]
    fn what_is_no_vote_is_refused() {
        let mut w = opened();
        let mut said = |sender: &str, request: &str| match w.call_as(sender, "lunch", "cast", request) {
            Ok(_) => String::new(),
            Err(r) => format!("{} {}", r.code, r.text),
        };
        assert!(said("", r#"{"for":["soup"],"power":1}"#).starts_with("3 only voters vote"));
        assert!(said("counter/ann", r#"{"for":["soup"],"power":1}"#).starts_with("3 only voters vote"));
        assert_eq!(said("voter/a", r#"{"for":["soup","salad","bread"],"power":1}"#), "5 3 candidates; ballot/lunch takes 2 at most");
        assert_eq!(said("voter/a", r#"{"for":["fish"],"power":1}"#), r#"5 "fish" is no candidate; there are ["soup","salad","bread"]"#);
        assert_eq!(said("voter/a", r#"{"for":["soup","soup"],"power":1}"#), r#"5 "soup" is there twice"#);
        assert_eq!(said("voter/a", r#"{"for":"soup"}"#), r#"5 for is "soup"; it must be a list of candidates"#);
        assert_eq!(said("voter/a", r#"{"for":["soup"],"power":9}"#), "");
        w.advance(1_000_000);
        assert_eq!(w.call_as("voter/b", "lunch", "cast", r#"{"for":["soup"],"power":1}"#).unwrap_err().text, "ballot/lunch is closed");
        let at_close = tally_of(&mut w);
        w.call_as("voter/a", "lunch", "power", "0").unwrap();
        w.advance(1_000_000);
        assert_eq!(tally_of(&mut w), at_close); // it stands
        assert_eq!(w.call("dinner", "tally", "").unwrap_err().text, "ballot/dinner has not been opened");
        assert_eq!(w.call("lunch", "open", "").unwrap_err().text, "ballot/lunch is open already");
        assert_eq!(w.call("dinner", "open", r#"{"candidates":["a","a"],"choices":1,"half_life_s":1}"#).unwrap_err().code, 1);
        assert_eq!(w.call("dinner", "open", r#"{"candidates":["a"],"choices":1,"half_life_s":1,"closes_s":9223372036854775}"#).unwrap_err().code, 1);
        w.call_as("voter/a", "dinner", "power", "5").unwrap();
    }

    #[test]
    fn growth_doubles_in_sixteen_steps() {
        for step in 0..HALF_LIVES * STEPS {
            let exact = 65536.0 * 2f64.powf(step as f64 / 16.0);
            assert!((unit(step) as f64 / exact - 1.0).abs() < 1e-5, "step {}: {} for {}", step, unit(step), exact);
            assert!(unit(step + 1) > unit(step));
        }
    }
}
