//! The manifest: which files the append-only file consists of, in which order. The format is that of Redis 7.
//!
//! ```text
//! file appendonly.aof.2.base.rdb seq 2 type b
//! file appendonly.aof.00000000000000000000.incr.aof seq 2 type h from 0 of <replid> head 23
//! file written-by-koltso seq 1 type h
//! file appendonly.aof.00000000000000001042.incr.aof seq 3 type i from 1042 of <replid> head 23
//! ```
//!
//! A line is pairs of a word and its value; Redis skips pairs that it does not know. Ours say where in the log a segment begins:
//! its first `head` bytes are a `SELECT` that is not of the log, and the byte after them is the first one after offset `from` of
//! the history `of`. Where that history was another's until an offset, `after <replid> until 1042` says so. A segment of `type h` is
//! needed for loading no more, but for replicas that were away: nothing is missing between it and what follows it.
//!
//! A Redis that goes on with the folder appends to the last segment: then that is not of our log any more. The file that is to be
//! removed (`type h`), and never was there, has it write the manifest anew, without what it does not know.
//!
//! Nothing here touches a file.

use crate::config::{quote, split_line};
use koltso_proto::id::{Offset, ReplId};
use koltso_proto::number::parse_i64;

/// A file that is not there.
const MARK: &[u8] = b"written-by-koltso";
/// The longest line that Redis reads, in bytes.
const LINE_LEN_MAX: usize = 1024;

/// Where in the log a segment begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The log's end just before the segment's first byte.
    pub from: Offset,
    /// The history that this is an offset of. All of the segment belongs to it.
    pub of: ReplId,
    /// The history before, which is the same up to this offset.
    pub after: Option<(ReplId, Offset)>,
    /// How many bytes of the file are not of the log.
    pub head: u64,
}

/// A file in the manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name, without a folder.
    pub name: Vec<u8>,
    /// Its number; grows from file to file of the same type.
    pub seq: u64,
    /// Where in the log it begins, if we have written it.
    pub place: Option<Place>,
}

/// What a manifest says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// The data set at one moment.
    pub base: Option<Listed>,
    /// Files that loading does not need any more and that may be there still.
    pub history: Vec<Listed>,
    /// What happened since then.
    pub segments: Vec<Listed>,
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &[u8]) -> Result<Manifest, String> {
        let (mut manifest, mut is_ours) = (Manifest::default(), false);
        if text.is_empty() {
            return Err("Found an empty AOF manifest".to_string());
        }
        for line in text.strip_suffix(b"\n").ok_or("The last line of the AOF manifest is not whole")?.split(|&b| b == b'\n') {
            if line.starts_with(b"#") {
                continue;
            }
            if line.len() >= LINE_LEN_MAX {
                return Err("The AOF manifest file contains too long line".to_string());
            }
            let (kind, file) = parse_line(line).ok_or("Invalid AOF manifest file format")?;
            match kind {
                b'b' if manifest.base.is_some() => return Err("Found duplicate base file information".to_string()),
                b'b' => manifest.base = Some(file),
                b'h' if file.name == MARK => is_ours = true,
                b'h' => manifest.history.push(file),
                b'i' if manifest.segments.last().is_some_and(|last| last.seq >= file.seq) => {
                    return Err("Found a non-monotonic sequence number".to_string());
                }
                b'i' => manifest.segments.push(file),
                _ => return Err("Unknown AOF file type".to_string()),
            }
        }
        if !is_ours {
            // Who wrote this does not begin a segment where the history changes.
            manifest.segments.iter_mut().chain(&mut manifest.history).for_each(|segment| segment.place = None);
        }
        Ok(manifest)
    }

    /// The manifest as it stands in its file.
    pub fn text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        let mut put = |name: &[u8], rest: String| {
            text.extend_from_slice(b"file ");
            match name.iter().all(|byte| byte.is_ascii_graphic() && !b"\"'\\".contains(byte)) {
                true => text.extend_from_slice(name),
                false => quote(&mut text, name),
            }
            text.extend_from_slice(rest.as_bytes());
        };
        if let Some(base) = &self.base {
            put(&base.name, format!(" seq {} type b\n", base.seq));
        }
        let place_of = |file: &Listed| {
            file.place.map_or_else(String::new, |Place { from, of, after, head }| {
                let after = after.map_or_else(String::new, |(of, until)| format!(" after {of} until {until}"));
                format!(" from {from} of {of} head {head}{after}")
            })
        };
        for file in &self.history {
            put(&file.name, format!(" seq {} type h{}\n", file.seq, place_of(file)));
        }
        put(MARK, " seq 1 type h\n".to_string());
        for file in &self.segments {
            put(&file.name, format!(" seq {} type i{}\n", file.seq, place_of(file)));
        }
        text
    }

    /// Every file that has to be read, in order.
    pub fn files(&self) -> impl Iterator<Item = &Listed> {
        self.base.iter().chain(&self.segments)
    }

    /// Whether it names such a file.
    pub fn names(&self, name: &[u8]) -> bool {
        self.files().chain(&self.history).any(|file| file.name == name)
    }

    /// A new base file: its number is one above the last.
    pub fn next_base(&self, stem: &[u8]) -> Listed {
        let seq = self.base.as_ref().map_or(0, |base| base.seq).saturating_add(1);
        let name = self.free_name(&[stem, format!(".{seq}.base").as_bytes()].concat(), b".rdb");
        Listed { name, seq, place: None }
    }

    /// A new segment that begins there.
    pub fn next_segment(&self, stem: &[u8], place: Place) -> Listed {
        let seq = self.segments.last().map_or(0, |last| last.seq).saturating_add(1);
        let name = self.free_name(&[stem, format!(".{:020}.incr", place.from.0).as_bytes()].concat(), b".aof");
        Listed { name, seq, place: Some(place) }
    }

    /// A name that the manifest does not have yet: offsets of different histories can be the same number.
    fn free_name(&self, start: &[u8], end: &[u8]) -> Vec<u8> {
        let names = (1u32..).map(|nth| match nth {
            1 => [start, end].concat(),
            nth => [start, format!("-{nth}").as_bytes(), end].concat(),
        });
        { names }.find(|name| !self.names(name)).unwrap_or_default()
    }
}

