//! `feed add`.

use std::io::{BufRead, IsTerminal, Write};

use lakegate_domain::draft::{Proposal, Refusal, Wanted};
use serde_json::{Value, json};

use super::{Result, Shell};
use crate::adding;
use crate::cli::{Exit, FeedAdd};
use crate::render;

pub fn add(shell: &Shell, args: &FeedAdd) -> Result<Exit> {
    let is_asked = std::io::stdin().is_terminal() && std::io::stdout().is_terminal() && !shell.global.json;
    if !is_asked && !args.yes && !args.print {
        return Err(Refusal::usage(
            "nobody can be asked whether the file is to be written",
            "add `--yes` to write it, or `--print` to see it",
        )
        .into());
    }
    let wanted = Wanted {
        url: args.url.clone(),
        headers: args.headers.clone(),
        name: args.name.clone(),
        team: args.team.clone(),
        timezone: args.timezone.clone(),
        every: args.every.clone(),
        records: args.records.clone(),
    };
    let root = shell.root()?;
    let proposal = adding::propose(&root, &shell.runtime, &wanted)?;
    show(shell, &proposal)?;
    let is_written = !args.print && (args.yes || yes(&proposal)?);
    if is_written {
        adding::write(&root, &[(&proposal.path, &proposal.yaml)])?;
    }
    if shell.global.json {
        let Value::Object(mut all) = json!(proposal) else { return Ok(Exit::Done) };
        all.insert("written".into(), is_written.into());
        shell.print_json(&all)?;
        return Ok(Exit::Done);
    }
    if is_written {
        shell.say(format!("wrote {}", root.join(&proposal.path).display()))?;
        set_variables(&proposal.variables);
        shell.say(
            "a `lakegate up` or `serve` that runs here takes it over by itself; `lakegate run` polls it once",
        )?;
    } else {
        set_variables(&proposal.variables);
        shell.say("nothing was written")?;
    }
    Ok(Exit::Done)
}

fn show(shell: &Shell, proposal: &Proposal) -> Result<()> {
    if shell.global.json {
        return Ok(());
    }
    shell.say(format!("{} answers {}\n", proposal.dataset, proposal.format))?;
    // The file is the result, also for those who asked for silence.
    writeln!(std::io::stdout(), "# {}\n{}", proposal.path, proposal.yaml)?;
    for table in &proposal.tables {
        shell.say(format!(
            "{}: {}, the first {} of them:",
            table.table,
            render::counted(table.n_rows, "row"),
            table.rows.len()
        ))?;
        let columns: Vec<&str> = table.columns.iter().map(String::as_str).collect();
        let mut list = shell.list(&columns);
        for row in &table.rows {
            list.row(row.iter().map(|value| value.as_deref().unwrap_or_default()));
        }
        shell.print_list(&list)?;
        shell.say("")?;
    }
    for note in &proposal.notes {
        shell.say(format!("note: {note}"))?;
    }
    Ok(())
}

/// Says which variables take the place of what was written out.
pub fn set_variables(variables: &[String]) {
    for name in variables {
        eprintln!(
            "set {name} to the key that was given, in the environment of the process that polls; the key itself is \
             written nowhere"
        );
    }
}

fn yes(proposal: &Proposal) -> Result<bool> {
    let mut out = std::io::stdout();
    write!(out, "write {}? [y/N] ", proposal.path)?;
    out.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
