//! `feed:` to a feed.

use std::time::Duration;

use super::bounded;
use crate::config::decode::{At, Named, Reporter, Slot};
use crate::config::diagnostic::Span;
use crate::config::raw::{
    AuthKeys, Every, FeedKeys, FeedsKeys, HostKeys, LinksKeys, ListKeys, PathWord, Templated,
};
use crate::config::scalars::Lapse;
use crate::draft::is_secret_name;
use crate::feed::{
    Auth, CronError, Feed, Feeds, HostLimits, Links, List, Method, Paging, Path, Placeholder, Request,
    Schedule, Source, Template,
};

const S: fn(u64) -> Duration = Duration::from_secs;
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const DEFAULT_LINK_TIMEOUT: Duration = Duration::from_secs(600);
const DEFAULT_MAX_BYTES: u64 = 64 << 20;
/// Most that `every` delays a poll where nothing is said.
const DEFAULT_JITTER: Duration = Duration::from_secs(5);

/// Headers that follow from other settings or from the connection.
const OWN_HEADERS: [&str; 9] = [
    "accept-encoding",
    "connection",
    "content-length",
    "host",
    "if-modified-since",
    "if-none-match",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// `zone` is the dataset's, `dataset` its name. `None` where there is no feed
/// or the feed is wrong.
pub(super) fn compile(
    slot: &Slot<FeedKeys>,
    zone: &str,
    dataset: &str,
    report: &mut Reporter,
) -> Option<Feed> {
    let At { value: keys, span } = slot.at()?;
    let source = source(keys, *span, dataset, report);
    let schedule = schedule(keys, zone, report);
    let interval = match schedule {
        Some(Schedule::Every(interval)) => Some(interval),
        _ => None,
    };
    let jitter = jitter(&keys.jitter, interval, report);
    Some(Feed {
        request: request(keys, dataset, report),
        concurrency: bounded(&keys.concurrency, 1, 64, 8, report) as usize,
        per_host: keys.per_host.get().map(|keys| host_limits(keys, report)),
        jitter,
        source: source?,
        schedule: schedule?,
    })
}

/// `feeds:` of lake.yaml; the hosts of its feeds come later, by [`agree`].
pub(super) fn lake(keys: Option<&FeedsKeys>, report: &mut Reporter) -> Feeds {
    let mut feeds = Feeds::default();
    let Some(keys) = keys else { return feeds };
    feeds.per_host = keys.per_host.get().map_or(feeds.per_host, |keys| host_limits(keys, report));
    for (host, slot) in keys.hosts.get().into_iter().flat_map(|hosts| &hosts.0) {
        let name = url::Url::parse(&format!("http://{}/", host.text)).ok().and_then(|url| {
            let alone = url.path() == "/" && url.port().is_none() && url.username().is_empty();
            url.host_str().filter(|_| alone && url.query().is_none()).map(str::to_string)
        });
        let Some(name) = name else {
            let help = "write the host alone, as it stands in the address: `api.example.org`";
            report.error(host.span, format!("`{}` is not a host", host.text), help);
            continue;
        };
        if let Some(keys) = slot.get() {
            feeds.hosts.insert(name, host_limits(keys, report));
        }
    }
    feeds
}

/// What the lake and its feeds say of the hosts that feeds name: whoever asks
/// a host keeps to the strictest of it.
pub(super) fn agree<'f>(feeds: &mut Feeds, all: impl Iterator<Item = &'f Feed>) {
    for feed in all {
        let Some(own) = feed.per_host else { continue };
        for host in feed.addresses().into_iter().filter_map(Template::host) {
            feeds.hosts.entry(host).and_modify(|known| *known = known.strictest(own)).or_insert(own);
        }
    }
}

fn host_limits(keys: &HostKeys, report: &mut Reporter) -> HostLimits {
    let default = HostLimits::default();
    HostLimits {
        concurrency: bounded(&keys.concurrency, 1, 64, default.concurrency as u64, report) as usize,
        spacing: lapse(&keys.spacing, Duration::ZERO, HOUR, default.spacing, report),
    }
}

