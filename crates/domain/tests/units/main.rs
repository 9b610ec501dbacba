//! Units against UDUNITS itself, and there and back.

use std::fs;
use std::path::PathBuf;

use lakegate_domain::units::{Conversion, ConversionError, Unit, UnitError};

/// From, to, and what 0 and 1 become; `None` where there is no conversion.
type Case = (String, String, Option<(f64, f64)>);

/// `udunits.txt` holds conversions as UDUNITS-2 computes them: from, to, what
/// 0 and 1 become, separated by tabs. `udunits.py` makes it.
fn reference() -> Vec<Case> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/units/udunits.txt");
    let text = fs::read_to_string(path).expect("the reference can be read");
    let number = |text: &str| text.parse::<f64>().expect("a number");
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| match line.split('\t').collect::<Vec<_>>()[..] {
            [from, to, zero, one] => (from.into(), to.into(), Some((number(zero), number(one)))),
            [from, to, _] => (from.into(), to.into(), None),
            _ => panic!("not a line of the reference: {line}"),
        })
        .collect()
}

#[test]
fn units_mean_what_they_mean_in_udunits() {
    let reference = reference();
    assert!(reference.len() > 500, "{}", reference.len());
    let mut wrong = Vec::new();
    for (from, to, want) in &reference {
        let got = Conversion::between(from, to);
        match (want, got) {
            (None, Err(_)) => {}
            (Some((zero, one)), Ok(c)) => {
                // Both sides round; UDUNITS more often.
                let near =
                    |a: f64, b: f64| (a - b).abs() <= 1e-12 * a.abs().max(b.abs()).max(c.scale().abs());
                if !near(c.apply(0.0), *zero) || !near(c.apply(1.0), *one) {
                    wrong.push(format!(
                        "{from} -> {to}: {} {}, not {zero} {one}",
                        c.apply(0.0),
                        c.apply(1.0)
                    ));
                }
            }
            (want, got) => wrong.push(format!("{from} -> {to}: {got:?}, not {want:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The units of instruments, with factors that are known by heart.
#[test]
fn factors_are_exact() {
    let cases = [
        ("mbar", "hPa", 1013.25, 1013.25),
        ("millibars", "hPa", 0.1, 0.1),
        ("dbar", "kPa", 10.1, 101.0),
        ("degC", "K", 20.0, 293.15),
        ("degF", "degC", 212.0, 100.0),
        ("degF", "degC", -40.0, -40.0),
        ("degC", "degF", 100.0, 212.0),
        ("K", "degrees_Celsius", 273.15, 0.0),
        ("degF", "degC", 32.0, 0.0),
        ("degF", "degC", 98.6, 37.0),
        ("degF", "degC", 71.0, 195.0 / 9.0),
        ("degF", "degC", 14.0, -10.0),
        ("degF", "K", -459.67, 0.0),
        ("degC", "degF", 37.0, 98.6),
        ("degC", "degF", -17.5, 0.5),
        ("K", "degC", 300.0, 26.85),
        ("K", "degC", 288.15, 15.0),
        ("degR", "degC", 671.67, 100.0),
        ("km h-1", "m s-1", 36.0, 10.0),
        ("knots", "m/s", 3600.0, 1852.0),
        ("%", "1", 7.0, 0.07),
        ("cm", "m", 157.8, 1.578),
        ("umol/kg", "mmol kg^-1", 210.5, 0.2105),
        ("umol/l", "mol.m-3", 2100.0, 2.1),
        ("degree_north", "degrees_east", 51.5, 51.5),
        ("mS/cm", "S m-1", 42.0, 4.2),
        ("psu", "PSS-78", 35.1, 35.1),
        ("ft", "m", 10.0, 3.048),
        ("inHg", "hPa", 0.0, 0.0),
        ("degree_west", "degree_east", 9.0, -9.0),
    ];
    for (from, to, value, want) in cases {
        let conversion = Conversion::between(from, to).unwrap_or_else(|e| panic!("{from} -> {to}: {e:?}"));
        assert_eq!(conversion.apply(value), want, "{from} -> {to}: {conversion:?}");
    }
    // Whole degrees Fahrenheit that are whole degrees Celsius, from ice to fire.
    let there = Conversion::between("degF", "degC").unwrap();
    let back = Conversion::between("degC", "degF").unwrap();
    for fives in -40i32..=200 {
        let (f, c) = (f64::from(32 + 9 * fives), f64::from(5 * fives));
        assert_eq!((there.apply(f), back.apply(c)), (c, f));
    }
    assert!(Conversion::between("mbar", "hPa").unwrap().is_identity());
    assert!(!Conversion::between("degC", "K").unwrap().is_identity());
}

#[test]
fn every_spelling_of_a_product() {
    let spellings = [
        "m s-1",
        "m/s",
        "m.s-1",
        "m.s^-1",
        "m s**-1",
        "m*s^-1",
        "m·s⁻¹",
        "m per s",
        "meter/second",
        "metres per second",
        "m / s",
        "(m)(s-1)",
        "m(s^-1)",
        "METERS/SEC",
        "m-s-1",
        "1 m/s",
        "1e3 mm/s",
        " m\ts-1 ",
    ];
    let speed = Unit::parse("m s-1").unwrap();
    for spelling in spellings {
        assert_eq!(Unit::parse(spelling), Ok(speed), "{spelling}");
    }
}

#[test]
fn what_is_no_unit_is_told_apart() {
    let unknown = |word: &str, near: Option<&str>| match Unit::parse(word) {
        Err(UnitError::Unknown { near: found, .. }) => assert_eq!(found.as_deref(), near, "{word}"),
        other => panic!("{word}: {other:?}"),
    };
    unknown("hpa", Some("hPa"));
    unknown("DBAR", Some("dbar"));
    unknown("UMOL", Some("umol"));
    unknown("Celcius", Some("celsius"));
    unknown("deg", Some("degree"));
    unknown("degreeC/m2 wibble", None);
    unknown("EUR", None);
    let syntax = [
        "", " ", "m s -1", "m/", "/s", "(m", "m)", "m^", "m^0.5", "0", "m$", "K @", "K @ x", "5 @", "m.2",
        "m2.3",
    ];
    for text in syntax {
        assert!(
            matches!(Unit::parse(text), Err(UnitError::Syntax { .. })),
            "{text:?}: {:?}",
            Unit::parse(text)
        );
    }
    for text in ["dBZ", "dB", "lg(re 1 mW)", "dBm"] {
        assert!(matches!(Unit::parse(text), Err(UnitError::Logarithmic { .. })), "{text}");
    }
    for text in ["seconds since 1970-01-01", "days since 1950-01-01T00:00:00Z", "hours since 1900"] {
        assert!(matches!(Unit::parse(text), Err(UnitError::Time { .. })), "{text}");
    }
    let great = ["m^99999999999", "m^65", "1e999 m", &"(".repeat(9999)];
    for text in great {
        assert!(Unit::parse(text).is_err(), "{text:.20}");
    }
    assert!(matches!(Conversion::between("m", "s"), Err(ConversionError::Different { .. })));
    assert!(matches!(Conversion::between("psu", "1"), Err(ConversionError::Different { .. })));
    assert!(matches!(Conversion::between("degC", "x1x"), Err(ConversionError::To(_))));
}

/// Any text is read or refused, and never panics.
#[test]
fn any_text_is_read_or_refused() {
    let mut random = fastrand::Rng::with_seed(4);
    let pieces = [
        "m", "s", "K", "degC", "µ", "%", "°", " ", "-", "+", "1", "2", "9", ".", "e", "E", "^", "**", "*",
        "/", "(", ")", "@", "since", "per", "⁻", "²", "k", "h", "Pa", "bar", "é", "\u{0}", "lg(re", "_", "'",
        "\"",
    ];
    for _ in 0..2000 {
        let text: String = (0..random.usize(0..8)).map(|_| pieces[random.usize(0..pieces.len())]).collect();
        let _ = Unit::parse(&text);
        let _ = Conversion::between(&text, "m");
    }
}

/// There and back: every value of every pair of units that convert.
#[test]
fn there_and_back() {
    let mut random = fastrand::Rng::with_seed(7);
    let mut pairs = 0;
    for (from, to, _) in reference().iter().filter(|(_, _, want)| want.is_some()) {
        let there = Conversion::between(from, to).unwrap();
        let back = Conversion::between(to, from).unwrap();
        pairs += 1;
        for _ in 0..50 {
            let value = (random.f64() - 0.5) * 10f64.powi(random.i32(-6..7));
            let again = back.apply(there.apply(value));
            // Where the zeros differ, digits are lost against the offset.
            let lost = 4.0 * f64::EPSILON * (value.abs() + back.offset().abs());
            assert!((again - value).abs() <= lost, "{from} -> {to}: {value} became {again}");
            if there.is_identity() {
                assert_eq!(there.apply(value), value, "{from} -> {to}");
            }
        }
    }
    assert!(pairs > 400, "{pairs}");
}

#[test]
fn a_unit_is_shown_in_base_units() {
    let shown = |text: &str| Unit::parse(text).unwrap().to_string();
    assert_eq!(shown("hPa"), "100 m-1 kg s-2");
    assert_eq!(shown("m"), "m");
    assert_eq!(shown("1"), "1");
    assert_eq!(shown("degC"), "K @ 273.15");
}
