//! The binary: reads the command line, opens what a command needs, and maps
//! what happened to messages and exit codes. The only place where landing,
//! ledger and tables meet.

mod abreast;
mod adding;
mod cli;
mod commands;
mod context;
mod engine;
mod exports;
mod failpoint;
mod health;
mod ingest;
mod intake;
mod mishap;
mod polling;
mod prompt;
mod reconcile;
mod reload;
mod render;
mod replay;
mod statements;
mod system;
mod worker;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Parser;
use cli::{Cli, Exit};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    mishap::tell_places();
    let cli = Cli::parse();
    log_to_stderr(cli.global.verbose, render::use_color(cli.global.color, &std::io::stderr()));
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => {
            eprintln!("error: the runtime cannot start: {e}");
            return Exit::Failed.into();
        }
    };
    #[cfg(unix)]
    let _too_large = runtime.block_on(async { refuse_large_files() });
    let stop = Arc::new(AtomicBool::new(false));
    runtime.spawn(watch_signals(stop.clone(), matches!(cli.command, cli::Command::Sql(_))));
    let exit = runtime.block_on(async {
        // Commands block on files; the runtime's own threads stay free.
        tokio::task::spawn_blocking(move || commands::execute(cli, stop)).await
    });
    let exit = match exit {
        Ok(exit) => exit,
        Err(_) => {
            eprintln!(
                "error: LG901: lakegate made a mistake and stopped; nothing is lost, run it again. Please report the \
                 line above."
            );
            Exit::Failed
        }
    };
    runtime.shutdown_background();
    exit.into()
}

fn log_to_stderr(verbose: u8, color: bool) {
    use tracing_subscriber::EnvFilter;
    let default = match verbose {
        // Libraries log what comes back as an error, which is told in our words.
        0 => "off,lakegate=error",
        1 => "lakegate=info,warn",
        _ => "lakegate=debug,info",
    };
    let filter = EnvFilter::try_from_env("LAKEGATE_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(color)
        .with_writer(std::io::stderr)
        .try_init();
}

/// The first request to stop lets the work in hand finish; the second ends the
/// process at once, which harms nothing: what was not committed is begun anew.
async fn watch_signals(stop: Arc<AtomicBool>, in_prompt: bool) {
    if in_prompt {
        // The prompt and a running statement deal with Ctrl-C themselves.
        return;
    }
    loop {
        if !asked_to_stop().await {
            return;
        }
        if stop.swap(true, Ordering::Relaxed) {
            eprintln!(
                "stopped at once; nothing is lost: run again to go on. Files that were being written are removed by \
                 `lakegate maintain` when they are old enough to be nobody's"
            );
            std::process::exit(Exit::Interrupted as i32);
        }
        eprintln!("finishing the work in hand; once more to stop at once");
    }
}

/// A write beyond the limit of a file's size (`ulimit -f`) fails as it does on a
/// full disk, in place of a signal that ends the process.
#[cfg(unix)]
fn refuse_large_files() -> Option<tokio::signal::unix::Signal> {
    /// SIGXFSZ on Linux and macOS.
    const TOO_LARGE: i32 = 25;
    tokio::signal::unix::signal(tokio::signal::unix::SignalKind::from_raw(TOO_LARGE)).ok()
}

#[cfg(unix)]
async fn asked_to_stop() -> bool {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return tokio::signal::ctrl_c().await.is_ok();
    };
    tokio::select! {
        r = tokio::signal::ctrl_c() => r.is_ok(),
        _ = terminate.recv() => true,
    }
}

#[cfg(not(unix))]
async fn asked_to_stop() -> bool {
    tokio::signal::ctrl_c().await.is_ok()
}
