use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arrow::array::{Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use lakegate_domain::Code;
use lakegate_domain::ids::DatasetName;
use lakegate_domain::model::Hook;

use super::{Call, run};
use crate::ingest::fold::Halt;

fn rows(n: i64) -> RecordBatch {
    let schema = Schema::new(vec![Field::new("v", DataType::Int64, true)]);
    RecordBatch::try_new(Arc::new(schema), vec![Arc::new(Int64Array::from_iter_values(0..n))]).unwrap()
}

fn shell(script: &str) -> Hook {
    Hook {
        command: vec!["sh".into(), "-c".into(), script.into()],
        timeout: Duration::from_secs(60),
        memory_bytes: None,
    }
}

fn call_in(root: &Path, hook: &Hook, n: i64, stop: &AtomicBool) -> Result<Vec<RecordBatch>, Halt> {
    let dataset = DatasetName::new("t", "d");
    let groups = [("site".to_string(), "z05".to_string())];
    let call = Call { root, dataset: &dataset, table: "met", file: "a/b.csv", groups: &groups, stop };
    let input = rows(n);
    run(hook, &call, &input.schema(), &[input], &mut |_| Ok(()))
}

fn call(hook: &Hook, n: i64) -> Result<Vec<RecordBatch>, Halt> {
    let root = tempfile::tempdir().unwrap();
    call_in(root.path(), hook, n, &AtomicBool::new(false))
}

/// The message of an LG405.
fn failure(given: Result<Vec<RecordBatch>, Halt>) -> String {
    match given {
        Err(Halt::Failed(f)) if f.code == Code::Hook => f.message,
        other => panic!("{other:?}"),
    }
}

/// More than two pipes hold, so that whoever only writes, or only reads, waits.
const MANY: i64 = 1_000_000;

#[test]
fn what_is_written_while_it_is_read_comes_whole() {
    for script in ["cat", "cat; exit 0", "cat | cat"] {
        let given = call(&shell(script), MANY).unwrap();
        assert_eq!(given.iter().map(RecordBatch::num_rows).sum::<usize>(), MANY as usize, "{script}");
        assert_eq!(given[0].slice(0, 5), rows(5));
    }
}

#[test]
fn no_rows_are_a_schema() {
    let given = call(&shell("cat"), 0).unwrap();
    assert_eq!((given.len(), given[0].num_rows(), given[0].num_columns()), (1, 0, 1));
}

#[test]
fn a_failure_says_its_status_and_its_last_words() {
    let why =
        failure(call(&shell("cat > /dev/null; for i in $(seq 100); do echo line $i >&2; done; exit 3"), 9));
    assert!(why.starts_with("table met: the hook `sh -c"), "{why}");
    assert!(why.contains("ended with status 3; it said:\n    line 81\n"), "{why}");
    assert!(why.ends_with("    line 100"), "{why}");
    let why = failure(call(&shell("kill -SEGV $$"), 9));
    assert!(why.contains("signal 11 (SIGSEGV)") && why.contains("it said nothing"), "{why}");
    // It need not read what it is given, not even before it fails.
    let why = failure(call(&shell("exit 4"), MANY));
    assert!(why.contains("status 4"), "{why}");
}

#[test]
fn what_is_no_stream_is_told() {
    let why = failure(call(&shell("cat > /dev/null; echo hello"), 9));
    assert!(why.contains(r#"begins with "hello\n""#), "{why}");
    let why = failure(call(&shell("cat > /dev/null"), 9));
    assert!(why.contains("wrote nothing"), "{why}");
    let why = failure(call(&shell("head -c 100"), MANY));
    assert!(why.contains("gave no Arrow IPC stream"), "{why}");
    // It is not waited for longer.
    let started = Instant::now();
    let why = failure(call(&shell("echo hello; exec sleep 60"), 9));
    assert!(why.contains("hello") && started.elapsed() < Duration::from_secs(20), "{why}");
}

#[test]
fn a_missing_program_is_named() {
    let hook = |program: &str| Hook { command: vec![program.into()], ..shell("") };
    let why = failure(call(&hook("no-such-program"), 9));
    assert!(why.contains("there is no program `no-such-program` in PATH"), "{why}");
    let why = failure(call(&hook("hooks/none.sh"), 9));
    assert!(why.contains("no program `hooks/none.sh` in the lake's folder"), "{why}");
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("plain.sh"), "cat").unwrap();
    let why = failure(call_in(root.path(), &hook("./plain.sh"), 9, &AtomicBool::new(false)));
    assert!(why.contains("chmod +x"), "{why}");
}

/// Waits until the process that wrote its number is no more.
#[cfg(target_os = "linux")]
fn await_end(pid_file: &Path) {
    let pid = std::fs::read_to_string(pid_file).unwrap();
    let started = Instant::now();
    // A signal is delivered at once, but not before it is sent.
    while std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).is_ok_and(|s| !s.contains(") Z ")) {
        assert!(started.elapsed() < Duration::from_secs(20), "{} still runs", pid.trim());
        std::thread::yield_now();
    }
}

#[test]
#[cfg(target_os = "linux")]
fn one_that_takes_too_long_ends_with_all_that_it_started() {
    let root = tempfile::tempdir().unwrap();
    let hook = Hook {
        timeout: Duration::from_millis(500),
        ..shell("sleep 300 & echo $! > child; echo begun >&2; wait")
    };
    let why = failure(call_in(root.path(), &hook, 9, &AtomicBool::new(false)));
    assert!(why.contains("did not end within 500 ms and was stopped; it said:\n    begun"), "{why}");
    await_end(&root.path().join("child"));
}

#[test]
#[cfg(target_os = "linux")]
fn what_it_leaves_behind_ends_with_it() {
    let root = tempfile::tempdir().unwrap();
    // It holds both pipes open.
    let hook = shell("sleep 300 & echo $! > child; cat");
    let given = call_in(root.path(), &hook, 9, &AtomicBool::new(false)).unwrap();
    assert_eq!(given[0].num_rows(), 9);
    await_end(&root.path().join("child"));
}

#[test]
#[cfg(target_os = "linux")]
fn nobody_waits_for_one_that_left_its_group() {
    let root = tempfile::tempdir().unwrap();
    let hook = shell("setsid sleep 5 & cat");
    let started = Instant::now();
    assert_eq!(call_in(root.path(), &hook, 9, &AtomicBool::new(false)).unwrap()[0].num_rows(), 9);
    assert!(started.elapsed() < Duration::from_secs(4));
}

#[test]
fn a_person_who_asks_to_stop_is_heard() {
    let stop = AtomicBool::new(false);
    let root = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        let running = scope.spawn(|| call_in(root.path(), &shell("touch begun; sleep 300"), 9, &stop));
        while !root.path().join("begun").exists() {
            std::thread::yield_now();
        }
        stop.store(true, Ordering::Relaxed);
        assert!(matches!(running.join().unwrap(), Err(Halt::Stopped)));
    });
}

