//! Whether keys are there, of what type, and taking them away.

use crate::commands::Ctx;
use koltso_proto::resp::Args;

/// `DEL key [key …]` and `UNLINK key [key …]`: they differ only in how replicas free the memory.
pub fn del(cx: &mut Ctx<'_>, args: Args<'_>) {
    let deleted = args.from(1).filter(|key| cx.delete(key)).count();
    cx.reply.len(deleted);
}

/// `EXISTS key [key …]`: a key named twice counts twice.
pub fn exists(cx: &mut Ctx<'_>, args: Args<'_>) {
    let found = args.from(1).filter(|key| cx.look(key).is_some()).count();
    cx.reply.len(found);
}

/// `TYPE key`.
pub fn type_of(cx: &mut Ctx<'_>, args: Args<'_>) {
    let name = cx.look(args.get(1)).map_or("none", |entry| entry.kind().name());
    cx.reply.status(name);
}

/// `TOUCH key [key …]`.
pub fn touch(cx: &mut Ctx<'_>, args: Args<'_>) {
    let found = args.from(1).filter(|key| cx.touch(key)).count();
    cx.reply.len(found);
}
