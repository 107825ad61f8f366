use super::*;
use crate::policy::{Allow, Policy};
use crate::report::verdict::{Compared, Verdict};
use crate::report::{Scope, Sides, TensorResult, TensorRow, TensorSide, build, text};

fn row() -> BehaviourRow {
    BehaviourRow {
        device: "cpu".to_owned(),
        device_reason: None,
        numerics: "f32-fixed-2".to_owned(),
        result: BehaviourResult::NotCovered,
        tokens: 3,
        stages: 9,
        weights: None,
        experts: None,
        used: Vec::new(),
        assumptions: Vec::new(),
        unused: Vec::new(),
        prompts: Vec::new(),
    }
}

/// A report of a pair that comes to this verdict.
fn report(verdict: Verdict) -> Report {
    let finding = match verdict {
        Verdict::Verified => None,
        Verdict::Different => Some((Code::TensorBytes, Effect::Different)),
        Verdict::Undecided => Some((Code::TensorNotCompared, Effect::Undecided)),
    };
    let findings: Vec<_> = finding
        .map(|(code, effect)| Finding::new(code, effect, ""))
        .into_iter()
        .collect();
    let mut report = build(Vec::new(), &Scope::Nothing, &[]);
    report.compared = Compared::Pair {
        tensor_bytes: 1,
        keys: 1,
        stages: None,
    };
    report.add(&findings);
    assert_eq!(report.verdict, verdict);
    report
}

#[test]
fn a_warning_of_a_run_is_not_said_to_be_a_difference() {
    for (code, says) in [
        (
            Code::BehaviourAssumed,
            "nothing differs; the warnings are below",
        ),
        (Code::MetaChanged, "nothing differs but what is named below"),
    ] {
        let mut report = report(Verdict::Verified);
        report.called = Some(["a", "b"].map(str::to_owned));
        report.add(&[Finding::new(code, Effect::Warning, "")]);
        let meaning = text::meaning(&report);
        assert!(meaning.contains(says), "{meaning}");
    }
}

#[test]
fn behaviour_only_makes_a_verdict_worse() {
    let different = Behaviour::Different {
        stage: "0.q_rope".to_owned(),
        prompt: "eight".to_owned(),
    };
    let not_covered = Behaviour::NotCovered {
        why: "arch x".to_owned(),
    };
    let changed = Behaviour::Changed {
        why: "length".to_owned(),
    };
    let tokenised = Behaviour::Tokenised {
        first: vec![1],
        second: vec![2],
    };
    let unrecorded = Behaviour::Unrecorded {
        prompt: "eight".to_owned(),
        expected: "aa".to_owned(),
        found: "bb".to_owned(),
    };
    for (behaviour, before, after) in [
        (&unrecorded, Verdict::Verified, Verdict::Different),
        (&tokenised, Verdict::Verified, Verdict::Different),
        // A difference that was found is one, whatever else could not be compared.
        (&unrecorded, Verdict::Undecided, Verdict::Different),
        (&Behaviour::Equal, Verdict::Verified, Verdict::Verified),
        (&Behaviour::Equal, Verdict::Undecided, Verdict::Undecided),
        (&different, Verdict::Verified, Verdict::Different),
        (&different, Verdict::Undecided, Verdict::Different),
        (&not_covered, Verdict::Verified, Verdict::Undecided),
        (&not_covered, Verdict::Different, Verdict::Different),
        (&changed, Verdict::Verified, Verdict::Undecided),
        (&changed, Verdict::Different, Verdict::Undecided),
    ] {
        let mut report = report(before);
        report.add_behaviour(behaviour, row());
        assert_eq!(report.verdict, after, "{behaviour:?}");
    }
}

