//! Says when a listing is worth while.
//!
//! Events are hints: they get lost, come late and name things that are gone, so
//! the caller lists every zone now and then all the same. What they add is that
//! a file is seen at once, and that one renamed into place is known to be
//! complete. Nothing is opened or listed here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use lakegate_domain::route::is_junk;
use notify::event::{AccessKind, AccessMode, CreateKind, EventKind, ModifyKind, RenameMode};
use notify::{Config, Event, RecommendedWatcher, RecursiveMode, Watcher as _};

use crate::list::Problem;

/// How long events are gathered before they are told: a file that is being
/// written has many.
const GATHER: Duration = Duration::from_millis(50);
/// With more paths than this at once it is simpler to list everything.
const MAX_PATHS: usize = 4096;
/// Nudges told but not yet taken; beyond them events are gathered on.
const MAX_NUDGES: usize = 256;

/// A reason to look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nudge {
    /// Something happened to this file or folder.
    At {
        path: PathBuf,
        /// It was renamed to this path and not written to since.
        renamed_in: bool,
    },
    /// Events were lost: list every zone.
    ListAll,
}

/// Watches landing folders and everything below them until it is dropped.
pub struct Watcher {
    gathered: Arc<Gathered>,
    inner: Option<RecommendedWatcher>,
    problems: Vec<Problem>,
}

impl Watcher {
    /// Watches these folders, and folders that appear in them. The receiver ends
    /// when the watcher is dropped.
    ///
    /// It never fails: what cannot be watched is among [`Watcher::problems`], and
    /// its files are found by listing.
    pub fn start(folders: &[PathBuf]) -> (Watcher, Receiver<Nudge>) {
        let gathered = Arc::new(Gathered::default());
        let (sender, receiver) = sync_channel(MAX_NUDGES);
        let mut problems = Vec::new();

        let events = gathered.clone();
        let zones = folders.to_vec();
        let config = Config::default().with_follow_symlinks(false);
        let inner = RecommendedWatcher::new(move |event| events.take(event, &zones), config);
        let teller = gathered.clone();
        let told = thread::Builder::new().name("lakegate-watch".into()).spawn(move || teller.tell(&sender));
        let inner = match (inner, told) {
            (Ok(inner), Ok(_)) => Some(inner),
            (inner, told) => {
                let why = inner.err().map(|e| e.to_string()).or(told.err().map(|e| e.to_string()));
                let message = format!(
                    "the file system cannot be watched: {}; files are found when their folders are listed",
                    why.unwrap_or_default()
                );
                problems.extend(folders.iter().map(|f| Problem::new(f, message.clone())));
                None
            }
        };
        let mut watcher = Watcher { gathered, inner, problems };
        for folder in folders {
            watcher.watch(folder);
        }
        (watcher, receiver)
    }

    /// The folders that are not watched, and why.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    fn watch(&mut self, folder: &Path) {
        let Some(inner) = &mut self.inner else { return };
        if let Err(e) = inner.watch(folder, RecursiveMode::Recursive) {
            let message = match e.kind {
                notify::ErrorKind::MaxFilesWatch => {
                    "it has more folders than the system lets a user watch; raise \
                     `fs.inotify.max_user_watches`, until then its files are found by listing"
                        .to_owned()
                }
                _ => format!("it cannot be watched: {e}; its files are found by listing"),
            };
            self.problems.push(Problem::new(folder, message));
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.inner = None;
        self.gathered.lock().closed = true;
        self.gathered.changed.notify_all();
    }
}

/// Between the system's thread, which must not wait, and the receiver, who may
/// take its time: bounded, as each path is in it once.
#[derive(Default)]
struct Gathered {
    events: Mutex<Events>,
    changed: Condvar,
}

#[derive(Default)]
struct Events {
    /// Each path and whether its last news is a rename.
    paths: BTreeMap<PathBuf, bool>,
    lost: bool,
    closed: bool,
}

impl Events {
    fn is_empty(&self) -> bool {
        self.paths.is_empty() && !self.lost
    }

