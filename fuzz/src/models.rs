//! Edits of a model that leave a well-formed file: what a careless tool writes.

use fixtures::gguf::{Model, Value, type_size};
use libfuzzer_sys::arbitrary::{self, Arbitrary};

/// A change of a model; places are taken modulo the counts.
#[derive(Arbitrary, Clone, Debug)]
pub enum ModelEdit<'a> {
    /// Gives a key another name.
    RenameKey(u8, Name<'a>),
    /// Gives a key another value.
    SetValue(u8, NewValue<'a>),
    /// Gives a key another value of its type.
    Nudge(u8, i8),
    /// Adds a key.
    AddKey(Name<'a>, NewValue<'a>),
    /// Takes a key out.
    DropKey(u8),
    /// Swaps two keys.
    SwapKeys(u8, u8),
    /// Gives a tensor another name.
    RenameTensor(u8, &'a str),
    /// Gives a tensor the name of another layer's.
    MoveTensor(u8, u8),
    /// Gives a tensor another type, and data as long as that needs.
    Retype(u8, u8),
    /// Gives a tensor other dimensions, and data as long as those need.
    Reshape(u8, [u8; 4], u8),
    /// Takes a tensor out.
    DropTensor(u8),
    /// Puts a tensor in a second time, under another name.
    CopyTensor(u8, &'a str),
    /// Swaps two tensors in the order of the file.
    SwapTensors(u8, u8),
    /// Swaps the data of two tensors.
    SwapData(u8, u8),
    /// Turns bits of a tensor round.
    Flip(u8, u16, u8),
    /// Pads in another way.
    Align(u8),
    /// Version 2, or 3.
    Version(bool),
}

/// A key that means something, or any.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Name<'a> {
    /// One of a list.
    Known(u8),
    /// This one.
    Given(&'a str),
}

/// A value of any type.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum NewValue<'a> {
    /// A number, or a flag, of one of the eleven types.
    Number(u8, u64),
    /// A string.
    Text(&'a [u8]),
    /// An array of numbers.
    Numbers(u8, &'a [u8]),
    /// An array of strings: one of each byte.
    Texts(&'a [u8]),
}

/// Applies edits to a model.
pub fn edit(model: &mut Model, edits: &[ModelEdit<'_>]) {
    for edit in edits {
        if !model.tensors.is_empty() && !model.key_values.is_empty() {
            edit.apply(model);
        }
    }
}

impl ModelEdit<'_> {
    fn apply(&self, model: &mut Model) {
        let (keys, tensors) = (model.key_values.len(), model.tensors.len());
        let key = |number: u8| usize::from(number) % keys;
        let tensor = |number: u8| usize::from(number) % tensors;
        match *self {
            Self::RenameKey(at, name) => model.key_values[key(at)].0 = name.bytes(),
            Self::SetValue(at, value) => model.key_values[key(at)].1 = value.value(),
            Self::Nudge(at, by) => nudge(&mut model.key_values[key(at)].1, by),
            Self::AddKey(name, value) => model.key_values.push((name.bytes(), value.value())),
            Self::DropKey(at) => drop(model.key_values.remove(key(at))),
            Self::SwapKeys(a, b) => model.key_values.swap(key(a), key(b)),
            Self::RenameTensor(at, name) => model.tensors[tensor(at)].name = name.into(),
            Self::MoveTensor(at, layer) => {
                let name = &mut model.tensors[tensor(at)].name;
                let text = String::from_utf8_lossy(name);
                let moved = text.replace("blk.0.", &format!("blk.{layer}."));
                *name = moved.into_bytes();
            }
            Self::Retype(at, id) => {
                model.tensors[tensor(at)].type_id = u32::from(id) % 42;
                fit(model, tensor(at));
            }
            Self::Reshape(at, dims, rank) => {
                let dims = &dims[..usize::from(rank) % 5];
                model.tensors[tensor(at)].dims = dims.iter().map(|one| u64::from(*one)).collect();
                fit(model, tensor(at));
            }
            Self::DropTensor(at) => drop(model.tensors.remove(tensor(at))),
            Self::CopyTensor(at, name) => {
                let mut copy = model.tensors[tensor(at)].clone();
                copy.name = name.into();
                model.tensors.push(copy);
            }
            Self::SwapTensors(a, b) => model.tensors.swap(tensor(a), tensor(b)),
            Self::SwapData(a, b) => {
                let data = model.tensors[tensor(a)].data.clone();
                model.tensors[tensor(a)].data = model.tensors[tensor(b)].data.clone();
                model.tensors[tensor(b)].data = data;
                fit(model, tensor(a));
                fit(model, tensor(b));
            }
            Self::Flip(at, place, bits) => {
                let data = &mut model.tensors[tensor(at)].data;
                if !data.is_empty() {
                    let place = usize::from(place) % data.len();
                    data[place] ^= bits;
                }
            }
            Self::Align(shift) => model.alignment = 1 << (shift % 9),
            Self::Version(old) => model.version = if old { 2 } else { 3 },
        }
    }
}

impl Name<'_> {
    fn bytes(self) -> Vec<u8> {
        match self {
            Self::Known(number) => KNOWN[usize::from(number) % KNOWN.len()].into(),
            Self::Given(text) => text.into(),
        }
    }
}

impl NewValue<'_> {
    fn value(self) -> Value {
        match self {
            Self::Number(of, bits) => number(of, bits),
            Self::Text(bytes) => bytes.into(),
            Self::Numbers(of, bytes) => {
                let items: Vec<Value> = bytes
                    .iter()
                    .map(|byte| number(of, (*byte).into()))
                    .collect();
                Value::Array(number(of, 0).type_id(), items)
            }
            Self::Texts(bytes) => {
                let texts: Vec<[u8; 1]> = bytes.iter().map(|byte| [*byte]).collect();
                Value::strings(&texts)
            }
        }
    }
}

fn number(of: u8, bits: u64) -> Value {
    match of % 11 {
        0 => Value::U8(bits as u8),
        1 => Value::I8(bits as i8),
        2 => Value::U16(bits as u16),
        3 => Value::I16(bits as i16),
        4 => Value::U32(bits as u32),
        5 => Value::I32(bits as i32),
        6 => Value::F32(f32::from_bits(bits as u32)),
        7 => Value::Bool(bits & 1 == 1),
        8 => Value::U64(bits),
        9 => Value::I64(bits as i64),
        _ => Value::F64(f64::from_bits(bits)),
    }
}

/// Moves a number by a little, or the first item of a list, or the first byte of a text.
fn nudge(value: &mut Value, by: i8) {
    match value {
        Value::U8(number) => *number = number.wrapping_add_signed(by),
        Value::I8(number) => *number = number.wrapping_add(by),
        Value::U16(number) => *number = number.wrapping_add_signed(by.into()),
        Value::I16(number) => *number = number.wrapping_add(by.into()),
        Value::U32(number) => *number = number.wrapping_add_signed(by.into()),
        Value::I32(number) => *number = number.wrapping_add(by.into()),
        Value::U64(number) => *number = number.wrapping_add_signed(by.into()),
        Value::I64(number) => *number = number.wrapping_add(by.into()),
        Value::F32(number) => {
            *number = f32::from_bits(number.to_bits().wrapping_add_signed(by.into()))
        }
        Value::F64(number) => {
            *number = f64::from_bits(number.to_bits().wrapping_add_signed(by.into()))
        }
        Value::Bool(flag) => *flag ^= by & 1 == 1,
        Value::Str(bytes) => {
            if let Some(byte) = bytes.first_mut() {
                *byte = byte.wrapping_add_signed(by);
            }
        }
        Value::Array(_, items) => {
            if let Some(item) = items.first_mut() {
                nudge(item, by);
            }
        }
    }
}

/// Makes the data as long as type and dimensions need, where that is not too long to try.
fn fit(model: &mut Model, at: usize) {
    let tensor = &mut model.tensors[at];
    if let Some((elements, size)) = type_size(tensor.type_id) {
        let wanted = tensor.elements().div_ceil(elements) * size;
        tensor.data.resize(wanted.min(1 << 16) as usize, 0x3C);
    }
}

/// Keys that the converter or the verifier gives a meaning.
const KNOWN: &[&str] = &[
    "general.architecture",
    "general.name",
    "general.alignment",
    "general.file_type",
    "general.author",
    "general.license",
    "general.description",
    "general.version",
    "general.quantization_version",
    "qwen2.block_count",
    "qwen2.embedding_length",
    "qwen2.feed_forward_length",
    "qwen2.context_length",
    "qwen2.vocab_size",
    "qwen2.attention.head_count",
    "qwen2.attention.head_count_kv",
    "qwen2.attention.key_length",
    "qwen2.attention.value_length",
    "qwen2.attention.layer_norm_rms_epsilon",
    "qwen2.attention.sliding_window",
    "qwen2.attention.scale",
    "qwen2.rope.freq_base",
    "qwen2.rope.dimension_count",
    "qwen2.rope.scaling.type",
    "qwen2.rope.scaling.factor",
    "qwen2.rope.scaling.original_context_length",
    "qwen2.expert_count",
    "qwen2.expert_used_count",
    "qwen2.final_logit_softcapping",
    "qwen2.unheard_of",
    "tokenizer.ggml.model",
    "tokenizer.ggml.pre",
    "tokenizer.ggml.tokens",
    "tokenizer.ggml.token_type",
    "tokenizer.ggml.scores",
    "tokenizer.ggml.merges",
    "tokenizer.ggml.add_bos_token",
    "tokenizer.ggml.add_space_prefix",
    "tokenizer.ggml.bos_token_id",
    "tokenizer.ggml.eos_token_id",
    "tokenizer.ggml.unknown_token_id",
    "tokenizer.chat_template",
    "tokenizer.chat_template.tool_use",
    "split.no",
    "split.count",
    "split.tensors.count",
    "aprove",
    "architecture",
    "rope_type",
    "hidden_size",
    "model.vocab_size",
];
