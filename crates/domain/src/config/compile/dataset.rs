//! One dataset file to one dataset.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;

use super::columns::{self, Role};
use super::{Surroundings, declaration, feed, folder, meant, publish, read, refuse_system, tables, watch};
use crate::config::decode::{Reporter, Slot};
use crate::config::diagnostic::{SourceText, Span};
use crate::config::raw::DatasetFile;
use crate::config::scalars::{self, Expression};
use crate::health::Rules;
use crate::ids::{DatasetName, NAME_BYTES, QUARANTINE_SUFFIX};
use crate::model::{After, Dataset, Empty, Format, OnChange, Pattern, SameBytes, Scalar, VolumeGuard};

/// Where datasets are declared, below the lake's root.
const CONFIGURATION: &str = "datasets";
/// SQL's own schema: a dataset of this name could not be queried.
const INFORMATION_SCHEMA: &str = "information_schema";
/// A file that is taken half-written is put right by its next version, where
/// that replaces it and the landed one is kept.
const QUICK_SETTLE: Duration = Duration::from_millis(250);
/// Elsewhere half a file would stay, or the rest of it would be lost.
const CAREFUL_SETTLE: Duration = Duration::from_secs(5);
const DEFAULT_REPLACEMENT_SHARE: f64 = 0.5;

/// A dataset and where it says what other datasets may contradict.
pub(super) struct Draft {
    pub dataset: Dataset,
    pub source: Arc<SourceText>,
    pub name_span: Span,
    pub landing_span: Span,
    pub publish_span: Span,
    /// Whether its name is right, so that it can be compared.
    pub is_named: bool,
    /// Whether it takes every file of its landing folder.
    pub takes_all: bool,
}

/// `None` where the file is so wrong that it cannot be compared with others.
pub(super) fn compile(
    source: &Arc<SourceText>,
    around: &Surroundings,
    report: &mut Reporter,
) -> Option<Draft> {
    let keys = declaration::<DatasetFile>(source, report)?;
    let start = Span::default();
    let (dataset_name, name_span) = dataset_name(&keys, source, report);
    let team = team(&keys, around, report);
    let is_named = dataset_name.is_some() && team.is_some();
    let name = DatasetName::new(team.unwrap_or_default(), dataset_name.unwrap_or_default());

    let landing_is_right = is_named || keys.landing.at().is_some();
    let landing = folder(&keys.landing, around.root, around.env, report);
    let landing_is_right = landing_is_right && (landing.is_some() || keys.landing.is_absent());
    let landing = landing.unwrap_or_else(|| around.root.join("landing").join(&name.team).join(&name.dataset));
    let landing_span = keys.landing.at().map_or(name_span, |at| at.span);
    if landing_is_right {
        check_landing(&landing, landing_span, around, report);
    }

    let timezone: String = keys.timezone.or(around.timezone.clone());
    let feed = feed::compile(&keys.feed, &timezone, &name.dataset, report);
    let pattern = pattern(&keys.pattern, report);
    let groups: Option<&[String]> = match &pattern {
        Some(pattern) => Some(&pattern.groups),
        None if keys.pattern.is_absent() => Some(&[]),
        None => None,
    };
    let sites = sites(&keys, groups, report);
    let provenance = keys.provenance.or(true);
    let mut read = read::compile(&keys.read, report);
    let input = keys.input.get().map_or(Vec::new(), |c| columns::compile(c, Role::Input, report));
    let input = read::input(&read, input);
    let context = tables::Context {
        dataset: &name.dataset,
        groups,
        site_columns: sites.values().flat_map(|s| s.keys().cloned()).collect(),
        provenance,
        read: &read,
        streams: (!keys.read.is_wrong()).then(|| read.stream_names()),
    };
    let (tables, any_table) = tables::compile(&keys, name_span, &context, report);
    let elsewhere = groups.map(|g| g.iter().chain(&context.site_columns).cloned().collect());
    if let Some(Format::GtfsRt(feed)) = &mut read.format {
        feed.streams.retain(|s| tables.values().any(|t| t.streams().contains(s)));
    }
    let published = publish::Context {
        dataset: &name.dataset,
        timezone: &timezone,
        tables: &tables,
        any_table: any_table.is_some() || keys.tables.is_wrong(),
        elsewhere,
    };
    let publish = keys.publish.at().and_then(|at| publish::compile(at, &published, report));

    // A poll's answer is renamed into place and kept in the raw store: it needs
    // no settling and need not stay. It is none the worse for saying nothing.
    let is_feed = !keys.feed.is_absent();
    let after = keys.after.get().copied().unwrap_or(if is_feed { After::Delete } else { After::Keep });
    let on_change = on_change(&keys, provenance, report);
    let is_mended = after == After::Keep && on_change == OnChange::Replace;
    let settle = match (is_feed, is_mended) {
        (true, _) => Duration::ZERO,
        (false, true) => QUICK_SETTLE,
        (false, false) => CAREFUL_SETTLE,
    };
    let dataset = Dataset {
        description: keys.description.get().cloned(),
        source: around.root.join(&source.path),
        config_hash: fingerprint(&source.text),
        landing,
        feed,
        pattern,
        timezone,
        sites,
        after,
        on_change,
        same_bytes: keys.same_bytes.get().copied().unwrap_or(SameBytes::Duplicate),
        empty: keys.empty.get().copied().unwrap_or(if is_feed { Empty::Accept } else { Empty::Park }),
        settle: keys.settle.or(settle),
        read,
        input,
        tables,
        any_table,
        volume: volume(&keys),
        provenance,
        publish,
        watch: Rules {
            stale_after: keys.stale_after.get().map(|l| l.0),
            rows: keys.expect_rows.at().and_then(|at| watch::expect_rows(at, report)),
        },
        name,
    };
    let takes_all = landing_is_right && keys.pattern.is_absent();
    let name_span = if keys.dataset.is_absent() { start } else { name_span };
    let publish_span = keys.publish.at().map_or(name_span, |at| at.span);
    Some(Draft {
        dataset,
        source: source.clone(),
        name_span,
        landing_span,
        publish_span,
        is_named,
        takes_all,
    })
}

