//! The digest file that lies beside a dump.

use std::fmt::Write as _;

use inference::Digests;

/// Returns a line `key elements digest` for each stage, in execution order.
///
/// BLAKE3 of this text is the digest of the run.
pub fn digest_lines(digests: &Digests) -> String {
    let mut text = String::new();
    for stage in &digests.stages {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{} {} {}", stage.step, stage.elements, stage.digest);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use inference::{Stage, StageSink as _, Step};

    #[test]
    fn the_digest_of_the_file_is_that_of_the_run() {
        let mut digests = Digests::default();
        digests.stage(Step::of_model(Stage::Embedding), 1, &[1.0, -0.0]);
        digests.stage(Step::in_layer(0, Stage::AttnNorm), 1, &[f32::NAN]);
        let text = digest_lines(&digests);
        assert!(text.starts_with("embedding 2 "), "{text}");
        let hash = blake3::hash(text.as_bytes());
        assert_eq!(hash.to_hex().as_str(), digests.run().to_string());
    }
}
