//! Looking at a lake that may only be read, or of which a part is broken.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::lake::{DONE, FAILED, FINDINGS, Mounted, TestLake, USAGE};

const LOOKS: [&[&str]; 8] = [
    &["sql", "select count(*) as n from t"],
    &["sql", "select path, state from system.files"],
    &["status"],
    &["files"],
    &["tables"],
    &["tables", "ops.t.t"],
    &["parked"],
    &["trace", "ops.t.t", "--file", "f1", "--row", "2"],
];

fn chmod(mode: &str, path: &Path) {
    assert!(Command::new("chmod").args(["-R", mode]).arg(path).status().unwrap().success());
}

fn loaded() -> TestLake {
    let lake = TestLake::with("t", "columns: { id: int }\n");
    lake.land("landing/ops/t/a.csv", "id\n1\n2\n");
    lake.run();
    lake
}

/// A lake of somebody else, to be looked at by a user without any right to
/// write. Whoever may do everything becomes another user for it.
struct Foreign<'a> {
    lake: &'a TestLake,
    /// Where another user may run the program.
    program: TempDir,
}

impl<'a> Foreign<'a> {
    fn new(lake: &'a TestLake) -> Self {
        let program = tempfile::tempdir().unwrap();
        fs::set_permissions(program.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let (built, at) = (Path::new(env!("CARGO_BIN_EXE_lakegate")), program.path().join("lakegate"));
        fs::hard_link(built, &at).or_else(|_| fs::copy(built, &at).map(|_| ())).unwrap();
        chmod("a+rX,a-w", lake.root());
        Self { lake, program }
    }

    fn lakegate(&self, args: &[&str]) -> std::process::Output {
        let mut command = Command::new(self.program.path().join("lakegate"));
        command.args(args).arg("--lake").arg(self.lake.root()).current_dir("/").env("NO_COLOR", "1");
        if fs::metadata(self.lake.root()).unwrap().uid() == 0 {
            command.uid(65534).gid(65534);
        }
        command.output().unwrap()
    }
}

impl Drop for Foreign<'_> {
    fn drop(&mut self) {
        chmod("u+w", self.lake.root());
    }
}

#[track_caller]
fn is_done(args: &[&str], output: &std::process::Output) {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(DONE), "{args:?}\n{out}\n{err}");
    assert!(!out.is_empty() && err.is_empty(), "{args:?}\n{out}\n{err}");
}

#[test]
fn a_lake_of_another_user_can_be_looked_at() {
    let lake = loaded();
    let before = lake.files_below("lake");
    let foreign = Foreign::new(&lake);
    for args in LOOKS {
        is_done(args, &foreign.lakegate(args));
    }
    assert_eq!(lake.files_below("lake"), before, "nothing is written");
    let refused = foreign.lakegate(&["run"]);
    let text = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(FAILED), "{text}");
    assert!(text.contains("LG602") && text.contains("the user who runs lakegate"), "{text}");
}

#[test]
fn a_ledger_that_was_cut_off_is_read_with_its_last_writes() {
    let lake = TestLake::with("t", "columns: { id: int }\n");
    lake.land("landing/ops/t/a.csv", "id\n1\n2\n");
    // The process ends where the ledger has not been closed.
    assert!(lake.killed_at("finished:1", &["run"]).was_killed());
    let foreign = Foreign::new(&lake);
    let args = ["sql", "select state from system.files", "--format", "csv"];
    let read = foreign.lakegate(&args);
    is_done(&args, &read);
    assert_eq!(String::from_utf8_lossy(&read.stdout), "state\ncommitted\n");
}

#[test]
fn a_file_system_that_is_read_only_can_be_looked_at() {
    let lake = TestLake::with("t", "columns: { id: int }\n");
    let Some(mount) = Mounted::tmpfs(&lake.path("lake"), "size=64m") else { return };
    lake.land("landing/ops/t/a.csv", "id\n1\n2\n");
    lake.run();
    mount.remount("ro");
    for args in LOOKS {
        lake.lakegate(args).is(DONE);
    }
    mount.remount("rw");
}

#[test]
fn one_broken_dataset_does_not_hide_the_others() {
    let lake = loaded();
    lake.write("datasets/broken.yaml", "team: ops\ncolumns: [unclosed\n");
    for args in LOOKS {
        let ran = lake.lakegate(args).is(DONE);
        assert!(ran.stderr.contains("datasets/broken.yaml has errors"), "{ran}");
    }
    for args in [&["check"][..], &["run"], &["plan"]] {
        lake.lakegate(args).is(USAGE).says("datasets/broken.yaml:");
    }
    // What is wrong with the lake's own file concerns everything.
    lake.write("lake.yaml", "lake: test\ncolour: red\n");
    lake.lakegate(&["status"]).is(USAGE).says("colour");
}

#[test]
fn what_cannot_be_read_is_no_file_that_nobody_takes() {
    let lake = loaded();
    std::os::unix::fs::symlink("/nowhere", lake.path("landing/ops/t/link.csv")).unwrap();
    lake.run_with_findings();
    let status = lake.lakegate(&["status"]).is(DONE).says("1 landed file or folder that cannot be read");
    assert!(!status.stdout.contains("no dataset takes"), "{status}");
    lake.lakegate(&["plan"]).is(FINDINGS).says("link.csv\n    not taken: ");
}