fn dataset_name(keys: &DatasetFile, source: &SourceText, report: &mut Reporter) -> (Option<String>, Span) {
    let (name, span) = match &keys.dataset {
        Slot::Given(at) => (at.value.0.clone(), at.span),
        Slot::Wrong => return (None, Span::default()),
        Slot::Absent => {
            let stem = source.path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
            let span = Span::default();
            if stem.len() > NAME_BYTES {
                scalars::check_name(&stem, span, "the name of a dataset", report);
                return (None, span);
            }
            if !scalars::is_name(&stem) {
                let better = scalars::as_name(&stem).unwrap_or_else(|| "a_name".into());
                report.error(
                    span,
                    format!("the file's name, `{stem}`, cannot be the name of a dataset"),
                    format!("rename the file to `{better}.yaml`, or add `dataset: {better}`"),
                );
                return (None, span);
            }
            (stem, span)
        }
    };
    if name == INFORMATION_SCHEMA || name.ends_with(QUARANTINE_SUFFIX) {
        report.error(span, format!("the name `{name}` is the lake's own"), "choose another `dataset: …`");
        return (None, span);
    }
    (Some(name), span)
}

fn team(keys: &DatasetFile, around: &Surroundings, report: &mut Reporter) -> Option<String> {
    let at = keys.team.at()?;
    let team = at.value.0.clone();
    refuse_system(&team, at.span, report);
    if let Some(teams) = &around.teams
        && !teams.contains(&team)
    {
        let help = meant(&team, teams.iter().map(String::as_str), "add it to `teams` in lake.yaml");
        report.error(at.span, format!("there is no team `{team}` in lake.yaml"), help);
    }
    Some(team)
}

