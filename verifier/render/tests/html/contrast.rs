//! Text can be read against what is behind it, in both schemes: WCAG AA.

use std::collections::BTreeMap;

use super::samples::{page, subject, verified};

/// The colours of a scheme by name; each `--on-NAME` is for text on `--NAME`.
fn colours(block: &str) -> BTreeMap<&str, [f64; 3]> {
    let declarations = block
        .split([';', '{', '}'])
        .filter_map(|one| one.trim().split_once(": #"));
    let colours = declarations.map(|(name, hex)| {
        let channel = |at: usize| f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap());
        (name, [0, 2, 4].map(channel))
    });
    colours.collect()
}

fn luminance(colour: [f64; 3]) -> f64 {
    let [red, green, blue] = colour.map(|channel| {
        let share = channel / 255.0;
        if share <= 0.04045 {
            share / 12.92
        } else {
            ((share + 0.055) / 1.055).powf(2.4)
        }
    });
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

fn contrast(one: [f64; 3], other: [f64; 3]) -> f64 {
    let [one, other] = [one, other].map(luminance);
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[test]
fn every_text_has_enough_contrast_in_both_schemes() {
    let page = page(&[subject(verified())]);
    let schemes: Vec<&str> = page
        .split(":root {")
        .skip(1)
        .map(|rest| rest.split('}').next().unwrap())
        .collect();
    assert_eq!(schemes.len(), 2, "light and dark");
    for scheme in schemes {
        let colours = colours(scheme);
        let texts: Vec<_> = colours
            .iter()
            .filter(|(name, _)| name.starts_with("--on-"))
            .collect();
        assert!(texts.len() > 10, "{texts:?}");
        for (name, text) in texts {
            // `--on-page-muted` is on `--page`.
            let ground = name.replacen("--on-", "--", 1);
            let is_ground = |one: &&&str| ground == **one || ground.starts_with(&format!("{one}-"));
            let ground = colours
                .keys()
                .filter(is_ground)
                .max_by_key(|one| one.len())
                .unwrap();
            let contrast = contrast(*text, colours[ground]);
            assert!(contrast >= 4.5, "{name} on {ground}: {contrast:.2}");
        }
        // What is drawn needs less.
        for name in ["--ink", "--edge", "--good", "--bad", "--open"] {
            let contrast = contrast(colours[name], colours["--panel"]);
            assert!(contrast >= 3.0, "{name}: {contrast:.2}");
        }
    }
}
