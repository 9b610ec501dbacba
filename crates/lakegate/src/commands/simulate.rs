//! `simulate`, and `demo --feeds`: agencies that do not exist, and a lake that
//! polls them.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;

use clap::Parser;
use lakegate_simulate::{FEEDS, Faults, Simulator};
use serde_json::json;
use tokio::net::TcpListener;

use super::serve::cannot_listen;
use super::{Result, Shell, Stop, absolute};
use crate::cli::{Cli, Command, Demo, Exit, Global, Simulate, Simulated, SimulatedFeeds};

/// The lake of `examples/bus_observatory`, by file.
const OBSERVATORY: &[(&str, &str)] = &[
    ("lake.yaml", include_str!("../../../../examples/bus_observatory/lake.yaml")),
    ("datasets/harbor.yaml", include_str!("../../../../examples/bus_observatory/datasets/harbor.yaml")),
    (
        "datasets/harbor_trips.yaml",
        include_str!("../../../../examples/bus_observatory/datasets/harbor_trips.yaml"),
    ),
    ("datasets/prairie.yaml", include_str!("../../../../examples/bus_observatory/datasets/prairie.yaml")),
    ("datasets/island.yaml", include_str!("../../../../examples/bus_observatory/datasets/island.yaml")),
    ("datasets/fjord.yaml", include_str!("../../../../examples/bus_observatory/datasets/fjord.yaml")),
    ("datasets/river.yaml", include_str!("../../../../examples/bus_observatory/datasets/river.yaml")),
    ("datasets/ridge.yaml", include_str!("../../../../examples/bus_observatory/datasets/ridge.yaml")),
];
/// Where the example's files expect the simulator.
const EXPECTED: &str = "127.0.0.1:8085";

pub fn simulate(shell: &Shell, args: &Simulate) -> Result<Exit> {
    let Simulated::Feeds(feeds) = &args.what;
    let listener = listen(shell, feeds.listen)?;
    let url = format!("http://{}", listener.local_addr()?);
    if shell.global.json {
        println!("{}", json!({ "url": url, "feeds": FEEDS.map(|f| f.name) }));
    } else {
        println!("{} agencies are simulated; their addresses are listed at {url}", FEEDS.len());
    }
    std::io::stdout().flush()?;
    let stopped = super::serve::asked_to_stop(shell.stop.clone());
    shell.runtime.block_on(lakegate_simulate::serve(listener, simulator(feeds)?, stopped))?;
    shell.say("stopped")?;
    Ok(Exit::Done)
}

/// Makes the lake of the example, simulates what it polls, and brings it up.
pub fn demo(shell: &Shell, args: &Demo) -> Result<Exit> {
    let dir = super::demo::new_folder(args.dir.as_deref())?;
    let listener = listen(shell, SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let address = listener.local_addr()?.to_string();
    for (path, text) in OBSERVATORY {
        let path = dir.join(path);
        fs::create_dir_all(path.parent().unwrap_or(&dir))?;
        fs::write(path, text.replace(EXPECTED, &address))?;
    }
    let Ok(Cli { global: Global { lake, .. }, command: Command::Up(up) }) = Cli::try_parse_from([
        "lakegate".as_ref(),
        "--lake".as_ref(),
        absolute(&dir)?.as_os_str(),
        "up".as_ref(),
        "--listen".as_ref(),
        args.listen.to_string().as_ref(),
    ]) else {
        return Err(Stop::Usage(format!("`{}` cannot be listened on", args.listen)));
    };
    let defaults = SimulatedFeeds { listen: args.listen, routes: 6, vehicles: 12, faults: 0.02, seed: 1 };
    let stopped = super::serve::asked_to_stop(shell.stop.clone());
    let simulated = shell.runtime.spawn(lakegate_simulate::serve(listener, simulator(&defaults)?, stopped));
    shell.say(format!(
        "a lake in {}\n  {} agencies are simulated at http://{address}; two answers in a hundred go wrong",
        dir.display(),
        FEEDS.len()
    ))?;
    let inner = Shell {
        global: Global { lake, ..shell.global.clone() },
        stop: shell.stop.clone(),
        runtime: shell.runtime.clone(),
        color: shell.color,
        width: shell.width,
    };
    let exit = super::run::up(&inner, &up);
    simulated.abort();
    let exit = exit?;
    let (lakegate, at) = (super::start::program(), dir.display());
    shell.say(format!(
        "The lake is in {at}. Try next:\n  {lakegate} --lake {at} sql        a prompt over its tables\n  \
         {lakegate} --lake {at} prove      every row of every answer accounted for"
    ))?;
    Ok(exit)
}

fn simulator(args: &SimulatedFeeds) -> Result<Arc<Simulator>> {
    if !(0.0..=1.0).contains(&args.faults) {
        return Err(Stop::Usage(format!("`--faults {}`: a share is from 0 to 1", args.faults)));
    }
    Ok(Arc::new(Simulator {
        seed: args.seed,
        n_routes: args.routes,
        vehicles_per_route: args.vehicles,
        faults: Faults::by_chance(args.faults, args.seed),
        clock: jiff::Timestamp::now,
    }))
}

fn listen(shell: &Shell, address: SocketAddr) -> Result<TcpListener> {
    shell.runtime.block_on(TcpListener::bind(address)).map_err(|e| cannot_listen(address, &e))
}
