//! Plots through the crate's boundary: what an SVG holds, which colours a PNG
//! has where, that both are the same each time, and that any data make one.

use lakegate_plot::{Error, Image, Mark, Series, Size, TimeSeries};
use proptest::prelude::*;
use quick_xml::events::Event;

const START: i64 = 1_606_780_800_000_000; // 2020-12-01 00:00 UTC
const MINUTE: i64 = 60_000_000;
const SIZE: Size = Size { width: 640, height: 320 };
const LINE: [u8; 3] = [0, 114, 190];
const BAD: [u8; 3] = [213, 84, 0];
const INDETERMINATE: [u8; 3] = [100, 12, 104];

/// An element: its name, attributes and text.
struct Element {
    name: String,
    attributes: Vec<(String, String)>,
    text: String,
}

impl Element {
    fn get(&self, key: &str) -> &str {
        self.attributes.iter().find(|(k, _)| k == key).map_or("", |(_, v)| v)
    }
}

/// Reads the whole document; fails on what is not well-formed.
fn elements(svg: &str) -> Vec<Element> {
    let mut reader = quick_xml::Reader::from_str(svg);
    reader.config_mut().check_end_names = true;
    let (mut all, mut open): (Vec<Element>, Vec<usize>) = (Vec::new(), Vec::new());
    loop {
        let event = reader.read_event().unwrap();
        let closed = matches!(event, Event::Empty(_));
        match event {
            Event::Start(e) | Event::Empty(e) => {
                let attribute = |a: quick_xml::events::attributes::Attribute| {
                    (
                        String::from_utf8(a.key.as_ref().to_vec()).unwrap(),
                        String::from_utf8(a.value.to_vec()).unwrap(),
                    )
                };
                let name = String::from_utf8(e.name().as_ref().to_vec()).unwrap();
                let attributes = e.attributes().map(|a| attribute(a.unwrap())).collect();
                all.push(Element { name, attributes, text: String::new() });
                if !closed {
                    open.push(all.len() - 1);
                }
            }
            Event::Text(t) => {
                if let Some(last) = open.last() {
                    all[*last].text.push_str(&t.decode().unwrap());
                }
            }
            Event::GeneralRef(r) => {
                let c = match r.decode().unwrap().as_ref() {
                    "amp" => '&',
                    "lt" => '<',
                    "gt" => '>',
                    other => panic!("&{other};"),
                };
                all[*open.last().unwrap()].text.push(c);
            }
            Event::End(_) => {
                open.pop();
            }
            Event::Eof => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(open.is_empty());
    all
}

fn texts(svg: &str, class: &str) -> Vec<String> {
    elements(svg)
        .into_iter()
        .filter(|e| e.name == "text" && e.get("class") == class)
        .map(|e| e.text)
        .collect()
}

/// The paths of a class, together.
fn path(svg: &str, class: &str) -> String {
    elements(svg).iter().filter(|e| e.get("class") == class).map(|e| e.get("d")).collect()
}

/// Where each stroke of a path begins.
fn moves(path: &str) -> Vec<(f64, f64)> {
    path.split('M')
        .skip(1)
        .map(|part| {
            let point = part.split(['L', 'Z']).next().unwrap();
            let (x, y) = point.split_once(' ').unwrap();
            (x.parse().unwrap(), y.parse().unwrap())
        })
        .collect()
}

struct Pixels {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

impl Pixels {
    fn of(png: &[u8]) -> Pixels {
        let mut decoder = png::Decoder::new(std::io::Cursor::new(png));
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().unwrap();
        let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut rgb).unwrap();
        assert_eq!(info.color_type, png::ColorType::Rgb);
        Pixels { width: info.width, height: info.height, rgb }
    }

    fn at(&self, x: f64, y: f64) -> [u8; 3] {
        let start = 3 * (y.floor() as usize * self.width as usize + x.floor() as usize);
        self.rgb[start..start + 3].try_into().unwrap()
    }

    /// Whether a colour is within two pixels of a place, but for smoothing.
    fn near(&self, (x, y): (f64, f64), colour: [u8; 3]) -> bool {
        let far = |a: [u8; 3]| (0..3).map(|i| a[i].abs_diff(colour[i])).max().unwrap();
        (-2..=2).any(|dx| (-2..=2).any(|dy| far(self.at(x + f64::from(dx), y + f64::from(dy))) < 40))
    }
}

fn minutes(n: usize) -> Vec<i64> {
    (0..n as i64).map(|i| START + i * MINUTE).collect()
}

fn drawn(values: &[f64], marks: &[Mark]) -> (String, Vec<u8>) {
    let times = minutes(values.len());
    let series = [Series { name: "pressure", unit: "hPa", times_us: &times, values, marks, period: None }];
    let plot = TimeSeries { title: "A & B <c1>", series: &series, size: SIZE };
    (plot.svg().unwrap(), plot.png().unwrap())
}

#[test]
fn an_svg_says_what_it_is_and_runs_nothing() {
    let (svg, _) = drawn(&[1.0, f64::NAN, 1.5], &[Mark::Good, Mark::Good, Mark::Bad]);
    let all = elements(&svg);
    assert_eq!((all[0].name.as_str(), all[0].get("role")), ("svg", "img"));
    assert_eq!(
        (all[0].get("width"), all[0].get("height"), all[0].get("viewBox")),
        ("640", "320", "0 0 640 320")
    );
    assert_eq!((all[1].name.as_str(), all[1].text.as_str()), ("title", "A & B <c1>"));
    assert_eq!(
        (all[2].name.as_str(), all[2].text.as_str()),
        (
            "desc",
            "Time series from 2020-12-01 00:00:00 to 2020-12-01 00:02:00 UTC. \
             pressure (hPa): 3 values, of these 1 flagged bad, 1 missing; from 1 to 1.5."
        ),
    );
    assert!(all.iter().all(|e| ["svg", "title", "desc", "path", "text", "image"].contains(&e.name.as_str())));
    assert!(all.iter().all(|e| e.attributes.iter().all(|(k, _)| k != "id" && !k.starts_with("on"))));
    assert_eq!(texts(&svg, "title"), ["A & B <c1>"]);
    assert_eq!(texts(&svg, "legend"), ["pressure (hPa)", "bad: 1", "missing: 1"]);
    assert_eq!(texts(&svg, "axis-title"), ["pressure (hPa)"]);
    assert_eq!(texts(&svg, "axis-title x"), ["Time (UTC)"]);
    assert_eq!(texts(&svg, "tick within"), ["1 Dec 2020"]);
}

#[test]
fn missing_and_bad_values_interrupt_the_line_and_are_shown() {
    let values = [1.0, 2.0, f64::NAN, 2.0, 1.0, 1.5, 2.0, 1.0, f64::NAN, 1.0];
    let mut marks = [Mark::Good; 10];
    marks[5] = Mark::Bad;
    marks[6] = Mark::Indeterminate;
    marks[8] = Mark::Bad;
    let (svg, png) = drawn(&values, &marks);
    assert_eq!(moves(&path(&svg, "line")).len(), 3);
    assert_eq!(moves(&path(&svg, "dots")).len(), 7);
    assert_eq!(moves(&path(&svg, "gaps")).len(), 1);
    // A cross is two strokes, a diamond one; a flag without a value is neither.
    let (bad, indeterminate) = (moves(&path(&svg, "bad")), moves(&path(&svg, "indeterminate")));
    assert_eq!((bad.len(), indeterminate.len()), (2, 1));
    assert_eq!(moves(&path(&svg, "bad-gap")).len(), 2);
    assert_eq!(
        texts(&svg, "legend")[1..],
        ["bad: 1", "indeterminate: 1", "flagged, no value: 1", "missing: 1"]
    );

    let pixels = Pixels::of(&png);
    assert_eq!((pixels.width, pixels.height), (640, 320));
    assert_eq!(pixels.at(2.0, 2.0), [255; 3]);
    for (x, y) in moves(&path(&svg, "dots")) {
        assert!(pixels.near((x, y), LINE), "the line at {x}, {y}");
    }
    assert!(bad.iter().all(|place| pixels.near(*place, BAD)));
    assert!(indeterminate.iter().all(|place| pixels.near(*place, INDETERMINATE)));
}

#[test]
fn a_flagged_value_among_a_million_is_seen_and_the_plot_stays_small() {
    let n = 1_000_000;
    let times: Vec<i64> = (0..n as i64).map(|i| START + i * 50_000).collect();
    let mut values: Vec<f64> = (0..n).map(|i| f64::from((i * 7919 % 1000) as u32) / 1000.0).collect();
    let mut marks = vec![Mark::Good; n];
    (values[700_123], marks[700_123]) = (-9999.0, Mark::Bad);
    marks[300_001] = Mark::Indeterminate;
    values[500_000] = f64::NAN;
    values[400_000] = 1.7;
    let series = [Series {
        name: "wind",
        unit: "m/s",
        times_us: &times,
        values: &values,
        marks: &marks,
        period: None,
    }];
    let plot = TimeSeries { title: "", series: &series, size: SIZE };
    let svg = plot.svg().unwrap();
    assert!(svg.len() < 100_000, "{} bytes", svg.len());
    assert_eq!(moves(&path(&svg, "bad")).len(), 2);
    assert_eq!(moves(&path(&svg, "indeterminate")).len(), 1);
    assert_eq!(moves(&path(&svg, "gaps")).len(), 1);
    assert_eq!(
        texts(&svg, "legend")[1..],
        ["bad: 1", "indeterminate: 1", "missing: 1", "beyond the scale: 1"]
    );
    // The single high value is the top of the line, and the bad one far below did not stretch the axis.
    assert_eq!(texts(&svg, "tick y").last().unwrap(), "1.5");
    assert_eq!(texts(&svg, "tick y").first().unwrap(), "0");
    let flagged = vec![Mark::Bad; n];
    let series = [Series { marks: &flagged, ..series[0] }];
    let all = TimeSeries { title: "", series: &series, size: SIZE }.svg().unwrap();
    assert!(all.len() < 1_500_000, "{} bytes where all are flagged", all.len());
}

/// The legend's key of what is beyond the scale stands in the picture too.
#[test]
fn what_is_beyond_the_scale_has_its_point_at_the_edge() {
    let mut values: Vec<f64> = (0..40).map(|i| 10.0 + f64::from(i % 5)).collect();
    let mut marks = vec![Mark::Good; 40];
    (values[10], marks[10]) = (-9999.0, Mark::Bad);
    (values[20], marks[20]) = (9999.0, Mark::Bad);
    values[30] = f64::INFINITY;
    (values[35], marks[35]) = (f64::NAN, Mark::Good);
    let (svg, _) = drawn(&values, &marks);
    let points = moves(&path(&svg, "beyond"));
    assert_eq!(points.len(), 3, "{points:?}");
    assert_eq!(texts(&svg, "legend")[1..], ["bad: 2", "missing: 1", "beyond the scale: 3"]);
    // A cross is two strokes.
    let crosses = moves(&path(&svg, "bad"));
    let (low, high) = (crosses[0], crosses[2]);
    // The flag's shape stands beside the point, and clear of it.
    assert!((points[0].0 - low.0).abs() < 5.0 && points[0].1 > low.1 + 8.0, "{points:?} {low:?}");
    assert!((points[1].0 - high.0).abs() < 5.0 && points[1].1 + 8.0 < high.1 + 5.0, "{points:?} {high:?}");
    // And above the foot, where what is missing has its tick.
    assert!(moves(&path(&svg, "gaps")).iter().all(|gap| gap.1 > points[0].1));
}

#[test]
fn a_direction_that_passes_north_is_no_line_across_the_plot() {
    let values = [340.0, 350.0, 5.0, 15.0, 358.0, 350.0, 170.0, 349.0];
    let times = minutes(values.len());
    let lines = |period: Option<f64>| {
        let series =
            [Series { name: "d", unit: "degree", times_us: &times, values: &values, marks: &[], period }];
        moves(&path(&TimeSeries { title: "", series: &series, size: SIZE }.svg().unwrap(), "line")).len()
    };
    // 350 to 5 and 15 to 358 pass north; 350 to 170 is half a turn, which may be either way.
    assert_eq!((lines(None), lines(Some(360.0))), (1, 3));
}

#[test]
fn times_out_of_order_make_the_plot_of_those_in_order() {
    let times = minutes(50);
    let values: Vec<f64> = (0..50).map(|i| f64::from(i).sin()).collect();
    let marks: Vec<Mark> = (0..50).map(|i| if i % 7 == 0 { Mark::Bad } else { Mark::Good }).collect();
    let plot = |order: &[usize]| {
        let times: Vec<i64> = order.iter().map(|i| times[*i]).collect();
        let values: Vec<f64> = order.iter().map(|i| values[*i]).collect();
        let marks: Vec<Mark> = order.iter().map(|i| marks[*i]).collect();
        let series =
            [Series { name: "x", unit: "", times_us: &times, values: &values, marks: &marks, period: None }];
        TimeSeries { title: "", series: &series, size: SIZE }.svg().unwrap()
    };
    let forwards: Vec<usize> = (0..50).collect();
    let mixed: Vec<usize> = (0..50).map(|i| i * 17 % 50).collect();
    assert_eq!(plot(&mixed), plot(&forwards));
}

#[test]
fn a_long_step_in_time_is_a_gap() {
    let mut times = minutes(20);
    times[10..].iter_mut().for_each(|t| *t += 30 * MINUTE);
    let values = [1.0; 20];
    let series =
        [Series { name: "x", unit: "", times_us: &times, values: &values, marks: &[], period: None }];
    let svg = TimeSeries { title: "", series: &series, size: SIZE }.svg().unwrap();
    assert_eq!(moves(&path(&svg, "line")).len(), 2);
}

fn field<'a>(times: &'a [i64], levels: &'a [f64], values: &'a [f64], marks: &'a [Mark]) -> Image<'a> {
    Image {
        title: "currents",
        name: "speed",
        unit: "m/s",
        times_us: times,
        levels,
        level_name: "depth",
        level_unit: "m",
        downwards: true,
        values,
        marks,
        size: SIZE,
    }
}

/// Left, top, width and height of the raster of colours.
fn raster(svg: &str) -> [f64; 4] {
    let all = elements(svg);
    let image = all.iter().find(|e| e.get("class") == "field").unwrap();
    ["x", "y", "width", "height"].map(|k| image.get(k).parse().unwrap())
}

#[test]
fn an_image_has_its_colours_where_they_belong() {
    let (times, levels) = (minutes(2), [10.0, 20.0]);
    let values = [0.0, 1.0, f64::NAN, 0.5];
    let marks = [Mark::Good, Mark::Bad, Mark::Good, Mark::Indeterminate];
    let image = field(&times, &levels, &values, &marks);
    let (svg, pixels) = (image.svg().unwrap(), Pixels::of(&image.png().unwrap()));
    let [x, y, width, height] = raster(&svg);
    let quarter = |right: f64, down: f64| pixels.at(x + width * (0.1 + right), y + height * (0.1 + down));
    assert_eq!(quarter(0.0, 0.0), [33, 16, 75]);
    assert_eq!(quarter(0.0, 0.5), [238, 237, 96]);
    assert_eq!(quarter(0.5, 0.5), [12, 143, 150]);
    let grey = quarter(0.5, 0.0);
    assert!(
        grey[0] == grey[1] && grey[1] == grey[2] && grey[0] > 100,
        "missing is hatched in grey: {grey:?}"
    );
    assert_eq!((moves(&path(&svg, "bad")).len(), moves(&path(&svg, "indeterminate")).len()), (2, 1));
    assert!(moves(&path(&svg, "bad")).iter().all(|place| pixels.near(*place, BAD)));
    assert_eq!(texts(&svg, "legend"), ["bad: 1", "indeterminate: 1", "missing: 1"]);
    assert_eq!(texts(&svg, "axis-title"), ["depth (m)", "speed (m/s)"]);
    assert_eq!(texts(&svg, "tick colour"), ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);

    let upwards = Image { downwards: false, ..image };
    let pixels = Pixels::of(&upwards.png().unwrap());
    assert_eq!(pixels.at(x + width * 0.1, y + height * 0.1), [238, 237, 96]);
}

#[test]
fn depth_grows_downwards_where_asked() {
    let (times, levels) = (minutes(3), [5.0, 15.0, 25.0, 35.0]);
    let values = [0.5; 12];
    let depth_at = |downwards: bool| {
        let svg = Image { downwards, ..field(&times, &levels, &values, &[]) }.svg().unwrap();
        let ticks: Vec<(f64, f64)> = elements(&svg)
            .iter()
            .filter(|e| e.get("class") == "tick y")
            .map(|e| (e.text.parse().unwrap(), e.get("y").parse().unwrap()))
            .collect();
        assert!(ticks.len() > 2);
        ticks
    };
    assert!(depth_at(true).windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 < w[1].1));
    assert!(depth_at(false).windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 > w[1].1));
}

