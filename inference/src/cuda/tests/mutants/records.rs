//! What runs the kernels of records: spans of values in which every line of the text counts.

use std::{collections::BTreeSet, sync::LazyLock};

use fixtures::random::Random;
use ptx_interpreter::Options;

use super::{
    super::{
        device::{Device, bits},
        kernels::spans::{compared, double_bits, of_span, outcome_bits, span, statistics_bits},
    },
    joins,
};
use crate::{
    cuda::record::layout::{DIFFERENCE_WORDS, ValueRange, outcome},
    record::{Statistics, comparison::Sums, digest},
};

/// Values of two sides, raw bytes, and the spans that are looked at.
pub(super) struct Records {
    a: Vec<f32>,
    b: Vec<f32>,
    raw: Vec<u8>,
    spans: Vec<ValueRange>,
    /// The lines of the text that ran.
    pub(super) lines: BTreeSet<u32>,
}

impl Records {
    fn new() -> Self {
        let mut random = Random::new(12);
        let mut a: Vec<f32> = (0..25_300).map(|_| random.normal()).collect();
        // NaNs at the end alone: they make NaNs of the sums of products. The numbers in between are all in one lane, so
        // that each rounding of their sum counts.
        let end = (13_000..17_100).filter(|at| at % 256 != 0);
        end.for_each(|at| a[at] = f32::from_bits(0xFFC0_0001));
        // The same with large numbers that cancel each other out, since the order of like f32 makes no difference.
        for (at, value) in a.iter_mut().enumerate().skip(21_200).take(4100) {
            match (at % 256, random.below(4)) {
                (0, 0) => *value = 1e12,
                (0, 1) => *value = -1e12,
                (0, _) => {}
                _ => *value = f32::NAN,
            }
        }
        // The same with zeros, for sums of products.
        for (at, value) in a.iter_mut().enumerate().skip(17_100).take(4100) {
            *value *= match at % 256 {
                0 => [1e-4, 1.0, 30.0][random.below(3) as usize],
                _ => 0.0,
            };
        }
        let mut b = a.clone();
        (17_100..21_200).for_each(|at| b[at] *= random.normal());
        (5..13_250)
            .step_by(3)
            .for_each(|at| b[at] *= random.normal());
        // Extremes in the fourth block of the first span.
        (a[12_600], a[12_601], b[12_602]) = (50.0, -50.0, -1e4);
        let mut raw = vec![0; 2 * 1024 + 77];
        random.fill(&mut raw);
        let mut spans = vec![span(100, 12_800), span(13_100, 256), span(17_099, 1)];
        // NaNs in the fourth block.
        spans.push(span(500, 13_000));
        spans.extend([span(13_000, 4096), span(13_030, 3800), span(13_700, 2100)]);
        spans.extend([span(17_100, 4096), span(17_130, 3800), span(17_900, 2100)]);
        spans.extend((0..12).map(|i| span(17_100 + 99 * i, 3000)));
        spans.extend([span(21_200, 4096), span(21_230, 3800), span(21_900, 2100)]);
        spans.extend([span(21_300, 3900), span(22_100, 3100), span(22_400, 2800)]);
        // Many, so that each line of a loop has to do with an extreme of some span.
        spans.extend((0..28).map(|_| {
            let count = 1 + random.below(2500) as usize;
            span(random.below(10_500) as usize, count)
        }));
        let mut records = Self {
            a,
            b,
            raw,
            spans,
            lines: BTreeSet::new(),
        };
        for kernel in [
            "sum_spans",
            "compare_spans",
            "digest_spans",
            "digest_bytes",
            "copy_rows",
        ] {
            let mut device = Device::new(Options::default());
            records.run(kernel, &mut device).unwrap();
            records.lines.append(&mut device.lines);
        }
        records
    }

    /// What is wrong with a kernel on a device: a fault, or that a result differs.
    pub(super) fn judge(&self, kernel: &str, mut device: Device<'_>) -> Result<(), String> {
        self.run(kernel, &mut device)?;
        assert!(device.launched.contains(&kernel), "{kernel} does not run");
        Ok(())
    }

    /// Runs what a kernel is a part of, and holds the result against the CPU.
    fn run(&self, kernel: &str, device: &mut Device<'_>) -> Result<(), String> {
        let [a, b] = [&self.a, &self.b].map(|values| device.put(values));
        let spans = match kernel {
            // A digest tells any change of a value.
            "digest_spans" | "digest_join" => &self.spans[..3],
            _ => &self.spans,
        };
        let sides = |span: &ValueRange| [&self.a, &self.b].map(|values| of_span(values, *span));
        let pairs = spans.iter().map(sides);
        joins::judge(kernel, device)?;
        let is_right = match kernel {
            "sum_spans" | "sum_join" | "square_spans" | "square_join" => {
                let found = device.statistics(a, spans)?;
                let expected = pairs.map(|[a, _]| statistics_bits(Statistics::new(a)));
                found.into_iter().map(statistics_bits).eq(expected)
            }
            "compare_spans" | "compare_join" => {
                let found = device.differences(a, b, spans)?;
                let is_right = |(words, [a, b]): (&[u32; DIFFERENCE_WORDS], [&[f32]; 2])| {
                    // The cosine does not tell all changes of the sums that it comes from.
                    let sums = Sums::new(a, b).products.map(double_bits);
                    let (doubles, _) = words.as_chunks();
                    let double = |[low, high]: [u32; 2]| u64::from(high) << 32 | u64::from(low);
                    let doubles = doubles.iter().map(|words| double(*words));
                    let doubles = doubles.map(|bits| double_bits(f64::from_bits(bits)));
                    outcome_bits(outcome(words)) == outcome_bits(compared(a, b))
                        && doubles.take(3).eq(sums)
                };
                found.iter().zip(pairs).all(is_right)
            }
            "digest_spans" | "digest_join" => {
                let found = device.digests(a, spans)?;
                found.into_iter().eq(pairs.map(|[a, _]| digest(a)))
            }
            // In panels of which the last one is short, and a tensor of one chunk alone.
            "digest_bytes" => {
                let tensors = [&self.raw[..], &self.raw[..1000]];
                let found = tensors.map(|raw| device.digest_of_bytes(raw, 2));
                let [whole, chunk] = found.map(|found| Ok::<_, String>(found?.0));
                [whole?, chunk?] == tensors.map(|raw| *blake3::hash(raw).as_bytes())
            }
            "copy_rows" => {
                device.copy_rows(a, b, [300, 130, 1265])?;
                let is_copied = |i: usize| (130..430).contains(&(i % 1265));
                let sides = self.a.iter().zip(&self.b).enumerate();
                let expected = sides.map(|(i, (a, b))| if is_copied(i) { *a } else { *b });
                bits(&device.download(b)?) == bits(&expected.collect::<Vec<f32>>())
            }
            other => return Err(format!("no trial of {other}")),
        };
        let differs = || "the result differs".to_owned();
        is_right.then_some(()).ok_or_else(differs)
    }
}

pub(super) static RECORDS: LazyLock<Records> = LazyLock::new(Records::new);