/// A duration that must lie between two others, both inclusive.
fn lapse(
    slot: &Slot<Lapse>,
    least: Duration,
    most: Duration,
    default: Duration,
    report: &mut Reporter,
) -> Duration {
    let Some(at) = slot.at() else { return default };
    if (least..=most).contains(&at.value.0) {
        return at.value.0;
    }
    let (message, help) = match at.value.0 < least {
        true => ("this is too short", format!("write `{}` or more", shown(least))),
        false => ("this is too long", format!("write `{}` or less", shown(most))),
    };
    report.error(at.span, message, help);
    default
}

fn shown(duration: Duration) -> String {
    match duration.as_millis() {
        ms if ms % 3_600_000 == 0 => format!("{}h", ms / 3_600_000),
        ms if ms % 60_000 == 0 => format!("{}m", ms / 60_000),
        ms if ms % 1000 == 0 => format!("{}s", ms / 1000),
        ms => format!("{ms}ms"),
    }
}

fn schedule(keys: &FeedKeys, zone: &str, report: &mut Reporter) -> Option<Schedule> {
    let at = keys.every.at()?;
    let text = match &at.value {
        Every::Lapse(lapse) => {
            if let Some(zone) = keys.timezone.at() {
                report.error(zone.span, "a duration needs no zone", "remove it, or write a cron expression");
            }
            if *lapse < S(1) || *lapse > 366 * DAY {
                report.error(at.span, "a feed cannot be polled this often or seldom", "write `1s` to `366d`");
                return None;
            }
            return Some(Schedule::Every(*lapse));
        }
        Every::Cron(text) => text,
    };
    let zone = keys.timezone.get().map_or(zone, |zone| &zone.0);
    match Schedule::cron(text, zone) {
        Ok(schedule) => Some(schedule),
        Err(error) => {
            let help = match error {
                CronError::Syntax(_) => {
                    "the fields are minute, hour, day of the month, month, day of the week: '*/5 6-22 * * *'"
                }
                CronError::Never => "choose a day that the month has",
                CronError::Zone(_) => "choose another `timezone`",
            };
            report.error(at.span, format!("this cron expression cannot be used: {error}"), help);
            None
        }
    }
}

fn jitter(slot: &Slot<Lapse>, interval: Option<Duration>, report: &mut Reporter) -> Duration {
    let default = interval.map_or(Duration::ZERO, |interval| (interval / 10).min(DEFAULT_JITTER));
    let jitter = lapse(slot, Duration::ZERO, HOUR, default, report);
    if let (Some(at), Some(interval)) = (slot.at(), interval)
        && jitter > interval / 2
    {
        report.error(at.span, "this is more than half of the interval", "write less, or poll less often");
    }
    jitter
}

fn source(keys: &FeedKeys, span: Span, dataset: &str, report: &mut Reporter) -> Option<Source> {
    for (what, absent, slot) in
        [("list", keys.list.is_absent(), "`list`"), ("links", keys.links.is_absent(), "`links`")]
    {
        if !absent && !keys.urls.is_absent() {
            report.error(
                span,
                format!("{slot} stands beside `urls`"),
                format!("with `{what}` give one `url`"),
            );
            return None;
        }
    }
    if !keys.list.is_absent() && !keys.links.is_absent() {
        report.error(span, "`list` stands beside `links`", "a feed has one of them; make two datasets");
        return None;
    }
    match (&keys.url, &keys.urls) {
        (Slot::Absent, Slot::Absent) => {
            report.error(span, "the feed has no address", "add `url: https://…` here");
            None
        }
        (Slot::Given(_) | Slot::Wrong, Slot::Given(_) | Slot::Wrong) => {
            report.error(span, "`url` stands beside `urls`", "give one of them");
            None
        }
        (Slot::Absent, urls) => named(urls.at()?, keys, dataset, report),
        (url, _) => {
            let url = url.at()?;
            if let Some(at) = keys.list.at() {
                let list = list(&at.value, dataset, report);
                let right = address(url, &[Placeholder::Item], dataset, report);
                check_places(keys, &[Placeholder::Item], report);
                if !uses(keys, Placeholder::Item) {
                    report.error(
                        url.span,
                        "nothing says where the item goes",
                        "write `{item}` in the `url`, a `query` or the `body`",
                    );
                }
                return Some(Source::List { list: list?, each: right? });
            }
            if let Some(at) = keys.links.at() {
                let allowed = [Placeholder::Cursor, Placeholder::Page];
                let page = address(url, &allowed, dataset, report);
                check_places(keys, &allowed, report);
                let links = links(&at.value, at.span, keys, report);
                return Some(Source::Links { page: page?, links: Box::new(links?) });
            }
            if keys.list.is_wrong() || keys.links.is_wrong() {
                return None;
            }
            check_places(keys, &[], report);
            Some(Source::One(address(url, &[], dataset, report)?))
        }
    }
}