#[test]
fn many_cells_stay_small_and_an_outage_stays_empty() {
    let mut times = minutes(5000);
    times[2500..].iter_mut().for_each(|t| *t += 3000 * MINUTE);
    let levels: Vec<f64> = (0..100).map(f64::from).collect();
    let values: Vec<f64> = (0..500_000).map(|i| f64::from(i % 100)).collect();
    let marks = vec![Mark::Bad; 500_000];
    let image = field(&times, &levels, &values, &marks);
    let svg = image.svg().unwrap();
    assert!(svg.len() < 600_000, "{}", svg.len());
    let [x, y, width, height] = raster(&svg);
    let pixels = Pixels::of(&Image { marks: &[], ..image }.png().unwrap());
    assert_eq!(pixels.at(x + width / 2.0, y + height / 2.0), [255; 3]);
    assert_ne!(pixels.at(x + width / 4.0, y + height / 2.0), [255; 3]);
}

#[test]
fn what_does_not_fit_together_is_refused_with_a_reason() {
    let times = minutes(3);
    let series = [Series { name: "x", unit: "", times_us: &times, values: &[1.0], marks: &[], period: None }];
    let error = TimeSeries::new("", &series).svg().unwrap_err();
    assert_eq!(error.to_string(), "values of \"x\": 1 are given where 3 belong: give one for each point",);
    let series = [Series { values: &[1.0; 3], marks: &[Mark::Bad], ..series[0] }; 3];
    assert!(matches!(TimeSeries::new("", &series).png(), Err(Error::Lengths { what: "marks", .. })));
    let series = series.map(|s| Series { marks: &[], ..s });
    let low = TimeSeries { title: "", series: &series, size: Size { width: 300, height: 160 } };
    let Err(Error::Low { least, .. }) = low.svg() else { panic!("three panels do not fit") };
    let enough = Size { width: 300, height: least };
    assert!(TimeSeries { size: enough, ..low }.svg().is_ok());
    let none = Size { width: 0, height: 0 };
    assert_eq!(TimeSeries { size: none, ..low }.svg(), Err(Error::Size { width: 0, height: 0 }));
    assert!(matches!(
        field(&times, &[1.0, 2.0], &[1.0; 5], &[]).svg(),
        Err(Error::Lengths { expected: 6, .. })
    ));
}

