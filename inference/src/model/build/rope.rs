//! The rotations of a model: those of all layers, and those of layers with a window.

use architectures::{Architecture, RopeFactors, RopeKind, WindowBase, YarnKeys};

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
    let scaling = scaling.settle(context, has_factors, assumptions)?;
    let magnitude = magnitude(architecture.yarn, keys, &scaling, stated)?;
    let dims = keys.count("rope.dimension_count")?.unwrap_or(key_dim);
    if dims > LONGEST_HEAD {
        let expected = format_args!("at most {LONGEST_HEAD}");
        return Err(Error::model("rope dims", expected, dims));
    }
    let full = Rope {
        pairing,
        base: with_alpha(architecture, keys, base, key_dim)?,
        dims,
        magnitude,
        scaling,
        still: still(architecture.rope, keys, dims)?,
    };
    let window = window(architecture, keys, &full)?;
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
    if !window.scaled {
        rope.scaling = Scaling::None;
    }
    if !window.yarn {
        rope.scaling = Scaling::None;
        rope.magnitude = 1.0;
    }
    if architecture.shared_keys {
        rope.dims = keys.count("rope.dimension_count_swa")?.unwrap_or(rope.dims);
    }
    Ok(rope)
}

/// What cosines and sines are multiplied by. llama.cpp makes it of two parts, of which the first divides by what the second
/// multiplies by; what is left is this.
fn magnitude(
    yarn: YarnKeys,
    keys: &Keys<'_>,
    scaling: &Scaling,
    stated: Option<f32>,
) -> Result<f64, Error> {
    let Scaling::Yarn(numbers) = scaling else {
        return Ok(stated.unwrap_or(1.0).into());
    };
    let multiplier = log_multiplier(yarn, keys)?;
    if multiplier == 0.0 {
        return Ok(scaling.magnitude());
    }
    let factor = f64::from(numbers.factor);
    let grown = |by: f64| match factor <= 1.0 {
        true => 1.0,
        false => 1.0 + 0.1 * by * libm::log(factor),
    };
    let above = match yarn {
        YarnKeys::Deepseek if multiplier != 1.0 => grown(multiplier),
        _ => grown(1.0),
    };
    Ok(f64::from(numbers.attention) * (above / grown(multiplier)))
}

/// What `yarn_log_multiplier` means for an architecture.
pub(super) fn log_multiplier(yarn: YarnKeys, keys: &Keys<'_>) -> Result<f64, Error> {
    let stated = || -> Result<f64, Error> {
        let stated = keys.float("rope.scaling.yarn_log_multiplier")?;
        Ok(stated.unwrap_or(0.0).into())
    };
    Ok(match yarn {
        YarnKeys::Plain => 0.0,
        YarnKeys::Betas => stated()?,
        YarnKeys::Deepseek => stated()? / 0.1,
    })
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
