//! What a damage looks like.

use super::{CONVERT, Explanation, FETCH, explain};
use crate::code::CauseCode;

pub(super) const fn of(code: CauseCode) -> Explanation {
    match code {
        CauseCode::Alignment => explain(
            "the data stand early, as with another alignment",
            "The tensor of the APR file begins with bytes that stand before the tensor in the GGUF, by just what its general.alignment adds to the usual 32.",
            "A converter that ignores general.alignment.",
            CONVERT,
            NONE,
        ),
        CauseCode::Byte => explain(
            "a single byte was overwritten",
            "With one other byte the file has its checksum again.",
            "An editor or a disk fault.",
            FETCH,
            NONE,
        ),
        CauseCode::Crlf => explain(
            "the file was copied in text mode",
            "Each line feed in it follows a carriage return, which a binary file does not have.",
            "A transfer in text mode, or a repository that converts line ends.",
            "Transfer it in binary mode; in Git, mark it with `*.gguf binary` in .gitattributes.",
            NONE,
        ),
        CauseCode::Permuted => explain(
            "the same blocks stand in another order",
            "The sums over the digests of all blocks agree, the order does not.",
            "A conversion that reorders heads or rows.",
            CONVERT,
            NONE,
        ),
        CauseCode::Preallocated => explain(
            "a download reserved the whole file and stopped",
            "The length is right and the rest is zero.",
            "A download manager that was interrupted.",
            FETCH,
            NONE,
        ),
        CauseCode::Pointer => explain(
            "the file is a Git LFS pointer",
            "The pointer says which file it stands for.",
            "A repository that was cloned without Git LFS.",
            "git lfs pull",
            NONE,
        ),
        CauseCode::Ratio => explain(
            "every value is the same multiple of the other",
            "The values of the two tensors have one constant ratio.",
            "A scale that was applied twice or not at all.",
            CONVERT,
            NONE,
        ),
        CauseCode::RepeatedPage => explain(
            "a page of 4096 bytes stands twice",
            "The bytes that differ stand at a second place of the file as well.",
            "A stale buffer, or a block that was written twice.",
            FETCH,
            NONE,
        ),
        CauseCode::SameBit => explain(
            "the same bit flipped in several bytes",
            "All bytes that differ do so in one and the same bit.",
            "A faulty memory cell or data line.",
            "Test the memory of the machine, then fetch or convert the file again.",
            NONE,
        ),
        CauseCode::Shift => explain(
            "all that follows is moved by some bytes",
            "After the first difference the bytes agree again at a constant distance.",
            "Bytes that were inserted or left out.",
            FETCH,
            NONE,
        ),
        CauseCode::ShiftedRows => explain(
            "each row holds the row of a neighbour",
            "The rows of the matrix agree at a constant distance.",
            "An off-by-one in a conversion.",
            CONVERT,
            NONE,
        ),
        CauseCode::SingleBit => explain(
            "a single bit flipped",
            "One bit of one byte differs, and nothing else.",
            "A memory or disk fault.",
            "Test memory and disk, then fetch or convert the file again.",
            NONE,
        ),
        CauseCode::Swapped => explain(
            "the data of two tensors were exchanged",
            "A tensor has exactly the bytes of another one, or one was written twice.",
            "A conversion that mixed up two names.",
            CONVERT,
            NONE,
        ),
        CauseCode::Transcoded => explain(
            "the file was handled as text",
            "It is full of replacement characters, which a decoder of text puts where bytes are no text.",
            "A tool that read the file as text and wrote it again.",
            "Fetch the file again in binary mode.",
            NONE,
        ),
        CauseCode::Transposed => explain(
            "rows of the matrix are stored as columns",
            "The elements that were sampled agree when rows and columns are exchanged.",
            "A conversion that transposes what is already in the right order.",
            CONVERT,
            NONE,
        ),
        CauseCode::Truncated => explain(
            "a download or copy ended early",
            "The file is shorter than what it says or than what was recorded.",
            "A lost connection or a full disk.",
            FETCH,
            NONE,
        ),
        CauseCode::WebPage => explain(
            "the server answered with a page",
            "The file holds a page or a message instead of the model.",
            "A login, an error, or a moved file.",
            "Open the address in a browser, then download the file again.",
            NONE,
        ),
        CauseCode::ZeroFilled => explain(
            "a range is filled with zeros",
            "All bytes that differ are zero in one of the files.",
            "A sparse or unfinished copy.",
            FETCH,
            NONE,
        ),
    }
}

/// A cause is a hint beside a finding.
const NONE: &[crate::finding::Effect] = &[];
