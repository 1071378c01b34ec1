//! `LPOS`.

use crate::commands::collections::{int_from, out_of_range, read_into};
use crate::commands::errors::{Error, Outcome};
use crate::commands::{Ctx, errors, parse};
use crate::shard::value::List;
use koltso_proto::resp::Args;

const RANK_ZERO: Error = Error::fixed(
    "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of \
     the list",
);

struct Search {
    /// Matches to pass over first.
    skip: usize,
    from_tail: bool,
    /// `None`: the first only, and not as an array.
    count: Option<usize>,
    /// How many elements to compare.
    compare_max: usize,
}

impl Search {
    fn parse(args: Args<'_>) -> Outcome<Self> {
        let mut search = Search { skip: 0, from_tail: false, count: None, compare_max: usize::MAX };
        let mut options = parse::Options::new(args, 3);
        while let Some(word) = options.next() {
            let value = options.value()?;
            if parse::is(word, "RANK") {
                let rank = parse::int(value)?;
                if rank == 0 {
                    return Err(RANK_ZERO);
                }
                if rank == i64::MIN {
                    return Err(out_of_range(-i64::MAX, i64::MAX));
                }
                search.skip = rank.unsigned_abs() as usize - 1;
                search.from_tail = rank < 0;
            } else if parse::is(word, "COUNT") {
                search.count = Some(int_from(value, 0, "ERR COUNT can't be negative")?);
            } else if parse::is(word, "MAXLEN") {
                let max = int_from(value, 0, "ERR MAXLEN can't be negative")?;
                search.compare_max = if max == 0 { usize::MAX } else { max };
            } else {
                return Err(errors::SYNTAX);
            }
        }
        Ok(search)
    }

    fn run(&self, list: &List, wanted: &[u8]) -> Vec<usize> {
        let take = match self.count {
            None => 1,
            Some(0) => usize::MAX,
            Some(count) => count,
        };
        let matches = |at: usize, found: bool| found.then_some(at);
        if self.from_tail {
            let last = list.len().saturating_sub(1);
            let elements = list.range_rev(last, self.compare_max).enumerate();
            elements
                .filter_map(|(at, element)| matches(last - at, element.eq_bytes(wanted)))
                .skip(self.skip)
                .take(take)
                .collect()
        } else {
            let elements = list.range(0, self.compare_max).enumerate();
            elements.filter_map(|(at, element)| matches(at, element.eq_bytes(wanted))).skip(self.skip).take(take).collect()
        }
    }
}

/// `LPOS key element [RANK rank] [COUNT count] [MAXLEN len]`.
pub fn lpos(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let search = Search::parse(args)?;
    let (list, reply) = read_into::<List>(cx, args.get(1))?;
    let found = list.map(|list| search.run(list, args.get(2))).unwrap_or_default();
    if search.count.is_some() {
        reply.array(found.len());
        found.iter().for_each(|position| reply.len(*position));
    } else {
        match found.first() {
            Some(position) => reply.len(*position),
            None => reply.null(),
        }
    }
    Ok(())
}
