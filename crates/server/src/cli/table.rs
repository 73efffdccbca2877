//! Listings for people: columns as wide as their widest entry.

/// Rows under a head.
#[derive(Debug)]
pub(super) struct Table {
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// No rows yet.
    pub(super) fn new(head: &[&'static str]) -> Self {
        Self { head: head.to_vec(), rows: Vec::new() }
    }

    /// One row more, an entry for each column.
    pub(super) fn row(&mut self, entries: impl IntoIterator<Item = String>) {
        self.rows.push(entries.into_iter().collect());
    }

    /// The lines; a sentence where there is nothing to list.
    pub(super) fn render(&self, none: &str) -> String {
        if self.rows.is_empty() {
            return format!("{none}\n");
        }
        let head: Vec<String> = self.head.iter().map(|name| name.to_uppercase()).collect();
        let lines: Vec<&Vec<String>> = std::iter::once(&head).chain(&self.rows).collect();
        let width =
            |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default();
        let widths: Vec<usize> = (0..head.len()).map(width).collect();
        let mut out = String::new();
        for line in lines {
            let cells: Vec<String> =
                line.iter().zip(&widths).map(|(entry, width)| format!("{entry:width$}")).collect();
            out.push_str(cells.join("  ").trim_end());
            out.push('\n');
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let mut table = Table::new(&["name", "roles"]);
        assert_eq!(table.render("Nobody."), "Nobody.\n");
        table.row(["Åsa".to_owned(), "reader".to_owned()]);
        table.row(["alice".to_owned(), String::new()]);
        assert_eq!(table.render("Nobody."), "NAME   ROLES\nÅsa    reader\nalice\n");
    }
}
