//! A lake in a temporary folder, driven through the binary alone: nothing here
//! looks into the lake's own files.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;
use tempfile::TempDir;

/// Everything is done.
pub const DONE: i32 = 0;
/// It failed.
pub const FAILED: i32 = 1;
/// The command line or the configuration is wrong.
pub const USAGE: i32 = 2;
/// Finished, but something waits for a person.
pub const FINDINGS: i32 = 3;
/// Another process works on the lake.
pub const BUSY: i32 = 4;

/// What every table carries that differs from run to run.
const VOLATILE: [&str; 2] = ["_file_id", "_loaded_at"];

const PARKED: &str = "select path, code from system.files where state = 'parked' order by path, file_id";

/// Longest that a test waits for a state.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct TestLake {
    folder: TempDir,
    /// Seconds since 1970 that the next landed file is given.
    clock: Cell<u64>,
}

/// One finished command.
#[derive(Debug)]
pub struct Ran {
    pub command: String,
    /// `None`: killed by a signal.
    pub code: Option<i32>,
    pub signal: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// The content of all tables, without what differs from run to run: by table,
/// its columns and its rows in a stable order.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    pub columns: BTreeMap<String, Vec<String>>,
    pub rows: BTreeMap<String, Vec<String>>,
    pub parked: Vec<String>,
}

