//! The command's life: started, fed, listened to, ended.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use lakegate_domain::model::Hook;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::pipe::{Inlet, Outlet};
use super::{Call, Room, failed};
use crate::ingest::fold::Halt;

/// What is passed on of lakegate's own environment: enough to find programs and
/// to write text, and no secret.
pub(super) const PASSED_ON: [&str; 5] = ["PATH", "HOME", "LANG", "LC_ALL", "TMPDIR"];
/// Lines that are kept of what the command says, and characters of each.
const KEPT_LINES: usize = 20;
const KEPT_CHARS: usize = 400;
/// Lines that are logged of what it says.
const LOGGED_LINES: usize = 1000;
/// What every message of an Arrow IPC stream begins with.
const STREAM_START: [u8; 4] = [0xff; 4];
/// How long a command whose rows are of no use may take to say why.
const GRACE: Duration = Duration::from_secs(2);
/// How often it is looked whether it has ended: at first, and at most.
const LOOK_EVERY: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(50));

/// As [`super::run`].
pub(super) fn run(
    hook: &Hook,
    call: &Call<'_>,
    schema: &SchemaRef,
    rows: &[RecordBatch],
    room: &mut Room<'_>,
) -> Result<Vec<RecordBatch>, Halt> {
    let shown = hook.command.join(" ");
    let mut child = start(hook, call).map_err(|e| {
        failed(call, format!("the hook `{shown}` cannot be started: {}", not_started(hook, &e)))
    })?;
    let over = AtomicBool::new(false);
    let gave_up = AtomicBool::new(false);
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (end, given, said) = std::thread::scope(|scope| {
        let (over, gave_up) = (&over, &gave_up);
        // A command need not read all it is given.
        scope.spawn(move || stdin.map(|stdin| write_rows(Inlet::new(stdin, over), schema, rows)));
        let said =
            scope.spawn(move || stderr.map_or(Vec::new(), |e| listen(Outlet::new(e, over), call, hook)));
        let given = scope.spawn(move || {
            let rows = stdout.map_or(Ok(Vec::new()), |stdout| read_rows(Outlet::new(stdout, over), room));
            gave_up.store(rows.is_err(), Ordering::Relaxed);
            rows
        });
        let end = wait(&mut child, hook.timeout, call.stop, gave_up);
        kill_group(&child);
        let status = child.wait();
        over.store(true, Ordering::Relaxed);
        let given = given.join().unwrap_or_else(|_| Err(Refused::Rows("reading its rows panicked".into())));
        ((end, status), given, said.join().unwrap_or_default())
    });
    let with_said = |what: String| failed(call, format!("the hook `{shown}` {what}{}", told(&said)));
    let (end, status) = end;
    match (end, given) {
        (End::Stopped, _) => Err(Halt::Stopped),
        (End::TimedOut, _) => {
            Err(with_said(format!("did not end within {} and was stopped", lapse(hook.timeout))))
        }
        (_, Err(Refused::Halt(halt))) => Err(halt),
        (End::Failed(e), _) => Err(with_said(format!("cannot be waited for: {e}"))),
        (End::Ended, given) => {
            let status = status.map_err(|e| with_said(format!("cannot be waited for: {e}")))?;
            match given {
                _ if !status.success() => Err(with_said(ended(status))),
                Err(Refused::Rows(why)) => Err(with_said(format!("gave no Arrow IPC stream: {why}"))),
                Err(Refused::Halt(halt)) => Err(halt),
                Ok(rows) => Ok(rows),
            }
        }
        // Its rows were of no use before it ended.
        (End::NotWanted, Err(Refused::Rows(why))) => {
            Err(with_said(format!("gave no Arrow IPC stream: {why}")))
        }
        (End::NotWanted, Ok(_)) => Err(with_said("was stopped".into())),
    }
}

/// How waiting for a command came to its end.
enum End {
    Ended,
    TimedOut,
    Stopped,
    /// What it gives is of no use.
    NotWanted,
    Failed(std::io::Error),
}

/// Why a command's rows are not taken.
enum Refused {
    /// They are none.
    Rows(String),
    Halt(Halt),
}