/// A landing folder and the lake's own folders must not contain one another:
/// the lake would take its own files for landed ones.
fn check_landing(landing: &PathBuf, span: Span, around: &Surroundings, report: &mut Reporter) {
    let help = "choose another `landing: …`";
    if landing.starts_with(&around.storage) || around.storage.starts_with(landing) {
        let message =
            format!("the landing folder and the lake's storage, {}, overlap", around.storage.display());
        report.error(span, message, help);
    } else if around.root.starts_with(landing) {
        report.error(span, "the lake's own folder cannot be a landing folder", help);
    } else if landing.starts_with(around.root.join(CONFIGURATION)) {
        report.error(span, "the folder of the lake's configuration cannot be a landing folder", help);
    }
}

fn pattern(slot: &Slot<Expression>, report: &mut Reporter) -> Option<Pattern> {
    let at = slot.at()?;
    let text = at.value.0.clone();
    match at.value.anchored() {
        Ok(regex) => {
            let groups: Vec<String> = regex.capture_names().flatten().map(str::to_string).collect();
            for group in &groups {
                columns::check_name(group, at.span, columns::Role::Group, report);
            }
            Some(Pattern { on_path: text.contains('/'), regex, text, groups })
        }
        Err(error) => {
            report.error(at.span, format!("this regular expression cannot be used: {error}"), "simplify it");
            None
        }
    }
}

fn sites(
    keys: &DatasetFile,
    groups: Option<&[String]>,
    report: &mut Reporter,
) -> IndexMap<String, IndexMap<String, Scalar>> {
    let Some(at) = keys.sites.at() else { return IndexMap::new() };
    if groups.is_some_and(|groups| !groups.iter().any(|g| g == "site")) {
        report.error(
            at.span,
            "`sites` needs a group `site` in `match`",
            "name the part of the file's name that tells the site: `(?<site>…)`",
        );
    }
    let mut sites = IndexMap::new();
    for (site, slot) in &at.value.0 {
        let mut values = IndexMap::new();
        for (column, value) in slot.get().into_iter().flat_map(|s| &s.0.0) {
            columns::check_name(&column.text, column.span, Role::Site, report);
            if groups.is_some_and(|groups| groups.contains(&column.text)) {
                report.error(
                    column.span,
                    format!("`{}` is a group of `match` already", column.text),
                    "choose another name here or there",
                );
            }
            if let Some(value) = value.get() {
                values.insert(column.text.clone(), value.clone());
            }
        }
        sites.insert(site.text.clone(), values);
    }
    sites
}

fn on_change(keys: &DatasetFile, provenance: bool, report: &mut Reporter) -> OnChange {
    match keys.on_change.at() {
        None if provenance => OnChange::Replace,
        None => OnChange::Append,
        Some(at) => {
            if at.value == OnChange::Replace && !provenance {
                report.error(
                    at.span,
                    "rows that do not carry their file cannot be replaced",
                    "remove `provenance: false`, or choose `append` or `ignore`",
                );
            }
            at.value
        }
    }
}

fn volume(keys: &DatasetFile) -> VolumeGuard {
    let guard = keys.volume_guard.get().map(|v| &v.0);
    VolumeGuard {
        replacement: guard
            .and_then(|g| g.replacement.get())
            .map_or(Some(DEFAULT_REPLACEMENT_SHARE), |share| share.0),
        file: guard.and_then(|g| g.file.get()).and_then(|share| share.0),
    }
}

/// FNV-1a, 64 bits, in hex: tells two texts apart and stays the same for ever.
fn fingerprint(text: &str) -> String {
    format!("{:016x}", crate::feed::fnv(text.bytes()))
}

#[cfg(test)]
mod tests {
    use super::fingerprint;

    /// Vectors of the FNV reference, <http://www.isthe.com/chongo/tech/comp/fnv/>.
    #[test]
    fn fingerprints_are_fnv_1a() {
        assert_eq!(fingerprint(""), "cbf29ce484222325");
        assert_eq!(fingerprint("a"), "af63dc4c8601ec8c");
        assert_eq!(fingerprint("foobar"), "85944171f73967e8");
    }
}