#[test]
fn it_is_told_its_file_and_no_secrets() {
    let root = tempfile::tempdir().unwrap();
    let hook = shell("env > env; pwd > pwd; cat");
    call_in(root.path(), &hook, 9, &AtomicBool::new(false)).unwrap();
    let env = std::fs::read_to_string(root.path().join("env")).unwrap();
    for line in
        ["LAKEGATE_FILE=a/b.csv", "LAKEGATE_DATASET=t.d", "LAKEGATE_TABLE=met", "LAKEGATE_GROUP_SITE=z05"]
    {
        assert!(env.lines().any(|l| l == line), "{env}");
    }
    let known = |name: &str| {
        super::process::PASSED_ON.contains(&name)
            || name.starts_with("LAKEGATE_")
            // The shell's own.
            || ["PWD", "OLDPWD", "SHLVL", "_"].contains(&name)
    };
    assert!(env.lines().all(|l| known(l.split('=').next().unwrap())), "{env}");
    let pwd = std::fs::read_to_string(root.path().join("pwd")).unwrap();
    assert_eq!(Path::new(pwd.trim()), root.path().canonicalize().unwrap());
}

#[test]
#[cfg(target_os = "linux")]
fn memory_is_limited() {
    let hook = Hook { memory_bytes: Some(64 << 20), ..shell("ulimit -v >&2; cat > /dev/null; exit 9") };
    let why = failure(call(&hook, 9));
    assert!(why.ends_with("it said:\n    65536"), "{why}");
}

#[test]
fn rows_beyond_the_room_stop_it() {
    let root = tempfile::tempdir().unwrap();
    let stop = AtomicBool::new(false);
    let dataset = DatasetName::new("t", "d");
    let call =
        Call { root: root.path(), dataset: &dataset, table: "met", file: "f", groups: &[], stop: &stop };
    let input = rows(MANY);
    let given =
        run(&shell("cat; sleep 300"), &call, &input.schema(), std::slice::from_ref(&input), &mut |_| {
            Err(Halt::TooLarge)
        });
    assert!(matches!(given, Err(Halt::TooLarge)));
}