impl TestLake {
    /// A lake with this `lake.yaml`, in which `lake:` need not be written.
    pub fn new(settings: &str) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("lakegate-test")
            .disable_cleanup(std::env::var_os("LAKEGATE_KEEP").is_some())
            .tempdir()
            .unwrap();
        let lake = Self { folder, clock: Cell::new(1_700_000_000) };
        lake.write("lake.yaml", format!("lake: test\n{settings}"));
        fs::create_dir_all(lake.path("datasets")).unwrap();
        lake
    }

    /// A lake with one dataset, `ops.NAME`; `team:` need not be written.
    pub fn with(name: &str, declaration: &str) -> Self {
        let lake = Self::new("");
        lake.dataset(name, declaration);
        lake
    }

    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    pub fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.root().join(relative)
    }

    /// Writes a file of the configuration.
    pub fn write(&self, relative: &str, text: impl AsRef<[u8]>) {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Declares `ops.NAME`, or declares it anew.
    pub fn dataset(&self, name: &str, declaration: &str) {
        self.write(&format!("datasets/{name}.yaml"), format!("team: ops\n{declaration}"));
    }

    /// Lands a file by renaming it into place. Its modification time is old, so
    /// that it has settled, and later than that of any landed before.
    pub fn land(&self, relative: &str, bytes: impl AsRef<[u8]>) {
        self.clock.set(self.clock.get() + 1);
        self.land_at(relative, bytes, self.clock.get());
    }

    /// Lands a file with this modification time, in seconds since 1970.
    pub fn land_at(&self, relative: &str, bytes: impl AsRef<[u8]>, mtime: u64) {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let staged = self.path(format!(".staged-{}", self.clock.get()));
        let mut file = File::create(&staged).unwrap();
        file.write_all(bytes.as_ref()).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(mtime)).unwrap();
        drop(file);
        fs::rename(staged, path).unwrap();
    }

    /// Changes nothing but a landed file's modification time.
    pub fn touch(&self, relative: &str) {
        self.clock.set(self.clock.get() + 1);
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(self.clock.get());
        File::options().append(true).open(self.path(relative)).unwrap().set_modified(time).unwrap();
    }

    pub fn rename(&self, from: &str, to: &str) {
        fs::create_dir_all(self.path(to).parent().unwrap()).unwrap();
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lakegate"));
        command.args(args).arg("--lake").arg(self.root()).current_dir(self.root());
        command.env_remove("LAKEGATE_LAKE").env_remove("LAKEGATE_KILL_AT").env("NO_COLOR", "1");
        // Raw packs of any age are bundled, or tests would take an hour.
        command.env("LAKEGATE_BUNDLE_AGE_S", "0");
        command.stdin(Stdio::null());
        command
    }

    pub fn lakegate(&self, args: &[&str]) -> Ran {
        Ran::of(args, self.command(args).output().unwrap())
    }

    /// Runs a command with more environment variables.
    pub fn lakegate_with(&self, env: &[(&str, &str)], args: &[&str]) -> Ran {
        Ran::of(args, self.command(args).envs(env.iter().copied()).output().unwrap())
    }

    /// Runs a command that is to be killed at a point, `name:n`, if it gets there.
    pub fn killed_at(&self, point: &str, args: &[&str]) -> Ran {
        Ran::of(args, self.command(args).env("LAKEGATE_KILL_AT", point).output().unwrap())
    }

    /// Starts a command whose output nobody looks at.
    pub fn start(&self, args: &[&str]) -> Child {
        self.command(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// `lakegate run` that leaves nothing to look at.
    #[track_caller]
    pub fn run(&self) -> Ran {
        self.lakegate(&["run"]).is(DONE)
    }

    /// `lakegate run` after which files are parked or match no dataset.
    #[track_caller]
    pub fn run_with_findings(&self) -> Ran {
        self.lakegate(&["run"]).is(FINDINGS)
    }

    /// Nothing is lost and nothing is doubled, says `lakegate prove`.
    #[track_caller]
    pub fn prove(&self) {
        self.lakegate(&["prove"]).is(DONE);
    }

    /// The rows of one statement.
    #[track_caller]
    pub fn sql(&self, statement: &str) -> Vec<Value> {
        match self.lakegate(&["sql", statement, "--format", "json"]).is(DONE).json() {
            Value::Array(rows) => rows,
            other => panic!("`{statement}` gave {other}"),
        }
    }

    /// The only value of the only row of a statement.
    #[track_caller]
    pub fn value(&self, statement: &str) -> Value {
        let rows = self.sql(statement);
        match &rows[..] {
            [Value::Object(row)] if row.len() == 1 => row.values().next().unwrap().clone(),
            _ => panic!("`{statement}` gave {rows:?}"),
        }
    }

    /// The rows of a statement, each as its values' texts joined by `|`; a NULL
    /// is empty.
    #[track_caller]
    pub fn lines(&self, statement: &str) -> Vec<String> {
        self.sql(statement).iter().map(line).collect()
    }

    /// Landed files as `path|state`, by path and id.
    #[track_caller]
    pub fn states(&self) -> Vec<String> {
        self.lines("select path, state from system.files order by path, file_id")
    }

    /// Parked files as `path|code`, by path.
    #[track_caller]
    pub fn parked(&self) -> Vec<String> {
        self.lines(PARKED)
    }

    /// What all tables hold. `also_volatile` are more columns to leave out.
    #[track_caller]
    pub fn snapshot_without(&self, also_volatile: &[&str]) -> Snapshot {
        let mut columns: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for row in self.sql(
            "select \"team\" || '.' || \"dataset\" || '.' || \"table\" as name, \"column\" as col, \"type\" as kind \
             from system.columns order by 1, ordinal",
        ) {
            let text = |key: &str| row[key].as_str().unwrap().to_string();
            columns.entry(text("name")).or_default().push(format!("{} {}", text("col"), text("kind")));
        }
        // Where what every row carries stands among the columns depends on when a
        // column was added; the order of the table's own columns does not.
        columns.values_mut().for_each(|c| c.sort_by_key(|c| c.starts_with('_').then(|| c.clone())));
        let mut selects: String = columns.keys().map(|t| format!("select * from {t};\n")).collect();
        selects += PARKED;
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), selects).unwrap();
        let path = file.path().to_str().unwrap();
        let ran = self.lakegate(&["sql", "--file", path, "--format", "json"]).is(DONE);
        let mut results: Vec<Vec<Value>> = serde_json::Deserializer::from_str(&ran.stdout)
            .into_iter()
            .map(|rows| rows.unwrap_or_else(|e| panic!("{e} in {}", ran.stdout)))
            .collect();
        assert_eq!(results.len(), columns.len() + 1, "one result per statement");
        let parked = results.pop().unwrap().iter().map(line).collect();
        let mut rows = BTreeMap::new();
        for (table, result) in columns.keys().zip(results) {
            let mut lines: Vec<String> = result.iter().map(|row| stable(row, also_volatile)).collect();
            lines.sort();
            rows.insert(table.clone(), lines);
        }
        Snapshot { columns, rows, parked }
    }

    #[track_caller]
    pub fn snapshot(&self) -> Snapshot {
        self.snapshot_without(&[])
    }

    /// The files of a folder and below it, relative to it.
    pub fn files_below(&self, relative: &str) -> BTreeSet<String> {
        let root = self.path(relative);
        let mut found = BTreeSet::new();
        let mut pending = vec![root.clone()];
        while let Some(folder) = pending.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    pending.push(path);
                } else {
                    found.insert(path.strip_prefix(&root).unwrap().to_string_lossy().into_owned());
                }
            }
        }
        found
    }
}

