//! `serve`, and what `up` serves beside its work.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lakegate_domain::model::Lake;
use lakegate_domain::{Code, Failure};
use lakegate_lake::session::Session;
use lakegate_serve::{Server, Settings};
use lakegate_state::Store;
use serde_json::json;
use tokio::task::JoinHandle;

use super::{Result, Shell, Stop};
use crate::cli::{Exit, Http, Serve};
use crate::context::{Context, ledger_path, ledger_to_read, spill_to_read};
use crate::system::Ledger;

/// How often it is looked whether somebody asked to stop.
const LOOK_EVERY: Duration = Duration::from_millis(50);

pub fn serve(shell: &Shell, args: &Serve) -> Result<Exit> {
    let lake = Arc::new(shell.lake()?);
    let store = match ledger_path(&lake.storage).exists() {
        true => Some(shell.runtime.block_on(ledger_to_read(&lake.storage))?),
        false => None,
    };
    let memory = lake.memory_bytes;
    let server = bind(shell, lake, store, memory, settings(&args.http, args.listen))?;
    let running = shell.runtime.block_on(server.run(asked_to_stop(shell.stop.clone())));
    running.map_err(Stop::from)?;
    shell.say("stopped")?;
    Ok(Exit::Done)
}

/// Serves beside the work of `up`, if an address is given. It is to be waited
/// for when the work has ended.
pub fn beside(
    shell: &Shell,
    ctx: &Context,
    http: &Http,
    listen: Option<std::net::SocketAddr>,
) -> Result<Option<JoinHandle<()>>> {
    let Some(listen) = listen else { return Ok(None) };
    // The work has the memory that the configuration gives; who asks has half of it.
    let memory = ctx.lake.memory_bytes / 2;
    let server = bind(shell, ctx.lake.clone(), Some(ctx.store.clone()), memory, settings(http, listen))?;
    let stop = ctx.stop.clone();
    Ok(Some(ctx.runtime.spawn(async move {
        if let Err(e) = server.run(asked_to_stop(stop)).await {
            eprintln!("warning: the server stopped: {e}; files are loaded all the same");
        }
    })))
}

fn settings(http: &Http, listen: std::net::SocketAddr) -> Settings {
    Settings {
        listen,
        feeds_only: http.feeds_only,
        per_minute: (http.per_minute > 0).then_some(http.per_minute),
        behind_proxy: http.behind_proxy,
        names: http.names.clone(),
        at_once: http.at_once,
    }
}

/// Listens, and says where.
fn bind(
    shell: &Shell,
    lake: Arc<Lake>,
    store: Option<Store>,
    memory: u64,
    settings: Settings,
) -> Result<Server> {
    let listen = settings.listen;
    let system = Arc::new(Ledger(store.clone()));
    let session = Session::new(lake.storage.clone(), memory, &spill_to_read(&lake.storage), system)?;
    let name = lake.name.clone();
    let bound = shell.runtime.block_on(Server::bind(lake, store, &session, memory, settings));
    let server = bound.map_err(|e| {
        let message = match e.kind() {
            std::io::ErrorKind::AddrInUse => {
                format!("another program listens on {listen}; choose another address with `--listen`")
            }
            _ => format!("cannot listen on {listen}: {e}"),
        };
        Stop::Failed(Failure::new(Code::Storage, message))
    })?;
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
