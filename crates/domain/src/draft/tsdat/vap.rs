//! Pipelines that make a dataset of stored ones (VAPs): what the table is that
//! does their work, in words, for the person who writes it.

use super::super::{name, scalar};
use super::classes;
use super::value::Value;

/// Why there is no dataset of a pipeline whose retriever reads stored datasets,
/// and what to write instead.
pub(super) fn refusal(pipeline: &Value, retriever: &Value) -> String {
    let datastreams = pipeline.at(&["parameters", "datastreams"]).map(Value::texts).unwrap_or_default();
    let of_what = datastreams.join(", ");
    let start = format!("it makes a dataset of other datasets ({of_what}), which are not files that land");
    match datastreams.as_slice() {
        [one] => format!(
            "{start}: write its table into the dataset file of the pipeline that it reads ({}), such as `{}`",
            name::as_name(one).map_or_else(|| one.clone(), |name| format!("datasets/{name}.yaml")),
            table(retriever)
        ),
        _ => format!(
            "{start}: a table is made `of` one other. Write a table with `of:` and `grid:` for each of them, as \
             `{}`, and join them by SQL",
            table(retriever)
        ),
    }
}

/// The table as one line of YAML.
fn table(retriever: &Value) -> String {
    let grid = grid(retriever).map_or(String::new(), |grid| format!(", grid: {{ {grid} }}"));
    let columns: Vec<String> = variables(retriever)
        .into_iter()
        .filter(|v| v.source != v.name)
        .map(|v| format!("{}: {{ from: {} }}", scalar(&v.name), scalar(&v.source)))
        .collect();
    let columns = match columns.as_slice() {
        [] => String::new(),
        all => format!(", columns: {{ {} }}", all.join(", ")),
    };
    format!("name_of_it: {{ of: its_table{grid}{columns} }}")
}

/// The keys of `grid:`; `None` where no time grid is made.
fn grid(retriever: &Value) -> Option<String> {
    let time = classes_of(retriever.at(&["coords", "time"])?);
    let every = time.iter().find_map(|c| match own(c)? {
        "CreateTimeGrid" => c.text("interval"),
        _ => None,
    })?;
    let mut keys = vec![format!("every: {}", lapse(&every))];
    let parameter = |key: &str| of_time(retriever.at(&["parameters", "transformation_parameters", key])?);
    if let Some(align) = parameter("alignment") {
        keys.push(format!("align: {}", align.to_lowercase()));
    }
    keys.extend(
        ["width", "range"].iter().filter_map(|key| Some(format!("{key}: {}", lapse(&parameter(key)?)))),
    );
    let methods: Vec<(String, &str)> =
        variables(retriever).into_iter().filter_map(|v| Some((v.name, v.method?))).collect();
    // What most have is said once.
    let count = |method: &str| methods.iter().filter(|(_, m)| *m == method).count();
    let most = ["nearest", "interpolate", "average"].into_iter().max_by_key(|method| count(method))?;
    keys.push(format!("method: {most}"));
    let others: Vec<String> = methods
        .iter()
        .filter(|(_, method)| *method != most)
        .map(|(name, method)| format!("{}: {method}", scalar(name)))
        .collect();
    if !others.is_empty() {
        keys.push(format!("columns: {{ {} }}", others.join(", ")));
    }
    Some(keys.join(", "))
}

/// A variable that is retrieved.
struct Variable {
    name: String,
    /// What the stored dataset calls it.
    source: String,
    /// How it comes to the grid.
    method: Option<&'static str>,
}

fn variables(retriever: &Value) -> Vec<Variable> {
    let all = retriever.get("data_vars").map(Value::entries).unwrap_or_default();
    let of = |(name, declared): &(String, Value)| {
        // Keyed by the input's name, or at once.
        let retrieval = match declared.get("name") {
            Some(_) => Some(declared),
            None => declared.entries().first().map(|(_, first)| first),
        };
        let source = retrieval.and_then(|r| r.get("name").map(Value::texts)).unwrap_or_default();
        Variable {
            name: name.clone(),
            source: source.into_iter().next().unwrap_or_else(|| name.clone()),
            method: classes_of(declared).iter().find_map(|c| method(own(c)?)),
        }
    };
    all.iter().map(of).collect()
}

/// libtrans' `auto` averages where the grid is coarser than the data, which is
/// what a grid is mostly for.
fn method(class: &str) -> Option<&'static str> {
    match class {
        "BinAverage" | "Automatic" => Some("average"),
        "Interpolate" => Some("interpolate"),
        "NearestNeighbor" => Some("nearest"),
        _ => None,
    }
}

/// The converters of a coordinate or a variable.
fn classes_of(declared: &Value) -> Vec<&Value> {
    let inputs = declared.entries().iter().map(|(_, retrieval)| retrieval);
    std::iter::once(declared)
        .chain(inputs)
        .filter_map(|value| value.get("data_converters"))
        .flat_map(Value::items)
        .collect()
}

fn own(class: &Value) -> Option<&'static str> {
    const KNOWN: [&str; 5] = ["CreateTimeGrid", "BinAverage", "Automatic", "Interpolate", "NearestNeighbor"];
    let name = class.text("classname")?;
    let name = classes::own(&name)?;
    KNOWN.into_iter().find(|known| *known == name)
}

/// What is said of the time: at once, or for inputs whose names fit a pattern, of
/// which the first is taken.
fn of_time(parameter: &Value) -> Option<String> {
    parameter.text("time").or_else(|| parameter.entries().iter().find_map(|(_, of)| of.text("time")))
}

/// A duration: numbers without a unit are seconds there.
fn lapse(text: &str) -> String {
    if text.chars().all(|c| c.is_ascii_digit()) { format!("{text}s") } else { text.to_lowercase() }
}
