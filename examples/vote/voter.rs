//! voter: an account. Its tokens vote with it, or with another that it delegates to, in as many ballots as it likes.
//!
//! ```text
//!              stake, delegate                release                    a while later
//! deposit ──► free ──────────► given/NAME ──────────────► release/ID ──────────────► free
//!                              │ at once                  │ it votes no more, and buys nothing yet
//!                              └ NAME has so much more power, and tells the ballots that it has voted in
//!
//! key            value
//! free           tokens that do nothing
//! given/NAME     tokens that vote with NAME, who may be this account
//! got/VOTER      what others have given to this one
//! power          given to itself, and got
//! release/ID     {"amount": n, "due": ms}; the reminder of that name frees them
//! vote/BALLOT    {"for": […], "at": ms}: what the ballot has counted last; {} until it has; with "refused": why, if not what it was asked since
//! asked/TOKEN    {"ballot": …, "for": […]}: what it was asked to count, and has not answered yet
//! ```
//!
//! Each account's tokens are conserved by itself: free + given + released is what was put in. What crosses to another actor is a message, which arrives once.
#[macro_use]
#[path = "../../wasm/guest/rust/troupe_actor.rs"]
mod troupe_actor;
use troupe_actor::*;

actor!("voter.json", deposit, stake, delegate, release, back, freed, vote, account; replied = counted);

/// Half a minute, so that one can watch it; in earnest, days.
const RELEASE_MS: i64 = 30_000;

/// Of an account's tokens, its open releases, and the ballots that it votes in.
const MOST_TOKENS: i64 = 1_000_000_000;
const MOST_RELEASES: usize = 100;
const MOST_BALLOTS: usize = 50;

fn amount(of: &Json) -> Result<i64, Refusal> {
    match of.as_integer() {
        Some(n) if n >= 1 && n <= MOST_TOKENS => Ok(n),
        _ => refuse(1, format!("an amount of {}; it must be a whole number from 1 to {}", of, MOST_TOKENS)),
    }
}

/// Adds to a number, or takes away from it, as long as there is enough.
fn change(key: &str, by: i64) -> Result<i64, Refusal> {
    let (has, sum) = (get(key).integer(), get(key).integer() + by);
    if sum < 0 {
        return refuse(2, format!("{} has {} of {}, which is less than {}", me(), has, key, -by));
    }
    if sum == 0 {
        del(key);
    } else {
        put(key, sum);
    }
    Ok(sum)
}

/// Changes the power, and tells the ballots.
fn empower(by: i64) -> Result<i64, Refusal> {
    let power = change("power", by)?;
    for (key, _) in scan("vote/") {
        tell(&key.replacen("vote", "ballot", 1), "power", power);
    }
    Ok(power)
}

/// Has another account, or this one, vote with more or less.
fn give(name: &str, by: i64) -> Result<i64, Refusal> {
    let given = change(&format!("given/{}", name), by)?;
    if name == name_of(me()) {
        return empower(by);
    }
    tell(&peer(name), "back", by);
    Ok(given)
}

fn deposit(request: &Json) -> Outcome {
    let n = amount(request)?;
    if change("deposited", n)? > MOST_TOKENS {
        return refuse(1, format!("{} may have {} tokens at most", me(), MOST_TOKENS));
    }
    reply(change("free", n)?)
}

fn stake(request: &Json) -> Outcome {
    let n = amount(request)?;
    change("free", -n)?;
    reply(give(name_of(me()), n)?)
}

fn delegate(request: &Json) -> Outcome {
    let (to, n) = (request["to"].text(), amount(&request["amount"])?);
    if to.is_empty() || to.len() > 200 {
        return refuse(1, "to whom? {\"to\": NAME, \"amount\": n}");
    }
    change("free", -n)?;
    reply(give(to, n)?)
}

fn release(request: &Json) -> Outcome {
    let (from, n) = (request["from"].as_text().unwrap_or(name_of(me())), amount(&request["amount"])?);
    give(from, -n)?;
    if scan("release/").count() >= MOST_RELEASES {
        return refuse(3, format!("{} has {} releases under way; wait for one", me(), MOST_RELEASES));
    }
    let (id, due) = (format!("release/{}", change("released", 1)?), now() + RELEASE_MS);
    put(&id, object! { "amount": n, "due": due });
    remind(&id, RELEASE_MS, 0, "freed", id.as_str());
    reply(object! { "amount": n, "free_in_s": RELEASE_MS / 1000 })
}

