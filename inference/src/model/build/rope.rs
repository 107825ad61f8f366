//! The rotations of a model: those of all layers, and those of layers with a window.

use architectures::{Architecture, RopeFactors, RopeKind, WindowBase, WindowScaling, YarnKeys};

use super::yarn::Magnitude;
use crate::{
    error::Error,
    model::{
        Assumption, Format, Pairing, Rope, Scaling,
        keys::Keys,
        scaling::ScalingKeys,
        tensors::{Place, Tensors},
    },
};

/// The rotations of a model.
pub(super) struct Ropes {
    /// In layers without a window.
    pub(super) full: Rope,
    /// In layers with one.
    pub(super) window: Rope,
}

/// Settles the rotations of a model with this context and head size; `pairing` is what the file itself says.
pub(super) fn ropes(
    architecture: &Architecture,
    format: Format,
    keys: &Keys<'_>,
    tensors: &Tensors,
    pairing: Option<Pairing>,
    (context, key_dim): (usize, usize),
    assumptions: &mut Vec<Assumption>,
) -> Result<Ropes, Error> {
    let base = match keys.float("rope.freq_base")? {
        Some(base) => base,
        None => {
            if architecture.rope != RopeKind::None {
                assumptions.push(Assumption {
                    what: keys.name("rope.freq_base"),
                    value: "10000".to_owned(),
                    why: "the default of llama.cpp",
                });
            }
            10_000.0
        }
    };
    if !(base.is_finite() && base > 0.0) {
        return Err(Error::model("rope base", "a positive number", base));
    }
    let usual = match architecture.rope {
        RopeKind::None | RopeKind::Norm => Pairing::Norm,
        RopeKind::Neox | RopeKind::Sections | RopeKind::InterleavedSections => Pairing::Neox,
    };
    let pairing = pairing.unwrap_or_else(|| {
        // In GGUF the architecture says it.
        if format == Format::Apr && architecture.rope != RopeKind::None {
            assumptions.push(Assumption {
                what: "rope_type".to_owned(),
                value: usual.id().to_string(),
                why: "the pairing that llama.cpp gives the architecture",
            });
        }
        usual
    });
    let has = |part| tensors.has(Place { layer: None, part });
    let has_factors = architecture.rope_factors != RopeFactors::None
        && (has("rope_freqs.weight") || has("rope_factors_short.weight"));
    let stated = keys.float("rope.scaling.attn_factor")?;
    let betas = match architecture.yarn {
        YarnKeys::Betas => (
            keys.float("rope.scaling.yarn_beta_fast")?.unwrap_or(32.0),
            keys.float("rope.scaling.yarn_beta_slow")?.unwrap_or(1.0),
        ),
        YarnKeys::Plain | YarnKeys::Deepseek => (32.0, 1.0),
    };
    // The second name is the one of old files.
    let factor = match keys.float("rope.scaling.factor")? {
        None => keys.float("rope.scale_linear")?,
        factor => factor,
    };
    let scaling = ScalingKeys {
        kind: keys.text("rope.scaling.type")?,
        factor,
        original_context: keys.count("rope.scaling.original_context_length")?,
        attention: stated,
        betas,
    };
    let own_factor = scaling.own_factor();
    let scaling = scaling.settle(format, context, has_factors, assumptions)?;
    let magnitude = Magnitude::new(architecture.yarn, keys, &scaling, stated)?;
    let dims = keys.count("rope.dimension_count")?.unwrap_or(key_dim);
    if dims > LONGEST_HEAD {
        let expected = format_args!("at most {LONGEST_HEAD}");
        return Err(Error::model("rope dims", expected, dims));
    }
    let full = Rope {
        pairing,
        base: with_alpha(architecture, keys, base, key_dim)?,
        dims,
        magnitude: magnitude.stretched,
        scaling,
        still: still(architecture.rope, keys, dims)?,
    };
    let mut window = window(architecture, keys, &full)?;
    match architecture.window.map(|window| window.scaling) {
        None | Some(WindowScaling::Same) => {}
        Some(WindowScaling::OwnFactor) => {
            if let Some(factor) = own_factor {
                window.scaling = Scaling::Linear { factor };
            }
        }
        Some(WindowScaling::Unstretched) => {
            window.scaling = Scaling::None;
            window.magnitude = magnitude.unstretched;
        }
        Some(WindowScaling::None) => {
            window.scaling = Scaling::None;
            window.magnitude = 1.0;
        }
    }
    Ok(Ropes { full, window })
}