/// Labels of one row, by where they stand, do not overlap: an average
/// character of a label is at least five pixels wide at this size.
fn clear_of_each_other(svg: &str, class: &str) {
    let mut row: Vec<(f64, f64)> = elements(svg)
        .iter()
        .filter(|e| e.get("class") == class)
        .map(|e| (e.get("x").parse().unwrap(), e.text.chars().count() as f64 * 5.0))
        .collect();
    row.sort_by(|a, b| a.0.total_cmp(&b.0));
    for pair in row.windows(2) {
        assert!(pair[0].0 + pair[0].1 / 2.0 < pair[1].0 - pair[1].1 / 2.0, "{class}: {row:?}");
    }
}

fn any_value() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => -1e3..1e3f64,
        1 => Just(f64::NAN),
        1 => prop_oneof![Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(0.0), Just(-9999.0)],
        1 => any::<f64>(),
    ]
}

fn any_mark() -> impl Strategy<Value = Mark> {
    prop_oneof![6 => Just(Mark::Good), 1 => Just(Mark::Indeterminate), 1 => Just(Mark::Bad)]
}

fn any_times(n: usize) -> impl Strategy<Value = Vec<i64>> {
    prop_oneof![
        proptest::collection::vec(START..START + 100 * MINUTE, n),
        proptest::collection::vec(any::<i64>(), n),
        proptest::collection::vec(-5i64..5, n),
    ]
}

