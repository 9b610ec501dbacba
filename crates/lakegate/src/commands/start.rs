//! `init`, `check`, `schema`, `errors`, `completions`.

use std::fs;
use std::io::Write;

use clap::CommandFactory;
use lakegate_domain::config;
use lakegate_domain::{Code, Failure};
use serde_json::json;

use super::{Result, Shell, absolute};
use crate::cli::{Cli, Completions, Errors, Exit, Init, SchemaArgs, SchemaOf};
use crate::render;

const DATASET: &str = "\
# One file describes one dataset: who owns it, which files are its, what they become.
# Every key, explained: lakegate schema dataset --example · check it: lakegate check · try it: lakegate plan
team: demo
description: Daily orders of the shop

# Files land in landing/demo/orders/ unless `landing:` says otherwise.
match: 'orders_(?<shop>[a-z]+)_.*\\.csv'
read: csv

columns:
  order_id: { type: int, description: Number of the order }
  ordered_at: { type: timestamp, timezone: UTC }
  amount: { type: 'decimal(10,2)', unit: EUR }
expect:
  - { column: order_id, is: [present, unique], on_fail: quarantine }
  - { column: amount, in_range: [0, 100000], on_fail: warn }
";

const SAMPLE: &str = "\
order_id,ordered_at,amount
1,2026-03-01 09:15:00,19.90
2,2026-03-01 09:40:12,5.00
3,2026-03-01 11:02:45,120.50
";

pub fn init(shell: &Shell, args: &Init) -> Result<Exit> {
    let dir = absolute(&args.dir)?;
    let name = args.name.clone().unwrap_or_else(|| {
        let name = dir.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
        let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let name = name.trim_matches(|c: char| c == '_' || c.is_ascii_digit()).to_string();
        if name.is_empty() { "lake".into() } else { name }
    });
    let mut made = Vec::new();
    let mut write = |path: &str, text: &str| -> Result<()> {
        let path = dir.join(path);
        if path.exists() {
            return Ok(());
        }
        let parent = path.parent().unwrap_or(&dir);
        fs::create_dir_all(parent)
            .and_then(|()| fs::write(&path, text))
            .map_err(|e| Failure::new(Code::Storage, format!("`{}` cannot be made: {e}", path.display())))?;
        made.push(path);
        Ok(())
    };
    let fresh = !dir.join("lake.yaml").exists();
    write(
        "lake.yaml",
        &format!(
            "# Every key, explained: lakegate schema lake --example\nlake: {}\nstorage: ./lake\ntimezone: UTC\nteams: [demo]\n",
            yaml_text(&name)
        ),
    )?;
    if fresh {
        write("datasets/orders.yaml", DATASET)?;
        write("landing/demo/orders/orders_paris_2026-03-01.csv", SAMPLE)?;
        write(".gitignore", "/lake/\n/landing/\n")?;
    }
    if shell.global.json {
        shell.print_json(&json!({ "lake": dir, "made": made }))?;
        return Ok(Exit::Done);
    }
    if made.is_empty() {
        shell.say(format!("there is a lake in {} already; nothing was changed", dir.display()))?;
        return Ok(Exit::Done);
    }
    for path in &made {
        shell.say(format!("made {}", path.display()))?;
    }
    let lakegate = program();
    let at =
        if args.dir.as_os_str() == "." { String::new() } else { format!(" --lake {}", args.dir.display()) };
    shell.say(format!(
        "\nnext:\n  {lakegate}{at} plan      what the sample file would become\n  {lakegate}{at} run       load it\n  \
         {lakegate}{at} sql 'select * from orders'"
    ))?;
    Ok(Exit::Done)
}

/// A text as YAML reads it back: in quotes, unless it is one word that is nothing
/// but a text.
fn yaml_text(text: &str) -> String {
    let is_word = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
        && !["true", "false", "null", "yes", "no", "on", "off"].contains(&text.to_lowercase().as_str());
    // JSON's strings are YAML's.
    if is_word { text.to_string() } else { json!(text).to_string() }
}

/// How this program is called from a shell: by its name where that finds it, else
/// by its path.
pub fn program() -> String {
    const NAME: &str = "lakegate";
    let here = std::env::current_exe().ok();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(NAME)).find(|p| p.is_file());
    match (found, here) {
        (None, Some(here)) => here.display().to_string(),
        _ => NAME.into(),
    }
}

pub fn check(shell: &Shell) -> Result<Exit> {
    let (lake, warnings) = shell.lake_with_statements()?;
    if shell.global.json {
        let all: Vec<String> = lake.datasets.iter().map(|d| d.name.to_string()).collect();
        shell
            .print_json(&json!({ "lake": lake.name, "datasets": all, "errors": [], "warnings": warnings }))?;
        return Ok(Exit::Done);
    }
    for w in &warnings {
        render::warn(w);
    }
    shell.say(format!(
        "lake {} is well configured: {}",
        lake.name,
        render::counted(lake.datasets.len() as u64, "dataset")
    ))?;
    let mut list = shell.list(&["dataset", "lands in", "match", "tables"]);
    for d in &lake.datasets {
        let landing = d.landing.strip_prefix(&lake.root).unwrap_or(&d.landing);
        let mut tables: Vec<&str> = d.tables.keys().map(String::as_str).collect();
        if d.any_table.is_some() {
            tables.push("*");
        }
        list.row([
            d.name.to_string(),
            landing.display().to_string(),
            d.pattern.as_ref().map_or_else(|| "every file".into(), |p| p.text.clone()),
            tables.join(", "),
        ]);
    }
    shell.print_list(&list)?;
    Ok(Exit::Done)
}

pub fn schema(args: &SchemaArgs) -> Result<Exit> {
    if args.example {
        let example = match args.of {
            SchemaOf::Lake => include_str!("../../../../docs/lake.example.yaml"),
            SchemaOf::Dataset => include_str!("../../../../docs/dataset.example.yaml"),
        };
        write!(std::io::stdout(), "{example}")?;
        return Ok(Exit::Done);
    }
    let schema = match args.of {
        SchemaOf::Lake => config::schema::lake(),
        SchemaOf::Dataset => config::schema::dataset(),
    };
    let mut out = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, &schema).map_err(super::io_error)?;
    writeln!(out)?;
    Ok(Exit::Done)
}

pub fn errors(shell: &Shell, args: &Errors) -> Result<Exit> {
    let one = |c: Code| json!({ "code": c.id(), "title": c.title(), "help": c.hint(), "page": c.page() });
    if shell.global.json {
        match args.code {
            Some(c) => shell.print_json(&one(c))?,
            None => shell.print_json(&Code::ALL.iter().map(|c| one(*c)).collect::<Vec<_>>())?,
        }
        return Ok(Exit::Done);
    }
    match args.code {
        Some(c) => {
            write!(std::io::stdout(), "{}", c.page())?;
        }
        None => {
            let mut list = shell.list(&["code", "what it says"]);
            for c in Code::ALL {
                list.row([c.id(), c.title()]);
            }
            list.print(&mut std::io::stdout())?;
        }
    }
    Ok(Exit::Done)
}

pub fn completions(args: &Completions) -> Result<Exit> {
    // It panics where it cannot write: into memory it can.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "lakegate", &mut script);
    std::io::stdout().write_all(&script)?;
    Ok(Exit::Done)
}
