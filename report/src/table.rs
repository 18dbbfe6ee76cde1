//! Rows and columns as aligned text or as Markdown.

use crate::names::{markdown, printable};

/// A table whose first column is words and whose others are numbers, unless
/// configured otherwise.
#[derive(Debug, Default)]
pub(crate) struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
    /// Columns of words, which are aligned to the left.
    words: Vec<usize>,
}

impl Table {
    pub(crate) fn new(head: &[&str]) -> Self {
        Table {
            head: head.iter().map(|&cell| cell.to_owned()).collect(),
            rows: Vec::new(),
            words: vec![0],
        }
    }

    /// Aligns these columns to the left, too.
    pub(crate) fn words(mut self, columns: &[usize]) -> Self {
        self.words.extend(columns);
        self
    }

    /// Adds a row; what cells hold from outside is made [`printable`].
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        let printable = |cell: String| printable(&cell).into_owned();
        self.rows.push(cells.into_iter().map(printable).collect());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Lines for a terminal, indented by two spaces.
    pub(crate) fn text(&self) -> String {
        let widths: Vec<usize> = (0..self.head.len())
            .map(|column| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                cells
                    .chain(self.head.get(column))
                    .map(|cell| cell.chars().count())
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        let mut text = String::new();
        for row in std::iter::once(&self.head).chain(&self.rows) {
            let mut line = String::from(" ");
            for (column, width) in widths.iter().enumerate() {
                let cell = row.get(column).map_or("", String::as_str);
                let padding = " ".repeat(width.saturating_sub(cell.chars().count()));
                line.push(' ');
                if column > 0 {
                    line.push(' ');
                }
                if self.words.contains(&column) {
                    line.push_str(cell);
                    line.push_str(&padding);
                } else {
                    line.push_str(&padding);
                    line.push_str(cell);
                }
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    /// A Markdown table.
    pub(crate) fn markdown(&self) -> String {
        let line = |cells: &[String]| {
            let safe: Vec<String> = cells.iter().map(|cell| markdown(cell)).collect();
            format!("| {} |\n", safe.join(" | "))
        };
        let rule: Vec<String> = (0..self.head.len())
            .map(|column| {
                if self.words.contains(&column) {
                    "---".to_owned()
                } else {
                    "--:".to_owned()
                }
            })
            .collect();
        let mut text = line(&self.head);
        text.push_str(&format!("|{}|\n", rule.join("|")));
        for row in &self.rows {
            text.push_str(&line(row));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_aligned_to_the_right_and_words_to_the_left() {
        let mut table = Table::new(&["phase", "MB"]);
        table.row(vec!["warmup".into(), "9".into()]);
        table.row(vec!["a|b".into(), "10".into()]);
        assert_eq!(table.text(), "  phase   MB\n  warmup   9\n  a|b     10\n");
        assert!(table.markdown().contains("| a\\|b | 10 |"));
    }
}
