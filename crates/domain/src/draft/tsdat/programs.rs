//! What a pipeline's own Python does, as far as names tell.

use super::python::{Hook, hooks};
use super::repository::Tree;
use super::{Note, NoteKind, classes};

/// Notes on the class of a pipeline of the current style.
pub(super) fn of_class(tree: &Tree, class: &str) -> Vec<Note> {
    if matches!(classes::own(class), Some("IngestPipeline")) {
        return Vec::new();
    }
    match tree.module_of(class) {
        Some((path, text)) => listed(path, text),
        None => vec![Note::new(
            NoteKind::Lost,
            class,
            format!(
                "the pipeline is a class of its own, and its file is not below {}: if it has hooks of its own, they are not known; what `hook_customize_dataset` does: {}",
                tree.root,
                Hook::Customize.place()
            ),
        )],
    }
}

/// Notes on the program beside a 0.2 configuration, if there is one.
pub(super) fn of_old(tree: &Tree, pipeline: &str) -> Vec<Note> {
    tree.program_of(pipeline).map_or(Vec::new(), |(path, text)| listed(path, text))
}

fn listed(path: &str, text: &str) -> Vec<Note> {
    hooks(text)
        .into_iter()
        .map(|(name, hook)| {
            Note::new(NoteKind::Lost, &name, format!("`{path}` defines it in Python; {}", hook.place()))
        })
        .collect()
}
