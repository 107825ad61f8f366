//! Reports of every kind that a page must show well.

use std::sync::LazyLock;

use fixtures::gguf::Model;
use fixtures::{apr, damage, models};
use render::{Answer, Subject, html};
use verifier::finding::Side;
use verifier::report::{
    Behaviour, BehaviourResult, BehaviourRow, PromptRow, Report, Sides, StageDifference,
    StageResult, StageRow, StageSide, TensorResult, TokenSet, to_json,
};
use verifier::{Input, Options, check, verify};

/// A name for each page, and the page.
pub(crate) static PAGES: LazyLock<Vec<(&str, String)>> = LazyLock::new(make_pages);

pub(crate) fn make_pages() -> Vec<(&'static str, String)> {
    let pages = [
        ("verified", vec![subject(verified())]),
        ("bit", vec![subject(bit())]),
        ("same format", vec![subject(same_format())]),
        ("other model", vec![subject(other_model())]),
        ("cut", vec![subject(cut())]),
        ("no model", vec![subject(no_model())]),
        ("run", vec![subject(run())]),
        ("differs when run", vec![subject(differs_when_run())]),
        (
            "32 layers",
            vec![subject(deep(32, TensorResult::BytesEqual))],
        ),
        (
            "a thousand differ",
            vec![subject(deep(112, TensorResult::Different))],
        ),
        ("hostile", vec![subject(hostile())]),
        ("not opened", vec![subject(not_opened())]),
        (
            "several",
            vec![subject(verified()), subject(bit()), subject(hostile())],
        ),
        ("nothing", Vec::new()),
    ];
    pages
        .into_iter()
        .map(|(name, subjects)| (name, page(&subjects)))
        .collect()
}

pub(crate) fn page(subjects: &[Subject]) -> String {
    // For one subject it is what the command prints.
    let documents: Vec<String> = subjects.iter().map(|one| to_json(&one.report)).collect();
    html::page(&Answer {
        document: &documents.concat(),
        policy: None,
        time: "",
        version: "0.1.0",
        command: "verify 'a b.apr' \"</code><script>alert(1)</script>\"",
        subjects,
    })
}

pub(crate) fn subject(report: Report) -> Subject {
    Subject {
        paths: vec!["models/a.apr".to_owned(), "models/b.gguf".to_owned()],
        report,
    }
}

fn compare(a: (&str, Vec<u8>), b: (&str, Vec<u8>)) -> Report {
    let input = |(name, bytes): &(&str, Vec<u8>)| -> (String, Vec<u8>) {
        ((*name).to_owned(), bytes.clone())
    };
    let (a, b) = (input(&a), input(&b));
    let of = |file: &'_ (String, Vec<u8>)| file.0.clone();
    let first = Input {
        name: of(&a),
        shards: vec![(of(&a), &a.1)],
    };
    let second = Input {
        name: of(&b),
        shards: vec![(of(&b), &b.1)],
    };
    verify(&first, &second, &Options::default(), &())
}

