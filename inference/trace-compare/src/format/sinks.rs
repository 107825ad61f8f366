//! Several sinks of one run.

use inference::{StageSink, Step};

/// Hands every stage to each of its sinks, in turn: a run is digested and written at once.
pub struct Sinks<'a>(pub Vec<&'a mut dyn StageSink>);

impl StageSink for Sinks<'_> {
    fn stage(&mut self, step: Step, tokens: usize, values: &[f32]) {
        for sink in &mut self.0 {
            sink.stage(step, tokens, values);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use inference::Digests;
    use inference::Stage;

    #[test]
    fn each_sink_gets_every_stage() {
        let (mut a, mut b) = (Digests::default(), Digests::default());
        let mut sinks = Sinks(vec![&mut a, &mut b]);
        sinks.stage(Step::of_model(Stage::Embedding), 1, &[1.0]);
        assert_eq!(a.stages.len(), 1);
        assert_eq!(a, b);
    }
}
