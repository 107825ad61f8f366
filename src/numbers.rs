//! The numbers that the forward computes a model with: what its description makes of the keys of the file, layer by layer.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use inference::Model;
use schemars::JsonSchema;
use serde::Serialize;

/// The numbers of a model, or why it is not run.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Numbers {
    /// How many layers the model has.
    #[serde(skip)]
    layers: usize,
    /// The architecture whose description was taken; absent where the model is not covered.
    #[serde(skip_serializing_if = "Option::is_none")]
    architecture: Option<&'static str>,
    /// Why it is not covered.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_covered: Option<String>,
    /// What the file does not say and was assumed.
    assumptions: Vec<String>,
    /// Tensors that no step reads.
    unused: Vec<String>,
    numbers: Vec<NumberRow>,
}

/// A number, with one of its values.
#[derive(Debug, Serialize, JsonSchema)]
struct NumberRow {
    /// Its name: that of the key in APR files, where there is one.
    name: &'static str,
    value: String,
    /// The layers that have this value; empty for what is of no layer.
    layers: Vec<usize>,
    /// The stages that have it, where others of the same layer have another value.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stages: Vec<&'static str>,
}

impl Numbers {
    /// Those of a model that was loaded, or could not be.
    pub(crate) fn of(loaded: Result<&Model, String>) -> Self {
        let model = match loaded {
            Ok(model) => model,
            Err(why) => {
                return Self {
                    layers: 0,
                    architecture: None,
                    not_covered: Some(why),
                    assumptions: Vec::new(),
                    unused: Vec::new(),
                    numbers: Vec::new(),
                };
            }
        };
        let mut names: Vec<&'static str> = Vec::new();
        for setting in model.program.iter().flat_map(|taken| &taken.settings) {
            if !names.contains(&setting.name) {
                names.push(setting.name);
            }
        }
        Self {
            layers: model.config.layers,
            architecture: Some(model.config.architecture.name),
            not_covered: None,
            assumptions: model.assumptions.iter().map(ToString::to_string).collect(),
            unused: model.unused.clone(),
            numbers: names.iter().flat_map(|name| rows(model, name)).collect(),
        }
    }

    /// A table for a person.
    pub(crate) fn text(&self) -> String {
        let mut text = String::from("\nnumbers of the forward");
        if let Some(why) = &self.not_covered {
            let _ = writeln!(text, ": not covered ({why})");
            return text;
        }
        let _ = writeln!(text, ": {}", self.architecture.unwrap_or_default());
        let width =
            |cells: &dyn Fn(&NumberRow) -> usize| self.numbers.iter().map(cells).max().unwrap_or(0);
        let name_width = width(&|row| row.name.len());
        let value_width = width(&|row| row.value.len());
        for row in &self.numbers {
            let place = row.place(self.layers);
            let line = format!(
                "  {:<name_width$}  {:>value_width$}  {place}",
                row.name, row.value
            );
            let _ = writeln!(text, "{}", line.trim_end());
        }
        for assumption in &self.assumptions {
            let _ = writeln!(text, "  assumed: {assumption}");
        }
        for unused in &self.unused {
            let _ = writeln!(text, "  not read by any step: {unused}");
        }
        text
    }
}

impl NumberRow {
    /// Where it has this value; nothing where that is everywhere.
    fn place(&self, layers: usize) -> String {
        let mut place = match self.layers.len() {
            0 => String::new(),
            count if count == layers => String::new(),
            1 => format!("layer {}", runs(&self.layers)),
            _ => format!("layers {}", runs(&self.layers)),
        };
        if !self.stages.is_empty() {
            if !place.is_empty() {
                place.push_str(", ");
            }
            place.push_str(&self.stages.join(", "));
        }
        place
    }
}

/// The rows of a number: one for each of its values.
fn rows(model: &Model, name: &'static str) -> Vec<NumberRow> {
    let mut all = Vec::new();
    for taken in &model.program {
        let of_name = taken.settings.iter().filter(|setting| setting.name == name);
        all.extend(of_name.map(|setting| (taken.step, setting.value.as_str())));
    }
    let mut values: Vec<&str> = Vec::new();
    for (_, value) in &all {
        if !values.contains(value) {
            values.push(value);
        }
    }
    let layers_of = |value: &str| -> BTreeSet<usize> {
        let of_value = all.iter().filter(|(_, other)| *other == value);
        of_value.filter_map(|(step, _)| step.layer).collect()
    };
    let is_shared = values.iter().enumerate().any(|(at, value)| {
        let others = values.iter().skip(at.saturating_add(1));
        let layers = layers_of(value);
        others
            .into_iter()
            .any(|other| !layers.is_disjoint(&layers_of(other)))
    });
    let row = |value: &str| {
        let stages = all.iter().filter(|(_, other)| *other == value);
        let mut names: Vec<&'static str> = Vec::new();
        for (step, _) in stages.filter(|_| is_shared) {
            if !names.contains(&step.stage.name()) {
                names.push(step.stage.name());
            }
        }
        NumberRow {
            name,
            value: value.to_owned(),
            layers: layers_of(value).into_iter().collect(),
            stages: names,
        }
    };
    values.into_iter().map(row).collect()
}

/// `0 to 4, 6`.
fn runs(layers: &[usize]) -> String {
    let parts = layers.chunk_by(|one, next| one.checked_add(1) == Some(*next));
    let parts = parts.filter_map(|run| match run {
        [] => None,
        [one] => Some(one.to_string()),
        [first, .., last] => Some(format!("{first} to {last}")),
    });
    parts.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::runs;

    #[test]
    fn layers_that_follow_each_other_are_one_run() {
        assert_eq!(runs(&[0, 1, 2, 4, 6, 7]), "0 to 2, 4, 6 to 7");
        assert_eq!(runs(&[3]), "3");
        assert_eq!(runs(&[]), "");
    }
}
