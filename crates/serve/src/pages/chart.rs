//! Small drawings in SVG: they say in words what they show, and need no script.

use super::Html;
use crate::activity::Day;

/// Rows a day as small bars, for a cell of a table.
pub fn sparkline(html: &mut Html, days: &[Day]) {
    /// Few days are no wider than these.
    const MOST_NARROW: usize = 14;
    const WIDTH: f64 = 120.0;
    const HEIGHT: f64 = 24.0;
    let most = days.iter().map(|d| d.rows).max().unwrap_or(0);
    let label = match (days.first(), days.last()) {
        (Some(first), Some(last)) => format!("Rows a day from {} to {}, at most {most}", first.day, last.day),
        _ => "No rows".to_string(),
    };
    html.open(
        "svg",
        &[("class", "spark"), ("viewBox", "0 0 120 24"), ("role", "img"), ("aria-label", &label)],
    );
    let step = WIDTH / days.len().max(MOST_NARROW) as f64;
    for (i, day) in days.iter().enumerate() {
        let height = if day.rows == 0 { 0.0 } else { (HEIGHT * day.rows as f64 / most as f64).max(1.0) };
        html.open(
            "rect",
            &[
                ("x", &format!("{:.1}", i as f64 * step)),
                ("y", &format!("{:.1}", HEIGHT - height)),
                ("width", &format!("{:.1}", step - 1.0)),
                ("height", &format!("{height:.1}")),
            ],
        );
        html.close("rect");
    }
    html.close("svg");
}

/// Rows a day as bars, each with its figure.
pub fn bars(html: &mut Html, days: &[Day]) {
    const HEIGHT: f64 = 120.0;
    const BAR: usize = 10;
    let most = days.iter().map(|d| d.rows).max().unwrap_or(0).max(1);
    let label = match (days.first(), days.last()) {
        (Some(first), Some(last)) => {
            format!("Rows a day from {} to {}, at most {most}", first.day, last.day)
        }
        _ => "No rows".to_string(),
    };
    let view = format!("0 0 {} {HEIGHT}", days.len().max(1) * BAR);
    html.open(
        "svg",
        &[
            ("class", "bars"),
            ("viewBox", &view),
            ("preserveAspectRatio", "none"),
            ("role", "img"),
            ("aria-label", &label),
        ],
    );
    for (i, day) in days.iter().enumerate() {
        // A day with few rows is not a day without.
        let height = if day.rows == 0 { 0.0 } else { (HEIGHT * day.rows as f64 / most as f64).max(1.0) };
        html.open(
            "rect",
            &[
                ("x", &(i * BAR + 1).to_string()),
                ("y", &format!("{:.1}", HEIGHT - height)),
                ("width", &(BAR - 2).to_string()),
                ("height", &format!("{height:.1}")),
            ],
        );
        html.element("title", &[], &format!("{}: {} rows", day.day, day.rows)).close("rect");
    }
    html.close("svg").element("p", &[("class", "note")], &label);
}

/// A place on the globe, in degrees, and what is there.
pub struct Place {
    pub latitude: f64,
    pub longitude: f64,
    pub label: String,
}

/// Places by longitude and latitude, with equal scales at their middle.
pub fn scatter(html: &mut Html, places: &[Place]) {
    const SIZE: f64 = 480.0;
    const MARGIN: f64 = 12.0;
    let bounds = |value: fn(&Place) -> f64| {
        places.iter().map(value).fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)))
    };
    let ((south, north), (west, east)) = (bounds(|p| p.latitude), bounds(|p| p.longitude));
    let shrink = ((south + north) / 2.0).to_radians().cos().max(0.05);
    // All in one place still needs a scale.
    let extent = ((east - west) * shrink).max(north - south).max(1e-3);
    let scale = (SIZE - 2.0 * MARGIN) / extent;
    let (width, height) =
        ((east - west) * shrink * scale + 2.0 * MARGIN, (north - south) * scale + 2.0 * MARGIN);
    let label = format!(
        "{} positions between latitude {south:.4} and {north:.4}, longitude {west:.4} and {east:.4}",
        places.len()
    );
    let view = format!("0 0 {width:.0} {height:.0}");
    html.open("svg", &[("class", "scatter"), ("viewBox", &view), ("role", "img"), ("aria-label", &label)]);
    for place in places {
        let x = (place.longitude - west) * shrink * scale + MARGIN;
        let y = (north - place.latitude) * scale + MARGIN;
        html.open("circle", &[("cx", &format!("{x:.1}")), ("cy", &format!("{y:.1}")), ("r", "3")]);
        html.element("title", &[], &place.label).close("circle");
    }
    html.close("svg").element("p", &[("class", "note")], &label);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(draw: impl Fn(&mut Html)) -> String {
        let mut html = Html::default();
        draw(&mut html);
        html.finish()
    }

    #[test]
    fn drawings_hold_with_nothing_and_with_one() {
        let day = Day { day: jiff::civil::date(2024, 1, 1), rows: 0 };
        for days in [vec![], vec![day.clone()], vec![Day { rows: 5, ..day.clone() }, day]] {
            for text in [drawn(|h| sparkline(h, &days)), drawn(|h| bars(h, &days))] {
                assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
            }
        }
        let place = |latitude, longitude| Place { latitude, longitude, label: "<b>".into() };
        for places in [vec![place(40.0, -73.0)], vec![place(90.0, 0.0), place(-90.0, 180.0)]] {
            let text = drawn(|h| scatter(h, &places));
            assert!(!text.contains("NaN") && !text.contains("inf") && !text.contains("<b>"), "{text}");
        }
    }

    #[test]
    fn places_keep_their_shape() {
        // At 60 degrees a degree of longitude is half as long as one of latitude.
        let place = |latitude, longitude| Place { latitude, longitude, label: String::new() };
        let text = drawn(|h| scatter(h, &[place(59.0, 10.0), place(61.0, 14.0)]));
        assert!(text.contains("viewBox=\"0 0 480 480\""), "{text}");
    }
}
