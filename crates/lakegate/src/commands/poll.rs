//! `poll`: feeds are asked now.

use lakegate_domain::feed::Poll as Polled;
use lakegate_land::feed::Which;
use serde_json::json;

use super::{Result, Shell, Stop, known_dataset};
use crate::cli::{Exit, Poll};
use crate::polling;
use crate::render;

pub fn poll(shell: &Shell, args: &Poll) -> Result<Exit> {
    let (_lock, ctx) = shell.work()?;
    for name in &args.datasets {
        known_dataset(&ctx.lake, name)?;
        if ctx.lake.dataset(name).is_some_and(|d| d.feed.is_none()) {
            return Err(Stop::Usage(format!("{name} is no feed: its file has no `feed:`")));
        }
    }
    let only = (!args.datasets.is_empty()).then_some(args.datasets.as_slice());
    let mut polled = Vec::new();
    polling::poll(&ctx, only, Which::Now, |dataset, poll| polled.push((dataset.clone(), poll.clone())))?;
    let n_failed = polled.iter().filter(|(_, p)| p.error.is_some()).count();
    if shell.global.json {
        let all: Vec<_> = polled
            .iter()
            .map(|(dataset, p)| {
                json!({ "dataset": dataset.to_string(), "step": p.step.name(), "item": p.item, "status": p.status,
                    "size_bytes": p.size_bytes, "duration_ms": p.duration_ms, "attempts": p.attempts,
                    "identical": p.identical, "landed": p.path, "error": p.error })
            })
            .collect();
        shell.print_json(&all)?;
    } else if polled.is_empty() {
        shell.say(match ctx.stopping() {
            true => "stopped before anything was answered",
            false => "there is no feed; a dataset with `feed:` in its file is one",
        })?;
    } else {
        let mut list = shell.list(&["feed", "item", ">status", ">size", ">took", "what came"]);
        for (dataset, p) in &polled {
            list.row([
                dataset.to_string(),
                p.item.clone().unwrap_or_default(),
                p.status.map_or_else(String::new, |s| s.to_string()),
                render::size(p.size_bytes),
                render::duration(std::time::Duration::from_millis(p.duration_ms)),
                what_came(p),
            ]);
        }
        shell.print_list(&list)?;
        if polled.iter().any(|(_, p)| p.path.is_some()) {
            shell.say("load what landed: lakegate run")?;
        }
    }
    Ok(match () {
        _ if ctx.stopping() => Exit::Interrupted,
        _ if n_failed > 0 => Exit::Failed,
        _ => Exit::Done,
    })
}

fn what_came(p: &Polled) -> String {
    match (&p.error, &p.path) {
        (Some(error), _) => error.clone(),
        (None, Some(path)) => path.clone(),
        (None, None) if p.identical => "the same as before".to_string(),
        (None, None) => "nothing to keep".to_string(),
    }
}
