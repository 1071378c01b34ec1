//! `koltso demo`, the first thing that the README asks a reader to run.

use std::process::Command;

use koltso_tests::server::koltso_binary;

#[test]
fn the_demo_gets_to_its_end_and_leaves_nothing_behind() {
    let dir = std::env::temp_dir().join(format!("koltso-demo-test-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let output = Command::new(koltso_binary()).args(["demo", "--keys", "20000"]).env("TMPDIR", &dir).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("1 full copy and 1 resumed stream"), "{text}");
    // An empty folder is all that may be left.
    std::fs::remove_dir(&dir).unwrap();
}
