//! Prints the token ids of texts: `token-ids MODEL < TEXTS`, one JSON string a line, one JSON array of ids for each.
//!
//! `scripts/tokenizer-test` holds them against those of llama.cpp.

use std::{
    error::Error,
    fs::File,
    io::{Write as _, stdin, stdout},
};

use inference::{MappedFile, Tokenizer};

fn main() -> Result<(), Box<dyn Error>> {
    let model = std::env::args_os().nth(1).ok_or("no model given")?;
    let tokenizer = Tokenizer::load(&[&MappedFile::new(&File::open(model)?)?])?;
    for line in stdin().lines() {
        let text: String = serde_json::from_str(&line?)?;
        match tokenizer.encode(&text) {
            Ok(ids) => writeln!(stdout(), "{ids:?}")?,
            Err(error) => writeln!(stdout(), "{}", serde_json::Value::from(error.to_string()))?,
        }
    }
    Ok(())
}