fn window(architecture: &Architecture, keys: &Keys<'_>, full: &Rope) -> Result<Rope, Error> {
    let mut rope = full.clone();
    let Some(window) = architecture.window else {
        return Ok(rope);
    };
    let stated = match window.base {
        WindowBase::Same => None,
        WindowBase::KeyOrSame => keys.float("rope.freq_base_swa")?,
        WindowBase::KeyOr(default) => Some(keys.float("rope.freq_base_swa")?.unwrap_or(default)),
    };
    if let Some(base) = stated {
        rope.base = base.into();
    }
    Ok(rope)
}

/// The base of Hunyuan grows with a key.
fn with_alpha(
    architecture: &Architecture,
    keys: &Keys<'_>,
    base: f32,
    key_dim: usize,
) -> Result<f64, Error> {
    let base = f64::from(base);
    if !architecture.rope_alpha {
        return Ok(base);
    }
    let alpha = keys.float("rope.scaling.alpha")?.unwrap_or(0.0);
    Ok(match (alpha > 0.0, key_dim.checked_sub(2)) {
        (true, Some(less @ 1..)) => base * libm::pow(alpha.into(), key_dim as f64 / less as f64),
        _ => base,
    })
}

/// The pairs of the fourth section. The positions of the first three are equal in a text, that of the fourth is 0.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "sections are no longer than a head, whose length is bounded"
)]
fn still(kind: RopeKind, keys: &Keys<'_>, dims: usize) -> Result<Vec<usize>, Error> {
    if !matches!(kind, RopeKind::Sections | RopeKind::InterleavedSections) {
        return Ok(Vec::new());
    }
    let key = "rope.dimension_sections";
    let Some(sections) = keys.counts(key, 4)? else {
        return Err(Error::model(keys.name(key), "four numbers", "none"));
    };
    let [first, second, third, fourth] = sections[..] else {
        return Err(Error::model(keys.name(key), "four numbers", sections.len()));
    };
    let bounded = sections.iter().all(|section| *section <= dims);
    if !bounded {
        return Err(Error::model(keys.name(key), "the pairs of a head", "more"));
    }
    let all = (first + second + third + fourth).max(1);
    let turns = |pair: usize| {
        let place = pair % all;
        match kind {
            RopeKind::InterleavedSections => {
                let section = [first, second, third];
                let section = section.get(place % 3).copied().unwrap_or_default();
                place < 3 * section
            }
            _ => place < first + second + third,
        }
    };
    Ok((0..dims / 2).filter(|pair| !turns(*pair)).collect())
}

/// No head is near as long; what is kept of each pair is bounded by it.
const LONGEST_HEAD: usize = 1 << 16;

/// What is shown of a rotation: the keys of an APR file for what both formats say.
pub(super) fn settings(rope: &Rope) -> Vec<(&'static str, String)> {
    let mut settings = vec![
        ("rope_type", rope.pairing.id().to_string()),
        ("rope_theta", shortest(rope.base)),
        ("rope_dimension_count", rope.dims.to_string()),
    ];
    match &rope.scaling {
        Scaling::None => settings.push(("rope_scaling.type", "none".to_owned())),
        Scaling::Linear { factor } => settings.extend([
            ("rope_scaling.type", "linear".to_owned()),
            ("rope_scaling.factor", factor.to_string()),
        ]),
        Scaling::Yarn(yarn) => settings.extend([
            ("rope_scaling.type", "yarn".to_owned()),
            ("rope_scaling.factor", yarn.factor.to_string()),
            (
                "rope_scaling.original_context_length",
                yarn.original_context.to_string(),
            ),
            (
                "rope_scaling.yarn_ext_factor",
                yarn.extrapolation.to_string(),
            ),
            ("rope_scaling.attn_factor", yarn.attention.to_string()),
            ("rope_scaling.yarn_beta_fast", yarn.beta_fast.to_string()),
            ("rope_scaling.yarn_beta_slow", yarn.beta_slow.to_string()),
        ]),
    }
    if rope.magnitude != rope.scaling.magnitude() {
        settings.push(("rope_magnitude", shortest(rope.magnitude)));
    }
    if !rope.still.is_empty() {
        settings.push(("rope_pairs_that_do_not_turn", rope.still.len().to_string()));
    }
    settings
}

