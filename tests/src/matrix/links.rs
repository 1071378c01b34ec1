//! Rows 7 and 8: links that break at any byte, of the copy or of the stream, in every way; and gaps as long as the backlog.

use crate::load::{Load, Spec};
use crate::oracle::{Syncs, assert_same, wait_link_up, wait_online};
use crate::wait::must;
use crate::{Cut, Direction, Kind, Proxy, dataset, eventually};

use super::{Skip, Trial, wait_mark};

/// Bytes of `SET k v` in the stream beside a value of five to seven digits' length.
fn frame(value_len: usize) -> usize {
    "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$\r\n\r\n".len() + value_len.to_string().len()
}

fn pair(trial: &mut Trial) -> (Kind, Kind) {
    let kinds = trial.mixture(2);
    (kinds[0], kinds[1])
}

/// A link that is cut again and again: by RST, by FIN, or by nothing going through until it is reset.
pub fn cut_anywhere(trial: &mut Trial) -> Result<(), Skip> {
    let (above, below) = pair(trial);
    let primary = trial.server(above).set("repl-backlog-size", "256mb").start();
    dataset::fill(&mut primary.client(), &mut trial.seed, 15);
    let proxy = Proxy::to(primary.port());
    let replica = trial.server(below).replica_of(proxy.port()).start();
    let load = Load::start(Spec { writers: 2, ..Spec::of(&primary) }, &trial.seed);
    for _ in 0..trial.rounds(8) {
        let how = *trial.seed.pick(&[Cut::Rst, Cut::Fin]);
        // Within the handshake, the copy, or the stream.
        let place = 1 + *trial.seed.pick(&[30, 400, 5_000, 200_000, 2_000_000]);
        let (direction, place) = match trial.seed.below(4) {
            0 => (Direction::ToServer, 1 + trial.seed.below(300)),
            _ => (Direction::ToClient, trial.seed.below(place)),
        };
        if trial.seed.one_in(3) {
            proxy.hold_after(direction, place);
            trial.pass(400);
            proxy.cut(how);
            proxy.let_go();
        } else {
            proxy.cut_after(direction, place, how);
            trial.pass(1500);
        }
        if trial.seed.one_in(2) {
            load.wait_more(1 + trial.seed.below(100));
        }
    }
    // What has not happened by now shall not.
    proxy.let_go();
    // Either side may not have noticed yet that its link is cut: then the next cut would meet the answer to the replica's request, and
    // Redis asks for a copy after that. From here on no cut may cost another one.
    wait_mark(trial, &primary, &replica);
    wait_link_up(&replica);
    let full = Syncs::of(&primary).full;
    for _ in 0..trial.rounds(6) {
        let partial = Syncs::of(&primary).partial_ok;
        proxy.cut_after(Direction::ToClient, 1 + trial.seed.below(20_000), *trial.seed.pick(&[Cut::Rst, Cut::Fin]));
        eventually("the link is cut and resumed", || {
            let syncs = Syncs::of(&primary);
            must(!proxy.fuse_is_lit() && syncs.partial_ok > partial, || format!("{syncs:?}"))
        });
        wait_link_up(&replica);
    }
    let ledger = load.stop();
    assert_same(&primary, &replica);
    ledger.assert_kept(&replica);
    assert_eq!(Syncs::of(&primary).full, full, "a link that could be resumed was not");
    Ok(())
}

/// Gaps of one byte less than the backlog, as many, one more, and far more; records larger than all of it.
pub fn backlog_edges(trial: &mut Trial) -> Result<(), Skip> {
    let (above, below) = pair(trial);
    let size = *trial.seed.pick(&[16 * 1024, 64 * 1024, 100_000, 1024 * 1024]);
    // Nothing is in the stream but what is written here, so nobody may miss that there is nothing.
    let primary = trial.server(above).set("repl-backlog-size", size).set("repl-ping-replica-period", 3600).start();
    let proxy = Proxy::to(primary.port());
    let replica = trial.server(below).set("repl-timeout", 3600).replica_of(proxy.port()).start();
    wait_online(&primary, 1);
    let mut client = primary.client();
    client.must(&["SET", "fill", &"x".repeat(2 * size)]).ok();
    assert_same(&primary, &replica);
    for _ in 0..trial.rounds(8) {
        // The first write after a copy says which database it is for; that is not in the gap.
        client.must(&["SET", "k", "v"]).ok();
        assert_same(&primary, &replica);
        let before = Syncs::of(&primary);
        proxy.refuse(true);
        proxy.cut(*trial.seed.pick(&[Cut::Rst, Cut::Fin]));
        wait_online(&primary, 0);
        let gap = match trial.seed.below(6) {
            0 => size - 1,
            1 | 2 => size,
            3 => size + 1,
            4 => 2000 + trial.seed.below(size as u64 - 4000) as usize,
            _ => 16 * size,
        };
        println!("    gap {gap} of {size}");
        let from = client.info("replication").int("master_repl_offset");
        write_exactly(trial, &mut client, gap, gap >= 16 * size);
        assert_eq!(client.info("replication").int("master_repl_offset") - from, gap as i64, "the gap is not exact");
        proxy.refuse(false);
        wait_online(&primary, 1);
        assert_same(&primary, &replica);
        let after = Syncs::of(&primary);
        let got = (after.full - before.full, after.partial_ok - before.partial_ok);
        // A server may keep more than it was asked for, in whole blocks or records; never less, and not as much more as this.
        assert!(got == (0, 1) || got == (1, 0) && gap > size, "gap {gap} of {size}: {before:?}, then {after:?}");
        assert!(gap < 16 * size || got == (1, 0), "gap {gap} of {size}: {before:?}, then {after:?}");
        if trial.seed.one_in(3) {
            // The link is up: however little the backlog takes, this passes.
            client.must(&["SET", "huge", &"h".repeat(size * (2 + trial.seed.below(20) as usize))]).ok();
            client.must(&["APPEND", "huge", "tail"]);
            assert_same(&primary, &replica);
            assert_eq!(Syncs::of(&primary).full, after.full, "a record larger than the backlog cut the link");
        }
    }
    Ok(())
}

/// Writes of `gap` bytes in all in the stream, in one record or in many; surely in many where a gap past the backlog must not be kept
/// for one record's sake.
fn write_exactly(trial: &mut Trial, client: &mut crate::Client, gap: usize, many: bool) {
    let parts = if many || trial.seed.one_in(2) { 32 } else { 1 };
    let mut lens = vec![gap / parts; parts];
    lens[0] += gap % parts;
    if lens.iter().any(|len| value_for(*len).is_none()) {
        // There is no value that makes exactly this record, where its length takes another digit.
        lens = vec![gap - 50, 50];
    }
    for len in lens {
        let value = value_for(len).expect("a record of this length");
        client.must(&["SET", "k", &"y".repeat(value)]).ok();
    }
}

/// How long a value makes a record of exactly `len` bytes.
fn value_for(len: usize) -> Option<usize> {
    (1..8).filter_map(|digits| len.checked_sub(frame(0) - 1 + digits)).find(|value| frame(*value) + value == len)
}
