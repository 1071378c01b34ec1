//! `PFDEBUG` and `PFSELFTEST`.

use super::{CORRUPT, Encoding, HEADER_LEN, REGISTERS, dense, edit, empty, estimate, hash, make_dense, raise, read, sparse};
use crate::commands::errors::{Error, Outcome};
use crate::commands::{Ctx, parse};
use koltso_proto::resp::Args;

const NO_KEY: Error = Error::fixed("ERR The specified key does not exist");
const NOT_SPARSE: Error = Error::fixed("ERR HLL encoding is not sparse");

/// `PFDEBUG GETREG | DECODE | ENCODING | TODENSE key`.
pub(super) fn pfdebug(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let key = args.get(2);
    let (bytes, encoding) = read(cx, key)?.ok_or(NO_KEY)?;
    match &*parse::upper(args.get(1)) {
        b"GETREG" => {
            densify(cx, key, encoding)?;
            let (bytes, _) = read(cx, key)?.ok_or(NO_KEY)?;
            let mut registers = vec![0; REGISTERS];
            dense::visit(bytes, |register, value| registers[register] = value);
            cx.reply.array(REGISTERS);
            registers.into_iter().for_each(|value| cx.reply.int(i64::from(value)));
        }
        b"DECODE" if encoding == Encoding::Dense => return Err(NOT_SPARSE),
        b"DECODE" => {
            let text: Vec<String> = sparse::runs(&bytes[HEADER_LEN..])
                .map(|run| match run.value {
                    0 if run.is_long() => format!("Z:{}", run.len),
                    0 => format!("z:{}", run.len),
                    value => format!("v:{value},{}", run.len),
                })
                .collect();
            cx.reply.bulk(text.join(" ").as_bytes());
        }
        b"ENCODING" => cx.reply.status(if encoding == Encoding::Dense { "dense" } else { "sparse" }),
        b"TODENSE" => {
            densify(cx, key, encoding)?;
            cx.reply.int(i64::from(encoding == Encoding::Sparse));
        }
        _ => return Err(Error::with(&[b"ERR Unknown PFDEBUG subcommand '", args.get(1), b"'"])),
    }
    Ok(())
}

fn densify(cx: &mut Ctx<'_>, key: &[u8], encoding: Encoding) -> Outcome {
    if encoding == Encoding::Sparse {
        edit(cx, key, make_dense)?;
        cx.dirty += 1;
    }
    Ok(())
}

/// How many elements the self test adds.
const SELF_TEST_ELEMENTS: u64 = 100_000;

/// `PFSELFTEST`: both forms have the same registers, and the estimate is about right.
pub(super) fn pfselftest(cx: &mut Ctx<'_>, _: Args<'_>) -> Outcome {
    let (mut any, mut always_dense) = (empty(), empty());
    make_dense(&mut always_dense)?;
    for element in 0..SELF_TEST_ELEMENTS {
        let (register, value) = hash::place_of(&element.to_le_bytes());
        if raise(&mut any, register, value, 3000)? != dense::raise(&mut always_dense, register, value) {
            return Err(CORRUPT);
        }
    }
    make_dense(&mut any)?;
    let mut registers = vec![0; REGISTERS];
    dense::visit(&any, |register, value| registers[register] = value);
    let estimate = estimate::of(registers.into_iter());
    if any != always_dense || estimate.abs_diff(SELF_TEST_ELEMENTS) > SELF_TEST_ELEMENTS / 25 {
        return Err(Error::fixed("ERR TESTFAILED the sparse and the dense form disagree, or the estimate is off"));
    }
    cx.reply.ok();
    Ok(())
}
