//! Which inputs are converted to which outputs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::input::{Files, must_be_path, split_prefix};

/// One model to convert.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Job {
    /// As the user named it.
    pub(crate) input: PathBuf,
    /// Its files.
    pub(crate) sources: Vec<PathBuf>,
    /// The APR file to write.
    pub(crate) output: PathBuf,
}

/// Makes a job of every model, each once: several files of a split set are one.
///
/// # Errors
/// Fails when an output cannot be derived or several models would get the same one.
pub(crate) fn jobs(
    named: &[PathBuf],
    output: Option<&Path>,
    folder: Option<&Path>,
) -> anyhow::Result<Vec<Job>> {
    for path in named.iter().map(PathBuf::as_path).chain(output) {
        must_be_path(path)?;
        let shown = path.display();
        if path == Path::new("-") {
            bail!("convert reads and writes files, not pipes: a file of this name is ./-");
        }
        if path.is_dir() {
            bail!(
                "{shown} is a folder: convert takes files, and writes to a folder with --out-dir {shown}"
            );
        }
    }
    let (inputs, output) = match (named, output) {
        ([input, last], None) if folder.is_none() && is_output(last) => {
            (std::slice::from_ref(input), Some(last.as_path()))
        }
        (inputs, output) => (inputs, output),
    };
    let mut jobs: Vec<Job> = Vec::new();
    let mut outputs = BTreeSet::new();
    for input in inputs {
        // What is missing is said of the one model that misses it.
        let sources = Files::paths_of_model(input);
        let sources = sources.unwrap_or_else(|_| Files::paths_by_name(input));
        if jobs.iter().any(|job| job.sources == sources) {
            continue;
        }
        let output = match output {
            Some(output) => output.to_path_buf(),
            None => default_output(input, folder, inputs.len() > 1)?,
        };
        if !outputs.insert(output.clone()) {
            bail!(
                "two models would be written to {}: convert them one by one, or to a folder with --out-dir DIR",
                output.display()
            );
        }
        jobs.push(Job {
            input: input.clone(),
            sources,
            output,
        });
    }
    Ok(jobs)
}

/// Whether the second of two paths is the file to write: a shell that expands `*.gguf` gives two inputs.
fn is_output(path: &Path) -> bool {
    let ends_in = |ending| path.extension().is_some_and(|found| found == ending);
    ends_in("apr") || (!ends_in("gguf") && !path.exists())
}

/// The input's name with `.apr` for `.gguf`; a split set loses the shard number.
fn default_output(
    input: &Path,
    folder: Option<&Path>,
    is_one_of_many: bool,
) -> anyhow::Result<PathBuf> {
    let name = input.file_name().and_then(|name| name.to_str());
    let name = name.with_context(|| {
        format!(
            "{} has no file name to derive the output from: name it with --output",
            input.display()
        )
    })?;
    if name.ends_with(".apr") {
        let advice = match is_one_of_many {
            true => "several models are converted to a folder, with --out-dir DIR",
            false => "name the output with --output",
        };
        bail!("{} ends in .apr already: {advice}", input.display());
    }
    let stem = name.strip_suffix(".gguf").unwrap_or(name);
    let stem = split_prefix(name).unwrap_or(stem);
    let name = format!("{stem}.apr");
    Ok(match folder {
        Some(folder) => folder.join(name),
        None => input.with_file_name(name),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outputs(named: &[&str], output: Option<&str>, folder: Option<&str>) -> Option<Vec<String>> {
        let named: Vec<PathBuf> = named.iter().map(PathBuf::from).collect();
        let jobs = jobs(&named, output.map(Path::new), folder.map(Path::new)).ok()?;
        let shown = jobs.iter().map(|job| job.output.display().to_string());
        Some(shown.collect())
    }

    #[test]
    fn what_is_no_file_to_convert_is_told_with_what_to_give() {
        let refused = |named: &[&str]| {
            let named: Vec<PathBuf> = named.iter().map(PathBuf::from).collect();
            jobs(&named, None, None).unwrap_err().to_string()
        };
        assert!(refused(&["a.gguf", "b.gguf", "x.apr"]).ends_with("with --out-dir DIR"));
        assert!(refused(&["x.apr"]).ends_with("with --output"));
        assert!(refused(&["a.gguf", "src"]).ends_with("with --out-dir src"));
        assert!(refused(&["a.gguf", "-"]).contains("not pipes"));
    }

    #[test]
    fn every_model_gets_an_output_of_its_own() {
        for (named, output, folder, expected) in [
            (&["d/a.gguf"][..], None, None, Some(&["d/a.apr"][..])),
            (&["a.gguf", "b.apr"], None, None, Some(&["b.apr"])),
            (&["a.gguf", "out"], None, None, Some(&["out"])),
            (&["a.gguf", "b.gguf"], None, None, Some(&["a.apr", "b.apr"])),
            (&["a.gguf", "a.gguf"], None, None, Some(&["a.apr"])),
            (&["a.gguf"], Some("o.apr"), None, Some(&["o.apr"])),
            (&["a.gguf", "b.gguf"], Some("o.apr"), None, None),
            (&["d/a.gguf", "e/a.gguf"], None, Some("o"), None),
            (
                &["d/a.gguf", "e/b"],
                None,
                Some("o"),
                Some(&["o/a.apr", "o/b.apr"]),
            ),
            (&["a.apr"], None, None, None),
        ] {
            let expected = expected.map(|names| names.iter().map(ToString::to_string).collect());
            assert_eq!(outputs(named, output, folder), expected, "{named:?}");
        }
    }
}
