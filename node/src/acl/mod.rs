//! Users, and what they may do.
//!
//! | where | what |
//! |---|---|
//! | [`user`] | a user, its selectors, and how both are written down |
//! | `rules` | the rules that make a user (`ACL SETUSER`, `user` lines) |
//! | `check` | whether a user may run a command |
//! | [`log`] | what was denied (`ACL LOG`) |
//! | [`file`] | users in a file, and in the configuration |
//!
//! All users together are one value, [`Users`], that is never changed: who changes something puts another one in its place
//! (`Shared::change_users`), and every core takes it over before that is answered (`Core::look_at_users`). A connection holds its
//! user. So to judge a command takes no lock: one look whether the user may do everything, and if not, one bit by the command's
//! index, and patterns where it names keys or channels.
//!
//! Commands that come from our primary are nobody's, and are not judged. This module must not know connections or sockets.

mod check;
pub mod file;
pub mod log;
mod rules;
pub mod user;

pub use check::Denied;
pub use rules::{RuleError, has_spaces, join_selectors};
pub use user::User;

use std::collections::BTreeMap;
use std::sync::Arc;

/// The user that every connection begins as.
pub const DEFAULT: &[u8] = b"default";

/// All users.
#[derive(Clone, Debug)]
pub struct Users {
    by_name: BTreeMap<Box<[u8]>, Arc<User>>,
    default: Arc<User>,
    next_id: u64,
}

impl Users {
    /// The default user alone, who may do everything: with this password, or without one if it is empty.
    pub fn new(password: &[u8]) -> Self {
        let mut users = Users { by_name: BTreeMap::new(), default: Arc::new(User::almighty(DEFAULT)), next_id: 1 };
        users.put(User::almighty(DEFAULT));
        users.set_default_password(password);
        users
    }

    /// The user of this name.
    pub fn get(&self, name: &[u8]) -> Option<&Arc<User>> {
        self.by_name.get(name)
    }

    /// The default user.
    pub fn default_user(&self) -> &Arc<User> {
        &self.default
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<User>> {
        self.by_name.values()
    }

    /// Adds a user, or puts it in the place of the one with its name: then it is the same user with other rules.
    pub fn put(&mut self, mut user: User) {
        user.id = self.by_name.get(&user.name).map_or(self.next_id, |old| old.id);
        self.next_id += 1;
        let user = Arc::new(user);
        if *user.name == *DEFAULT {
            self.default = Arc::clone(&user);
        }
        self.by_name.insert(user.name.clone(), user);
    }

    /// Removes a user; false if there is none of this name. The default user stays.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        name != DEFAULT && self.by_name.remove(name).is_some()
    }

    /// These users in the place of all that were there. Only the default user is still the same one.
    pub fn replace(&mut self, others: Users) {
        let default = (*others.default).clone();
        self.by_name.retain(|name, _| **name == *DEFAULT);
        others.by_name.into_values().filter(|user| *user.name != *DEFAULT).for_each(|user| self.put((*user).clone()));
        self.put(default);
    }

    /// What `requirepass` means.
    pub fn set_default_password(&mut self, password: &[u8]) {
        let mut user = (*self.default).clone();
        user.set_only_password(password);
        self.put(user);
    }

    /// The user that this one is now; `None` if it was removed since.
    pub fn renewed(&self, user: &User) -> Option<&Arc<User>> {
        self.get(&user.name).filter(|now| now.id == user.id)
    }
}

#[cfg(test)]
mod tests;
