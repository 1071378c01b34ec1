//! All rows in one array, each with its index, and the look-up by name. Both are built by the compiler.

use super::*;

/// The families in the order in which their commands are listed.
const FAMILIES: &[&[CommandSpec]] = &[
    strings::COMMANDS,
    generic::COMMANDS,
    lists::COMMANDS,
    hashes::COMMANDS,
    sets::COMMANDS,
    sorted_sets::COMMANDS,
    streams::COMMANDS,
    bitmaps::COMMANDS,
    hyperloglog::COMMANDS,
    geo::COMMANDS,
    pubsub::COMMANDS,
    scripting::COMMANDS,
    transactions::COMMANDS,
    connection::COMMANDS,
    server::COMMANDS,
];

/// How many commands there are, and how many with all subcommands.
const SIZES: (usize, usize) = {
    let (mut commands, mut with_subcommands) = (0, 0);
    let mut family = 0;
    while family < FAMILIES.len() {
        let mut at = 0;
        while at < FAMILIES[family].len() {
            commands += 1;
            with_subcommands += 1 + FAMILIES[family][at].rows.len();
            at += 1;
        }
        family += 1;
    }
    (commands, with_subcommands)
};

static TABLE: [CommandSpec; SIZES.1] = {
    let mut table = [FAMILIES[0][0]; SIZES.1];
    let (mut command, mut next_child) = (0, SIZES.0);
    let mut family = 0;
    while family < FAMILIES.len() {
        let mut at = 0;
        while at < FAMILIES[family].len() {
            let mut spec = FAMILIES[family][at];
            spec.index = command as u16;
            spec.first_child = next_child as u16;
            let mut child = 0;
            while child < spec.rows.len() {
                let mut sub = spec.rows[child];
                sub.index = next_child as u16;
                sub.parent = Some(spec.index);
                table[next_child] = sub;
                next_child += 1;
                child += 1;
            }
            table[command] = spec;
            command += 1;
            at += 1;
        }
        family += 1;
    }
    table
};

/// All commands, without subcommands.
pub fn all() -> &'static [CommandSpec] {
    &TABLE[..SIZES.0]
}

/// All commands, and then all subcommands: `every()[spec.index()]` is `spec`.
pub fn every() -> &'static [CommandSpec] {
    &TABLE
}

/// How many commands and subcommands there are: one more than the largest index.
pub const fn count() -> usize {
    SIZES.1
}

/// A name, folded to lower case, in three words that overlap for short names. Together with the length they tell any two names apart.
type Words = [u64; 3];

/// The longest name that can be looked up.
const NAME_MAX: usize = 24;

/// A power of two, several times the number of commands, so that nearly every name has its place for itself.
const PLACES: usize = 1024;
const EMPTY: u16 = u16::MAX;

static WORDS: [(Words, u8); SIZES.0] = {
    let mut words = [([0; 3], 0); SIZES.0];
    let mut at = 0;
    while at < SIZES.0 {
        let name = TABLE[at].name.as_bytes();
        assert!(name.len() <= NAME_MAX);
        words[at] = (fold_words(name), name.len() as u8);
        at += 1;
    }
    words
};

/// Open addressing: the index of the command at the place of its hash, or in the next free one.
static PLACE: [u16; PLACES] = {
    let mut places = [EMPTY; PLACES];
    let mut at = 0;
    while at < SIZES.0 {
        let mut place = hash(WORDS[at].0, WORDS[at].1);
        while places[place] != EMPTY {
            place = (place + 1) % PLACES;
        }
        places[place] = at as u16;
        at += 1;
    }
    places
};

/// The command of this name, compared without case; no subcommands. A few nanoseconds, no allocation.
#[inline]
pub fn lookup(name: &[u8]) -> Option<&'static CommandSpec> {
    if name.len() > NAME_MAX {
        return None;
    }
    let (words, length) = (fold_words(name), name.len() as u8);
    let mut place = hash(words, length);
    loop {
        let index = PLACE[place];
        if index == EMPTY {
            return None;
        }
        if WORDS[usize::from(index)] == (words, length) {
            return Some(&TABLE[usize::from(index)]);
        }
        place = (place + 1) % PLACES;
    }
}

