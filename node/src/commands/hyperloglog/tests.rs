//! Tests of the HyperLogLog commands.

use super::*;
use crate::commands::testing::{Node, check, with_one_and_three_shards};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

#[test]
fn elements_are_counted_once() {
    check(&[
        ("PFADD h a b c d e f g", ":1", "PFADD h a b c d e f g"),
        ("PFADD h a b c", ":0", ""),
        ("PFCOUNT h", ":7", "PFCOUNT h"),
        ("PFCOUNT h", ":7", ""),
        ("PFADD other", ":1", "PFADD other"),
        ("PFADD other", ":0", ""),
        ("PFADD other 1 2 a", ":1", "PFADD other 1 2 a"),
        ("PFCOUNT h other none", ":9", ""),
        ("PFMERGE d h other none", "OK", "PFMERGE d h other none"),
        ("PFCOUNT d", ":9", "PFCOUNT d"),
        ("PFCOUNT none", ":0", ""),
        ("PFDEBUG ENCODING d", "sparse", ""),
        ("PFDEBUG TODENSE d", ":1", "PFDEBUG TODENSE d"),
        ("PFDEBUG TODENSE d", ":0", ""),
        ("PFDEBUG DECODE d", "-ERR HLL encoding is not sparse", ""),
        ("PFCOUNT d", ":9", ""),
        ("PFDEBUG nosuch d", "-ERR Unknown PFDEBUG subcommand 'nosuch'", ""),
        ("PFDEBUG ENCODING none", "-ERR The specified key does not exist", ""),
        ("PFSELFTEST", "OK", ""),
    ]);
}

#[test]
fn a_replica_does_not_keep_an_estimate_by_itself() {
    let mut node = Node::new(1);
    node.prepare(&["PFADD h a"]);
    node.shards.iter_mut().flatten().for_each(|shard| shard.replica = true);
    node.check(&[("PFCOUNT h", ":1", ""), ("GETRANGE h 15 15", "\"\\x80\"", "")]);
    node.be_replica();
    node.check(&[("PFCOUNT h", ":1", ""), ("GETRANGE h 15 15", "\"\\x00\"", "")]);
}

#[test]
fn what_is_no_hyperloglog_is_refused() {
    with_one_and_three_shards(|node| {
        node.prepare(&["RPUSH l x", "SET s x", "SET short HYLL", "SET long HYLL-1234567890123456"]);
        let wrong = "-WRONGTYPE Key is not a valid HyperLogLog string value.";
        for key in ["s", "short", "long"] {
            for line in ["PFADD KEY x", "PFCOUNT KEY", "PFCOUNT KEY none", "PFMERGE KEY", "PFMERGE d KEY", "PFDEBUG DECODE KEY"]
            {
                node.check(&[(&line.replace("KEY", key), wrong, "")]);
            }
        }
        node.check(&[("PFADD l x", "-WRONGTYPE Operation against a key holding the wrong kind of value", "")]);
        node.prepare(&["PFADD h a b c", "APPEND h x"]);
        for line in ["PFADD h d", "PFCOUNT h", "PFMERGE h", "PFDEBUG TODENSE h"] {
            node.check(&[(line, "-INVALIDOBJ Corrupted HLL object detected", "")]);
        }
    });
}

#[test]
fn both_forms_agree_on_every_register() {
    let mut rng = SmallRng::seed_from_u64(1);
    let (mut sparse, mut dense, mut model) = (empty(), empty(), vec![0; REGISTERS]);
    make_dense(&mut dense).unwrap();
    for _ in 0..20_000 {
        let register = if rng.random_bool(0.5) { rng.random_range(0..40) } else { rng.random_range(0..REGISTERS) };
        let value = rng.random_range(1..33);
        let raises = model[register] < value;
        model[register] = value.max(model[register]);
        assert_eq!(raise(&mut sparse, register, value, u64::MAX), Ok(raises));
        assert_eq!(dense::raise(&mut dense, register, value), raises);
    }
    assert_eq!(encoding_of(&sparse), Ok(Encoding::Sparse));
    for bytes in [&sparse, &dense] {
        let mut maxima = Box::new([0; REGISTERS]);
        merge_into(&mut maxima, bytes, encoding_of(bytes).unwrap()).unwrap();
        assert!(maxima[..] == model);
    }
    assert_eq!(raise(&mut sparse, 7, 33, u64::MAX), Ok(true));
    assert_eq!(encoding_of(&sparse), Ok(Encoding::Dense));
}
