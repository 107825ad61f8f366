//! Rows of cells, aligned.

use std::fmt::Write as _;

/// Writes rows with two spaces between columns and `indent` before each; the last cell of a row is never padded.
pub(crate) fn write(out: &mut String, indent: usize, rows: &[Vec<String>]) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or_default()
        })
        .collect();
    for row in rows {
        let mut line = " ".repeat(indent);
        for (cell, width) in row.iter().zip(&widths) {
            // Writing to a string does not fail.
            let _ = write!(line, "{cell:<width$}  ");
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_longest_cell() {
        let mut out = String::new();
        let rows = [["a", "bb", "c"], ["dddd", "e", "f"]];
        let rows = rows.map(|row| row.map(str::to_owned).to_vec());
        write(&mut out, 2, &rows);
        assert_eq!(out, "  a     bb  c\n  dddd  e   f\n");
    }
}
