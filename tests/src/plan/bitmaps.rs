//! Random commands over bits.

use super::{Family, draw};
use crate::Seed;

pub(super) const FAMILY: Family = Family {
    name: "bitmaps",
    templates: &[
        (5, "SETBIT str bitoffset bit"),
        (3, "GETBIT str bitoffset"),
        (3, "BITCOUNT str [int int]"),
        (2, "BITCOUNT str int int BIT|BYTE|nosuch"),
        (3, "BITPOS str bit [int]"),
        (3, "BITPOS str bit int int [BIT|BYTE|nosuch]"),
        (4, "BITOP AND|OR|XOR|NOT|nosuch str str [str] [str]"),
        (6, "BITFIELD str [OVERFLOW WRAP|SAT|FAIL|nosuch] bitfield [bitfield] [OVERFLOW WRAP|SAT|FAIL] [bitfield]"),
        (2, "BITFIELD_RO str GET bittype bitoffset [bitfield]"),
        (1, "GET str"),
    ],
    draw: word,
};

fn word(word: &str, seed: &mut Seed, args: &mut Vec<Vec<u8>>) -> bool {
    let text = match word {
        "bit" => seed.pick(&["0", "1", "0", "1", "2", "-1", "x"]).to_string(),
        "bitoffset" => match seed.below(8) {
            0 => seed.pick(&["-1", "x", "4294967296", "#-1", "", "9223372036854775807"]).to_string(),
            1 => format!("#{}", seed.below(9)),
            2 => seed.below(5000).to_string(),
            _ => seed.below(100).to_string(),
        },
        "bittype" => match seed.below(20) {
            0 => seed.pick(&["u64", "i65", "u0", "i", "x8", "", "i-1"]).to_string(),
            _ => format!("{}{}", seed.pick(&["i", "u"]), 1 + seed.below(63)),
        },
        "bitfield" => {
            let (name, words) = *seed.pick(&[
                ("GET", &["bittype", "bitoffset"][..]),
                ("SET", &["bittype", "bitoffset", "int"]),
                ("INCRBY", &["bittype", "bitoffset", "int"]),
            ]);
            args.push(name.into());
            words.iter().for_each(|word| draw(word, seed, args));
            return true;
        }
        _ => return false,
    };
    args.push(text.into_bytes());
    true
}