#[test]
fn who_needs_stages_is_undecided_without_one_whatever_is_allowed() {
    let not_covered = Behaviour::NotCovered {
        why: "arch x".to_owned(),
    };
    let tokenised = Behaviour::Tokenised {
        first: vec![1],
        second: vec![2],
    };
    let different = Behaviour::Different {
        stage: "0.q_rope".to_owned(),
        prompt: "eight".to_owned(),
    };
    let allow = [
        "behaviour.not-covered",
        "behaviour.tokens",
        "behaviour.stage",
    ];
    let policy = Policy {
        allow: allow.map(|rule| Allow::parse(rule).unwrap()).to_vec(),
        ..Policy::default()
    };
    for (behaviour, stages, verdict) in [
        (&not_covered, 0, Verdict::Undecided),
        (&not_covered, 9, Verdict::Undecided),
        (&tokenised, 0, Verdict::Undecided),
        (&different, 9, Verdict::Verified),
        (&Behaviour::Equal, 9, Verdict::Verified),
    ] {
        let mut report = report(Verdict::Verified);
        report.set_policy(&policy);
        report.add_behaviour(behaviour, BehaviourRow { stages, ..row() });
        assert_eq!(report.verdict, Verdict::Verified, "{behaviour:?}");
        report.need_stages();
        assert_eq!(report.verdict, verdict, "{behaviour:?}");
    }
}

#[test]
fn a_run_of_no_stage_is_not_covered() {
    let mut report = report(Verdict::Verified);
    report.add_behaviour(&Behaviour::Equal, BehaviourRow { stages: 0, ..row() });
    assert_eq!(report.verdict, Verdict::Undecided);
    assert_eq!(report.reasons, ["behaviour.not-covered"]);
    let result = report.behaviour.unwrap().result;
    assert_eq!(result, BehaviourResult::NotCovered);
}

#[test]
fn a_run_that_gives_no_numbers_is_not_covered() {
    let side = || StageSide {
        elements: 4,
        blake3: String::new(),
        nans: 1,
        mean: None,
        standard_deviation: None,
        minimum: None,
        maximum: None,
    };
    let stage = StageRow {
        stage: "0.attn_norm".to_owned(),
        capture_point: "after the norm".to_owned(),
        token_set: TokenSet::All,
        result: StageResult::Equal,
        sides: Sides::new(Side::BY_POSITION, [Some(side()), Some(side())]),
        ratio: None,
        drift: None,
        difference: None,
    };
    let prompts = vec![PromptRow {
        name: "eight".to_owned(),
        tokens: vec![1],
        sides: Sides::new(Side::BY_POSITION, [None, None]),
        recorded: None,
        equal_left_out: 0,
        table: vec![stage],
    }];
    let mut report = report(Verdict::Verified);
    report.add_behaviour(&Behaviour::Equal, BehaviourRow { prompts, ..row() });
    assert_eq!(report.reasons, ["behaviour.not-covered"]);
    assert!(
        report.findings[0]
            .message
            .contains("NaN from stage 0.attn_norm on")
    );
}

#[test]
fn bytes_that_were_run_are_held_against_those_that_were_compared() {
    let side = |blake3: Option<&str>| TensorSide {
        name: "a".to_owned(),
        r#type: "F32".to_owned(),
        shape: vec![1],
        shard: 0,
        offset: 0,
        size: 4,
        blake3: blake3.map(str::to_owned),
        sha256: None,
    };
    let used = |name: &str, blake3: &str| UsedWeight {
        side: Side::Gguf,
        name: name.to_owned(),
        blake3: blake3.to_owned(),
    };
    for (digest, used, bound, after) in [
        (
            Some("11"),
            vec![used("a", "11")],
            Some(1),
            Verdict::Verified,
        ),
        (Some("11"), vec![used("a", "12")], None, Verdict::Undecided),
        (Some("11"), vec![used("b", "12")], None, Verdict::Undecided),
        (None, vec![used("a", "11")], None, Verdict::Undecided),
        (Some("11"), vec![], None, Verdict::Verified),
    ] {
        let mut report = report(Verdict::Verified);
        report.tensors.push(TensorRow {
            result: TensorResult::BytesEqual,
            tied: false,
            sides: Sides::new(
                Side::BY_FORMAT,
                [Some(side(Some("10"))), Some(side(digest))],
            ),
            difference: None,
            values: None,
        });
        report.add_behaviour(&Behaviour::Equal, BehaviourRow { used, ..row() });
        assert_eq!(report.verdict, after);
        let found = report.behaviour.unwrap();
        assert_eq!(found.weights, bound);
        let changed = report
            .findings
            .iter()
            .any(|found| found.code == Code::InputChanged);
        assert_eq!(changed, after == Verdict::Undecided);
    }
}
