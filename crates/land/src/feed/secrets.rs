//! The values of a feed's secrets, for as long as one poll lasts, and the one
//! place that keeps them out of everything that is said.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use lakegate_domain::config::Secret;
use lakegate_domain::feed::{Template, encoded};

/// Gives the value of an environment variable.
pub type Environment = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// The resolved secrets of one feed.
#[derive(Clone, Default)]
pub(super) struct Secrets {
    /// Value by the reference as it is written.
    values: BTreeMap<String, String>,
    /// What must not be said, in every form in which it is sent, and the
    /// reference that stands for it; longest first.
    forbidden: Vec<(String, String)>,
}

impl Secrets {
    /// Resolves every reference of some texts. Files are relative to the lake's
    /// folder. This reads files.
    ///
    /// # Errors
    /// A sentence that names the reference and what to do.
    pub(super) fn open(texts: &[&Template], env: &Environment, root: &Path) -> Result<Self, String> {
        let mut secrets = Secrets::default();
        for reference in texts.iter().flat_map(|text| text.secrets()) {
            let written = reference.to_string();
            if secrets.values.contains_key(&written) {
                continue;
            }
            let read = |path: &Path| std::fs::read_to_string(root.join(path));
            let value =
                reference.resolve(&|name| env(name), &read).map_err(
                    |error| match std::error::Error::source(&error) {
                        Some(cause) => {
                            format!("{error} ({cause}); write the secret there, or mend the reference")
                        }
                        None => format!("{error}; set it for the process that runs lakegate"),
                    },
                )?;
            if value.is_empty() {
                return Err(format!("the secret `{written}` is empty; give it its value"));
            }
            secrets.forbid(&value, &written);
            secrets.values.insert(written, value);
        }
        Ok(secrets)
    }

    /// The value of a reference.
    pub(super) fn value(&self, reference: &Secret) -> Result<String, String> {
        let written = reference.to_string();
        self.values.get(&written).cloned().ok_or_else(|| format!("the secret `{written}` was not resolved"))
    }

    /// Keeps a value, plain or encoded for an address, out of what is said.
    pub(super) fn forbid(&mut self, value: &str, reference: &str) {
        let percent = encoded(value);
        let plus = percent.replace("%20", "+");
        for form in [value.to_string(), percent.to_ascii_lowercase(), percent, plus] {
            if !form.is_empty() && !self.forbidden.iter().any(|(known, _)| *known == form) {
                self.forbidden.push((form, reference.to_string()));
            }
        }
        // A secret within a longer one must not leave the rest of that behind.
        self.forbidden.sort_by(|a, b| b.0.len().cmp(&a.0.len()).then_with(|| a.cmp(b)));
    }

    /// The text with each secret's value replaced by its reference.
    pub(super) fn redact(&self, text: &str) -> String {
        self.forbidden
            .iter()
            .fold(text.to_string(), |text, (value, reference)| text.replace(value, reference))
    }

    /// Whether a text holds a secret's value.
    pub(super) fn are_in(&self, text: &str) -> bool {
        self.forbidden.iter().any(|(value, _)| text.contains(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_form_of_a_secret_is_said() {
        let mut secrets = Secrets::default();
        secrets.forbid("p&ss wörd", "${env:A}");
        secrets.forbid("p&ss", "${env:B}");
        for (said, shown) in [
            ("a p&ss wörd b", "a ${env:A} b"),
            ("?k=p%26ss%20w%C3%B6rd", "?k=${env:A}"),
            ("?k=p%26ss+w%C3%B6rd", "?k=${env:A}"),
            ("?k=p%26ss%20w%c3%b6rd", "?k=${env:A}"),
            ("p&ss!", "${env:B}!"),
            ("nothing", "nothing"),
        ] {
            assert_eq!(secrets.redact(said), shown);
            assert_eq!(secrets.are_in(said), said != shown);
        }
    }
}
