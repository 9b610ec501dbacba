//! What a repository's Python tells without being run: the patterns of a 0.2
//! runner, and which hooks a pipeline's class has of its own.

use regex::Regex;

/// A method that a pipeline's class may have of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hook {
    /// Before the inputs are merged.
    Raw,
    /// Before quality.
    Customize,
    /// Behind quality.
    Finalize,
    Plot,
    /// The whole pipeline.
    Run,
}

impl Hook {
    const METHODS: [(&str, Hook); 9] = [
        ("customize_raw_datasets", Hook::Raw),
        ("customize_input_datasets", Hook::Raw),
        ("apply_corrections", Hook::Customize),
        ("customize_dataset", Hook::Customize),
        ("finalize_dataset", Hook::Finalize),
        ("generate_and_persist_plots", Hook::Plot),
        ("create_and_persist_plots", Hook::Plot),
        ("plot_dataset", Hook::Plot),
        ("run", Hook::Run),
    ];

    /// Where its work belongs in a dataset file.
    pub fn place(self) -> &'static str {
        match self {
            Hook::Raw => {
                "write it as `transform:` (SQL) or `hook:` (a command) of the table, which see the merged rows"
            }
            Hook::Customize => {
                "write it as `transform:` (SQL) or `hook:` (a command) of the table: both come before `quality:`"
            }
            Hook::Finalize => {
                "write it as `hook:` of a second table with `of:` this one: that comes behind `quality:`"
            }
            Hook::Plot => {
                "write `export: { plots: '….{column}.svg' }`, beside `netcdf:`: it draws every variable; draw others from the exported files"
            }
            Hook::Run => "it is a pipeline of its own making: write the table's `hook:`",
        }
    }
}

/// The hooks that a program defines, by the name of the method, in its order.
pub(super) fn hooks(program: &str) -> Vec<(String, Hook)> {
    let mut found: Vec<(String, Hook)> = Vec::new();
    for line in program.lines() {
        let indented = line.trim_start();
        let Some(rest) = indented.strip_prefix("def ").filter(|_| indented.len() < line.len()) else {
            continue;
        };
        let name = rest.split(['(', ' ']).next().unwrap_or_default();
        let bare = name.strip_prefix("hook_").unwrap_or(name);
        if let Some((_, hook)) = Hook::METHODS.iter().find(|(method, _)| *method == bare)
            && !found.iter().any(|(n, _)| n == name)
        {
            found.push((name.to_string(), *hook));
        }
    }
    found
}

/// The entries of a dictionary of compiled patterns, `name = { 'key':
/// re.compile('…'), … }`.
pub(super) fn patterns(program: &str, name: &str) -> Vec<(String, String)> {
    let begin = Regex::new(&format!(r"(?m)^{name}\b[^=\n]*=\s*\{{")).expect("a name is no syntax");
    let Some(begin) = begin.find(program) else { return Vec::new() };
    let rest = uncommented(&program[begin.end()..]);
    // The dictionary ends at a brace of its own; braces of patterns are in quotes.
    let body = rest.split("\n}").next().unwrap_or_default();
    let entry = Regex::new(
        r#"(?x) ['"] (?<key> [^'"]+ ) ['"] \s* : \s* re\.compile\( \s* (?<raw> [rR]? )
           (?: '(?<single> (?: [^'\\] | \\. )* )' | "(?<double> (?: [^"\\] | \\. )* )" )"#,
    )
    .expect("it is a constant");
    entry
        .captures_iter(body)
        .map(|c| {
            let text = c.name("single").or(c.name("double")).map_or("", |m| m.as_str());
            let text = if c["raw"].is_empty() { unescaped(text) } else { text.to_string() };
            (c["key"].to_string(), text)
        })
        .collect()
}

/// Without the lines that are comments.
fn uncommented(program: &str) -> String {
    let lines = program.lines().filter(|line| !line.trim_start().starts_with('#'));
    lines.collect::<Vec<_>>().join("\n")
}

/// An ordinary literal's text: escapes that Python does not know stay.
fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some(c @ ('\\' | '\'' | '"')) => out.push(c),
            Some('t') => out.push('\t'),
            Some(c) => out.extend(['\\', c]),
            None => out.push('\\'),
        }
    }
    out
}

