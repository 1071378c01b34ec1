//! ACL CAT, GETUSER, LIST, USERS, WHOAMI: what there is.

use super::misuse;
use crate::acl::user::Selector;
use crate::connection::{OwnedRequest, Token};
use crate::core::Core;
use koltso_proto::command::{self, AclCategories};
use koltso_proto::resp::Reply;

pub fn cat(core: &mut Core, token: Token, request: &OwnedRequest) {
    let args = request.args();
    match args.len() {
        2 => core.reply(token, |reply| {
            reply.array(AclCategories::ALL.len());
            AclCategories::ALL.iter().for_each(|(_, name)| reply.bulk(name.as_bytes()));
        }),
        3 => {
            let name = args.get(2);
            let Some(category) = AclCategories::by_name(name) else {
                let name = String::from_utf8_lossy(&name[..name.len().min(128)]).into_owned();
                return core.refuse(token, &format!("ERR Unknown category '{name}'"));
            };
            let members: Vec<_> = command::every().iter().filter(|spec| spec.categories.has(category)).collect();
            core.reply(token, |reply| {
                reply.array(members.len());
                members.iter().for_each(|spec| reply.bulk(spec.name.as_bytes()));
            });
        }
        _ => misuse(core, token, request),
    }
}

pub fn whoami(core: &mut Core, token: Token, _: &OwnedRequest) {
    let Some(conn) = core.conn(token) else { return };
    let name = conn.session.user().name.clone();
    core.reply(token, |reply| reply.bulk(&name));
}

pub fn users(core: &mut Core, token: Token, _: &OwnedRequest) {
    let users = core.shared.users();
    core.reply(token, |reply| {
        reply.array(users.iter().len());
        users.iter().for_each(|user| reply.bulk(&user.name));
    });
}

pub fn list(core: &mut Core, token: Token, _: &OwnedRequest) {
    let users = core.shared.users();
    core.reply(token, |reply| {
        reply.array(users.iter().len());
        users.iter().for_each(|user| reply.bulk(&user.line()));
    });
}

pub fn get_user(core: &mut Core, token: Token, request: &OwnedRequest) {
    let users = core.shared.users();
    let Some(user) = users.get(request.args().get(2)) else { return core.reply(token, Reply::null) };
    core.reply(token, |reply| {
        reply.map(6);
        reply.bulk(b"flags");
        let flags = user.flags();
        reply.set(flags.len());
        flags.iter().for_each(|flag| reply.bulk(flag.as_bytes()));
        reply.bulk(b"passwords");
        reply.array(user.passwords().len());
        user.passwords().for_each(|password| reply.bulk(password.as_bytes()));
        let (own, others) = user.selectors().split_at(1);
        own.iter().for_each(|selector| describe(selector, reply));
        reply.bulk(b"selectors");
        reply.array(others.len());
        for selector in others {
            reply.map(3);
            describe(selector, reply);
        }
    });
}

fn describe(selector: &Selector, reply: &mut Reply) {
    for (name, rules) in [("commands", selector.commands()), ("keys", selector.keys()), ("channels", selector.channels())] {
        reply.bulk(name.as_bytes());
        reply.bulk(&rules);
    }
}
