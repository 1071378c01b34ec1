//! ACL: users and what they may do.
//!
//! A change is in force on every core, and for every connection, before it is answered.

mod log;
mod show;

use super::container::{self, Subcommands};
use crate::acl::{User, Users, file, join_selectors};
use crate::connection::{Closing, OwnedRequest, Peer, Token};
use crate::core::Core;
use crate::dispatch::registry::{ServerHandler, wrong_arity};
use crate::logging::{notice, warning};
use crate::replication::stream::Parked;
use koltso_proto::command;
use koltso_proto::number::parse_i64;
use std::sync::Arc;

pub const HANDLERS: &[(&str, ServerHandler)] = &[("acl", acl)];

const SUBCOMMANDS: Subcommands = &[
    ("cat", show::cat),
    ("deluser", del_user),
    ("dryrun", dry_run),
    ("genpass", gen_pass),
    ("getuser", show::get_user),
    ("list", show::list),
    ("load", load),
    ("log", log::log),
    ("save", save),
    ("setuser", set_user),
    ("users", show::users),
    ("whoami", show::whoami),
];

const HELP: &[&str] = &[
    "CAT [<category>]",
    "    The categories of commands, or the commands of one.",
    "DELUSER <username> [<username> ...]",
    "    Remove these users, and end their connections.",
    "DRYRUN <username> <command> [<arg> ...]",
    "    Whether a user might run a command, which is not run.",
    "GETUSER <username>",
    "    The rules of a user.",
    "GENPASS [<bits>]",
    "    A password of strong randomness, 256 bits unless told.",
    "LIST",
    "    All users, as they stand in a file.",
    "LOAD",
    "    Read the users from the ACL file.",
    "LOG [<count> | RESET]",
    "    What was denied last, or forget it.",
    "SAVE",
    "    Write the users to the ACL file.",
    "SETUSER <username> <attribute> [<attribute> ...]",
    "    Make or change a user.",
    "USERS",
    "    The names of all users.",
    "WHOAMI",
    "    The user of this connection.",
];

const NO_FILE: &str = "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER \
     command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order to store users in the \
     Redis configuration.";
const NOT_SAVED: &str = "ERR There was an error trying to save the ACLs. Please check the server logs for more information";
/// The longest password that GENPASS makes, in bits.
const BITS_MAX: i64 = 4096;

fn acl(core: &mut Core, token: Token, request: &OwnedRequest) {
    container::run(core, token, request, SUBCOMMANDS, HELP);
}

/// The error for too many arguments of a subcommand.
fn misuse(core: &mut Core, token: Token, request: &OwnedRequest) {
    let sub = String::from_utf8_lossy(request.args().get(1)).into_owned();
    core.refuse(token, &format!("ERR unknown subcommand or wrong number of arguments for '{sub}'. Try ACL HELP."));
}

fn set_user(core: &mut Core, token: Token, request: &OwnedRequest) {
    let args = request.args();
    let name = args.get(2);
    if crate::acl::has_spaces(name) {
        return core.refuse(token, "ERR Usernames can't contain spaces or null characters");
    }
    let words: Vec<&[u8]> = args.from(3).collect();
    let lossy = String::from_utf8_lossy;
    let rules = match join_selectors(&words) {
        Ok(rules) => rules,
        Err(at) => {
            let text = format!("ERR Unmatched parenthesis in acl selector starting at '{}'.", lossy(words[at]));
            return core.refuse(token, &text);
        }
    };
    let all_channels = file::all_channels(&core.exec.config);
    let changed: Result<(), String> = core.shared.change_users(|users| {
        let mut user = users.get(name).map_or_else(|| User::new(name, all_channels), |user| (**user).clone());
        for rule in &rules {
            user.apply(rule, all_channels)
                .map_err(|error| format!("ERR Error in ACL SETUSER modifier '{}': {}", lossy(rule), error.text()))?;
        }
        users.put(user);
        Ok(())
    });
    match changed {
        Ok(()) => spread(core, token, |reply| reply.ok()),
        Err(error) => core.refuse(token, &error),
    }
}

fn del_user(core: &mut Core, token: Token, request: &OwnedRequest) {
    let args = request.args();
    if args.from(2).any(|name| name == crate::acl::DEFAULT) {
        return core.refuse(token, "ERR The 'default' user cannot be removed");
    }
    let Ok::<_, String>(removed) = core.shared.change_users(|users| Ok(args.from(2).filter(|name| users.remove(name)).count()))
    else {
        return;
    };
    spread(core, token, move |reply| reply.len(removed));
}

/// Has every core take the users over as they are now, and then answers. Who asks goes last, if it has to go.
fn spread(core: &mut Core, token: Token, answer: impl FnOnce(&mut koltso_proto::resp::Reply) + Send + 'static) {
    let Some(conn) = core.conn(token) else { return };
    let asker = conn.session.id;
    // Within a transaction, the commands that follow find it in force here.
    let goes = core.look_at_users(asker);
    core.gather(
        token,
        move |core| core.look_at_users(asker),
        move |core, parts, reply| {
            answer(reply);
            if goes || parts.contains(&true) {
                core.close_after_replies(token);
            }
        },
    );
}