/// Only a reminder frees tokens, and only those that it is for.
fn freed(request: &Json) -> Outcome {
    let n = get(request.text())["amount"].integer();
    if event() != EVENT_REMINDER || !request.text().starts_with("release/") {
        return refuse(4, "time frees tokens, and nobody else");
    }
    del(request.text());
    reply(change("free", n)?)
}

/// Who sends is said by the host: nobody can speak for another.
fn back(request: &Json) -> Outcome {
    if kind_of(sender()) != kind_of(me()) {
        return refuse(4, "only voters back voters: troupe actor call voter/NAME delegate '{\"to\": …}'");
    }
    change(&format!("got/{}", sender()), request.integer())?;
    reply(empower(request.integer())?)
}

fn vote(request: &Json) -> Outcome {
    let name = request["ballot"].text();
    let key = format!("vote/{}", name);
    let before = get(&key);
    let chosen = if request["for"].is_null() { &before["for"] } else { &request["for"] };
    if name.is_empty() || name.len() > 200 || !matches!(chosen, Json::List(_)) {
        return refuse(1, "in which ballot, and for whom? {\"ballot\": NAME, \"for\": [CANDIDATE, …]}; without for, the vote that it has counted is renewed");
    }
    if before.is_null() {
        if scan("vote/").count() >= MOST_BALLOTS {
            return refuse(3, format!("{} votes in {} ballots, and no more", me(), MOST_BALLOTS));
        }
        put(&key, object! {}); // from now on the ballot hears of changes of power
    }
    let token = ask(&format!("ballot/{}", name), "cast", object! { "for": chosen, "power": get("power").integer() });
    put(&format!("asked/{}", token), object! { "ballot": name, "for": chosen });
    reply(object! { "asked": chosen, "power": get("power").integer() })
}

/// The ballot's answer to a vote. If it refuses, what it has counted before stays. One that has counted nothing, and is asked for nothing more, hears
/// of power no longer.
fn counted(answer: &Json) -> Outcome {
    let asked = get(&format!("asked/{}", token()));
    let key = format!("vote/{}", asked["ballot"].text());
    del(&format!("asked/{}", token()));
    let before = get(&key);
    let none = if answered() { asked["for"].items().is_empty() } else { before["for"].is_null() };
    if none && !scan("asked/").any(|(_, other)| other["ballot"] == asked["ballot"]) {
        del(&key);
    } else if none && answered() {
        put(&key, object! {});
    } else if answered() {
        put(&key, object! { "for": &asked["for"], "at": now() });
    } else {
        put(&key, object! { "for": &before["for"], "at": &before["at"], "refused": answer });
    }
    reply(())
}

/// An object of all that lies under a prefix.
fn all(prefix: &str) -> Json {
    Json::Object(scan(prefix).map(|(key, value)| (key[prefix.len()..].to_string(), value)).collect())
}

