//! Random sortings, by weights and with replacements that lie under other keys. They have keys of their own: SORT changes the
//! form of the sorted sets it reads in Redis, which then keep a score of -0.

use super::Family;
use crate::Seed;

pub(super) const FAMILY: Family = Family {
    name: "sort",
    templates: &[
        (4, "RPUSH qlst number number [number] [mem]"),
        (3, "SADD qset number number [number]"),
        (3, "ZADD qzst number mem number number"),
        (4, "SET weight number"),
        (3, "HSET details weight number name val"),
        (1, "DEL weight|details weight"),
        (8, "SORT sortable [ALPHA] [ASC|DESC] [LIMIT int small]"),
        (6, "SORT sortable BY w_*|h_*->weight|nosuch_* [ASC|DESC] [LIMIT small small] [GET #] [GET h_*->name]"),
        // Unsorted, only what has an order of its own.
        (3, "SORT qlst BY nosort [DESC] [LIMIT small small] [GET w_*] [GET h_*->]"),
        (5, "SORT sortable [BY w_*] [LIMIT small small] [GET w_*|#|nosuch|h_*->name] STORE qlst"),
        (2, "SORT_RO sortable [ALPHA] [GET #] [GET w_*] [STORE qlst]"),
        (1, "LRANGE qlst 0 -1"),
        (1, "DEL sortable"),
    ],
    draw: word,
};

fn word(word: &str, seed: &mut Seed, args: &mut Vec<Vec<u8>>) -> bool {
    let text = match word {
        "number" if seed.one_in(12) => seed.pick(&["1.5", "-2.25", "1e3", "inf", "-inf", "0"]).to_string(),
        "number" => (seed.below(40) as i64 - 10).to_string(),
        "weight" => format!("w_{}", seed.below(40) as i64 - 10),
        "details" => format!("h_{}", seed.below(40) as i64 - 10),
        "qlst" | "qset" | "qzst" => format!("{}{word}{}", seed.pick(&["", "{t}"]), seed.below(3)),
        "sortable" => {
            let kind = *seed.pick(&["qlst", "qlst", "qset", "qzst", "weight"]);
            super::draw(kind, seed, args);
            return true;
        }
        _ => return false,
    };
    args.push(text.into_bytes());
    true
}