fn named(
    urls: &At<Named<Templated>>,
    keys: &FeedKeys,
    dataset: &str,
    report: &mut Reporter,
) -> Option<Source> {
    check_places(keys, &[Placeholder::Item], report);
    let Named(entries) = &urls.value;
    if entries.is_empty() {
        report.error(
            urls.span,
            "`urls` names no address",
            "write `urls: { north: https://…, south: https://… }`",
        );
        return None;
    }
    let mut all = Vec::new();
    for (name, slot) in entries {
        if name.text.is_empty() {
            report.error(name.span, "an address without a name", "give it one");
        }
        let url = slot.at().and_then(|url| address(url, &[Placeholder::Item], dataset, report));
        all.push((name.text.clone(), url?));
    }
    Some(Source::Named(all))
}

/// The texts of a request that may have places, beside its address.
fn other_texts(keys: &FeedKeys) -> impl Iterator<Item = &At<Templated>> {
    let query = keys.query.get().into_iter().flat_map(|q| q.0.iter().filter_map(|(_, slot)| slot.at()));
    query.chain(keys.body.at())
}

fn uses(keys: &FeedKeys, place: Placeholder) -> bool {
    keys.url.at().into_iter().chain(other_texts(keys)).any(|text| text.value.0.places().any(|p| p == place))
}

fn check_places(keys: &FeedKeys, allowed: &[Placeholder], report: &mut Reporter) {
    for text in other_texts(keys) {
        refuse_places(text, allowed, report);
    }
    let headers = keys.headers.get().into_iter().flat_map(|h| h.0.iter().filter_map(|(_, slot)| slot.at()));
    let auth = keys.auth.get().into_iter().flat_map(|a| [a.user.at(), a.password.at(), a.bearer.at()]);
    for text in headers.chain(auth.flatten()) {
        refuse_places(text, &[], report);
    }
}

fn refuse_places(text: &At<Templated>, allowed: &[Placeholder], report: &mut Reporter) {
    for place in text.value.0.places().filter(|place| !allowed.contains(place)) {
        let needs = match place {
            Placeholder::Item => {
                "`{item}` is filled by `list` or `urls`, in an address, a `query` or the `body`"
            }
            Placeholder::Cursor | Placeholder::Page => {
                "`{cursor}` and `{page}` are filled by `links`, in the address, a `query` or the `body`"
            }
        };
        report.error(text.span, format!("nothing fills `{}` here", place.written()), needs);
    }
}

/// An address that can be asked, or `None` and why not.
pub(super) fn address(
    at: &At<Templated>,
    allowed: &[Placeholder],
    dataset: &str,
    report: &mut Reporter,
) -> Option<Template> {
    refuse_places(at, allowed, report);
    let template = &at.value.0;
    let written = template.to_string();
    let Some(url) =
        template.sample_url().filter(|url| url.has_host() && matches!(url.scheme(), "http" | "https"))
    else {
        report.error(at.span, format!("`{written}` is not an address"), "write `https://host/path`");
        return None;
    };
    let unknown = url.path().split("%7B").nth(1).filter(|rest| rest.contains("%7D"));
    let in_query = url.query().and_then(|query| query.split('{').nth(1)).filter(|rest| rest.contains('}'));
    if unknown.is_some() || in_query.is_some() {
        let known: Vec<_> = Placeholder::ALL.iter().map(|p| p.written()).collect();
        report.error(
            at.span,
            "braces around a name that nothing fills",
            format!("known here: {}", known.join(", ")),
        );
    }
    if !url.username().is_empty() || url.password().is_some() {
        let help = "write `auth: { user: …, password: '${env:NAME}' }`";
        report.error(at.span, "a user or password stands in the address", help);
    }
    if url.fragment().is_some() {
        report.error(at.span, "what stands behind `#` is never sent", "remove it");
    }
    let query = written.split_once('?').map_or("", |(_, query)| query);
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        if !value.is_empty() && !value.contains(['$', '{']) {
            refuse_literal(name, name, at.span, dataset, report);
        }
    }
    Some(template.clone())
}

