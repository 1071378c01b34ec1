//! Why io_uring was refused, and what to do about it.

use std::io;

/// The oldest kernel that has everything the reactor uses.
const KERNEL_MIN: &str = "6.1";

/// Explains an error of setting up a ring: the cause, then the remedy.
pub fn explain(error: &io::Error) -> String {
    let disabled = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").ok();
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    explain_with(error, disabled.as_deref().map(str::trim), release.trim())
}

fn explain_with(error: &io::Error, disabled: Option<&str>, release: &str) -> String {
    let why = match (error.raw_os_error(), disabled) {
        (Some(libc::EPERM), Some("1")) => {
            "sysctl kernel.io_uring_disabled is 1, which allows io_uring only to privileged processes and to the group \
             kernel.io_uring_group. Set it to 0, or put this user into that group"
                .to_string()
        }
        (Some(libc::EPERM), Some("2")) => {
            "sysctl kernel.io_uring_disabled is 2, which forbids io_uring to everybody. Set it to 0".to_string()
        }
        (Some(libc::EPERM), _) => {
            "a seccomp filter forbids it, as Docker's default profile has done since version 25. Start the \
             container with a profile that allows io_uring_setup, io_uring_enter and io_uring_register"
                .to_string()
        }
        (Some(libc::ENOSYS), _) => {
            "this kernel has no io_uring: it was built without CONFIG_IO_URING, or a sandbox such as gVisor \
             stands in for it, or a seccomp filter hides it. Use a host kernel that has it"
                .to_string()
        }
        (Some(libc::ENOMEM), _) => {
            "the limit on locked memory is too low for the ring. Raise it: `ulimit -l`, or LimitMEMLOCK= in the \
             systemd unit"
                .to_string()
        }
        (Some(libc::EINVAL), _) => {
            format!("kernel {release} is too old for the ring that is needed. The oldest that works is {KERNEL_MIN}")
        }
        (Some(libc::EMFILE | libc::ENFILE), _) => {
            "too many files are open. Raise the limit: `ulimit -n`, or LimitNOFILE= in the systemd unit".to_string()
        }
        _ => "the kernel gave no further reason".to_string(),
    };
    format!("io_uring was refused ({error}): {why}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_names_its_remedy() {
        for (errno, disabled, remedy) in [
            (libc::EPERM, Some("2"), "Set it to 0"),
            (libc::EPERM, Some("1"), "into that group"),
            (libc::EPERM, Some("0"), "io_uring_setup"),
            (libc::ENOSYS, None, "CONFIG_IO_URING"),
            (libc::ENOMEM, None, "LimitMEMLOCK"),
            (libc::EINVAL, None, "6.1"),
            (libc::EMFILE, None, "LimitNOFILE"),
        ] {
            let text = explain_with(&io::Error::from_raw_os_error(errno), disabled, "5.10.0");
            assert!(text.contains(remedy), "{text}");
        }
    }
}