/// A pattern for a whole name that takes what Python's `re.match` takes, which
/// is content with a beginning. Where a pattern ends as names end, it is taken
/// for the whole name.
///
/// # Errors
/// Why there is no such pattern.
pub(super) fn whole(pattern: &str) -> Result<String, String> {
    let mut text = pattern.strip_prefix('^').unwrap_or(pattern).replace("\\Z", "$");
    // A named group would become a column.
    let named = Regex::new(r"\(\?P<\w+>").expect("it is a constant");
    text = named.replace_all(&text, "(?:").into_owned();
    if let Some(ends) = text.strip_suffix('$').filter(|t| !t.ends_with('\\')) {
        text = ends.to_string();
    } else {
        let ending = Regex::new(r"(?:\\?\.[A-Za-z0-9]+|\.\*|\))$").expect("it is a constant");
        if !ending.is_match(&text) {
            text.push_str(".*");
        }
    }
    checked(text)
}

/// A pattern for a whole name that takes what Python's `re.search` takes.
///
/// # Errors
/// Why there is no such pattern.
pub(super) fn anywhere(pattern: &str) -> Result<String, String> {
    let (begin, rest) = match pattern.strip_prefix('^') {
        Some(rest) => ("", rest),
        None if pattern.starts_with(".*") => ("", pattern),
        None => (".*", pattern),
    };
    let (rest, end) = match rest.strip_suffix('$').filter(|t| !t.ends_with('\\')) {
        Some(rest) => (rest, ""),
        None if rest.ends_with(".*") => (rest, ""),
        None => (rest, ".*"),
    };
    let inner = if rest.contains('|') { format!("(?:{rest})") } else { rest.to_string() };
    checked(format!("{begin}{inner}{end}"))
}

fn checked(text: String) -> Result<String, String> {
    match Regex::new(&format!("^(?:{text})$")) {
        Ok(_) => Ok(text),
        Err(_) => Err("it uses what only Python's expressions have, such as looking ahead".into()),
    }
}

/// One pattern for the names that two patterns take, where it can be written:
/// the second is text between `.*` and `.*`, and the first has a `.*` for it.
///
/// The text may stand in the first pattern's gap, or begin before or end behind
/// it, where the first pattern has plain text.
pub(super) fn both(first: &str, second: &str) -> Option<String> {
    if first == second {
        return Some(first.to_string());
    }
    let text = literal(second.strip_prefix(".*")?.strip_suffix(".*")?)?;
    let (before, behind) = first.split_once(".*")?;
    if behind.contains(".*") || before.ends_with('\\') {
        return None;
    }
    let tail: Vec<char> = plain_tail(before);
    let head: Vec<char> = plain_head(behind);
    let quoted = |chars: &[char]| regex::escape(&chars.iter().collect::<String>());
    let mut ways = vec![format!(".*{}.*", quoted(&text))];
    for n in 1..text.len() {
        if tail.ends_with(&text[..n]) {
            ways.push(format!("{}.*", quoted(&text[n..])));
        }
        if head.starts_with(&text[n..]) {
            ways.push(format!(".*{}", quoted(&text[..n])));
        }
        for m in n..text.len() {
            if tail.ends_with(&text[..n]) && head.starts_with(&text[m..]) {
                ways.push(quoted(&text[n..m]));
            }
        }
    }
    checked(format!("{before}(?:{}){behind}", ways.join("|"))).ok()
}

/// The characters of a pattern that has nothing but them.
fn literal(pattern: &str) -> Option<Vec<char>> {
    let head = plain_head(pattern);
    let quoted = regex::escape(&head.iter().collect::<String>());
    // `-` and others may stand with and without a backslash.
    (!head.is_empty() && quoted.replace('\\', "") == pattern.replace('\\', "")).then_some(head)
}

/// The characters that a pattern begins with for certain.
fn plain_head(pattern: &str) -> Vec<char> {
    let mut head = Vec::new();
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        let c = match c {
            '\\' => match chars.next() {
                Some(c) if !c.is_alphanumeric() => c,
                _ => break,
            },
            '.' | '(' | ')' | '[' | ']' | '{' | '}' | '*' | '+' | '?' | '|' | '^' | '$' => break,
            c => c,
        };
        if chars.peek().is_some_and(|next| matches!(next, '*' | '+' | '?' | '{')) {
            break;
        }
        head.push(c);
    }
    head
}