/// Reports a secret that is written out. A name alone tells what it holds.
fn refuse_literal(name: &str, shown: &str, span: Span, dataset: &str, report: &mut Reporter) {
    if is_secret_name(name) {
        report.error(
            span,
            format!("`{shown}` looks like a secret that is written out"),
            format!(
                "write `${{env:{}_KEY}}` in its place and set that variable; or `${{file:PATH}}`",
                dataset.to_uppercase()
            ),
        );
    }
}

fn request(keys: &FeedKeys, dataset: &str, report: &mut Reporter) -> Request {
    let body = keys.body.get().map(|body| body.0.clone());
    let method =
        keys.method.get().copied().unwrap_or(if body.is_some() { Method::Post } else { Method::Get });
    if let (Some(at), Method::Get) = (keys.body.at(), method) {
        report.error(at.span, "a GET request has no body", "remove `method: GET`, or the body");
    }
    let timeout = lapse(&keys.timeout, Duration::from_millis(100), HOUR, DEFAULT_TIMEOUT, report);
    Request {
        method,
        headers: sent_headers(&keys.headers, !keys.auth.is_absent(), dataset, report),
        query: query(keys, dataset, report),
        body,
        auth: auth(keys.auth.at(), report),
        timeout,
        connect_timeout: lapse(
            &keys.connect_timeout,
            Duration::from_millis(100),
            HOUR,
            DEFAULT_CONNECT_TIMEOUT.min(timeout),
            report,
        ),
        retries: bounded(&keys.retries, 0, 10, 2, report) as u32,
        max_bytes: super::some_bytes(&keys.max_size, DEFAULT_MAX_BYTES, report),
        redirects: bounded(&keys.redirects, 0, 20, 5, report) as u32,
        conditional: keys.conditional.or(true),
    }
}

/// Headers that are sent; `has_auth` where something else already says who asks.
pub(super) fn sent_headers(
    given: &Slot<Named<Templated>>,
    has_auth: bool,
    dataset: &str,
    report: &mut Reporter,
) -> Vec<(String, Template)> {
    let mut headers: Vec<(String, Template)> = Vec::new();
    for (name, slot) in given.get().into_iter().flat_map(|headers| &headers.0) {
        let lower = name.text.to_ascii_lowercase();
        let is_token = !lower.is_empty()
            && lower.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
        if !is_token {
            report.error(
                name.span,
                format!("`{}` is not the name of a header", name.text),
                "letters, digits and `-`",
            );
        } else if OWN_HEADERS.contains(&lower.as_str()) {
            report.error(name.span, format!("`{}` is set by lakegate itself", name.text), "remove it");
        } else if lower == "authorization" && has_auth {
            report.error(name.span, "`Authorization` stands beside `auth`", "give one of them");
        } else if headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(&name.text)) {
            report.error(name.span, format!("`{}` is given twice", name.text), "give it once");
        }
        let Some(value) = slot.at() else { continue };
        if value.value.0.is_literal() {
            refuse_literal(&lower, &name.text, value.span, dataset, report);
        }
        headers.push((name.text.clone(), value.value.0.clone()));
    }
    headers
}