    fn note(&mut self, path: PathBuf, news: News) {
        if self.lost {
            return;
        }
        let known = self.paths.entry(path).or_default();
        match news {
            News::Renamed => *known = true,
            News::Written => *known = false,
            News::Touched => {}
        }
        if self.paths.len() > MAX_PATHS {
            self.lose();
        }
    }

    fn lose(&mut self) {
        self.paths.clear();
        self.lost = true;
    }
}

impl Gathered {
    fn lock(&self) -> MutexGuard<'_, Events> {
        // Nothing in here panics half-way through a change.
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, event: notify::Result<Event>, zones: &[PathBuf]) {
        let mut events = self.lock();
        match event {
            Err(_) => events.lose(),
            Ok(event) if event.need_rescan() => events.lose(),
            Ok(event) => {
                let Some(news) = news(&event.kind) else { return };
                // Of a rename that names both ends, the second is where it went.
                if let Some(path) = event.paths.into_iter().next_back()
                    && !is_junk_below(zones, &path)
                {
                    events.note(path, news);
                }
            }
        }
        if !events.is_empty() {
            self.changed.notify_all();
        }
    }

    /// Passes on what has gathered until nobody asks any more.
    fn tell(&self, sender: &SyncSender<Nudge>) {
        loop {
            let mut events = self.lock();
            while events.is_empty() && !events.closed {
                events = self.changed.wait(events).unwrap_or_else(PoisonError::into_inner);
            }
            // Let a burst pass, but leave at once when closed.
            let (mut events, _) = self
                .changed
                .wait_timeout_while(events, GATHER, |e| !e.closed)
                .unwrap_or_else(PoisonError::into_inner);
            if events.closed {
                return;
            }
            let lost = std::mem::take(&mut events.lost);
            let paths = std::mem::take(&mut events.paths);
            drop(events);

            let nudges = paths.into_iter().map(|(path, renamed_in)| Nudge::At { path, renamed_in });
            for nudge in lost.then_some(Nudge::ListAll).into_iter().chain(nudges) {
                if sender.send(nudge).is_err() {
                    return;
                }
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    Renamed,
    Written,
    /// Its times, rights or name in a listing changed, but not its bytes.
    Touched,
}

/// What an event means for a landing zone; `None`: nothing.
fn news(kind: &EventKind) -> Option<News> {
    match kind {
        EventKind::Modify(ModifyKind::Name(RenameMode::To | RenameMode::Both)) => Some(News::Renamed),
        EventKind::Modify(ModifyKind::Name(RenameMode::From)) | EventKind::Remove(_) => None,
        EventKind::Modify(ModifyKind::Metadata(_)) | EventKind::Create(CreateKind::Folder) => {
            Some(News::Touched)
        }
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => Some(News::Written),
        // Reading is news to nobody, and we read ourselves.
        EventKind::Access(_) => None,
        EventKind::Any | EventKind::Create(_) | EventKind::Modify(_) | EventKind::Other => {
            Some(News::Written)
        }
    }
}

/// Junk as its own zone sees it: the innermost, where zones lie in zones.
fn is_junk_below(zones: &[PathBuf], path: &Path) -> bool {
    zones
        .iter()
        .filter_map(|zone| path.strip_prefix(zone).ok())
        .min_by_key(|below| below.components().count())
        .is_some_and(|below| is_junk(&below.to_string_lossy().replace(std::path::MAIN_SEPARATOR, "/")))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_last_news_decides_whether_a_file_is_complete() {
        let path = || PathBuf::from("/z/a");
        for (stream, renamed_in) in [
            (&[News::Renamed][..], true),
            (&[News::Renamed, News::Touched], true),
            (&[News::Renamed, News::Written], false),
            (&[News::Written, News::Renamed], true),
            (&[News::Written, News::Written], false),
        ] {
            let mut events = Events::default();
            for &news in stream {
                events.note(path(), news);
            }
            assert_eq!(events.paths, BTreeMap::from([(path(), renamed_in)]), "{stream:?}");
        }
    }

    #[test]
    fn too_much_at_once_means_list_everything() {
        let mut events = Events::default();
        for i in 0..=MAX_PATHS + 5 {
            events.note(format!("/z/{i}").into(), News::Written);
        }
        assert!(events.lost && events.paths.is_empty());
    }

    #[test]
    fn an_error_or_an_overflow_means_list_everything() {
        for event in [
            Err(notify::Error::generic("broken")),
            Ok(Event::new(EventKind::Other).set_flag(notify::event::Flag::Rescan)),
        ] {
            let gathered = Gathered::default();
            gathered.take(event, &[]);
            let (sender, receiver) = sync_channel(1);
            thread::scope(|scope| {
                scope.spawn(|| gathered.tell(&sender));
                assert_eq!(receiver.recv(), Ok(Nudge::ListAll));
                gathered.lock().closed = true;
                gathered.changed.notify_all();
            });
        }
    }

    #[test]
    fn junk_is_no_news() {
        let zones = [PathBuf::from("/zone"), PathBuf::from("/zone/.lake/in")];
        assert!(is_junk_below(&zones, Path::new("/zone/.lake/x.csv")));
        assert!(is_junk_below(&zones, Path::new("/zone/.lake/in/a/b.part")));
        assert!(!is_junk_below(&zones, Path::new("/zone/.lake/in/a/b.csv")));
    }

    fn write(path: &Path) -> PathBuf {
        fs::write(path, "text").unwrap();
        path.to_path_buf()
    }

    /// Takes nudges until one is about `path`.
    fn nudge_at(nudges: &Receiver<Nudge>, wanted: &Path) -> bool {
        loop {
            match nudges.recv_timeout(Duration::from_secs(20)).expect("the event never came") {
                Nudge::At { path, renamed_in } if path == wanted => return renamed_in,
                _ => {}
            }
        }
    }

    #[test]
    fn the_watcher_tells_written_from_renamed_and_follows_new_folders() {
        let outside = tempfile::tempdir().unwrap();
        let zone = outside.path().join("zone");
        fs::create_dir(&zone).unwrap();
        let (watcher, nudges) = Watcher::start(std::slice::from_ref(&zone));
        assert_eq!(watcher.problems(), []);

        let written = write(&zone.join("a.csv"));
        assert!(!nudge_at(&nudges, &written));
        let part = write(&zone.join("b.csv.part"));
        let renamed = zone.join("b.csv");
        fs::rename(part, &renamed).unwrap();
        assert!(nudge_at(&nudges, &renamed));

        let folder = zone.join("new");
        fs::create_dir(&folder).unwrap();
        nudge_at(&nudges, &folder);
        assert!(!nudge_at(&nudges, &write(&zone.join("new/c.csv"))));
        let moved = outside.path().join("moved");
        fs::create_dir(&moved).unwrap();
        fs::rename(&moved, zone.join("moved")).unwrap();
        assert!(nudge_at(&nudges, &zone.join("moved")));

        // Reading is no news: what is written afterwards is.
        fs::read(&written).unwrap();
        let last = write(&zone.join("last.csv"));
        loop {
            match nudges.recv_timeout(Duration::from_secs(20)).expect("the event never came") {
                Nudge::At { path, .. } if path == last => break,
                nudge => assert!(!matches!(&nudge, Nudge::At { path, .. } if *path == written), "{nudge:?}"),
            }
        }

        drop(watcher);
        while nudges.recv_timeout(Duration::from_secs(20)).is_ok() {}
        assert_eq!(nudges.recv(), Err(std::sync::mpsc::RecvError));
    }

    #[test]
    fn what_cannot_be_watched_is_said() {
        let zone = tempfile::tempdir().unwrap();
        let missing = zone.path().join("missing");
        let (watcher, nudges) = Watcher::start(&[missing.clone(), zone.path().to_path_buf()]);
        assert_eq!(watcher.problems().iter().map(|p| &p.path).collect::<Vec<_>>(), [&missing]);
        nudge_at(&nudges, &write(&zone.path().join("a.csv")));
    }
}
