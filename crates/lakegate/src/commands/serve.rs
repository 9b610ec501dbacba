//! `serve`, and what `up` serves beside its work.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use lakegate_domain::draft::{Proposal, Refusal, Wanted};
use lakegate_domain::model::Lake;
use lakegate_domain::{Code, Failure};
use lakegate_lake::session::Session;
use lakegate_serve::{Adder, Admin, Served, Server, Settings};
use lakegate_state::Store;
use serde_json::json;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::{Result, Shell, Stop};
use crate::adding;
use crate::cli::{Exit, Http, Serve};
use crate::context::{Context, ledger_path, ledger_to_read, spill_to_read};
use crate::reload::{News, Reload, Said, Watch};
use crate::system::Ledger;

/// How often it is looked whether somebody asked to stop.
const LOOK_EVERY: Duration = Duration::from_millis(50);

pub fn serve(shell: &Shell, args: &Serve) -> Result<Exit> {
    let (lake, texts) = shell.lake_and_texts()?;
    let lake = Arc::new(lake);
    let store = match ledger_path(&lake.storage).exists() {
        true => Some(shell.runtime.block_on(ledger_to_read(&lake.storage))?),
        false => None,
    };
    let memory = lake.memory_bytes;
    let mut watch = Watch::new(lake.clone(), texts, shell.stop.clone());
    let admin = admin(shell, &args.http, args.listen, &watch)?;
    let server = bind(shell, lake, store, memory, settings(&args.http, args.listen), admin)?;
    let (served, said) = (server.served(), Said::new(shell));
    watch.start(&shell.runtime, move |news| {
        said.say(&news);
        take(&served, &news);
    });
    let running = shell.runtime.block_on(server.run(asked_to_stop(shell.stop.clone())));
    running.map_err(Stop::from)?;
    shell.say("stopped")?;
    Ok(Exit::Done)
}

/// Serves beside the work of `up`, if an address is given. The task is to be
/// waited for when the work has ended.
pub fn beside(
    shell: &Shell,
    ctx: &Context,
    http: &Http,
    listen: Option<SocketAddr>,
    watch: &Watch,
) -> Result<Option<(Served, JoinHandle<()>)>> {
    let Some(listen) = listen else { return Ok(None) };
    // The work has the memory that the configuration gives; who asks has half of it.
    let memory = ctx.lake.memory_bytes / 2;
    let admin = admin(shell, http, listen, watch)?;
    let settings = settings(http, listen);
    let server = bind(shell, ctx.lake.clone(), Some(ctx.store.clone()), memory, settings, admin)?;
    let stop = ctx.stop.asked.clone();
    let served = server.served();
    let running = ctx.runtime.spawn(async move {
        if let Err(e) = server.run(asked_to_stop(stop)).await {
            eprintln!("warning: the server stopped: {e}; files are loaded all the same");
        }
    });
    Ok(Some((served, running)))
}

/// Serves what the configuration has become.
pub fn take(served: &Served, news: &News) {
    match news {
        News::Lake(lake) => {
            served.swap(lake.clone());
            served.kept(None);
        }
        News::Same => served.kept(None),
        News::Kept(why) => served.kept(Some(why.clone())),
    }
}

/// Who may add feeds, if anybody may.
fn admin(shell: &Shell, http: &Http, listen: SocketAddr, watch: &Watch) -> Result<Option<Admin>> {
    if !http.admin && !http.admin_from_anywhere {
        return Ok(None);
    }
    if !listen.ip().is_loopback() && !http.admin_from_anywhere {
        return Err(Stop::Usage(format!(
            "`--admin` lets whoever reaches {listen} change the lake; listen on 127.0.0.1, or say `--admin-from-anywhere` \
             if a proxy asks who is there"
        )));
    }
    let adder = Here { root: shell.root()?, runtime: shell.runtime.clone(), reload: watch.reload() };
    // Two version 4 UUIDs: 244 random bits.
    let token = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
    Ok(Some(Admin::new(Arc::new(adder), token, http.admin_from_anywhere)))
}

/// Adds feeds to the lake in a folder.
struct Here {
    root: PathBuf,
    runtime: Handle,
    reload: Reload,
}

impl Here {
    /// Does what blocks away from the threads that answer.
    fn away<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Path, &Handle) -> Result<T, Refusal> + Send + 'static,
    ) -> BoxFuture<'_, Result<T, Refusal>> {
        let (root, runtime) = (self.root.clone(), self.runtime.clone());
        Box::pin(async move {
            match tokio::task::spawn_blocking(move || work(&root, &runtime)).await {
                Ok(done) => done,
                Err(e) => Err(Refusal::failed(format!("lakegate made a mistake: {e}"), "please report it")),
            }
        })
    }
}

impl Adder for Here {
    fn propose(&self, wanted: Wanted) -> BoxFuture<'_, Result<Proposal, Refusal>> {
        self.away(move |root, runtime| adding::propose(root, runtime, &wanted))
    }

    fn write(&self, proposal: Proposal) -> BoxFuture<'_, Result<(), Refusal>> {
        Box::pin(async move {
            self.away(move |root, _| adding::write(root, &[(&proposal.path, &proposal.yaml)])).await?;
            self.reload.now().await;
            Ok(())
        })
    }
}

fn settings(http: &Http, listen: SocketAddr) -> Settings {
    Settings {
        listen,
        feeds_only: http.feeds_only,
        per_minute: (http.per_minute > 0).then_some(http.per_minute),
        behind_proxy: http.behind_proxy,
        names: http.names.clone(),
        at_once: http.at_once,
    }
}

/// Why nothing can be served at an address.
pub fn cannot_listen(at: SocketAddr, e: &std::io::Error) -> Stop {
    let message = match e.kind() {
        std::io::ErrorKind::AddrInUse => {
            format!("another program listens on {at}; choose another address with `--listen`")
        }
        _ => format!("cannot listen on {at}: {e}"),
    };
    Stop::Failed(Failure::new(Code::Storage, message))
}

/// Listens, and says where.
fn bind(
    shell: &Shell,
    lake: Arc<Lake>,
    store: Option<Store>,
    memory: u64,
    settings: Settings,
    admin: Option<Admin>,
) -> Result<Server> {
    let listen = settings.listen;
    let system = Arc::new(Ledger(store.clone()));
    let session = Session::new(lake.storage.clone(), memory, &spill_to_read(&lake.storage), system)?;
    let name = lake.name.clone();
    let bound = shell.runtime.block_on(Server::bind(lake, store, &session, memory, settings, admin));
    let server = bound.map_err(|e| cannot_listen(listen, &e))?;
    let url = format!("http://{}", server.address()?);
    if shell.global.json {
        println!("{}", json!({ "lake": name, "url": url }));
    } else {
        // Also for those who asked for silence: with port 0 nobody else knows.
        println!("lake {name} is served at {url}");
    }
    std::io::stdout().flush()?;
    Ok(server)
}

/// Ends when somebody has asked the process to stop.
pub async fn asked_to_stop(stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::Relaxed) {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