fn query(keys: &FeedKeys, dataset: &str, report: &mut Reporter) -> Vec<(String, Template)> {
    let mut query = Vec::new();
    for (name, slot) in keys.query.get().into_iter().flat_map(|query| &query.0) {
        let Some(value) = slot.at() else { continue };
        if value.value.0.is_literal() {
            refuse_literal(&name.text, &name.text, value.span, dataset, report);
        }
        query.push((name.text.clone(), value.value.0.clone()));
    }
    query
}

fn auth(at: Option<&At<AuthKeys>>, report: &mut Reporter) -> Option<Auth> {
    let At { value: keys, span } = at?;
    for text in [&keys.password, &keys.bearer].into_iter().filter_map(Slot::at) {
        if text.value.0.is_literal() {
            report.error(text.span, "a secret that is written out", "write `${env:NAME}` or `${file:PATH}`");
        }
    }
    let help = "write `{ user: …, password: '${env:NAME}' }` or `{ bearer: '${env:NAME}' }`";
    let text = |slot: &Slot<Templated>| slot.get().map(|text| text.0.clone());
    match (&keys.user, &keys.password, &keys.bearer) {
        (user, password, Slot::Absent) if !user.is_absent() && !password.is_absent() => {
            Some(Auth::Basic { user: text(user)?, password: text(password)? })
        }
        (Slot::Absent, Slot::Absent, bearer) if !bearer.is_absent() => text(bearer).map(Auth::Bearer),
        _ => {
            report.error(*span, "`auth` is a user with a password, or a bearer token", help);
            None
        }
    }
}

fn list(keys: &ListKeys, dataset: &str, report: &mut Reporter) -> Option<List> {
    let url = keys.url.at().and_then(|url| address(url, &[], dataset, report));
    let keep = keys.keep.at().map(|_| lapse(&keys.keep, S(1), 366 * DAY, HOUR, report));
    let max_items = bounded(&keys.max_items, 1, 100_000, 1000, report) as usize;
    Some(List { url: url?, items: path(&keys.items)?, keep, max_items })
}

fn links(keys: &LinksKeys, span: Span, feed: &FeedKeys, report: &mut Reporter) -> Option<Links> {
    let (has_cursor, has_page) = (uses(feed, Placeholder::Cursor), uses(feed, Placeholder::Page));
    if has_cursor && keys.updated.is_absent() {
        report.error(
            span,
            "nothing says what fills `{cursor}`",
            "add `updated: …`, the path to when a record changed",
        );
    }
    if has_cursor && keys.start.is_absent() {
        report.error(span, "nothing says what `{cursor}` is at first", "add `start: '2020-01-01T00:00:00Z'`");
    }
    if !has_cursor && let Some(start) = keys.start.at() {
        report.error(
            start.span,
            "`start` is for `{cursor}`, which is nowhere",
            "write `{cursor}` in the `url` or a `query`",
        );
    }
    if let (Some(next), true) = (keys.next.at(), has_page) {
        report.error(next.span, "`next` stands beside `{page}`", "give one of them");
    }
    if let (Some(first), false) = (keys.first_page.at(), has_page) {
        report.error(
            first.span,
            "`first_page` is for `{page}`, which is nowhere",
            "write `{page}` in the `url` or a `query`",
        );
    }
    let paging = match (keys.next.get(), has_page, has_cursor) {
        (Some(next), ..) => Paging::Next(next.0.clone()),
        (None, true, _) => Paging::Number(bounded(&keys.first_page, 0, u32::MAX.into(), 1, report)),
        (None, false, true) => Paging::Cursor,
        (None, false, false) => Paging::None,
    };
    Some(Links {
        records: path(&keys.records)?,
        link: path(&keys.link)?,
        name: path(&keys.name),
        id: path(&keys.id),
        updated: path(&keys.updated),
        start: keys.start.get().map(|s| s.0.clone()),
        paging,
        max_pages: bounded(&keys.max_pages, 1, 100_000, 100, report) as usize,
        timeout: lapse(
            &keys.timeout,
            S(1),
            DAY,
            DEFAULT_LINK_TIMEOUT.max(feed.timeout.or(DEFAULT_TIMEOUT)),
            report,
        ),
    })
}

fn path(slot: &Slot<PathWord>) -> Option<Path> {
    slot.get().map(|word| word.0.clone())
}
