//! DEBUG OBJECT, DIGEST-VALUE, LISTPACK, QUICKLIST, HTSTATS: looking at single values and tables.

use crate::connection::{OwnedRequest, Token};
use crate::core::Core;
use crate::shard::access::AccessPolicy;
use crate::shard::entry::EntryRef;
use crate::shard::value::rdb;
use koltso_proto::digest::Digest;
use koltso_proto::id::UnixMs;
use koltso_proto::number::parse_i64;
use koltso_proto::rdb::consts::VERSION_REDIS_7_0;
use std::sync::Arc;

const NO_SUCH_KEY: &str = "ERR no such key";

/// `DEBUG OBJECT key [fast]`.
pub fn object(core: &mut Core, token: Token, request: &OwnedRequest) {
    let args = request.args();
    let fast = args.len() > 3 && args.is(3, "fast");
    ask(core, token, args.get(2), move |entry, now| describe(entry, now, fast));
}

/// Makes a status of the entry at a key, wherever it is, or says that there is none.
fn ask(
    core: &mut Core,
    token: Token,
    key: &[u8],
    look: impl FnOnce(EntryRef<'_>, UnixMs) -> Result<String, &'static str> + Send + 'static,
) {
    let key = key.to_vec();
    let shard = core.exec.shard_of(&key);
    let Some(db) = core.conn(token).map(|conn| conn.session.db) else { return };
    core.ask_shard(
        token,
        shard,
        move |shard, now| match shard.dbs[db.0 as usize].find(&key) {
            Some(entry) => look(entry, now),
            None => Err(NO_SUCH_KEY),
        },
        |_, answer, reply| match answer {
            Ok(text) => reply.status(&text),
            Err(error) => reply.error(error),
        },
    );
}

fn describe(entry: EntryRef<'_>, now: UnixMs, fast: bool) -> Result<String, &'static str> {
    let idle_s = AccessPolicy::idle_s(entry.access(), now);
    let lru = entry.access();
    let encoding = entry.encoding();
    if fast {
        return Ok(format!("Value at:0x0 refcount:1 encoding:{encoding} lru:{lru} lru_seconds_idle:{idle_s}"));
    }
    let mut body = Vec::new();
    rdb::put_body(&mut body, entry.value(), VERSION_REDIS_7_0, Some(&mut koltso_proto::rdb::Lzf::default()));
    let len = body.len();
    Ok(format!("Value at:0x0 refcount:1 encoding:{encoding} serializedlength:{len} lru:{lru} lru_seconds_idle:{idle_s}"))
}

/// `DEBUG LISTPACK key`.
pub fn listpack(core: &mut Core, token: Token, request: &OwnedRequest) {
    ask(core, token, request.args().get(2), |entry, _| match entry.encoding() {
        "listpack" => Ok("Packed".to_string()),
        _ => Err("ERR Not a listpack encoded object."),
    });
}

/// `DEBUG QUICKLIST key [0|1]`.
pub fn quicklist(core: &mut Core, token: Token, request: &OwnedRequest) {
    ask(core, token, request.args().get(2), |entry, _| match entry.encoding() {
        "quicklist" => Ok("Quicklist".to_string()),
        _ => Err("ERR Not a quicklist encoded object."),
    });
}

/// `DEBUG DIGEST-VALUE key …`: zeros for keys that are not there.
pub fn digest_value(core: &mut Core, token: Token, request: &OwnedRequest) {
    let keys: Arc<Vec<Vec<u8>>> = Arc::new(request.args().from(2).map(<[u8]>::to_vec).collect());
    let Some(db) = core.conn(token).map(|conn| conn.session.db) else { return };
    core.ask_each_shard(
        token,
        move |shard, _| {
            let find = |key: &Vec<u8>| Some(shard.dbs[db.0 as usize].find(key)?.value_digest());
            keys.iter().map(find).collect::<Vec<Option<Digest>>>()
        },
        |_, parts, reply| {
            let count = parts.first().map_or(0, Vec::len);
            reply.array(count);
            for key in 0..count {
                let digest = parts.iter().find_map(|part| part[key]).unwrap_or_default();
                reply.status(&digest.to_string());
            }
        },
    );
}

/// `DEBUG HTSTATS db`.
pub fn table_stats(core: &mut Core, token: Token, request: &OwnedRequest) {
    let databases = core.databases() as i64;
    let db = match parse_i64(request.args().get(2)) {
        Some(db) if (0..databases).contains(&db) => db as usize,
        Some(_) => return core.refuse(token, "ERR Out of range database"),
        None => return core.refuse(token, "ERR value is not an integer or out of range"),
    };
    core.ask_each_shard(
        token,
        move |shard, _| (shard.dbs[db].len(), shard.dbs[db].expires(), shard.dbs[db].heap_bytes()),
        |_, parts, reply| {
            let line = |(id, (keys, expires, bytes)): (usize, &(usize, usize, usize))| {
                format!("shard {id}: {keys} keys, {expires} with a deadline, {bytes} bytes of tables\n")
            };
            let text: String = parts.iter().enumerate().map(line).collect();
            reply.verbatim(b"txt", text.as_bytes());
        },
    );
}
