//! `koltso demo`: a primary and a replica on this machine, a cut link and a resumed stream, told step by step.
//!
//! It uses nodes as anybody would: child processes of this same binary, reached over TCP. Everything is bounded in time, and
//! nothing is left behind.

mod client;
mod node;
mod relay;
mod writer;

use client::Client;
use node::Node;
use relay::Relay;
use std::io::Write;
use std::time::{Duration, Instant};
use writer::{Writer, fill};

/// How long the link stays cut.
const CUT: Duration = Duration::from_secs(2);
/// The longest that any one step may take.
const STEP_MAX: Duration = Duration::from_secs(30);
/// History the primary keeps for replicas that come back; more than is written while the link is cut.
const BACKLOG: &str = "256mb";

const USAGE: &str = "\
Shows replication at work: starts a primary and a replica on free ports of this machine, keeps writing, cuts the link
between them, lets it resume, and compares the data of both.

Usage: koltso demo [--keys N] [--cores N]

  --keys N     keys to begin with; 200000 by default
  --cores N    core threads of each node; 2 by default

Exits with 0 only if both hold the same data and nothing was copied twice.
";

struct Options {
    keys: u64,
    cores: u64,
}

/// Runs the demonstration; `args` are those behind `demo`. True if all went as it should.
pub fn run(args: &[String]) -> bool {
    let options = match parse(args) {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{USAGE}");
            return true;
        }
        Err(why) => {
            eprintln!("koltso demo: {why}\n\n{USAGE}");
            return false;
        }
    };
    match tell(&options) {
        Ok(()) => true,
        Err(why) => {
            println!();
            eprintln!("The demo did not get to its end: {why}");
            false
        }
    }
}

/// `None` if only help was asked for.
fn parse(args: &[String]) -> Result<Option<Options>, String> {
    let mut options = Options { keys: 200_000, cores: 2 };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let field = match arg.as_str() {
            "-h" | "--help" => return Ok(None),
            "--keys" => &mut options.keys,
            "--cores" => &mut options.cores,
            other => return Err(format!("'{other}' is not an option")),
        };
        let value = args.next().and_then(|value| value.parse().ok()).filter(|&value| value > 0);
        *field = value.ok_or_else(|| format!("{arg} needs a number above 0"))?;
    }
    Ok(Some(options))
}

fn tell(options: &Options) -> Result<(), String> {
    let cores = options.cores.to_string();
    println!("Koltso shows replication: a primary and a replica on this machine, {cores} core thread(s) each.");

    let primary = Node::start("primary", &["--cores", &cores, "--repl-backlog-size", BACKLOG])?;
    step(1, &format!("A primary starts on port {} and is filled.", primary.port));
    let mut ask = Client::connect(primary.port)?;
    let start = Instant::now();
    fill(primary.port, options.keys)?;
    let keys = ask.int(&["DBSIZE"])?;
    say(&format!(
        "{} keys in {}: strings, lists, hashes, sets and sorted sets, some with a time to live",
        number(keys),
        seconds(start.elapsed())
    ));

    let writer = Writer::start(primary.port)?;
    let relay = Relay::to(primary.port)?;
    let address = format!("127.0.0.1 {}", relay.port);
    let start = Instant::now();
    let replica = Node::start("replica", &["--cores", &cores, "--replicaof", &address])?;
    step(2, &format!("A replica starts on port {} and asks for everything. Clients go on writing.", replica.port));
    let mut replica_ask = Client::connect(replica.port)?;
    wait("the first copy", || Ok(link_is_up(&mut replica_ask)? && lag(&mut ask, &mut replica_ask)? < 1 << 20))?;
    let copied = start.elapsed();
    say(&format!(
        "{} keys are there after {}, start included: {} came over the link",
        number(replica_ask.int(&["DBSIZE"])?),
        seconds(copied),
        bytes(relay.passed())
    ));
    let seen = writer.look();
    say(&format!(
        "meanwhile {} commands wrote; the slowest of {} round trips took {}",
        number(seen.commands),
        number(seen.rounds),
        millis(seen.slowest)
    ));

    step(3, "From now on the replica receives every write as it happens.");
    std::thread::sleep(Duration::from_secs(1));
    let seen = writer.look();
    say(&format!(
        "a second later: {} more commands wrote, the replica is {} behind",
        number(seen.commands),
        bytes(lag(&mut ask, &mut replica_ask)?)
    ));

    step(4, &format!("The link is cut for {} seconds. Clients go on writing.", CUT.as_secs()));
    relay.cut();
    let cut = Instant::now();
    wait("the replica to notice", || Ok(!link_is_up(&mut replica_ask)?))?;
    std::thread::sleep(CUT.saturating_sub(cut.elapsed()));
    let behind = lag(&mut ask, &mut replica_ask)?;
    say(&format!(
        "{} commands wrote; the replica is {} behind, and still answers reads",
        number(writer.look().commands),
        bytes(behind)
    ));

    step(5, "The link is back. The replica says how far it has come, and gets what it lacks.");
    let before = relay.passed();
    relay.mend();
    let start = Instant::now();
    wait("the stream to resume", || Ok(link_is_up(&mut replica_ask)? && lag(&mut ask, &mut replica_ask)? < 1 << 20))?;
    say(&format!(
        "caught up after {}, with {} instead of a new copy",
        seconds(start.elapsed()),
        bytes(relay.passed() - before)
    ));
    let (full, resumed) = (ask.info("stats", "sync_full")?, ask.info("stats", "sync_partial_ok")?);
    say(&format!("the primary counts {full} full copy and {resumed} resumed stream"));

    step(6, "Writing stops, and both are compared.");
    let written = writer.stop()?;
    say(&format!("{} commands wrote in all", number(written)));
    wait("the replica to have everything", || Ok(lag(&mut ask, &mut replica_ask)? == 0))?;
    let sides = [("primary", &mut ask), ("replica", &mut replica_ask)];
    let mut digests = Vec::new();
    for (name, client) in sides {
        let digest = client.text(&["DEBUG", "DIGEST"])?;
        say(&format!("{name}: {} keys, digest {digest}", number(client.int(&["DBSIZE"])?)));
        digests.push(digest);
    }
    println!();
    if digests[0] != digests[1] {
        return Err("the data differ".to_string());
    }
    if (full.as_str(), resumed.as_str()) != ("1", "1") {
        return Err("the link was expected to resume once, and nothing to be copied twice".to_string());
    }
    println!("Both hold the same data, and nothing was copied twice.");
    Ok(())
}