fn pair(model: &Model, damage: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Report {
    let artifact = apr::converted(model).to_bytes();
    compare(
        ("model.apr", damage(artifact)),
        ("model.gguf", model.to_bytes()),
    )
}

pub(crate) fn verified() -> Report {
    pair(&models::qwen3(), |artifact| artifact)
}

pub(crate) fn bit() -> Report {
    let mut report = pair(&models::qwen3(), |artifact| {
        damage::flip_bit(&artifact, artifact.len() - 90_000, 3)
    });
    report.cause = Some("one bit of the APR file is flipped".to_owned());
    report.next = Some("aprove convert model.gguf --overwrite".to_owned());
    report
}

fn same_format() -> Report {
    let gguf = models::tiny().to_bytes();
    let other = damage::flip_bit(&gguf, gguf.len() - 100, 3);
    compare(
        (
            "a-model-with-a-rather-long-name-of-its-own-Q4_K_M.gguf",
            gguf,
        ),
        ("b.gguf", other),
    )
}

fn other_model() -> Report {
    let artifact = apr::converted(&models::qwen2()).to_bytes();
    compare(
        ("qwen2.apr", artifact),
        ("llama.gguf", models::llama().to_bytes()),
    )
}

fn not_opened() -> Report {
    check::not_done(true, "c.gguf cannot be opened: no such file")
}

fn cut() -> Report {
    pair(&models::qwen3(), |artifact| {
        damage::truncate(&artifact, 600_000)
    })
}

fn no_model() -> Report {
    pair(&models::qwen3(), |_| damage::html_page())
}

/// As [`verified`], with the rows of a deep model.
pub(crate) fn deep(layers: usize, result: TensorResult) -> Report {
    let mut report = verified();
    let damaged = bit();
    let different = damaged
        .tensors
        .iter()
        .find(|row| row.difference.is_some())
        .unwrap();
    let is_last = |name: &str| name.starts_with("blk.1.");
    let of_layer: Vec<_> = report
        .tensors
        .iter()
        .filter(|row| is_last(&row.sides.gguf.as_ref().unwrap().name))
        .cloned()
        .collect();
    for layer in 2..layers {
        for row in &of_layer {
            let mut row = row.clone();
            let gguf = row.sides.gguf.as_mut().unwrap();
            gguf.name = gguf.name.replace("blk.1.", &format!("blk.{layer}."));
            row.result = result;
            if result == TensorResult::Different {
                row.difference.clone_from(&different.difference);
                row.values.clone_from(&different.values);
            }
            report.tensors.push(row);
        }
    }
    let count = |result| {
        report
            .tensors
            .iter()
            .filter(|row| row.result == result)
            .count()
    };
    report.counts.bytes_equal = count(TensorResult::BytesEqual);
    report.counts.tensors_different = count(TensorResult::Different);
    report
}

fn run() -> Report {
    let mut report = verified();
    report.add_behaviour(
        &Behaviour::Equal,
        behaviour(BehaviourResult::Equal, Vec::new()),
    );
    report
}

fn differs_when_run() -> Report {
    let mut report = verified();
    let names = [
        "attn_norm",
        "q",
        "k",
        "v",
        "q_rope",
        "k_rope",
        "attn_out",
        "ffn_gate",
        "ffn_down",
    ];
    let stages = (0..32).flat_map(|layer| names.map(|name| format!("{layer}.{name}")));
    let rows = stages.enumerate().flat_map(|(index, stage)| {
        [TokenSet::All, TokenSet::Last].map(|set| stage_row(&stage, set, index))
    });
    let row = behaviour(BehaviourResult::Different, rows.collect());
    let outcome = Behaviour::Different {
        stage: "0.q_rope".to_owned(),
        prompt: "ramp".to_owned(),
    };
    report.add_behaviour(&outcome, row);
    report
}

/// Equal up to `0.q_rope`, and further apart from stage to stage.
fn stage_row(stage: &str, token_set: TokenSet, index: usize) -> StageRow {
    let side = || StageSide {
        elements: 4096,
        blake3: "00".repeat(32),
        nans: 0,
        mean: Some(0.0),
        standard_deviation: Some(1.25),
        minimum: Some(-1.0),
        maximum: Some(1.0),
    };
    let differs = index >= 4;
    StageRow {
        stage: stage.to_owned(),
        capture_point: "after the rotation".to_owned(),
        token_set,
        result: if differs {
            StageResult::Different
        } else {
            StageResult::Equal
        },
        sides: Sides::new(Side::BY_FORMAT, [Some(side()), Some(side())]),
        ratio: Some(1.0),
        drift: Some(0.01),
        difference: differs.then(|| StageDifference {
            elements: 12,
            first: 3,
            sides: Sides::new(Side::BY_FORMAT, [Some(Some(0.5)), Some(Some(0.25))]),
            largest_ulp: 4_194_304,
            largest_absolute: Some(1e-6 * 1.05_f64.powi(i32::try_from(index).unwrap())),
            cosine: Some(0.999),
        }),
    }
}

fn behaviour(result: BehaviourResult, table: Vec<StageRow>) -> BehaviourRow {
    BehaviourRow {
        device: "cpu".to_owned(),
        device_reason: None,
        numerics: "aprove-1".to_owned(),
        result,
        tokens: 12,
        stages: 591,
        weights: None,
        experts: None,
        used: Vec::new(),
        assumptions: Vec::new(),
        unused: Vec::new(),
        prompts: vec![PromptRow {
            name: "ramp".to_owned(),
            tokens: (0..12).collect(),
            sides: Sides::new(
                Side::BY_FORMAT,
                [Some("11".repeat(32)), Some("22".repeat(32))],
            ),
            recorded: None,
            equal_left_out: 0,
            table,
        }],
    }
}

/// Texts that are meant to break markup, layout or the order of reading.
pub(crate) const HOSTILE: [&str; 4] = [
    "<script>alert(1)</script>",
    "\"'><img src=http://evil.example/x onerror=alert(1)>",
    "model\u{202e}gpj.\u{2066}exe\u{2028}\n\r\0",
    "]]><!-- --></style></title></svg></table>",
];

fn hostile() -> Report {
    let mut model = models::qwen3();
    let long = "a".repeat(10_000);
    for (tensor, name) in model.tensors.iter_mut().skip(3).step_by(2).zip(HOSTILE) {
        tensor.name = format!("blk.0.{name}").into_bytes();
    }
    model.tensors[1].name = format!("{long}.weight").into_bytes();
    model.tensors[2].name = format!("blk.1.{long}").into_bytes();
    for (index, text) in HOSTILE.iter().enumerate() {
        model.set(format!("general.{index}{text}"), *text);
    }
    model.set(format!("general.{long}"), long.as_str());
    model.set("general.name", HOSTILE[0]);
    let artifact = apr::converted(&models::qwen3()).to_bytes();
    let mut report = compare((HOSTILE[1], artifact), (HOSTILE[2], model.to_bytes()));
    report.cause = Some(HOSTILE.concat());
    report.next = Some(format!("verify {long} {}", HOSTILE[3]));
    report
}
