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
    let stated = match window.pattern {
        Some(0) => None,
        _ => keys.flags("attention.sliding_window_pattern", layers)?,
    };
    let pattern = stated.or(window.pattern.map(PerLayer::One));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::keys::Listed;

    #[test]
    fn all_attention_layers_of_lfm2_have_the_window_of_the_key() {
        let of = |architecture, numbers| {
            let stated = Listed {
                numbers,
                texts: &[],
            };
            let architecture = architectures::find(architecture).unwrap();
            windows(architecture, &Keys::new(&stated), 3).unwrap()
        };
        let (size, pattern) = (
            ("attention.sliding_window", 5.0),
            ("attention.sliding_window_pattern", 2.0),
        );
        let (one, both) = ([size], [size, pattern]);
        let window = Some(Reach::Last(5));
        assert_eq!(of("lfm2", &one), [window; 3]);
        // llama.cpp reads no pattern for it (src/models/lfm2.cpp), and no window with experts.
        assert_eq!(of("lfm2", &both), [window; 3]);
        assert_eq!(of("lfm2", &[]), [None; 3]);
        assert_eq!(of("lfm2moe", &one), [None; 3]);
        assert_eq!(of("cohere2", &both), [window, None, window]);
    }
}