fn start(hook: &Hook, call: &Call<'_>) -> std::io::Result<Child> {
    let program = program(call.root, &hook.command[0])?;
    let mut command = match hook.memory_bytes {
        // A shell limits itself and then becomes the program: it has not a moment
        // without its limit, and neither has what it starts.
        Some(bytes) if cfg!(target_os = "linux") => {
            let mut shell = Command::new("/bin/sh");
            shell.args(["-c", r#"ulimit -v "$0" && exec "$@""#, &(bytes >> 10).to_string()]).arg(program);
            shell
        }
        _ => Command::new(program),
    };
    command.args(&hook.command[1..]).current_dir(call.root).env_clear().process_group(0);
    for name in PASSED_ON {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.env("LAKEGATE_FILE", call.file);
    command.env("LAKEGATE_DATASET", call.dataset.to_string());
    command.env("LAKEGATE_TABLE", call.table);
    for (group, value) in call.groups {
        command.env(format!("LAKEGATE_GROUP_{}", group.to_uppercase()), value);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
}

/// Where a program is: with a folder in its name below the lake's folder, whatever
/// folder lakegate runs in, else in a folder of `PATH`.
fn program(root: &Path, name: &str) -> std::io::Result<PathBuf> {
    let is_executable = |path: &Path| {
        let metadata = path.metadata()?;
        match metadata.is_file() && metadata.permissions().mode() & 0o111 != 0 {
            true => Ok(()),
            false => Err(std::io::Error::from(std::io::ErrorKind::PermissionDenied)),
        }
    };
    if name.contains('/') {
        let path = root.join(name);
        return is_executable(&path).map(|()| path);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found =
        std::env::split_paths(&path).map(|folder| folder.join(name)).find(|p| is_executable(p).is_ok());
    found.ok_or_else(|| std::io::ErrorKind::NotFound.into())
}

fn not_started(hook: &Hook, e: &std::io::Error) -> String {
    match e.kind() {
        std::io::ErrorKind::NotFound if !hook.command[0].contains('/') => {
            let path = std::env::var("PATH").unwrap_or_default();
            format!("there is no program `{}` in PATH ({path})", hook.command[0])
        }
        std::io::ErrorKind::NotFound => {
            format!("there is no program `{}` in the lake's folder", hook.command[0])
        }
        std::io::ErrorKind::PermissionDenied => {
            format!("`{}` may not be executed: {e}; `chmod +x` it", hook.command[0])
        }
        _ => e.to_string(),
    }
}

fn wait(child: &mut Child, timeout: Duration, stop: &AtomicBool, gave_up: &AtomicBool) -> End {
    let started = Instant::now();
    let mut pause = LOOK_EVERY.0;
    let mut unwanted_since = None;
    loop {
        match child.try_wait() {
            Ok(Some(_)) => return End::Ended,
            Ok(None) => {}
            Err(e) => return End::Failed(e),
        }
        if stop.load(Ordering::Relaxed) {
            return End::Stopped;
        }
        if gave_up.load(Ordering::Relaxed) {
            // One that fails closes its pipes before it has ended.
            let since = *unwanted_since.get_or_insert_with(Instant::now);
            if since.elapsed() >= GRACE {
                return End::NotWanted;
            }
        }
        let left = timeout.saturating_sub(started.elapsed());
        if left.is_zero() {
            return End::TimedOut;
        }
        std::thread::sleep(pause.min(left));
        pause = (pause * 2).min(LOOK_EVERY.1);
    }
}

/// Ends what is left of the command's group. Nothing may be: then the call fails,
/// which is as well.
fn kill_group(child: &Child) {
    let _ = killpg(Pid::from_raw(child.id() as i32), Signal::SIGKILL);
}

fn write_rows(
    to: Inlet<'_>,
    schema: &SchemaRef,
    rows: &[RecordBatch],
) -> Result<(), arrow::error::ArrowError> {
    let mut to = StreamWriter::try_new(to, schema)?;
    for batch in rows {
        to.write(batch)?;
    }
    to.finish()?;
    Ok(to.get_mut().flush()?)
}

fn read_rows(from: Outlet<'_>, room: &mut Room<'_>) -> Result<Vec<RecordBatch>, Refused> {
    let mut from = BufReader::with_capacity(1 << 16, from);
    let mut start = Vec::new();
    let _ = from.by_ref().take(STREAM_START.len() as u64).read_to_end(&mut start);
    if start.is_empty() {
        return Err(Refused::Rows("it wrote nothing to its standard output".into()));
    }
    if start != STREAM_START {
        // Read on, a text would be taken for a length and waited for.
        let more = from.fill_buf().unwrap_or_default();
        start.extend(&more[..more.len().min(56)]);
        let start = String::from_utf8_lossy(&start);
        return Err(Refused::Rows(format!("its standard output begins with {start:?}")));
    }
    let refused = |e: arrow::error::ArrowError| Refused::Rows(e.to_string());
    let mut reader = StreamReader::try_new(STREAM_START.as_slice().chain(from), None).map_err(refused)?;
    let schema = reader.schema();
    let mut names: Vec<&String> = schema.fields().iter().map(|f| f.name()).collect();
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(Refused::Rows(format!("two of its columns are called `{}`", twice[0])));
    }
    let mut rows = Vec::new();
    for batch in reader.by_ref() {
        let batch = batch.map_err(refused)?;
        room(batch.get_array_memory_size()).map_err(Refused::Halt)?;
        rows.push(batch);
    }
    if rows.is_empty() {
        rows.push(RecordBatch::new_empty(reader.schema()));
    }
    // What comes behind the rows must not break the command's pipe.
    let _ = std::io::copy(reader.get_mut(), &mut std::io::sink());
    Ok(rows)
}

/// Logs what the command says and keeps the end of it.
fn listen(from: Outlet<'_>, call: &Call<'_>, hook: &Hook) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    let mut n = 0;
    // A line without an end must not take all memory.
    while let Ok(read) = from.by_ref().take(1 << 16).read_until(b'\n', &mut line)
        && read > 0
    {
        let text: String = String::from_utf8_lossy(&line).trim_end().chars().take(KEPT_CHARS).collect();
        line.clear();
        if text.is_empty() {
            continue;
        }
        n += 1;
        if n <= LOGGED_LINES {
            tracing::info!(file = call.file, table = call.table, hook = hook.command[0], "{text}");
        }
        if kept.len() == KEPT_LINES {
            kept.remove(0);
        }
        kept.push(text);
    }
    kept
}

fn told(said: &[String]) -> String {
    match said {
        [] => "; it said nothing on its standard error".into(),
        lines => format!("; it said:\n    {}", lines.join("\n    ")),
    }
}

fn ended(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with status {code}"),
        (None, Some(signal)) => {
            let name = Signal::try_from(signal).map_or("unknown", Signal::as_str);
            format!("was ended by signal {signal} ({name})")
        }
        (None, None) => format!("ended with {status}"),
    }
}

fn lapse(time: Duration) -> String {
    match time.as_millis() {
        ms if ms % 60_000 == 0 => format!("{} min", ms / 60_000),
        ms if ms % 1000 == 0 => format!("{} s", ms / 1000),
        ms => format!("{ms} ms"),
    }
}
