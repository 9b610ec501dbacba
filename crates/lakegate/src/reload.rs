//! Notices that the configuration was changed, and compiles it while work goes
//! on with the lake as it is. A running lake is immutable: another one takes its
//! place as a whole, or it stays.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, SystemTime};

use lakegate_domain::config::{self, LAKE_FILE, Texts};
use lakegate_domain::model::Lake;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::commands::Shell;
use crate::render;

/// How often the files are looked at. A change is read when they look the same
/// twice, so that nothing half-written is.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Longest that somebody waits for a change to be taken over.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// What has become of the configuration.
#[derive(Clone, Debug)]
pub enum News {
    /// There is another lake.
    Lake(Arc<Lake>),
    /// It is again that of the lake that is.
    Same,
    /// It was changed, and the lake that is stays: why.
    Kept(String),
}

/// Looks at the configuration of a lake.
pub struct Watch {
    lake: Arc<Lake>,
    /// The text of that lake.
    texts: Texts,
    stop: Arc<AtomicBool>,
    nudge: SyncSender<Nudge>,
    nudges: Option<Receiver<Nudge>>,
}

/// Asks for a look at once; told when it is over.
type Nudge = Option<oneshot::Sender<()>>;

/// Nudges that wait; beyond them the last look is soon enough.
const MOST_NUDGES: usize = 16;

/// Asks for a look.
#[derive(Clone)]
pub struct Reload(SyncSender<Nudge>);

impl Reload {
    /// Has the configuration read at once, and waits until that is done.
    pub async fn now(&self) {
        let (looked, over) = oneshot::channel();
        if self.0.try_send(Some(looked)).is_ok() {
            let _ = tokio::time::timeout(LONGEST_WAIT, over).await;
        }
    }
}

impl Watch {
    /// `texts` are those that `lake` was compiled from.
    pub fn new(lake: Arc<Lake>, texts: Texts, stop: Arc<AtomicBool>) -> Self {
        let (nudge, nudges) = sync_channel(MOST_NUDGES);
        Self { lake, texts, stop, nudge, nudges: Some(nudges) }
    }

    pub fn reload(&self) -> Reload {
        Reload(self.nudge.clone())
    }

    /// Looks until the process is to stop; `tell` is told what is new. SIGHUP
    /// asks for a look, and ends the process no more.
    pub fn start(&mut self, runtime: &Handle, tell: impl Fn(News) + Send + 'static) {
        let Some(nudges) = self.nudges.take() else { return };
        let (lake, texts, stop) = (self.lake.clone(), self.texts.clone(), self.stop.clone());
        runtime.spawn(hang_ups(self.nudge.clone()));
        std::thread::spawn(move || look(lake, texts, &stop, &nudges, &tell));
    }
}

#[cfg(unix)]
async fn hang_ups(nudge: SyncSender<Nudge>) {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut hang_ups) = signal(SignalKind::hangup()) else { return };
    while hang_ups.recv().await.is_some() {
        // Those that wait already say the same.
        let _ = nudge.try_send(None);
    }
}

#[cfg(not(unix))]
async fn hang_ups(_: SyncSender<Nudge>) {}

fn look(
    mut lake: Arc<Lake>,
    mut texts: Texts,
    stop: &AtomicBool,
    nudges: &Receiver<Nudge>,
    tell: &dyn Fn(News),
) {
    // What was told of last: a lake, or why it stays.
    let mut kept: Option<String> = None;
    let mut read = Files::default();
    let mut before = Files::default();
    while !stop.load(Ordering::Relaxed) {
        let nudge = match nudges.recv_timeout(LOOK_EVERY) {
            Ok(nudge) => Some(nudge),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let now = Files::of(&texts.root);
        let is_settled = now == before;
        before = now.clone();
        if nudge.is_some() || (is_settled && now != read) {
            read = now;
            let news = match read_anew(&lake, &texts) {
                Ok(None) if kept.is_some() => Some(News::Same),
                Ok(None) => None,
                Ok(Some((new, new_texts))) => {
                    lake = new.clone();
                    texts = new_texts;
                    Some(News::Lake(new))
                }
                Err(why) if kept.as_ref() == Some(&why) => None,
                Err(why) => Some(News::Kept(why)),
            };
            if let Some(news) = news {
                kept = match &news {
                    News::Kept(why) => Some(why.clone()),
                    News::Lake(_) | News::Same => None,
                };
                tell(news);
            }
        }
        if let Some(looked) = nudge.flatten() {
            // Whoever asked may have gone.
            let _ = looked.send(());
        }
    }
}

/// Another lake with its text; `None` where the text is the same.
///
/// # Errors
/// Why there is none, for people.
fn read_anew(lake: &Lake, texts: &Texts) -> Result<Option<(Arc<Lake>, Texts)>, String> {
    let (found, failed) = config::read(&texts.root);
    let found = match found {
        Some(found) if failed.is_empty() => found,
        _ => return Err(failed.to_string()),
    };
    if found == *texts {
        return Ok(None);
    }
    let new = found.compile().map_err(|d| d.to_string())?;
    if new.storage != lake.storage {
        return Err(format!(
            "`storage` of {LAKE_FILE} was changed from {} to {}: stop lakegate and start it again to work there",
            lake.storage.display(),
            new.storage.display()
        ));
    }
    Ok(Some((Arc::new(new), found)))
}

/// How the files of a configuration look without reading them.
#[derive(Clone, Debug, Default, PartialEq)]
struct Files(BTreeMap<PathBuf, Option<(SystemTime, u64)>>);

impl Files {
    fn of(root: &Path) -> Self {
        // A folder that cannot be listed is said when it is read.
        let mut paths = config::dataset_paths(root).unwrap_or_default();
        paths.push(root.join(LAKE_FILE));
        let look = |path: &PathBuf| {
            let found = path.metadata().ok()?;
            Some((found.modified().ok()?, found.len()))
        };
        Self(paths.into_iter().map(|path| (path.clone(), look(&path))).collect())
    }
}

/// Says what has become of the configuration, on the output of a command.
pub struct Said {
    is_json: bool,
    is_quiet: bool,
}

impl Said {
    pub fn new(shell: &Shell) -> Self {
        Self { is_json: shell.global.json, is_quiet: shell.global.quiet }
    }

    pub fn say(&self, news: &News) {
        let line = match news {
            News::Lake(lake) => format!(
                "the configuration was changed and is loaded: {}",
                render::counted(lake.datasets.len() as u64, "dataset")
            ),
            News::Same => "the configuration is again what it was".to_string(),
            News::Kept(why) => {
                eprintln!(
                    "warning: the configuration was changed and has errors; work goes on as before\n{}",
                    why.trim_end()
                );
                return;
            }
        };
        if !self.is_quiet && !self.is_json {
            // Whoever read it may be gone; the work goes on.
            let _ = std::io::Write::write_all(&mut std::io::stdout(), format!("{line}\n").as_bytes());
        }
    }
}
