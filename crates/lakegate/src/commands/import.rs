//! `import`: the configuration of another system as dataset files.

mod tsdat;

use std::path::Path;

use lakegate_domain::config::{SourceText, Texts};
use lakegate_domain::draft::Refusal;
use lakegate_domain::draft::busobservatory::{self, Imports};
use serde_json::{Value, json};

use super::feed::set_variables;
use super::{Result, Shell};
use crate::adding;
use crate::cli::{Exit, ImportBusobservatory};
use crate::render;

pub use tsdat::tsdat;

pub fn busobservatory(shell: &Shell, args: &ImportBusobservatory) -> Result<Exit> {
    let text = std::fs::read_to_string(&args.file).map_err(|e| {
        Refusal::usage(
            format!("{} cannot be read: {e}", args.file.display()),
            "give the path of a stack_config.json",
        )
    })?;
    let root = shell.root()?;
    let (texts, lake) = adding::current(&root)?;
    let team = adding::team(&lake, args.team.as_deref())?;
    let imported = busobservatory::import(&text, &team)
        .map_err(|why| Refusal::usage(format!("{}: {why}", args.file.display()), "look at the file"))?;
    let mut refused = imported.refused;
    // Each is compiled by itself, so that a wrong one does not cost the others.
    let mut good: Vec<Imports> = Vec::new();
    for import in imported.drafts {
        let path = import.draft.path();
        if root.join(&path).exists() {
            refused.push((import.system_id, format!("{path} exists, and is not overwritten")));
            continue;
        }
        let others = good.iter().map(|i| (i.draft.path(), i.draft.yaml()));
        match compiles(&texts, others, &path, &import.draft.yaml()) {
            Ok(()) => good.push(import),
            Err(why) => refused.push((import.system_id, why)),
        }
    }
    let files: Vec<(String, String)> = good.iter().map(|i| (i.draft.path(), i.draft.yaml())).collect();
    if !args.dry_run && !files.is_empty() {
        let files: Vec<(&str, &str)> = files.iter().map(|(p, t)| (p.as_str(), t.as_str())).collect();
        adding::write(&root, &files)?;
    }
    report(shell, args, &root, &good, &refused)?;
    Ok(if refused.is_empty() { Exit::Done } else { Exit::Findings })
}

/// Compiles a file together with the lake and the others that are written.
///
/// # Errors
/// What the compiler has against it, in sentences.
fn compiles(
    texts: &Texts,
    others: impl Iterator<Item = (String, String)>,
    path: &str,
    text: &str,
) -> Result<(), String> {
    let others = others.map(|(path, text)| SourceText::new(path, text));
    let all = texts.with(others.chain([SourceText::new(path, text)]));
    all.compile().map(drop).map_err(|found| {
        let why: Vec<String> = found
            .items()
            .iter()
            .map(|d| match &d.help {
                Some(help) => format!("{}; {help}", d.message),
                None => d.message.clone(),
            })
            .collect();
        why.join(". ")
    })
}

fn report(
    shell: &Shell,
    args: &ImportBusobservatory,
    root: &Path,
    good: &[Imports],
    refused: &[(String, String)],
) -> Result<()> {
    let mut variables: Vec<String> =
        good.iter().flat_map(|i| i.variables.iter().map(|v| v.name.clone())).collect();
    variables.sort();
    variables.dedup();
    if shell.global.json {
        let datasets: Vec<Value> = good
            .iter()
            .map(|i| {
                let names: Vec<&str> = i.variables.iter().map(|v| v.name.as_str()).collect();
                json!({ "feed": i.system_id, "path": i.draft.path(), "yaml": i.draft.yaml(),
                    "published": i.draft.publish.is_some(), "variables": names, "notes": i.notes })
            })
            .collect();
        let refused: Vec<Value> =
            refused.iter().map(|(feed, why)| json!({ "feed": feed, "reason": why })).collect();
        return shell
            .print_json(&json!({ "written": !args.dry_run, "datasets": datasets, "refused": refused,
            "variables": variables }));
    }
    let verb = if args.dry_run { "would write" } else { "wrote" };
    shell.say(format!(
        "{verb} {} to {}",
        render::counted(good.len() as u64, "dataset file"),
        root.join("datasets").display()
    ))?;
    let mut list = shell.list(&["feed", "file", "published", "variables to set"]);
    for import in good {
        let names: Vec<&str> = import.variables.iter().map(|v| v.name.as_str()).collect();
        let published = if import.draft.publish.is_some() { "yes" } else { "no" };
        list.row([import.system_id.clone(), import.draft.path(), published.into(), names.join(", ")]);
    }
    shell.print_list(&list)?;
    for import in good {
        for note in &import.notes {
            shell.say(format!("note: {}: {note}", import.system_id))?;
        }
    }
    if !refused.is_empty() {
        let mut list = shell.list(&["not expressed", "why"]);
        refused.iter().for_each(|(feed, why)| {
            list.row([feed, why]);
        });
        shell.print_list(&list)?;
    }
    set_variables(&variables);
    Ok(())
}