impl Ran {
    fn of(args: &[&str], output: Output) -> Self {
        Self {
            command: args.join(" "),
            code: output.status.code(),
            signal: output.status.signal(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    #[track_caller]
    pub fn is(self, code: i32) -> Self {
        let shows_internals = self.stderr.contains("panicked at") || self.stderr.contains("RUST_BACKTRACE");
        assert!(self.code == Some(code) && !shows_internals, "want exit code {code}: {self}");
        self
    }

    pub fn was_killed(&self) -> bool {
        self.signal == Some(9)
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("not JSON, {e}: {self}"))
    }

    /// Both streams.
    pub fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    #[track_caller]
    pub fn says(self, part: &str) -> Self {
        assert!(self.text().contains(part), "does not say `{part}`: {self}");
        self
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "`lakegate {}` ended with {:?}, signal {:?}", self.command, self.code, self.signal)?;
        writeln!(f, "--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr)
    }
}

impl Snapshot {
    /// Asserts that two lakes hold the same, naming the first difference.
    #[track_caller]
    pub fn assert_same(&self, other: &Snapshot, context: &str) {
        assert_eq!(self.columns, other.columns, "columns differ: {context}");
        assert_eq!(self.parked, other.parked, "parked files differ: {context}");
        for (table, rows) in &self.rows {
            let others = &other.rows[table];
            let missing = surplus(others, rows);
            let doubled = surplus(rows, others);
            assert!(
                missing.is_empty() && doubled.is_empty(),
                "{table} differs: {context}\n{} rows, want {}\n{} too many: {:#?}\n{} missing: {:#?}",
                rows.len(),
                others.len(),
                doubled.len(),
                &doubled[..doubled.len().min(5)],
                missing.len(),
                &missing[..missing.len().min(5)],
            );
        }
    }

    pub fn n_rows(&self, table: &str) -> usize {
        self.rows.get(table).map_or(0, Vec::len)
    }
}

/// Those of `a` that `b` has not, or has less often.
fn surplus(a: &[String], b: &[String]) -> Vec<String> {
    let mut left: BTreeMap<&str, usize> = BTreeMap::new();
    b.iter().for_each(|r| *left.entry(r).or_default() += 1);
    let is_surplus = |row: &&String| match left.get_mut(row.as_str()) {
        Some(n) if *n > 0 => {
            *n -= 1;
            false
        }
        _ => true,
    };
    a.iter().filter(is_surplus).cloned().collect()
}

/// A row as text, whatever the order of its columns.
fn stable(row: &Value, also_volatile: &[&str]) -> String {
    let cells: BTreeMap<&String, &Value> = row
        .as_object()
        .unwrap()
        .iter()
        .filter(|(k, v)| {
            !v.is_null() && !VOLATILE.contains(&k.as_str()) && !also_volatile.contains(&k.as_str())
        })
        .collect();
    serde_json::to_string(&cells).unwrap()
}

/// The values' texts joined by `|`; a NULL is empty.
fn line(row: &Value) -> String {
    let text = |v: &Value| match v {
        Value::Null => String::new(),
        Value::String(s) => s.clone(),
        other => other.to_string(),
    };
    row.as_object().unwrap().values().map(text).collect::<Vec<_>>().join("|")
}

/// Waits for a state, not for a time.
#[track_caller]
pub fn await_state<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited too long for: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Ends a process that a test started, also where the test fails.
pub struct Stopped(pub Child);

impl Stopped {
    /// As Ctrl-C does; returns the exit code.
    pub fn interrupt(mut self) -> Option<i32> {
        Command::new("kill").args(["-INT", &self.0.id().to_string()]).status().unwrap();
        self.0.wait().unwrap().code()
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A zip archive of these members.
pub fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in members {
        archive.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

pub fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

pub fn zst(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

pub fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        // Written by hand: the builder refuses names that leave the folder.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        archive.append(&header, *bytes).unwrap();
    }
    archive.into_inner().unwrap()
}

/// A file system of its own, gone when dropped. `None`, with a printed reason,
/// where this user may not mount one.
pub struct Mounted(PathBuf);

impl Mounted {
    pub fn tmpfs(at: &Path, options: &str) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(at)
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|s| s.success());
        if !mounted {
            println!("skipped: no right to mount a file system here");
        }
        mounted.then(|| Self(at.to_path_buf()))
    }

    pub fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        assert!(Command::new("mount").args(["-o", &options]).arg(&self.0).status().unwrap().success());
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
