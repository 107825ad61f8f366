//! The grids of ggml's IQ types, in `grids.bin`, made by `scripts/make-grids` from llama.cpp's `ggml-common.h`.
//!
//! A point is packed into one word: value `k` is the number at bits `2 * k` or `3 * k` into the values of its type, in two bits
//! for points of eight values and in three for points of four. Words are little-endian, and the grids follow each other as below.
//!
//! The data is that of ggml:
//!
//! > MIT License, Copyright (c) 2023-2026 The ggml authors
//! >
//! > Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
//! > documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
//! > rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
//! > persons to whom the Software is furnished to do so, subject to the following conditions:
//! >
//! > The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
//! > Software.
//! >
//! > THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
//! > WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
//! > COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
//! > OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.

/// What the points are made of.
pub(super) const IQ2_VALUES: [u8; 3] = [8, 25, 43];
pub(super) const IQ3_XXS_VALUES: [u8; 8] = [4, 12, 20, 28, 36, 44, 52, 62];
pub(super) const IQ3_S_VALUES: [u8; 8] = [1, 3, 5, 7, 9, 11, 13, 15];
pub(super) const IQ1_VALUES: [i8; 3] = [-1, 0, 1];

const GRIDS: &[u8; 9216] = include_bytes!("grids.bin");
/// The points.
pub(super) static IQ2_XXS: [u16; 256] = words(0);
pub(super) static IQ2_XS: [u16; 512] = words(256);
pub(super) static IQ2_S: [u16; 1024] = words(768);
pub(super) static IQ3_XXS: [u16; 256] = words(1792);
pub(super) static IQ3_S: [u16; 512] = words(2048);
pub(super) static IQ1_S: [u16; 2048] = words(2560);

/// A grid: the words from `first` on.
#[expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "evaluated when the crate is compiled"
)]
const fn words<const N: usize>(first: usize) -> [u16; N] {
    let mut words = [0; N];
    let mut at = 0;
    while at < N {
        let byte = 2 * (first + at);
        words[at] = u16::from_le_bytes([GRIDS[byte], GRIDS[byte + 1]]);
        at += 1;
    }
    words
}
