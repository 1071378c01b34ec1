//! Random commands about places.

use super::{Family, draw};
use crate::Seed;

pub(super) const FAMILY: Family = Family {
    name: "geo",
    templates: &[
        (12, "GEOADD geo [NX|XX] [CH] degrees mem [degrees mem] [degrees mem]"),
        (3, "GEODIST geo mem mem [unit]"),
        (3, "GEOHASH geo mem [mem]"),
        (3, "GEOPOS geo mem [mem]"),
        (5, "GEORADIUS geo degrees meters unit [ASC|DESC] [COUNT small] [WITHDIST] [WITHHASH] [WITHCOORD]"),
        (2, "GEORADIUS geo degrees meters unit [COUNT small] STORE|STOREDIST geo"),
        (3, "GEORADIUSBYMEMBER geo mem meters unit [ASC|DESC] [COUNT small ANY] [WITHDIST]"),
        (1, "GEORADIUSBYMEMBER_RO|GEORADIUS_RO geo mem meters unit [STORE geo]"),
        (8, "GEOSEARCH geo from by [ASC|DESC] [COUNT small] [ANY] [WITHDIST] [WITHHASH] [WITHCOORD]"),
        (4, "GEOSEARCHSTORE geo geo from by [ASC|DESC] [COUNT small] [STOREDIST]"),
        (1, "ZRANGE geo 0 -1 WITHSCORES"),
        (1, "ZREM geo mem"),
        (1, "DEL geo"),
    ],
    draw: word,
};

fn word(word: &str, seed: &mut Seed, args: &mut Vec<Vec<u8>>) -> bool {
    let text = match word {
        "geo" => format!("{}geo{}", seed.pick(&["", "{t}"]), seed.below(3)),
        "degrees" => {
            for max in [180.0, 85.0] {
                // No two places alike, so that no two distances are: their order would not be defined.
                let some = (seed.below(2_000_001) as f64 - 1_000_000.0) / 1_000_000.0;
                let scale = *seed.pick(&[1.0, 1.0, 0.1, 0.001, 1.02]);
                let odd = seed.one_in(60);
                let text = if odd {
                    seed.pick(&["x", "", "nan", "-181", "1e3"]).to_string()
                } else {
                    (some * max * scale).to_string()
                };
                args.push(text.into_bytes());
            }
            return true;
        }
        "meters" if seed.one_in(15) => seed.pick(&["x", "-1", "0", "inf", "1e300"]).to_string(),
        "meters" => {
            let scale = *seed.pick(&[1.0, 100.0, 10_000.0, 1_000_000.0, 20_000_000.0]);
            (scale * (1 + seed.below(999)) as f64 / 999.0).to_string()
        }
        "unit" => seed.pick(&["m", "m", "km", "MI", "ft", "yd"]).to_string(),
        "from" => {
            let words: &[&str] = if seed.one_in(3) { &["FROMMEMBER", "mem"] } else { &["FROMLONLAT", "degrees"] };
            words.iter().for_each(|word| draw(word, seed, args));
            return true;
        }
        "by" => {
            let words: &[&str] =
                if seed.one_in(2) { &["BYRADIUS", "meters", "unit"] } else { &["BYBOX", "meters", "meters", "unit"] };
            words.iter().for_each(|word| draw(word, seed, args));
            return true;
        }
        _ => return false,
    };
    args.push(text.into_bytes());
    true
}