/// The characters that a pattern ends with for certain.
fn plain_tail(pattern: &str) -> Vec<char> {
    (0..pattern.len())
        .filter(|n| pattern.is_char_boundary(*n) && !pattern[..*n].ends_with('\\'))
        .find_map(|n| literal(&pattern[n..]))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUNNER: &str = r#"
import re
pipeline_map = {
    # 'old': re.compile('x'),
    'a2e_buoy_ingest': re.compile('buoy\\..*\\.(?:csv|zip|tar|tar\\.gz)'),
    "tide": re.compile(r"tide_\d{14}\.log"),
}
location_map: dict = {
    'humboldt': re.compile('.*\\.z05\\..*'),
    'morro'   : re.compile('.*\.z06\..*')
}
"#;

    #[test]
    fn the_maps_of_a_runner() {
        assert_eq!(
            patterns(RUNNER, "pipeline_map"),
            [
                ("a2e_buoy_ingest".to_string(), r"buoy\..*\.(?:csv|zip|tar|tar\.gz)".to_string()),
                ("tide".to_string(), r"tide_\d{14}\.log".to_string())
            ]
        );
        assert_eq!(patterns(RUNNER, "location_map")[1], ("morro".to_string(), r".*\.z06\..*".to_string()));
        assert!(patterns(RUNNER, "nothing").is_empty());
    }

    #[test]
    fn hooks_are_methods() {
        let program = "def run():\n  pass\nclass A(IngestPipeline):\n    def hook_customize_dataset(self, dataset):\n        \
                       return dataset\n    def hook_plot_dataset(self, d): ...\n    def helper(self): ...\n";
        assert_eq!(
            hooks(program),
            [
                ("hook_customize_dataset".to_string(), Hook::Customize),
                ("hook_plot_dataset".to_string(), Hook::Plot)
            ]
        );
    }

    #[test]
    fn patterns_for_whole_names() {
        for (given, want) in [
            (r".*z06.*\.csv", r".*z06.*\.csv"),
            (r".*z06", r".*z06.*"),
            (r"^a\.csv$", r"a\.csv"),
            (r"(?P<site>z\d)\.csv\Z", r"(?:z\d)\.csv"),
            (r"a\$", r"a\$.*"),
        ] {
            assert_eq!(whole(given).unwrap(), want);
        }
        assert!(whole("(?!a).*").is_err());
        for (given, want) in [
            ("currents", ".*currents.*"),
            ("a|b", ".*(?:a|b).*"),
            (r"^a.*\.csv$", r"a.*\.csv"),
            (r".*\.csv", r".*\.csv.*"),
        ] {
            assert_eq!(anywhere(given).unwrap(), want);
        }
    }

    /// What both take, and nothing else, for names that overlap in every way.
    #[test]
    fn names_that_two_patterns_take() {
        let pairs = [
            (r"buoy\..*\.(?:csv|zip)", r".*\.z05\..*"),
            (r"a.*a", ".*aa.*"),
            (r"ab.*ba", ".*aba.*"),
            (r".*", ".*ab.*"),
        ];
        let mut names: Vec<String> =
            ["buoy.z05.zip", "buoy.z06.zip", "buoy.x.z05.00.csv", "buoy.z05", "xbuoy.z05.a.zip"]
                .map(Into::into)
                .into();
        for n in 0..2000u32 {
            let letters = ['a', 'b', '.', 'z'];
            let name = (0..6).map(|i| letters[(n >> (2 * i)) as usize & 3]).collect::<String>();
            names.extend((1..=6).map(|i| name[..i].to_string()));
        }
        for (first, second) in pairs {
            let joined = both(first, second).unwrap();
            let matcher = |p: &str| Regex::new(&format!("^(?:{p})$")).unwrap();
            let (a, b, both) = (matcher(first), matcher(second), matcher(&joined));
            for name in &names {
                assert_eq!(both.is_match(name), a.is_match(name) && b.is_match(name), "{name}: {joined}");
            }
        }
        assert_eq!(both(r"a.*", r"\d+"), None);
        assert_eq!(both(r"a.*b.*", ".*x.*"), None);
    }
}