fn parse_line(line: &[u8]) -> Option<(u8, Listed)> {
    let words = split_line(line).filter(|words| words.len() >= 6 && words.len().is_multiple_of(2))?;
    let value = |name: &[u8]| words.chunks_exact(2).find(|pair| pair[0].eq_ignore_ascii_case(name)).map(|pair| &pair[1][..]);
    let number = |name: &[u8]| value(name).and_then(parse_i64).and_then(|n| u64::try_from(n).ok());
    let name = value(b"file").filter(|name| is_plain_name(name))?;
    let seq = number(b"seq").filter(|&seq| seq > 0)?;
    let &[kind, ..] = value(b"type")? else { return None };
    let offset = |name: &[u8]| value(name).and_then(Offset::parse);
    let id = |name: &[u8]| value(name).and_then(ReplId::parse);
    let after = id(b"after").zip(offset(b"until"));
    let place = (|| Some(Place { from: offset(b"from")?, of: id(b"of")?, after, head: number(b"head")? }))();
    Some((kind, Listed { name: name.to_vec(), seq, place }))
}

/// Whether this names a file of the folder itself.
fn is_plain_name(name: &[u8]) -> bool {
    !name.is_empty() && name != b"." && name != b".." && !name.iter().any(|byte| matches!(byte, b'/' | b'\\' | 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replid() -> ReplId {
        ReplId::parse(&[b'a'; 40]).unwrap()
    }

    #[test]
    fn what_was_written_is_read_again() {
        let stem = b"append only.aof";
        let place = Place { from: Offset(0), of: replid(), after: None, head: 23 };
        let old = |place| Listed { name: b"old".to_vec(), seq: 1, place };
        let mut manifest = Manifest { history: vec![old(None), old(Some(place))], ..Manifest::default() };
        manifest.base = Some(manifest.next_base(stem));
        for (from, after) in [(0, None), (1042, None), (1042, Some((ReplId::NONE, Offset(1000))))] {
            let place = Place { from: Offset(from), of: replid(), after, head: 23 };
            manifest.segments.push(manifest.next_segment(stem, place));
        }
        assert_eq!(Manifest::parse(&manifest.text()), Ok(manifest.clone()));
        let names: Vec<_> = manifest.files().map(|file| String::from_utf8_lossy(&file.name).into_owned()).collect();
        assert_eq!(names[0], "append only.aof.1.base.rdb");
        assert_eq!(names[2], "append only.aof.00000000000000001042.incr.aof");
        assert_eq!(names[3], "append only.aof.00000000000000001042.incr-2.aof");
    }

    #[test]
    fn a_manifest_of_redis_is_read() {
        let text = b"file a.1.base.rdb seq 1 type b\n# remark\nfile a.1.incr.aof seq 1 type i\nfile \"b \\x41\" seq 2 type i\n";
        let manifest = Manifest::parse(text).unwrap();
        let names: Vec<_> = manifest.files().map(|file| &file.name[..]).collect();
        assert_eq!(names, [&b"a.1.base.rdb"[..], b"a.1.incr.aof", b"b A"]);
        assert!(manifest.files().all(|file| file.place.is_none()));
    }

    #[test]
    fn a_manifest_that_lies_is_refused() {
        for text in [
            "",
            "file a seq 1 type b",
            "file ../a seq 1 type b\n",
            "file a seq 0 type b\n",
            "file a seq x type b\n",
            "file a seq 1 type x\n",
            "file a seq 1\n",
            "file a seq 1 type\n",
            "\n",
            "file a seq 1 type b\nfile b seq 2 type b\n",
            "file a seq 2 type i\nfile b seq 2 type i\n",
            "file a seq 99999999999999999999 type i\n",
            "file \"a seq 1 type i\n",
        ] {
            assert!(Manifest::parse(text.as_bytes()).is_err(), "{text:?}");
        }
    }
}
