//! Our index and data against those of the real producer, for the same sources.

use apr_file::AprFile;
use converter::Tie;

use fixtures::shared;

use crate::support::Workbench;

#[needs::data("oracle", "apr")]
#[test]
fn index_and_data_equal_those_of_the_reference_producer() {
    for model in ["qwen2", "qwen3", "llama"] {
        let source = shared::read(&format!("oracle/{model}.gguf"));
        let reference = shared::read(&format!("apr/{model}.A.apr"));
        let mut bench = Workbench::with_files(&[("model.gguf".to_owned(), source)]);
        bench.request.tie = Tie::Duplicate;
        let ours = bench.artifact();
        let (ours, reference) = (
            AprFile::parse(&ours).unwrap(),
            AprFile::parse(&reference).unwrap(),
        );
        assert_eq!(ours.findings, [], "{model}");
        assert_eq!(ours.tensors.len(), reference.tensors.len());
        for (ours, theirs) in ours.tensors.iter().zip(&reference.tensors) {
            assert_eq!(
                (&ours.entry, ours.data),
                (&theirs.entry, theirs.data),
                "{model}"
            );
        }
        let (ours, theirs) = (ours.metadata.unwrap(), reference.metadata.unwrap());
        for key in [
            "architecture",
            "hidden_size",
            "num_layers",
            "num_heads",
            "num_kv_heads",
            "intermediate_size",
            "max_position_embeddings",
            "vocab_size",
            "rope_theta",
            "rms_norm_eps",
            "param_count",
            "chat_template",
            "tokenizer.vocabulary",
            "tokenizer.merges",
            "tokenizer.token_type",
            "tokenizer.model",
            "tokenizer.pre_type",
            "tokenizer.bos_token_id",
            "tokenizer.eos_token_id",
            "tokenizer.padding_token_id",
            "tokenizer.add_bos_token",
            "tokenizer.vocab_size",
        ] {
            assert_eq!(ours[key], theirs[key], "{model} {key}");
        }
    }
}
