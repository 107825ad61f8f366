//! Which layers have a window, and which are recurrent.

use architectures::{Architecture, Recurrent, WindowKind, WindowSize};

use crate::{
    error::Error,
    model::keys::{Keys, PerLayer},
    program::Reach,
};

/// What each layer sees, where it has a window.
pub(super) fn windows(
    architecture: &Architecture,
    keys: &Keys<'_>,
    layers: usize,
) -> Result<Vec<Option<Reach>>, Error> {
    let none = vec![None; layers];
    let Some(window) = architecture.window else {
        return Ok(none);
    };
    if window.only_with_layers.is_some_and(|only| only != layers) {
        return Ok(none);
    }
    let stated = keys.count("attention.sliding_window")?;
    let size = match window.size {
        WindowSize::Key(default) => stated.unwrap_or(default),
        WindowSize::Fixed(_) if stated == Some(0) => 0,
        WindowSize::Fixed(size) => size,
    };
    if size == 0 {
        return Ok(none);
    }
    let reach = match window.kind {
        WindowKind::Sliding => Reach::Last(size),
        WindowKind::Chunked => Reach::Chunk(size),
    };
    let pattern = keys.flags("attention.sliding_window_pattern", layers)?;
    let pattern = pattern.or(window.pattern.map(PerLayer::One));
    let has: Vec<bool> = match pattern {
        Some(PerLayer::Each(flags)) => flags,
        Some(PerLayer::One(0)) => vec![true; layers],
        Some(PerLayer::One(n)) => (1..=layers).map(|layer| !layer.is_multiple_of(n)).collect(),
        None => {
            let key = keys.name("attention.sliding_window_pattern");
            return Err(Error::model(key, "a flag for each layer", "none"));
        }
    };
    Ok(has.into_iter().map(|has| has.then_some(reach)).collect())
}

/// Which layers are recurrent.
pub(super) fn recurrent(
    architecture: &Architecture,
    keys: &Keys<'_>,
    key_value_heads: &[usize],
    feed_forward: &[usize],
) -> Result<Vec<bool>, Error> {
    let layers = key_value_heads.len();
    let without_heads = key_value_heads.iter().map(|heads| *heads == 0);
    Ok(match architecture.recurrent {
        None => vec![false; layers],
        Some(Recurrent::Delta { .. }) => match keys.flags("attention.recurrent_layers", layers)? {
            Some(PerLayer::Each(flags)) => flags,
            _ => {
                let interval = keys.count("full_attention_interval")?.unwrap_or(4);
                (1..=layers)
                    .map(|layer| !layer.is_multiple_of(interval))
                    .collect()
            }
        },
        Some(Recurrent::ShortConvolution | Recurrent::Mamba2) if architecture.one_block => {
            let pairs = without_heads.zip(feed_forward);
            pairs.map(|(without, size)| without && *size == 0).collect()
        }
        Some(Recurrent::ShortConvolution | Recurrent::Mamba2) => without_heads.collect(),
    })
}