/// The shortest text of a number that most files state as f32.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the rounding is what is asked"
)]
fn shortest(number: f64) -> String {
    let rounded = number as f32;
    match f64::from(rounded) == number {
        true => rounded.to_string(),
        false => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{
        model::{build::yarn::score_scale, keys::Listed},
        program::ScoreScale,
    };

    /// The rotations under a type of scaling and further keys.
    fn with(architecture: &str, kind: &str, numbers: &[(&str, f32)]) -> Ropes {
        let texts = [("rope.scaling.type", kind)];
        let stated = Listed {
            numbers,
            texts: &texts[usize::from(kind.is_empty())..],
        };
        let tensors = Tensors {
            left: BTreeMap::new(),
            names: |_| Vec::new(),
        };
        ropes(
            architectures::find(architecture).unwrap(),
            Format::Gguf,
            &Keys::new(&stated),
            &tensors,
            None,
            (4096, 64),
            &mut Vec::new(),
        )
        .unwrap()
    }

    const FACTOR: (&str, f32) = ("rope.scaling.factor", 8.0);

    #[test]
    fn the_type_none_leaves_the_factor_of_some_windows() {
        for architecture in ["gemma2", "gpt-oss", "llama4"] {
            let ropes = with(architecture, "none", &[FACTOR]);
            assert_eq!(ropes.full.scaling, Scaling::None, "{architecture}");
            let linear = Scaling::Linear { factor: 8.0 };
            assert_eq!(ropes.window.scaling, linear, "{architecture}");
        }
        for architecture in ["gemma3", "cohere2", "exaone4", "olmo2"] {
            let ropes = with(architecture, "none", &[FACTOR]);
            assert_eq!(ropes.window.scaling, Scaling::None, "{architecture}");
        }
    }

    #[test]
    fn yarn_does_not_grow_what_it_does_not_stretch() {
        let attention = ("rope.scaling.attn_factor", 1.5);
        for (architecture, window) in [
            ("gemma3", 1.5),
            ("gemma4", 1.5),
            ("olmo2", 1.0),
            ("gemma2", 1.5 * (1.0 + 0.1 * libm::log(8.0))),
        ] {
            let ropes = with(architecture, "yarn", &[FACTOR, attention]);
            let off = (ropes.window.magnitude - window).abs();
            assert!(off < 1e-15, "{architecture}: {}", ropes.window.magnitude);
        }
        // A factor below 1 shrinks nothing.
        let ropes = with("qwen3moe", "yarn", &[("rope.scaling.factor", 0.5)]);
        assert_eq!(ropes.full.magnitude, 1.0);
        assert_eq!(ropes.full.scaling.magnitude(), 1.0);
    }

    #[test]
    fn the_scores_of_deepseek2_grow_with_its_rotation() {
        let logarithm = 0.1 * libm::log(8.0);
        let (attention, multiplier) = (
            ("rope.scaling.attn_factor", 1.3),
            ("rope.scaling.yarn_log_multiplier", 0.07),
        );
        // The key holds a tenth of the multiplier.
        let multiplied = 1.0 + f64::from(0.07f32) / 0.1 * logarithm;
        for (kind, numbers, grown) in [
            ("yarn", &[FACTOR, multiplier][..], multiplied),
            ("yarn", &[FACTOR], 1.0 + logarithm),
            (
                "yarn",
                &[FACTOR, multiplier, attention],
                multiplied * f64::from(1.3f32),
            ),
            (
                "linear",
                &[FACTOR, multiplier],
                multiplied * (1.0 + logarithm),
            ),
            ("", &[FACTOR], 1.0 + logarithm),
            ("none", &[FACTOR, attention], f64::from(1.3f32)),
        ] {
            let stated = Listed {
                numbers,
                texts: &[],
            };
            let keys = Keys::new(&stated);
            let rope = with("deepseek2", kind, numbers).full;
            let scale = |yarn| score_scale(yarn, &keys, 64, &rope).unwrap();
            let found = match scale(YarnKeys::Deepseek) {
                ScoreScale::Is(scale) => scale,
                ScoreScale::InverseRoot(_) => 0.125,
            };
            let off = (found - grown * grown / 8.0).abs();
            assert!(off < 1e-15, "{kind} {numbers:?}: {found}");
            assert!(matches!(scale(YarnKeys::Plain), ScoreScale::InverseRoot(_)));
        }
    }

    #[test]
    fn the_multiplier_is_asked_for_without_yarn_as_well() {
        let stated = Listed {
            numbers: &[],
            texts: &[],
        };
        let keys = Keys::new(&stated);
        Magnitude::new(YarnKeys::Betas, &keys, &Scaling::None, None).unwrap();
        let key = "rope.scaling.yarn_log_multiplier";
        assert!(keys.asked().contains(key));
    }
}