fn any_points() -> impl Strategy<Value = (Vec<i64>, Vec<f64>, Vec<Mark>)> {
    (0usize..60).prop_flat_map(|n| {
        (any_times(n), proptest::collection::vec(any_value(), n), proptest::collection::vec(any_mark(), n))
    })
}

type Cells = (Vec<i64>, Vec<f64>, Vec<f64>, Vec<Mark>);

fn any_cells() -> impl Strategy<Value = Cells> {
    (0usize..12, 0usize..12).prop_flat_map(|(times, levels)| {
        let n = times * levels;
        (
            any_times(times),
            proptest::collection::vec(any_value(), levels),
            proptest::collection::vec(any_value(), n),
            proptest::collection::vec(any_mark(), n),
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn any_points_make_the_same_plot_twice(
        (times, values, marks) in any_points(),
        (title, name, unit) in (any::<String>(), any::<String>(), ".{0,12}"),
        width in 240u32..600,
        height in 240u32..400,
    ) {
        let one = Series { name: &name, unit: &unit, times_us: &times, values: &values, marks: &marks, period: None };
        let two = Series { name: "depth", unit: "m", marks: &[], ..one };
        for series in [&[one][..], &[one, two], &[]] {
            let plot = TimeSeries { title: &title, series, size: Size { width, height } };
            let (svg, png) = match (plot.svg(), plot.png()) {
                (Ok(svg), Ok(png)) => (svg, png),
                (Err(Error::Low { .. }), Err(Error::Low { .. })) => continue,
                other => panic!("{other:?}"),
            };
            clear_of_each_other(&svg, "tick x");
            clear_of_each_other(&svg, "tick within");
            prop_assert!(!svg.contains("NaN") && !svg.contains("inf\""));
            let pixels = Pixels::of(&png);
            prop_assert_eq!((pixels.width, pixels.height), (width, height));
            prop_assert_eq!(plot.svg().unwrap(), svg);
            prop_assert_eq!(plot.png().unwrap(), png);
        }
    }

    #[test]
    fn any_cells_make_the_same_plot_twice((times, levels, values, marks) in any_cells(), downwards in any::<bool>()) {
        let size = Size { width: 300, height: 240 };
        let image = Image { downwards, size, ..field(&times, &levels, &values, &marks) };
        let (svg, png) = (image.svg().unwrap(), image.png().unwrap());
        clear_of_each_other(&svg, "tick x");
        prop_assert_eq!(Pixels::of(&png).width, 300);
        prop_assert_eq!(image.svg().unwrap(), svg);
        prop_assert_eq!(image.png().unwrap(), png);
    }

    /// However dense the points are, each flagged one has a shape of its kind at its place.
    #[test]
    fn no_flagged_point_is_lost(
        points in proptest::collection::vec((0.0..1.0f64, any_mark()), 2..400),
        repeat in 1usize..40,
    ) {
        let points: Vec<_> = points.iter().cycle().take(points.len() * repeat).copied().collect();
        let times = minutes(points.len());
        let values: Vec<f64> = points.iter().map(|p| p.0).collect();
        let marks: Vec<Mark> = points.iter().map(|p| p.1).collect();
        let shapes = |kept: &dyn Fn(usize) -> bool, class: &str| {
            let marks: Vec<Mark> =
                marks.iter().enumerate().map(|(i, m)| if kept(i) { *m } else { Mark::Good }).collect();
            let series = [Series { name: "x", unit: "", times_us: &times, values: &values, marks: &marks, period: None }];
            moves(&path(&TimeSeries { title: "", series: &series, size: SIZE }.svg().unwrap(), class))
        };
        for (mark, class) in [(Mark::Bad, "bad"), (Mark::Indeterminate, "indeterminate")] {
            // Values stay inside 0..1, so the axis is the same whatever is flagged, but for ends that are bad.
            let (lo, hi) = values.iter().fold((f64::MAX, f64::MIN), |(lo, hi), v| (v.min(lo), v.max(hi)));
            let inner: Vec<usize> =
                (0..values.len()).filter(|i| marks[*i] == mark && values[*i] > lo && values[*i] < hi).collect();
            let all = shapes(&|i| inner.contains(&i), class);
            for i in inner.iter().step_by(inner.len() / 3 + 1) {
                let (x, y) = shapes(&|other| other == *i, class)[0];
                prop_assert!(
                    all.iter().any(|(a, b)| (a - x).abs() <= 3.01 && (b - y).abs() <= 3.01),
                    "point {i} at {x}, {y}"
                );
            }
        }
    }
}

/// Real files that are not part of the repository: `LAKEGATE_TEST_DATA` names their folder.
#[test]
fn a_day_of_waves_is_drawn() {
    let Some(data) = std::env::var_os("LAKEGATE_TEST_DATA") else {
        println!("skipped: LAKEGATE_TEST_DATA is not set");
        return;
    };
    let file = std::path::Path::new(&data).join("tsdat/v0_9/buoy.z06.00.20201201.000000.waves.csv");
    let text = std::fs::read_to_string(file).unwrap();
    let mut lines = text.lines();
    let column = lines.next().unwrap().split(',').position(|name| name == "Hsig").unwrap();
    let (times, values): (Vec<i64>, Vec<f64>) = lines
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            let time: jiff::civil::DateTime = cells[0].parse().unwrap();
            let time = time.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp().as_microsecond();
            (time, cells[column].parse().unwrap_or(f64::NAN))
        })
        .unzip();
    let series =
        [Series { name: "Hsig", unit: "m", times_us: &times, values: &values, marks: &[], period: None }];
    let plot = TimeSeries::new("waves", &series);
    let svg = plot.svg().unwrap();
    assert_eq!(moves(&path(&svg, "dots")).len(), values.iter().filter(|v| v.is_finite()).count());
    assert_eq!(texts(&svg, "tick within"), ["1 Dec 2020"]);
    assert_eq!(Pixels::of(&plot.png().unwrap()).width, 960);
}
