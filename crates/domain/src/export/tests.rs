use super::*;

fn export(netcdf: &str, attributes: &[(&str, &str)]) -> Export {
    let attributes = attributes.iter().map(|(name, text)| {
        (name.to_string(), FileAttribute::Text(Template::parse(text).expect("a template")))
    });
    Export {
        netcdf: Template::parse(netcdf).expect("a template"),
        plots: None,
        per: Per::File,
        attributes: attributes.collect(),
        variables: IndexMap::new(),
        except: Vec::new(),
        flag_meanings: FlagMeanings::Words,
    }
}

fn path(export: &Export, of_file: &[(&str, &str)], span: Option<Span>) -> Result<String, String> {
    let of_file: Vec<_> = of_file.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
    let dataset = DatasetName::new("ocean", "buoy");
    Values { export, dataset: &dataset, table: "met", of_file: &of_file, file: Some("f"), span, column: None }
        .path()
}

/// 2020-12-01T00:00:00Z and ten minutes later.
const SPAN: Option<Span> = Some((1_606_780_800_000_000, 1_606_781_400_000_000));

#[test]
fn paths() {
    let buoy = [("datastream", "{location}.{dataset}-{table}.b1"), ("location", "at {location}")];
    for (template, attributes, want) in [
        ("{team}/{dataset}/{table}/{file}.nc", &[][..], "ocean/buoy/met/f.nc"),
        ("{location}.{start:%Y%m%d.%H%M%S}-{end:%H%M}.nc", &[], "hum.20201201.000000-0010.nc"),
        ("{start}.nc", &[], "20201201.000000.nc"),
        ("{datastream}.nc", &buoy, "at hum.buoy-met.b1.nc"),
        ("{{{site}}}.nc", &[], "{z_05}.nc"),
        ("{start:%Y/%m}/x.nc", &[], "2020/12/x.nc"),
    ] {
        let of_file = [("location", "hum"), ("site", "z/05")];
        assert_eq!(path(&export(template, attributes), &of_file, SPAN).as_deref(), Ok(want), "{template}");
    }
}

#[test]
fn paths_that_cannot_be() {
    for (template, of_file, want) in [
        ("{nobody}.nc", &[][..], "nothing gives `{nobody}`"),
        ("{site}/x.nc", &[("site", "..")], "is no name"),
        ("{site}/x.nc", &[("site", "")], "below the folder"),
        ("a/{site}/x.nc", &[("site", "")], "is no name"),
        ("a/{site}", &[("site", "")], "no file's name"),
    ] {
        let found = path(&export(template, &[]), of_file, SPAN).unwrap_err();
        assert!(found.contains(want), "{template}: {found}");
    }
    let found = path(&export("{start}.nc", &[]), &[], None).unwrap_err();
    assert!(found.contains("no row has a time"), "{found}");
}

#[test]
fn faults_of_templates() {
    for (template, want, at) in [
        ("a{b", "has no `}`", 1..3),
        ("a}b", "has no `{`", 1..2),
        ("{}", "without a name", 0..2),
        ("x{site:%Y}", "takes no format", 1..10),
        ("{start:%!}", "cannot be written", 0..10),
    ] {
        let fault = Template::parse(template).unwrap_err();
        assert!(fault.why.contains(want), "{template}: {}", fault.why);
        assert_eq!(fault.at, at, "{template}");
    }
}

#[test]
fn an_attribute_may_take_another() {
    let export =
        export("x.nc", &[("title", "Waves of {site}"), ("site", "buoy {site}"), ("level", "{{b1}}")]);
    let dataset = DatasetName::new("ocean", "buoy");
    let of_file = [("site".to_string(), "z05".to_string())];
    let values = Values {
        export: &export,
        dataset: &dataset,
        table: "met",
        of_file: &of_file,
        file: None,
        span: None,
        column: None,
    };
    let found: Vec<_> = values.attributes().unwrap().into_iter().map(|(n, v)| format!("{n}={v}")).collect();
    assert_eq!(found, ["title=Waves of buoy z05", "site=buoy z05", "level={b1}"]);
    assert_eq!(taken_from_file(&export, &["site".into(), "day".into()]), ["site"]);
}

#[test]
fn stems() {
    for (path, want) in [
        ("in/buoy.z05.00.20201201.000000.waves.csv", "buoy.z05.00.20201201.000000.waves"),
        ("a.tar.gz", "a"),
        ("a.csv.zst", "a"),
        ("a.nc", "a"),
        ("a.20201201", "a.20201201"),
        ("a", "a"),
        (".hidden", ".hidden"),
        ("x/.csv.gz", ".csv"),
    ] {
        assert_eq!(stem(path), want, "{path}");
    }
}

#[test]
fn plots_have_the_name_of_their_variable() {
    let plots = Some(Template::parse("{file}/{column}.svg").expect("a template"));
    let export = Export { plots, ..export("x.nc", &[]) };
    let dataset = DatasetName::new("ocean", "buoy");
    let file = Some("f");
    let values = Values {
        export: &export,
        dataset: &dataset,
        table: "met",
        of_file: &[],
        file,
        span: None,
        column: Some("a/b"),
    };
    assert_eq!(values.plot(), Ok(Some("f/a_b.svg".into())));
}
