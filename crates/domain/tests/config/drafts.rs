//! Proposed files are right by the compiler, and mean what they were meant to.

use lakegate_domain::draft::busobservatory::import;
use lakegate_domain::draft::{Draft, Publish, Read, TableOf};
use lakegate_domain::feed::Source;
use lakegate_domain::model::{Format, Names};

use crate::{compiled, dataset};

#[test]
fn every_kind_of_a_bus_observatory_compiles() {
    let text = r#"{"feeds":{
        "a":{"feed_type":"gtfsrt","url":"https://h/x?k={}","api_key":"s1","publish":"True","tz":"America/New_York"},
        "b":{"feed_type":"siri","url":"","api_key":"s2","publish":"True","tz":"America/New_York"},
        "c":{"feed_type":"njxml","url":"https://h/y","publish":"True","tz":"America/New_York","notes":"off: since '23"}}}"#;
    let imported = import(text, "transit").unwrap();
    assert!(imported.refused.is_empty(), "{imported:?}");
    let files: Vec<_> = imported.drafts.iter().map(|i| (i.draft.path(), i.draft.yaml())).collect();
    let files: Vec<_> = files.iter().map(|(p, t)| (p.as_str(), t.as_str())).collect();
    let lake = compiled(&files).unwrap_or_else(|found| panic!("{found}"));
    for (d, route, time) in [
        ("a", "vehicle.trip.route_id", "vehicle.timestamp"),
        ("b", "route", "timestamp"),
        ("c", "rt", "timestamp"),
    ] {
        let dataset = lake.datasets.iter().find(|x| x.name.dataset == d).unwrap();
        let publish = dataset.publish.as_ref().unwrap();
        assert_eq!((publish.route.as_str(), publish.time.as_str()), (route, time), "{d}");
        assert_eq!((publish.name.as_str(), publish.table.as_str()), (d, d));
        let names = match dataset.read.format.as_ref().unwrap() {
            Format::GtfsRt(feed) => feed.names,
            Format::Records(_, names) => *names,
            other => panic!("{other:?}"),
        };
        assert_eq!(names, Names::BusObservatory);
    }
    let siri = lake.datasets[1].feed.as_ref().unwrap();
    assert!(matches!(&siri.source, Source::List { .. }), "{siri:?}");
}

#[test]
fn whatever_is_written_is_read_back() {
    // Texts that would mean something else between no quotes.
    for odd in [
        "it's", "a: b", "# no", "- x", "{a}", "null", "12", "1e5", "yes", "a\tb\"c", "\u{e9}", "%x", "*a",
        "!t",
    ] {
        let draft = Draft {
            name: "d".into(),
            team: "t".into(),
            description: Some(odd.into()),
            url: "https://h/x?a=it's".into(),
            every: "30s".into(),
            headers: vec![("X-Note".into(), odd.into())],
            read: Some(Read::Records("json", "data.rows".into())),
            ..Draft::default()
        };
        let d = dataset(&draft.yaml());
        assert_eq!(d.description.as_deref(), Some(odd), "{}", draft.yaml());
        let feed = d.feed.as_ref().unwrap();
        assert_eq!(feed.request.headers[0].1.to_string(), odd);
        assert!(matches!(&feed.source, Source::One(url) if url.to_string() == draft.url));
        assert!(matches!(&d.read.format, Some(Format::Json(json)) if json.records == "data.rows"));
    }
}

#[test]
fn no_feed_is_called_as_the_page_that_adds_feeds() {
    let draft = Draft {
        name: "new".into(),
        team: "t".into(),
        url: "https://h/x".into(),
        every: "30s".into(),
        read: Some(Read::Word("gtfs_rt")),
        tables: vec![TableOf {
            name: "v".into(),
            stream: "vehicle".into(),
            partition_by: None,
            dedupe: None,
        }],
        publish: Some(Publish { route: "route_id".into(), time: "timestamp".into(), ..Publish::default() }),
        ..Draft::default()
    };
    let found = compiled(&[("datasets/new.yaml", &draft.yaml())]).unwrap_err().to_string();
    assert!(found.contains("`new`") && found.contains("another name"), "{found}");
}
