//! Every fault of the fixtures is found by running both files, at its stage, or named as the reason not to run.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a mistake must stop the test"
)]

use std::collections::HashMap;

use fixtures::{
    faults::{Fault, Shows, faultless, faults},
    quantise::decode,
};
use inference::{
    Digests, Error, Op, Options, Source, Step, Tensor, default_prompts, forward, load,
};

#[test]
fn every_fault_shows_where_it_must() {
    let mut goods = Goods::default();
    let wrong: Vec<String> = faults()
        .filter_map(|fault| {
            let found = first_difference(&mut goods, &fault.gguf, &fault.apr);
            let right = match (fault.shows, &found) {
                (Shows::Refused(text), Err(error)) => error.to_string().contains(text),
                (Shows::Refused(_), Ok(_)) | (_, Err(_)) => false,
                (Shows::At(stage), Ok(found)) => *found == Some((step(stage), step(stage))),
                (Shows::Apart { gguf, apr }, Ok(found)) => *found == Some((step(gguf), step(apr))),
                (Shows::Nowhere, Ok(found)) => found.is_none(),
            };
            let Fault { name, shows, .. } = fault;
            (!right).then(|| format!("{name}: expected {shows:?}, found {found:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn pairs_without_a_fault_agree() {
    let mut goods = Goods::default();
    for (name, gguf, apr) in faultless() {
        assert_eq!(
            first_difference(&mut goods, &gguf, &apr),
            Ok(None),
            "{name}"
        );
    }
}

#[test]
fn the_bad_stages_are_those_with_other_weights_or_parameters() {
    let mut wrong = Vec::new();
    for fault in faults() {
        if matches!(fault.shows, Shows::Refused(_)) {
            continue;
        }
        let [gguf, apr] = [&fault.gguf, &fault.apr].map(|file| Inputs::of(file).unwrap());
        let found = gguf.other_than(&apr);
        if found != fault.bad_stages {
            let Fault {
                name, bad_stages, ..
            } = fault;
            wrong.push(format!("{name}: expected {bad_stages:?}, found {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The digests of files that several faults share, by file and prompt.
type Goods = HashMap<(blake3::Hash, &'static str), Digests>;

/// The stage of the GGUF and that of the APR file.
type Difference = (Option<Step>, Option<Step>);

/// The first difference of the first prompt that has one.
fn first_difference(
    goods: &mut Goods,
    gguf: &[u8],
    apr: &[u8],
) -> Result<Option<Difference>, Error> {
    for prompt in default_prompts(VOCABULARY) {
        let good = goods
            .entry((blake3::hash(gguf), prompt.name))
            .or_insert_with(|| run(gguf, &prompt.tokens).unwrap());
        let difference = good.first_difference(&run(apr, &prompt.tokens)?);
        if difference.is_some() {
            return Ok(difference);
        }
    }
    Ok(None)
}

fn run(bytes: &[u8], tokens: &[u32]) -> Result<Digests, Error> {
    let bytes = bytes.to_vec();
    let sources: [&dyn Source; 1] = [&bytes];
    let mut digests = Digests::default();
    let model = load(&sources)?;
    forward(&model, &sources, tokens, &Options::default(), &mut digests)?;
    Ok(digests)
}

fn step(key: &str) -> Option<Step> {
    let step = Step::from_key(key);
    assert!(step.is_some(), "{key}");
    step
}

/// What each stage of a model takes besides the values of earlier stages.
struct Inputs<'a>(Vec<(Step, Vec<Input<'a>>)>);

/// Something that a stage takes.
#[derive(Clone, PartialEq)]
enum Input<'a> {
    Weights(Weights<'a>),
    /// Parameters as text.
    Numbers(String),
}

/// The stored bytes of a tensor, of the rows that count, and their type.
#[derive(Clone)]
struct Weights<'a>(u32, Vec<&'a [u8]>);

impl PartialEq for Weights<'_> {
    /// Bytes that stand for the same values are no difference, and every NaN is the same.
    fn eq(&self, other: &Self) -> bool {
        let values = |Weights(type_id, rows): &Self| -> Vec<u32> {
            let values = rows.iter().flat_map(|row| decode(*type_id, row));
            let bits = |value: f32| if value.is_nan() { f32::NAN } else { value }.to_bits();
            values.map(bits).collect()
        };
        self.0 == other.0 && self.1 == other.1 || values(self) == values(other)
    }
}

impl<'a> Inputs<'a> {
    fn of(bytes: &'a [u8]) -> Result<Self, Error> {
        let owned = bytes.to_vec();
        let sources: [&dyn Source; 1] = [&owned];
        let model = load(&sources)?;
        let table = model.embedding();
        let Weights(type_id, embedding) = weights(bytes, table);
        let row = embedding[0].len() / table.rows();
        let prompts = default_prompts(VOCABULARY);
        let reached = prompts.iter().flat_map(|prompt| &prompt.tokens);
        let reached = reached.map(|id| &embedding[0][*id as usize * row..][..row]);
        let embedding = vec![Input::Weights(Weights(type_id, reached.collect()))];

        // Stages that take nothing but values of other stages are there as well: one file may lack them.
        let inputs = model.program.iter().map(|instruction| {
            let taken = match &instruction.op {
                Op::Lookup { .. } => embedding.clone(),
                op => {
                    let tensors = op.tensors().into_iter();
                    let tensors = tensors.map(|tensor| Input::Weights(weights(bytes, tensor)));
                    tensors.chain(numbers(op).map(Input::Numbers)).collect()
                }
            };
            (instruction.step, taken)
        });
        Ok(Self(inputs.collect()))
    }

    /// The keys of the stages of this model that the other one lacks or feeds with something else.
    fn other_than(&self, other: &Self) -> Vec<String> {
        let other: HashMap<_, _> = other.0.iter().map(|(step, taken)| (*step, taken)).collect();
        let differing = self
            .0
            .iter()
            .filter(|(step, taken)| other.get(step) != Some(&taken));
        differing.map(|(step, _)| step.to_string()).collect()
    }
}

/// The numbers that an operation takes of its model.
fn numbers(op: &Op) -> Option<String> {
    Some(match op {
        Op::Norm { norm, .. } => norm.epsilon.to_string(),
        Op::Rotate(rotation) => format!("{:?} {}", rotation.rope, rotation.head_dim),
        Op::Scores { heads, .. } | Op::Weighted { heads, .. } => format!("{heads:?}"),
        Op::Softmax { heads, .. } => heads.queries.to_string(),
        _ => return None,
    })
}

fn weights<'a>(bytes: &'a [u8], tensor: &Tensor) -> Weights<'a> {
    let start = usize::try_from(tensor.offset).unwrap();
    let size = usize::try_from(tensor.size).unwrap();
    let type_id = tensor.weight_type.ggml_type().id();
    Weights(type_id, vec![&bytes[start..][..size]])
}

/// The ids of all models that have faults.
const VOCABULARY: u32 = 320;
