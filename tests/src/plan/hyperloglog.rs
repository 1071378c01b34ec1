//! Random commands over HyperLogLogs. Their bytes are compared, through `GET` and the digest.

use super::Family;
use crate::Seed;

pub(super) const FAMILY: Family = Family {
    name: "hyperloglog",
    templates: &[
        (8, "PFADD hll elements"),
        (3, "PFADD hll many"),
        (6, "PFCOUNT hll"),
        (3, "PFCOUNT hll hll [hll] [str]"),
        (5, "PFMERGE hll [hll] [hll] [str]"),
        (2, "PFDEBUG ENCODING|DECODE|TODENSE|GETREG|nosuch hll"),
        (3, "GET hll"),
        (1, "SETRANGE hll x"),
        (1, "SETRANGE hll corrupt val"),
        (2, "DEL hll"),
        (1, "CONFIG SET hll-sparse-max-bytes 100|3000"),
    ],
    draw: word,
};

fn word(word: &str, seed: &mut Seed, args: &mut Vec<Vec<u8>>) -> bool {
    match word {
        "hll" => args.push(format!("{}hll{}", seed.pick(&["", "{t}"]), seed.below(4)).into_bytes()),
        "elements" => (0..seed.below(6)).for_each(|_| args.push(seed.below(500).to_string().into_bytes())),
        "many" => {
            let count = 1 + seed.below(1500);
            (0..count).for_each(|_| args.push(seed.below(100_000).to_string().into_bytes()));
        }
        // Only what makes it none: what damaged runs count as is not defined.
        "corrupt" => args.push(seed.below(5).to_string().into_bytes()),
        _ => return false,
    }
    true
}
