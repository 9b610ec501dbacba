//! HTML in the making. What is not written in this program is escaped: there is
//! no way to add a text of somebody else as it is.

use std::fmt::Write as _;

/// HTML in the making.
#[derive(Debug, Default)]
pub struct Html(String);

impl Html {
    /// Markup of this program.
    pub fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    pub fn text(&mut self, text: &str) -> &mut Self {
        escape(&mut self.0, text);
        self
    }

    /// Opens an element. Values of attributes may be anything; addresses come
    /// through [`Html::link`].
    pub fn open(&mut self, tag: &'static str, attributes: &[(&'static str, &str)]) -> &mut Self {
        let _ = write!(self.0, "<{tag}");
        for (name, value) in attributes {
            let _ = write!(self.0, " {name}=\"");
            escape(&mut self.0, value);
            self.0.push('"');
        }
        self.0.push('>');
        self
    }

    pub fn close(&mut self, tag: &'static str) -> &mut Self {
        let _ = write!(self.0, "</{tag}>");
        if matches!(tag, "tr" | "p" | "table" | "section" | "header" | "main" | "head") {
            self.0.push('\n');
        }
        self
    }

    pub fn element(
        &mut self,
        tag: &'static str,
        attributes: &[(&'static str, &str)],
        text: &str,
    ) -> &mut Self {
        self.open(tag, attributes).text(text).close(tag)
    }

    /// A link to an address of this server: one that begins with `/` or `?`.
    pub fn link(&mut self, href: &str, text: &str) -> &mut Self {
        debug_assert!(href.starts_with(['/', '?']) && !href.starts_with("//"), "{href}");
        self.element("a", &[("href", href)], text)
    }

    /// The heading of a table, and the beginning of its body.
    pub fn head(&mut self, columns: &[&str]) -> &mut Self {
        self.open("thead", &[]).open("tr", &[]);
        for column in columns {
            match *column {
                "" => self.raw("<td></td>"),
                column => self.element("th", &[("scope", "col")], column),
            };
        }
        self.close("tr").close("thead").open("tbody", &[])
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn append(&mut self, other: Html) -> &mut Self {
        self.0.push_str(&other.0);
        self
    }

    pub fn finish(self) -> String {
        self.0
    }
}

fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Not allowed in HTML, whatever is done to them.
            c if c.is_control() && !matches!(c, '\n' | '\t') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
}

/// A text as one part of an address's path.
pub fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for b in text.bytes() {
        match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(b as char),
            _ => {
                let _ = write!(out, "%{b:02X}");
            }
        }
    }
    // A step upwards is no name.
    if out == "." || out == ".." { out.replace('.', "%2E") } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_somebody_else_is_markup() {
        let mut html = Html::default();
        html.element("td", &[("title", "\" onclick='x'")], "<script>alert(1)</script>&\u{0}");
        assert_eq!(
            html.finish(),
            "<td title=\"&quot; onclick=&#39;x&#39;\">&lt;script&gt;alert(1)&lt;/script&gt;&amp;\u{fffd}</td>"
        );
    }

    #[test]
    fn parts_of_addresses() {
        assert_eq!(segment("M 1/ö?#"), "M%201%2F%C3%B6%3F%23");
        assert_eq!(segment(".."), "%2E%2E");
        assert_eq!(segment("a.b"), "a.b");
    }
}
