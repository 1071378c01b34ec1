//! Files that are cut, changed, or brought in tiny pieces.

use super::*;

#[test]
fn a_file_cut_anywhere_is_incomplete_and_never_an_error() {
    for file in FIXTURES {
        for cut in 0..file.len() {
            let survey = read(&file[..cut]).unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
            assert_eq!(survey.checksum, None, "cut at {cut}");
        }
    }
}

#[test]
fn missing_never_asks_for_more_than_completes_the_next_step() {
    // Bringing exactly what is asked for must reach the end of the file and not go beyond.
    for file in FIXTURES {
        let mut decoder = Decoder::default();
        let mut at = 0;
        while !decoder.is_done() {
            while decoder.next_item().unwrap().is_some() {}
            let missing = decoder.missing();
            assert!(missing > 0 || decoder.is_done());
            decoder.feed(&file[at..at + missing]);
            at += missing;
        }
        assert_eq!(at, file.len());
    }
}

/// A small generator, so that failures repeat.
struct Lcg(u64);

impl Lcg {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

#[test]
fn damaged_files_are_refused_or_read_but_never_harm() {
    let mut random = Lcg(42);
    let unchecked = Limits { verify_checksum: false, ..Limits::default() };
    let (mut refused, mut read) = (0, 0);
    for round in 0..6000 {
        let mut file = FIXTURES[round % FIXTURES.len()].to_vec();
        for _ in 0..=random.below(3) {
            let at = random.below(file.len());
            match random.below(4) {
                0 => file[at] ^= 1 << random.below(8),
                1 => file[at] = [0, 0x3F, 0x7F, 0x80, 0x81, 0xC3, 0xFE, 0xFF][random.below(8)],
                2 => drop(file.splice(at..at, [random.below(256) as u8])),
                _ => drop(file.remove(at)),
            }
        }
        let piece = 1 + random.below(300);
        match survey(&file, piece, unchecked) {
            Ok(_) => read += 1,
            Err(error) => {
                refused += 1;
                assert!(error.at <= file.len() as u64, "{error}");
            }
        }
    }
    assert!(refused > 1000 && read > 1000, "{refused} {read}");
}

#[test]
fn any_changed_byte_breaks_the_checksum_or_the_format() {
    for at in 0..PACKED.len() {
        let mut file = PACKED.to_vec();
        file[at] ^= 0x10;
        // A longer length may swallow the end mark; then the file is merely incomplete.
        assert!(
            read(&file).map_or(true, |survey| survey.checksum.is_none() || survey.checksum == Some(Checksum::Absent)),
            "{at}"
        );
    }
}

#[test]
fn entries_that_arrive_in_tiny_pieces_cost_no_more_than_their_size() {
    // Quadratic work would make this take minutes.
    let mut body = Vec::new();
    put_len(&mut body, 200_000);
    for i in 0..200_000 {
        put_string(&mut body, format!("member {i}").as_bytes(), None);
    }
    let file = file_with(kind::SET, &body);
    let begin = std::time::Instant::now();
    assert_eq!(survey(&file, 16, Limits::default()).unwrap().keys, 1);
    assert!(begin.elapsed().as_secs() < 20, "{:?}", begin.elapsed());
}
