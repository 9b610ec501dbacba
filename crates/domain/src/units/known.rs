//! The units there are: names, symbols and definitions as the UDUNITS-2 unit
//! database has them (`udunits2-base`, `-derived`, `-accepted`, `-common` and
//! `-prefixes` of version 2.2.28), without those of print, of drapery and of the
//! CGS systems of electricity, and with the practical salinity of PSS-78.
//!
//! The test `units` compares them with what that library itself says.

use std::collections::BTreeSet;

use super::exact::Exact;
use super::{Dimension, Unit, grammar};

pub(super) const TIME: Dimension = [0, 0, 1, 0, 0, 0, 0, 0];

/// Names that hold a dash, which elsewhere is a product.
pub(super) const DASHED: &[&str] = &["PSS-78"];

/// What a word names.
pub(super) enum Found {
    Unit(Unit),
    Logarithmic,
    /// No unit; `near` is the one that was probably meant.
    Nothing {
        near: Option<String>,
    },
}

/// Definition; names, which stand in any case and in the plural; symbols.
type Entry = (&'static str, &'static str, &'static str);

const BASE: [(&str, &str); 8] = [
    ("meter metre", "m"),
    ("kilogram", "kg"),
    ("second", "s"),
    ("ampere", "A"),
    ("kelvin", "K"),
    ("mole", "mol"),
    ("candela", "cd"),
    ("practical_salinity_unit PSS-78", "psu PSU"),
];

const PREFIXES: [(&str, &str, &str); 20] = [
    ("1e24", "yotta", "Y"),
    ("1e21", "zetta", "Z"),
    ("1e18", "exa", "E"),
    ("1e15", "peta", "P"),
    ("1e12", "tera", "T"),
    ("1e9", "giga", "G"),
    ("1e6", "mega", "M"),
    ("1e3", "kilo", "k"),
    ("100", "hecto", "h"),
    // Before `d`: a `dam` is a decametre.
    ("10", "deka", "da"),
    ("1e-1", "deci", "d"),
    ("1e-2", "centi", "c"),
    ("1e-3", "milli", "m"),
    ("1e-6", "micro", "u µ μ"),
    ("1e-9", "nano", "n"),
    ("1e-12", "pico", "p"),
    ("1e-15", "femto", "f"),
    ("1e-18", "atto", "a"),
    ("1e-21", "zepto", "z"),
    ("1e-24", "yocto", "y"),
];

/// Symbols of levels. A prefix may stand before them.
const LOGARITHMIC: &[&str] = &["B", "BZ", "BW", "Bm", "BV", "Bv", "BµV", "B_SPL", "Np", "bel", "neper"];

#[rustfmt::skip]
const DERIVED: &[Entry] = &[
    // Without a dimension.
    ("1", "radian", "rad"),
    ("rad^2", "steradian", "sr"),
    ("(pi/180) rad", "arc_degree angular_degree degree arcdeg", "°"),
    ("°/60", "arc_minute angular_minute arcminute arcmin", "' ′"),
    ("'/60", "arc_second angular_second arcsecond arcsec", "\" ″"),
    ("0.9 arc_degree", "grade", ""),
    ("2 pi rad", "circle cycle turn revolution rotation", ""),
    ("arc_degree", "degree_north degree_N degreeN degree_east degree_E degreeE degree_true degree_T degreeT", ""),
    ("arc_degree", "degrees_north degrees_N degreesN degrees_east degrees_E degreesE degrees_true degrees_T degreesT", ""),
    ("-1 degree_east", "degree_west degree_W degreeW degrees_west degrees_W degreesW", ""),
    ("0.01", "percent", "%"),
    ("1e-6", "", "ppm ppmv"),
    ("1e-9", "", "ppb ppbv"),
    ("1e-12", "", "ppt pptv"),
    ("1e-15", "", "ppq ppqv"),
    ("1", "count bit", ""),
    ("8", "octet byte", ""),
    // Time and frequency.
    ("s", "sec", ""),
    ("60 s", "minute", "min"),
    ("60 min", "hour", "h hr"),
    ("24 h", "day", "d"),
    ("7 day", "week", ""),
    ("14 day", "fortnight", ""),
    ("3.15569259747e7 s", "tropical_year year", "yr"),
    ("year/12", "month", ""),
    ("365 day", "common_year", ""),
    ("366 day", "leap_year", ""),
    ("365.25 day", "Julian_year", ""),
    ("365.2425 day", "Gregorian_year", ""),
    ("27.321582 day", "tropical_month", ""),
    ("29.530589 day", "lunar_month", ""),
    ("8.616409e4 s", "sidereal_day", ""),
    ("3.155815e7 s", "sidereal_year", ""),
    ("1e9 year", "eon", ""),
    ("0.01 s", "jiffy", ""),
    ("1/s", "hertz", "Hz"),
    ("Hz", "baud", "Bd bps"),
    ("1/s", "becquerel", "Bq"),
    ("3.7e10 Bq", "curie", "Ci"),
    ("rotation/second", "rotation_per_second rotations_per_second", "rps cps"),
    ("rotation/minute", "", "rpm"),
    // Temperature.
    ("K @ 273.15", "degree_Celsius degrees_Celsius celsius degree_C degreeC deg_C degC degrees_C degreesC degs_C degsC", "°C ℃"),
    ("K", "degree_kelvin degree_K degreeK deg_K degK degrees_kelvin degrees_K degreesK degs_K degsK", "°K"),
    ("K/1.8", "degree_rankine degreeR degree_R degR deg_R degrees_rankine degreesR degrees_R degsR degs_R", "°R"),
    ("°R @ 459.67", "fahrenheit degree_fahrenheit degreeF degree_F degF deg_F degrees_fahrenheit degreesF degrees_F degsF degs_F", "°F ℉"),
    // Length, area and volume.
    ("1e-10 m", "angstrom ångström", "Å Å"),
    ("1e-15 m", "fermi", ""),
    ("1e-6 m", "micron", ""),
    ("2.54 cm", "international_inch inch", "in"),
    ("2.54e-5 m", "mil", ""),
    ("12 inch", "international_foot foot international_feet feet", "ft"),
    ("3 feet", "international_yard yard", "yd"),
    ("5280 feet", "international_mile mile", "mi"),
    ("(1200/3937) m", "US_survey_foot US_survey_feet", ""),
    ("3 US_survey_feet", "US_survey_yard", ""),
    ("5280 US_survey_feet", "US_survey_mile US_statute_mile", ""),
    ("16.5 US_survey_feet", "rod pole perch", ""),
    ("6 US_survey_feet", "fathom", ""),
    ("660 US_survey_feet", "furlong", ""),
    ("2.011684e1 m", "chain", ""),
    ("1852 m", "nautical_mile nmile", ""),
    ("1.49597870700e11 m", "astronomical_unit", "au"),
    ("9.46073e15 m", "light_year", ""),
    ("3.085678e16 m", "parsec", ""),
    ("100/m", "kayser", ""),
    ("dam^2", "are", "a"),
    ("100 are", "hectare", ""),
    ("160 rod^2", "acre", ""),
    ("100 fm^2", "barn", "b"),
    ("9.869233e-13 m^2", "darcy", ""),
    ("dm^3", "liter litre", "L l"),
    ("cm^3", "", "cc"),
    ("m^3", "stere", ""),
    ("1.233489e3 m^3", "acre_foot acre_feet", ""),
    ("3.785412e-3 m^3", "US_liquid_gallon liquid_gallon gallon", ""),
    ("US_liquid_gallon/4", "US_liquid_quart liquid_quart quart", ""),
    ("US_liquid_gallon/8", "US_liquid_pint liquid_pint pint", "pt"),
    ("US_liquid_gallon/16", "US_liquid_cup liquid_cup cup", ""),
    ("US_liquid_gallon/128", "US_fluid_ounce US_liquid_ounce fluid_ounce liquid_ounce", "oz floz"),
    ("42 US_liquid_gallon", "barrel", "bbl"),
    ("4.404884e-3 m^3", "US_dry_gallon", ""),
    ("4.546090e-3 m^3", "UK_liquid_gallon Canadian_liquid_gallon", ""),
    ("UK_liquid_gallon/8", "UK_liquid_pint", ""),
    ("2.831685 m^3", "register_ton", ""),
    // Speed, flow and acceleration.
    ("nautical_mile/hour", "international_knot knot_international knot", "kt kts"),
    ("1e6 m^3/s", "sverdrup", ""),
    ("cm/s^2", "gal", ""),
    ("9.806650 m/s^2", "standard_free_fall gravity force geopotential dynamic", "gp"),
    ("1e-6 m^2 s^-1 K kg^-1", "potential_vorticity_unit", "PVU"),
    // Mass and amount.
    ("1e-3 kg", "gram", "g"),
    ("1000 kg", "metric_ton tonne", "t"),
    ("1.6605402e-27 kg", "unified_atomic_mass_unit atomic_mass_unit atomicmassunit amu", "u"),
    ("4.5359237e-1 kg", "avoirdupois_pound pound", "lb"),
    ("2.834952e-2 kg", "avoirdupois_ounce", ""),
    ("6.479891e-5 kg", "grain", "gr"),
    ("2e-4 kg", "carat", ""),
    ("14.59390 kg", "slug", ""),
    ("2000 pound", "short_ton ton", ""),
    ("2240 pound", "long_ton", ""),
    ("6.02214179e23/mol", "avogadro_constant", ""),
    ("1/avogadro_constant", "molecule molec nucleon nuc", ""),
    ("mol", "einstein", ""),
    ("mol/s", "katal", "kat"),
    ("446.2 micromoles/meter^2", "dobson", "DU"),
    // Force and pressure.
    ("m.kg/s^2", "newton", "N"),
    ("1e-5 N", "dyne", ""),
    ("9.806650e-3 N", "pond", ""),
    ("9.806650 N", "force_kilogram kilogram_force kilograms_force", "kgf"),
    ("4.4482216152605 N", "force_pound pound_force pounds_force", "lbf"),
    ("1000 lbf", "kip", ""),
    ("N/m^2", "pascal", "Pa"),
    ("1000 hPa", "bar", ""),
    ("0.1 N/m^2", "barie barye", ""),
    ("1.01325e5 Pa", "standard_atmosphere atmosphere", "atm"),
    ("kg gravity/cm2", "technical_atmosphere", "at"),
    ("gravity 1000 kg/m^3", "conventional_water water", "H2O h2o"),
    ("gravity 13595.10 kg/m^3", "mercury_0C mercury_32F conventional_mercury", "Hg"),
    ("cm H2O", "", "cm_H2O cmH2O"),
    ("foot water", "foot_water foot_H2O footH2O feet_water feet_H2O feetH2O", "ftH2O fth2o"),
    ("cm Hg", "", "cm_Hg cmHg"),
    ("mm Hg", "millimeter_Hg millimeters_Hg torr", "mm_Hg mm_hg mmHg mmhg"),
    ("inch Hg", "inch_Hg inches_Hg", "in_Hg inHg"),
    ("pound gravity/in^2", "", "psi"),
    ("kip/in^2", "", "ksi"),
    ("1e-1 Pa.s", "poise", ""),
    ("1e-4 m^2/s", "stokes", "St"),
    // Energy and power.
    ("N.m", "joule", "J"),
    ("1e-7 J", "erg", ""),
    ("1.60217733e-19 J", "electronvolt electron_volt", "eV"),
    ("4.184000 J", "thermochemical_calorie", ""),
    ("4.1868 J", "IT_calorie calorie", "cal"),
    ("1.05505585262e3 J", "IT_Btu Btu IT_Btus Btus", ""),
    ("1.054804e8 J", "US_therm therm", "thm"),
    ("4.184e9 J", "ton_TNT tons_TNT", ""),
    ("J/s", "watt", "W"),
    ("watt.hour", "watthour", ""),
    ("V.A", "voltampere", "VA"),
    ("7.456999e2 W", "shaft_horsepower horsepower", "hp"),
    ("7.35499e2 W", "metric_horsepower", ""),
    ("4.184000e4 J/m^2", "langley", ""),
    // Electricity and magnetism.
    ("A", "amp", ""),
    ("s.A", "coulomb", "C"),
    ("W/A", "volt", "V"),
    ("C/V", "farad", "F"),
    ("V/A", "ohm", "Ω Ω"),
    ("A/V", "siemens", "S"),
    ("V.s", "weber", "Wb"),
    ("Wb/m^2", "tesla", "T"),
    ("Wb/A", "henry", "H"),
    ("1e-9 T", "gamma", ""),
    ("1e-4 T", "gauss", ""),
    ("1e-8 Wb", "maxwell", ""),
    ("7.957747e1 A/m", "oersted", "Oe"),
    ("1.602176487e-19 C", "", "e"),
    // Light.
    ("cd", "candle", ""),
    ("cd.sr", "lumen", "lm"),
    ("lm/m^2", "lux", "lx"),
    ("1.076391e-1 lx", "footcandle", ""),
    ("cd/m^2", "nit", "nt"),
    // Radiation.
    ("J/kg", "gray", "Gy"),
    ("J/kg", "sievert", "Sv"),
    ("cSv", "rem", ""),
    ("2.58e-4 C/kg", "roentgen", "R"),
];

/// Spellings that are common and no units, or not the ones that are meant.
const CONFUSED: &[(&str, &str)] = &[
    ("c", "degC"),
    ("f", "degF"),
    ("deg", "degree"),
    ("degs", "degrees"),
    ("mb", "mbar"),
    ("db", "dbar"),
    ("decibars", "dbar"),
    ("mps", "m s-1"),
    ("kph", "km h-1"),
    ("kmh", "km h-1"),
    ("mph", "mile/hour"),
    ("micro", "um"),
    ("cubic", "m3"),
    ("square", "m2"),
    ("none", "1"),
    ("unitless", "1"),
    ("dimensionless", "1"),
    ("pss", "psu"),
    ("its", "degC"),
    ("‰", "1e-3"),
];

/// The unit of one word.
pub(super) fn find(word: &str) -> Found {
    if let Some(unit) = whole(word) {
        return Found::Unit(unit);
    }
    for (factor, name, symbols) in PREFIXES {
        let Some(factor) = Exact::decimal(factor) else { continue };
        let by_name = word.get(..name.len()).filter(|start| start.eq_ignore_ascii_case(name));
        let rests = by_name
            .map(|start| &word[start.len()..])
            .into_iter()
            .chain(symbols.split(' ').filter_map(|symbol| word.strip_prefix(symbol)));
        for rest in rests.filter(|rest| !rest.is_empty()) {
            if let Some(unit) = whole(rest).and_then(|unit| unit.prefixed(factor)) {
                return Found::Unit(unit);
            }
            if LOGARITHMIC.contains(&rest) {
                return Found::Logarithmic;
            }
        }
    }
    if LOGARITHMIC.contains(&word) {
        return Found::Logarithmic;
    }
    Found::Nothing { near: near(word) }
}

/// The unit of a word without a prefix.
fn whole(word: &str) -> Option<Unit> {
    if let Some(index) = BASE.iter().position(|(names, symbols)| is_called(word, names, symbols)) {
        return Some(Unit::base(index));
    }
    if matches!(word, "pi" | "π") {
        return Some(Unit::number(Exact::PI));
    }
    let (definition, ..) = DERIVED.iter().find(|(_, names, symbols)| is_called(word, names, symbols))?;
    // Definitions are right; the test of this module reads each.
    grammar::parse(definition).ok()
}

fn is_called(word: &str, names: &str, symbols: &str) -> bool {
    symbols.split(' ').any(|symbol| symbol == word && !symbol.is_empty())
        || names.split(' ').filter(|name| !name.is_empty()).any(|name| is_name(word, name))
}

/// Whether a word is a name or its plural, in any case.
fn is_name(word: &str, name: &str) -> bool {
    let start = word.get(..name.len());
    if start.is_some_and(|start| start.eq_ignore_ascii_case(name)) {
        let ending = if name.ends_with(['s', 'x', 'z']) || name.ends_with("ch") { "es" } else { "s" };
        let after = &word[name.len()..];
        return after.is_empty() || after.eq_ignore_ascii_case(ending);
    }
    let stem = name.strip_suffix('y').filter(|stem| !stem.ends_with(['a', 'e', 'i', 'o', 'u']));
    stem.is_some_and(|stem| word.eq_ignore_ascii_case(&format!("{stem}ies")))
}

/// The unit that was probably meant.
fn near(word: &str) -> Option<String> {
    let lower = word.to_lowercase();
    if let Some((_, meant)) = CONFUSED.iter().find(|(wrong, _)| *wrong == lower) {
        return Some(meant.to_string());
    }
    let mut known: BTreeSet<String> = BTreeSet::new();
    let entries = BASE.iter().copied().chain(DERIVED.iter().map(|(_, names, symbols)| (*names, *symbols)));
    for (names, symbols) in entries {
        let short = symbols.split(' ').chain(names.split(' ').filter(|name| *name == "bar"));
        for symbol in short.filter(|symbol| !symbol.is_empty()) {
            known.extend(PREFIXES.iter().map(|(_, _, prefix)| format!("{}{symbol}", first(prefix))));
        }
        known.extend(names.split(' ').chain(symbols.split(' ')).filter(|n| !n.is_empty()).map(String::from));
    }
    let distance = |name: &String| {
        let distance = strsim::damerau_levenshtein(&lower, &name.to_lowercase());
        let most = if lower.chars().count() < 4 { 0 } else { 1.max(lower.len().min(name.len()) / 4) };
        // Where only the case differs, the likelier unit is the shorter one's.
        (distance <= most).then_some((distance, !likely(name), name.len()))
    };
    known.iter().filter_map(|name| Some((distance(name)?, name))).min().map(|(_, name)| name.clone())
}

/// Units of everyday data, which win where several are equally near.
fn likely(name: &str) -> bool {
    const LIKELY: &[&str] = &[
        "m", "cm", "mm", "km", "nm", "um", "g", "kg", "mg", "ug", "s", "ms", "Pa", "hPa", "kPa", "bar",
        "dbar", "mbar", "mol", "umol", "mmol", "nmol", "pmol", "W", "mW", "kW", "V", "mV", "S", "mS", "uS",
        "L", "mL", "Hz", "kHz", "MHz", "degC", "K", "psu",
    ];
    LIKELY.contains(&name)
}

fn first(symbols: &str) -> &str {
    symbols.split(' ').next().unwrap_or(symbols)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_definition_is_a_unit() {
        for (definition, names, symbols) in DERIVED {
            let unit = grammar::parse(definition).unwrap_or_else(|e| panic!("{definition}: {e}"));
            for word in names.split(' ').chain(symbols.split(' ')).filter(|w| !w.is_empty()) {
                assert_eq!(Unit::parse(word).as_ref(), Ok(&unit), "{word}");
            }
        }
    }
}