/// How many bytes of the stream the replica has yet to apply.
fn lag(primary: &mut Client, replica: &mut Client) -> Result<u64, String> {
    let applied: u64 = replica.info("replication", "master_repl_offset")?.parse().unwrap_or(0);
    let end: u64 = primary.info("replication", "master_repl_offset")?.parse().unwrap_or(0);
    Ok(end.saturating_sub(applied))
}

fn link_is_up(replica: &mut Client) -> Result<bool, String> {
    Ok(replica.info("replication", "master_link_status")? == "up")
}

/// Asks until the answer is yes.
fn wait(what: &str, mut done: impl FnMut() -> Result<bool, String>) -> Result<(), String> {
    let deadline = Instant::now() + STEP_MAX;
    while !done()? {
        if Instant::now() > deadline {
            return Err(format!("waited {} s for {what}", STEP_MAX.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn step(n: u32, text: &str) {
    println!("\n{n}. {text}");
}

fn say(text: &str) {
    println!("     {text}");
    let _ = std::io::stdout().flush();
}

/// With a comma between thousands.
fn number(n: u64) -> String {
    let digits = n.to_string();
    let head = digits.len() % 3;
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && i % 3 == head {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn bytes(n: u64) -> String {
    match n {
        0..10_000 => format!("{} bytes", number(n)),
        10_000..1_000_000 => format!("{:.0} kB", n as f64 / 1e3),
        _ => format!("{:.1} MB", n as f64 / 1e6),
    }
}

fn seconds(span: Duration) -> String {
    format!("{:.2} s", span.as_secs_f64())
}

fn millis(span: Duration) -> String {
    format!("{:.1} ms", span.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_easy_to_read() {
        let shown: Vec<_> = [0, 12, 999, 1000, 65_536, 1_234_567].map(number).to_vec();
        assert_eq!(shown, ["0", "12", "999", "1,000", "65,536", "1,234,567"]);
        assert_eq!([9_999, 10_000, 1_500_000].map(bytes), ["9,999 bytes", "10 kB", "1.5 MB"]);
    }

    #[test]
    fn wrong_options_are_named() {
        let args = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert!(parse(&args(&["--keys"])).is_err_and(|why| why.contains("--keys")));
        assert!(parse(&args(&["--what"])).is_err_and(|why| why.contains("--what")));
        assert!(parse(&args(&["--help"])).is_ok_and(|options| options.is_none()));
        assert!(parse(&args(&["--keys", "10"])).is_ok_and(|options| options.is_some_and(|options| options.keys == 10)));
    }
}
