//! The numbers that the forward computes a model with: what its description makes of the keys of the file, layer by layer.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;

use inference::{Model, Setting, Step};
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
    /// Tensors and keys that no step reads.
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
        // A handful of names, each with the values that the steps have.
        let mut numbers: Vec<(&'static str, Values)> = Vec::new();
        for taken in &model.program {
            for Setting { name, value } in &taken.settings {
                let at = numbers.iter().position(|(known, _)| known == name);
                let at = at.unwrap_or_else(|| {
                    numbers.push((name, Values::default()));
                    numbers.len().saturating_sub(1)
                });
                if let Some((_, values)) = numbers.get_mut(at) {
                    values.add(taken.step, value);
                }
            }
        }
        let (layers, drafts) = (model.config.layers, model.config.drafts);
        let numbers = numbers.into_iter();
        let drafts = (drafts > 0).then(|| NumberRow {
            name: "nextn_predict_layers",
            value: format!("{drafts} (not run)"),
            layers: (layers..layers.saturating_add(drafts)).collect(),
            stages: Vec::new(),
        });
        Self {
            layers,
            architecture: Some(model.config.architecture.name),
            not_covered: None,
            assumptions: model.assumptions.iter().map(ToString::to_string).collect(),
            unused: model.unused.clone(),
            numbers: numbers
                .flat_map(|(name, values)| values.rows(name))
                .chain(drafts)
                .collect(),
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
            count if count == layers && self.layers.first() == Some(&0) => String::new(),
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

/// The values of a number, in the order in which they are met.
#[derive(Default)]
struct Values {
    places: HashMap<String, usize>,
    rows: Vec<Held>,
}

/// What has a value.
struct Held {
    value: String,
    layers: BTreeSet<usize>,
    stages: Vec<&'static str>,
}

impl Values {
    fn add(&mut self, step: Step, value: &str) {
        let place = *self.places.entry(value.to_owned()).or_insert_with(|| {
            self.rows.push(Held {
                value: value.to_owned(),
                layers: BTreeSet::new(),
                stages: Vec::new(),
            });
            self.rows.len().saturating_sub(1)
        });
        let Some(held) = self.rows.get_mut(place) else {
            unreachable!("a value has a row from when it is met");
        };
        held.layers.extend(step.layer);
        if !held.stages.contains(&step.stage.name()) {
            held.stages.push(step.stage.name());
        }
    }

    /// One row for each value; with its stages where some layer has two of them.
    fn rows(self, name: &'static str) -> impl Iterator<Item = NumberRow> {
        let all: BTreeSet<&usize> = self.rows.iter().flat_map(|held| &held.layers).collect();
        let each: usize = self.rows.iter().map(|held| held.layers.len()).sum();
        let is_shared = each > all.len();
        self.rows.into_iter().map(move |held| NumberRow {
            name,
            value: held.value,
            layers: held.layers.into_iter().collect(),
            stages: if is_shared { held.stages } else { Vec::new() },
        })
    }
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
