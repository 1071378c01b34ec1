//! Network namespaces of the test's own, joined by veth pairs: links that can be taken down, and routes that lead nowhere in one
//! direction only.
//!
//! Nothing of the machine's own network is touched: every device lies in a namespace that ends with its holder.

use std::fs::File;
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::eventually;

/// A network of its own, with nothing but a loopback device in it at first. It ends when it is dropped.
pub struct Namespace {
    holder: Child,
    net: File,
}

impl Namespace {
    /// A new one, or why there can be none here.
    pub fn new() -> Result<Namespace, String> {
        let mut command = Command::new("unshare");
        // It waits for the end of its input, which comes when this process ends, however it does.
        command.args(["--net", "cat"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut holder = command.spawn().map_err(|error| format!("unshare: {error}"))?;
        let path = format!("/proc/{}/ns/net", holder.id());
        let own = std::fs::read_link("/proc/self/ns/net").ok();
        let made = eventually("the namespace is there", || {
            if let Ok(Some(status)) = holder.try_wait() {
                return Ok(Err(format!("network namespaces cannot be made here ({status})")));
            }
            match std::fs::read_link(&path) {
                Ok(link) if Some(&link) != own.as_ref() => Ok(Ok(())),
                other => Err(format!("{other:?}")),
            }
        });
        made?;
        let net = File::open(&path).map_err(|error| format!("{path}: {error}"))?;
        let namespace = Namespace { holder, net };
        namespace.enter(|| ip("link set lo up")).map(|()| namespace)
    }

    /// Does `work` with this thread in the namespace: what it connects to or starts is in there too.
    pub fn enter<T>(&self, work: impl FnOnce() -> T) -> T {
        struct Back(File);
        impl Drop for Back {
            fn drop(&mut self) {
                move_into_link_name_space(self.0.as_fd(), Some(LinkNameSpaceType::Network)).expect("the way back");
            }
        }
        let _back = Back(File::open("/proc/thread-self/ns/net").expect("the thread's namespace"));
        move_into_link_name_space(self.net.as_fd(), Some(LinkNameSpaceType::Network)).expect("enter the namespace");
        work()
    }

    /// Joins this one and `other` by a pair of devices named `name`, with these addresses.
    pub fn join(&self, other: &Namespace, name: &str, here: &str, there: &str) -> Result<(), String> {
        self.enter(|| {
            ip(&format!("link add {name} type veth peer name {name} netns {}", other.holder.id()))?;
            ip(&format!("addr add {here}/24 dev {name}"))?;
            ip(&format!("link set {name} up"))
        })?;
        other.enter(|| {
            ip(&format!("addr add {there}/24 dev {name}"))?;
            ip(&format!("link set {name} up"))
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        self.holder.kill().ok();
        self.holder.wait().ok();
    }
}

/// `ip` with the words of a line, in the namespace that the thread is in.
pub fn ip(line: &str) -> Result<(), String> {
    let output = Command::new("ip").args(line.split(' ')).output().map_err(|error| format!("ip: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("ip {line}: {}", String::from_utf8_lossy(&output.stderr).trim())),
    }
}