fn account(_: &Json) -> Outcome {
    reply(object! {
        "free": get("free").integer(), "given": all("given/"), "releasing": all("release/"),
        "power": get("power").integer(), "got": all("got/"), "votes": all("vote/"), "asked": all("asked/"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_vote_for_others_and_come_back_late() {
        let mut w = World::new();
        w.call("ann", "deposit", "100").unwrap();
        assert_eq!(w.call("ann", "stake", "60").unwrap().integer(), 60);
        assert_eq!(w.call("ann", "stake", "60").unwrap_err().text, "voter/ann has 40 of free, which is less than 60");
        w.call("ann", "delegate", r#"{"to":"ben","amount":40}"#).unwrap();
        w.settle();
        assert_eq!(w.data("ben", "power").integer(), 40);
        assert!(w.call("ann", "release", r#"{"from":"ben","amount":41}"#).is_err());
        w.call("ann", "release", r#"{"from":"ben","amount":15}"#).unwrap();
        w.call("ann", "release", r#"{"amount":60}"#).unwrap();
        w.settle();
        assert_eq!((w.data("ben", "power").integer(), w.data("ann", "power").integer()), (25, 0)); // at once
        assert_eq!(w.data("ann", "free").integer(), 0);
        assert_eq!(w.call("ann", "freed", r#""release/1""#).unwrap_err().code, 4);
        w.advance(RELEASE_MS);
        assert_eq!(w.data("ann", "free").integer(), 75);
        assert_eq!(w.keys("ann"), ["deposited", "free", "given/ben", "released"]);
        assert!(w.call("ben", "back", "1000").is_err());
        assert!(w.call_as("ballot/x", "ben", "back", "1000").is_err());
    }

    #[test]
    fn ballots_hear_of_votes_and_of_power() {
        let mut w = World::new();
        w.call("ann", "deposit", "100").unwrap();
        w.call("ann", "stake", "60").unwrap();
        assert!(w.sent().is_none());
        assert_eq!(w.call("ann", "vote", r#"{"ballot":"lunch"}"#).unwrap_err().code, 1); // nothing to renew
        assert_eq!(w.call("ann", "vote", r#"{"ballot":"lunch","for":"soup"}"#).unwrap_err().code, 1);
        w.call("ann", "vote", r#"{"ballot":"lunch","for":["soup"]}"#).unwrap();
        let asked = w.sent().unwrap();
        assert_eq!(format!("{} {} {}", asked.to, asked.method, asked.payload), r#"ballot/lunch cast {"for":["soup"],"power":60}"#);
        w.call("ann", "stake", "5").unwrap(); // before the answer
        let told = w.sent().unwrap();
        assert_eq!(format!("{} {} {}", told.to, told.method, told.payload), "ballot/lunch power 65");
        w.answer(&asked, Ok(Json::Null));
        w.settle();
        assert_eq!(w.data("ann", "vote/lunch")["for"].to_string(), r#"["soup"]"#);

        w.call("ann", "vote", r#"{"ballot":"lunch","for":["fish"]}"#).unwrap();
        let asked = w.sent().unwrap();
        w.answer(&asked, refuse(5, "no fish"));
        w.settle();
        let kept = w.data("ann", "vote/lunch");
        assert_eq!((kept["for"].to_string(), kept["refused"].text()), (r#"["soup"]"#.to_string(), "no fish"));

        w.call("ann", "vote", r#"{"ballot":"lunch"}"#).unwrap(); // renews what was counted
        let asked = w.sent().unwrap();
        assert_eq!(asked.payload.to_string(), r#"{"for":["soup"],"power":65}"#);
        w.answer(&asked, Ok(Json::Null));
        w.call("ann", "vote", r#"{"ballot":"lunch","for":[]}"#).unwrap();
        let asked = w.sent().unwrap();
        w.answer(&asked, Ok(Json::Null));
        w.settle();
        w.call("ann", "stake", "1").unwrap();
        assert!(w.sent().is_none()); // it has taken its vote back
    }

    #[test]
    fn ballots_that_count_nothing_hear_nothing() {
        let mut w = World::new();
        w.call("ann", "deposit", "100").unwrap();
        let mut asked = |w: &mut World, names: &str| {
            w.call("ann", "vote", format!(r#"{{"ballot":"lunch","for":{}}}"#, names)).unwrap();
            w.sent().unwrap()
        };
        let first = asked(&mut w, r#"["fish"]"#);
        w.answer(&first, refuse(2, "ballot/lunch has not been opened"));
        w.settle();
        assert_eq!(w.keys("ann"), ["deposited", "free"]);
        w.call("ann", "stake", "1").unwrap();
        assert!(w.sent().is_none());

        for (names, answer) in [(r#"["fish"]"#, refuse(5, "no fish")), ("[]", Ok(Json::Null))] {
            let (first, second) = (asked(&mut w, names), asked(&mut w, r#"["soup"]"#));
            w.answer(&first, answer);
            w.settle();
            w.call("ann", "stake", "1").unwrap(); // the second vote was cast with less
            assert_eq!(w.sent().unwrap().method, "power");
            w.answer(&second, Ok(Json::Null));
            w.settle();
            assert_eq!(w.data("ann", "vote/lunch")["for"].to_string(), r#"["soup"]"#);
            let back = asked(&mut w, "[]");
            w.answer(&back, Ok(Json::Null));
            w.settle();
        }
        assert_eq!(w.keys("ann"), ["deposited", "free", "given/ann", "power"]);
    }
}
