//! Any bytes as blocks of any type: the two decoders that share no code give the same values.
#![no_main]

use gguf_file::{GgmlType, values};
use libfuzzer_sys::fuzz_target;
use verifier::decode::{blocks::decode, types::TYPES};

fuzz_target!(|bytes: &[u8]| {
    let Some((number, bytes)) = bytes.split_first() else {
        return;
    };
    let known = &TYPES[usize::from(*number) % TYPES.len()];
    let Some(decoder) = GgmlType::from_id(known.id).ok().and_then(values::decoder) else {
        return;
    };
    let mut converters = Vec::new();
    decoder(bytes, &mut converters);
    let mut verifiers = Vec::new();
    decode(known, bytes, &mut verifiers);
    let converters = converters
        .as_chunks()
        .0
        .iter()
        .map(|value| f32::from_le_bytes(*value));
    assert_eq!(converters.len(), verifiers.len(), "{}", known.name);
    for (one, other) in converters.zip(verifiers) {
        assert!(
            one.to_bits() == other.to_bits() || one.is_nan() && other.is_nan(),
            "{}",
            known.name
        );
    }
});