/// The command or subcommand that a command line calls: a container with a second argument is resolved to the subcommand.
///
/// # Errors
/// `Err(None)`: there is no such command. `Err(Some(container))`: there is, but no such subcommand.
#[inline]
pub fn resolve(name: &[u8], second: Option<&[u8]>) -> Result<&'static CommandSpec, Option<&'static CommandSpec>> {
    let spec = lookup(name).ok_or(None)?;
    match second {
        Some(second) if !spec.rows.is_empty() => spec.subcommand(second).ok_or(Some(spec)),
        _ => Ok(spec),
    }
}

#[inline]
const fn hash(words: Words, length: u8) -> usize {
    let mixed = words[0].wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ words[1].rotate_left(29).wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
    let mixed = (mixed ^ words[2] ^ length as u64).wrapping_mul(0xff51_afd7_ed55_8ccd);
    (mixed >> 54) as usize % PLACES
}

#[inline]
const fn fold_words(name: &[u8]) -> Words {
    let (Some(first), Some(last)) = (name.first_chunk::<8>(), name.last_chunk::<8>()) else {
        return [fold(short_word(name)), 0, 0];
    };
    let middle = match name.split_at_checked(8) {
        Some((_, rest)) if name.len() > 16 => match rest.first_chunk::<8>() {
            Some(middle) => u64::from_le_bytes(*middle),
            None => 0,
        },
        _ => 0,
    };
    [fold(u64::from_le_bytes(*first)), fold(u64::from_le_bytes(*last)), fold(middle)]
}

/// Up to seven bytes in one word.
#[inline]
const fn short_word(name: &[u8]) -> u64 {
    if let (Some(first), Some(last)) = (name.first_chunk::<4>(), name.last_chunk::<4>()) {
        return u32::from_le_bytes(*first) as u64 | (u32::from_le_bytes(*last) as u64) << 32;
    }
    match name {
        [] => 0,
        [a] => *a as u64,
        [a, b] => *a as u64 | (*b as u64) << 8,
        [a, b, c, ..] => *a as u64 | (*b as u64) << 8 | (*c as u64) << 16,
    }
}

/// Turns the upper-case ASCII letters among eight bytes into lower case, all at once.
#[inline]
const fn fold(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    // With the top bits cleared no sum can carry into the next byte; the top bit of each byte then says "at least this letter".
    let seven = word & (0x7f * ONES);
    let from_a = seven + (0x80 - b'A' as u64) * ONES;
    let past_z = seven + (0x80 - b'Z' as u64 - 1) * ONES;
    let upper = from_a & !past_z & !word & (0x80 * ONES);
    word | upper >> 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_changes_upper_case_letters_and_nothing_else() {
        for byte in 0..=255u8 {
            let bytes = [byte, b'A', byte, b'z', b'@', byte, b'Z', b'['];
            assert_eq!(fold(u64::from_le_bytes(bytes)).to_le_bytes(), bytes.map(|byte| byte.to_ascii_lowercase()));
        }
    }

    #[test]
    fn every_command_is_found_in_any_case_and_nothing_else_is() {
        for spec in all() {
            let name = spec.name.as_bytes();
            assert_eq!(lookup(name).map(CommandSpec::index), Some(spec.index()));
            assert_eq!(lookup(&name.to_ascii_uppercase()).map(CommandSpec::index), Some(spec.index()));
            // One byte changed, added or taken away never finds the same command.
            for at in 0..name.len() {
                for bit in 0..8 {
                    let mut other = name.to_vec();
                    other[at] ^= 1 << bit;
                    let found = lookup(&other);
                    assert!(found.is_none_or(|found| found.name.as_bytes().eq_ignore_ascii_case(&other)));
                }
            }
            assert!(lookup(&[name, b"\0"].concat()).is_none());
        }
        for name in [&b""[..], b"nope", b"config|get", &[0; 24], &[0; 25], &[b'a'; 4096]] {
            assert!(lookup(name).is_none());
        }
    }

    #[test]
    fn indexes_are_dense_and_subcommands_know_their_container() {
        for (index, spec) in every().iter().enumerate() {
            assert_eq!(spec.index(), index);
            for sub in spec.subcommands() {
                assert_eq!(sub.parent().map(|parent| parent.name), Some(spec.name));
                assert_eq!(sub.name, format!("{}|{}", spec.name, sub.short_name()));
            }
            assert_eq!(spec.parent().is_some(), index >= all().len());
        }
        assert_eq!(every().len(), count());
    }

    #[test]
    fn probe_sequences_are_short() {
        let far = all().iter().filter(|spec| {
            let (words, length) = WORDS[spec.index()];
            usize::from(PLACE[hash(words, length)]) != spec.index()
        });
        assert!(far.count() < all().len() / 5);
    }
}