fn dry_run(core: &mut Core, token: Token, request: &OwnedRequest) {
    let args = request.args();
    let lossy = String::from_utf8_lossy;
    let Some(user) = core.users.get(args.get(2)).cloned() else {
        return core.refuse(token, &format!("ERR User '{}' not found", lossy(args.get(2))));
    };
    let words: Vec<&[u8]> = args.from(3).collect();
    let Ok(spec) = command::resolve(words[0], words.get(1).copied()) else {
        return core.refuse(token, &format!("ERR Command '{}' not found", lossy(words[0])));
    };
    if !spec.check_arity(words.len()) {
        return core.refuse(token, &wrong_arity(spec.name));
    }
    let tried = OwnedRequest::from_words(&words);
    match user.check(spec, tried.args()) {
        Ok(()) => core.ok(token),
        Err(denied) => {
            let text = denied.in_words(spec, &words);
            core.reply(token, |reply| reply.bulk(&text));
        }
    }
}

fn gen_pass(core: &mut Core, token: Token, request: &OwnedRequest) {
    let args = request.args();
    if args.len() > 3 {
        return misuse(core, token, request);
    }
    let bits = if args.len() == 3 { parse_i64(args.get(2)) } else { Some(256) };
    let Some(bits) = bits else { return core.refuse(token, "ERR value is not an integer or out of range") };
    if !(1..=BITS_MAX).contains(&bits) {
        let text = "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096";
        return core.refuse(token, text);
    }
    let digits = (bits as usize).div_ceil(4);
    let digit = |_| char::from_digit(rand::random_range(0..16), 16).unwrap_or('0');
    let password: String = (0..digits).map(digit).collect();
    core.reply(token, |reply| reply.bulk(password.as_bytes()));
}

/// The file is small, and read rarely: the core reads it itself, so that the answer has its place in a transaction, too.
fn load(core: &mut Core, token: Token, _: &OwnedRequest) {
    let config = core.shared.config();
    let Some(path) = config.aclfile.as_path() else { return core.refuse(token, NO_FILE) };
    match file::read(path, file::all_channels(&config)) {
        Ok(users) => {
            let _: Result<(), String> = core.shared.change_users(|known| {
                known.replace(users);
                Ok(())
            });
            spread(core, token, |reply| reply.ok());
        }
        Err(error) => core.refuse(token, &format!("ERR {error}")),
    }
}

/// The file is written by a thread of its own: a core must not wait for a disk.
fn save(core: &mut Core, token: Token, _: &OwnedRequest) {
    let config = core.shared.config();
    if config.aclfile.is_empty() {
        return core.refuse(token, NO_FILE);
    }
    let Some(promise) = core.promise(token) else { return };
    let users = core.shared.users();
    super::config::run_aside(move || {
        let Some(path) = config.aclfile.as_path() else { return };
        let outcome = file::write(&users, path);
        match &outcome {
            Ok(()) => notice("The users were written to the ACL file"),
            Err(error) => warning(&format!("Writing the ACL file failed: {error}")),
        }
        promise.keep(move |_, reply| match outcome {
            Ok(()) => reply.ok(),
            Err(_) => reply.error(NOT_SAVED),
        });
    });
}

impl Core {
    /// Takes the users over as they are now: connections get the new rules of theirs, and those end whose user is gone, or that
    /// listen to what it may not listen to any more. True if the one who asked for it (by its number) has to end: it does so
    /// when it has its answer.
    pub(crate) fn look_at_users(&mut self, asker: u64) -> bool {
        let users = self.shared.users();
        if Arc::ptr_eq(&users, &self.users) {
            return false;
        }
        self.users = Arc::clone(&users);
        let mut doomed = Vec::new();
        for (index, conn) in self.conns.iter_mut() {
            if matches!(conn.peer, Peer::Primary(_)) || conn.closing == Closing::Now {
                continue;
            }
            if !conn.session.follow(&users) {
                let token = Token { index: index as u32, generation: conn.generation };
                doomed.push((token, conn.session.id));
            }
        }
        let mut asker_goes = false;
        for (token, id) in doomed {
            match id == asker {
                true => asker_goes = true,
                false => self.close(token),
            }
        }
        self.drop_parked_strangers(&users);
        asker_goes
    }

    /// Gives up replicas whose user is gone and that wait for a snapshot, or for its end.
    fn drop_parked_strangers(&mut self, users: &Users) {
        let replicas = self.replication.iter().flat_map(|replication| &replication.replicas);
        let is_strange = |parked: &Parked| match parked {
            Parked::No => false,
            Parked::Waiting(_, session) | Parked::Away(session) => users.renewed(session.user()).is_none(),
        };
        let doomed: Vec<u64> = replicas.filter(|replica| is_strange(&replica.parked)).map(|replica| replica.id).collect();
        doomed.into_iter().for_each(|id| self.forget_replica(id));
    }
}
