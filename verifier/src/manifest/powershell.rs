//! What `Get-FileHash` of PowerShell prints: a list of properties, or a table.

use super::Problem;
use super::kind::Kind;
use super::lines::{Line, Listed, Scope};

/// Reads the rows; none when it is something else.
pub(super) fn read(bytes: &[u8]) -> Option<Listed> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut lines = (1..).zip(text.lines());
    let (number, first) = lines.find(|(_, line)| !line.trim().is_empty())?;
    let mut records = if property(first, "Algorithm").is_some() {
        list((number, first), lines)
    } else if first.split_whitespace().eq(["Algorithm", "Hash", "Path"]) {
        table(lines)
    } else {
        return None;
    };
    let mut rows = Vec::new();
    let mut problems = Vec::new();
    for record in records.drain(..) {
        match record.row() {
            Ok(row) => rows.push(row),
            Err(problem) => problems.push(problem),
        }
    }
    Some((rows, problems))
}

/// One file.
struct HashRow {
    line: usize,
    algorithm: String,
    hash: String,
    path: String,
}

impl HashRow {
    fn row(self) -> Result<Line, Problem> {
        let place = format!("line {}", self.line);
        let problem = |text: String| Problem {
            place: place.clone(),
            text,
        };
        if self.algorithm != "SHA256" {
            let text = "only SHA256 of Get-FileHash is checked, the other algorithms are not";
            return Err(problem(text.to_owned()));
        }
        let digest = Kind::Sha256.normal_form(self.hash.as_bytes());
        let digest = digest.ok_or_else(|| problem("its hash is not a SHA-256".to_owned()))?;
        // A path that did not fit on the screen names nothing.
        let is_cut = self.path.is_empty() || self.path.ends_with("...") || self.path.ends_with('…');
        Ok(Line {
            place,
            scope: Scope::File,
            kinds: vec![Kind::Sha256],
            digest,
            label: (!is_cut).then(|| self.path.into_bytes()),
            size: None,
        })
    }
}

/// `Algorithm : SHA256`, `Hash : ...`, `Path : ...`; a long value goes on in the next line, further in.
fn list<'t>(first: (usize, &'t str), rest: impl Iterator<Item = (usize, &'t str)>) -> Vec<HashRow> {
    let mut records: Vec<HashRow> = Vec::new();
    let mut last = "";
    for (number, line) in std::iter::once(first).chain(rest) {
        if let Some(algorithm) = property(line, "Algorithm") {
            last = "";
            records.push(HashRow {
                line: number,
                algorithm: algorithm.to_owned(),
                hash: String::new(),
                path: String::new(),
            });
            continue;
        }
        let Some(record) = records.last_mut() else {
            continue;
        };
        if let Some(hash) = property(line, "Hash") {
            last = "Hash";
            record.hash.push_str(hash);
        } else if let Some(path) = property(line, "Path") {
            last = "Path";
            record.path.push_str(path);
        } else if last == "Hash" {
            record.hash.push_str(line.trim());
        } else if last == "Path" {
            record.path.push_str(line.trim());
        }
    }
    records
}

fn table<'t>(lines: impl Iterator<Item = (usize, &'t str)>) -> Vec<HashRow> {
    let rows = lines.filter(|(_, line)| {
        let line = line.trim();
        !line.is_empty() && !line.starts_with("---")
    });
    let record = |(line, text): (usize, &str)| {
        let (algorithm, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        let rest = rest.trim_start();
        let (hash, path) = rest.split_once(' ').unwrap_or((rest, ""));
        HashRow {
            line,
            algorithm: algorithm.to_owned(),
            hash: hash.to_owned(),
            path: path.trim().to_owned(),
        }
    };
    rows.map(record).collect()
}

fn property<'t>(line: &'t str, name: &str) -> Option<&'t str> {
    let value = line.strip_prefix(name)?.trim_start().strip_prefix(':')?;
    Some(value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "48868D3AF0528CEAD6B837B1B6F855E2705DB792A20C537057BBAA8CF35F0F5B";

    #[test]
    fn a_list_and_a_table_are_read() {
        let (start, end) = HEX.split_at(40);
        for text in [
            format!("\r\nAlgorithm : SHA256\r\nHash      : {HEX}\r\nPath      : C:\\m x.gguf\r\n"),
            format!(
                "Algorithm : SHA256\nHash      : {start}\n            {end}\nPath      : C:\\m x\n            .gguf\n"
            ),
            format!(
                "Algorithm       Hash     Path\n---------       ----     ----\nSHA256          {HEX}       C:\\m x.gguf\n"
            ),
        ] {
            let (rows, problems) = read(text.as_bytes()).unwrap();
            assert!(problems.is_empty(), "{text}");
            assert_eq!(rows[0].digest, HEX.to_lowercase());
            let label = rows[0].label.as_deref().unwrap();
            assert_eq!(label, b"C:\\m x.gguf", "{text}");
        }
    }

    #[test]
    fn another_algorithm_is_a_problem() {
        let text = "Algorithm : MD5\nHash : 900150983CD24FB0D6963F7D28E17F72\nPath : m\n";
        let (rows, problems) = read(text.as_bytes()).unwrap();
        assert_eq!((rows.len(), problems.len()), (0, 1));
    }

    #[test]
    fn a_path_that_was_cut_names_nothing() {
        let text = format!("Algorithm Hash Path\n--- --- ---\nSHA256 {HEX} C:\\models\\a...\n");
        assert_eq!(read(text.as_bytes()).unwrap().0[0].label, None);
    }
}
