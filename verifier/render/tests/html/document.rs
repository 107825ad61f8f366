//! A page as the tree that its tags say, which must need no repair.

use html5gum::{DefaultEmitter, Token, Tokenizer};
use std::collections::BTreeMap;

/// An element, in the order of the page.
#[derive(Debug)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) attributes: BTreeMap<String, String>,
    /// The places of the elements around it, the outermost first.
    pub(crate) around: Vec<usize>,
    /// All text in it.
    pub(crate) text: String,
}

impl Element {
    pub(crate) fn get(&self, attribute: &str) -> Option<&str> {
        self.attributes.get(attribute).map(String::as_str)
    }

    /// The level of a heading.
    pub(crate) fn level(&self) -> Option<u32> {
        self.name.strip_prefix('h')?.parse().ok()
    }
}

/// All elements of a page.
///
/// # Panics
/// Panics where a tag is not closed, or closed in another order, or the tokenizer has something to say.
pub(crate) fn parse(page: &str) -> Vec<Element> {
    let mut emitter = DefaultEmitter::default();
    emitter.naively_switch_states(true);
    let mut elements: Vec<Element> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    for Ok(token) in Tokenizer::new_with_emitter(page, emitter) {
        match token {
            Token::StartTag(tag) => {
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                let attributes = tag.attributes.iter();
                elements.push(Element {
                    name: text(&tag.name),
                    attributes: attributes
                        .map(|(name, value)| (text(name), text(value)))
                        .collect(),
                    around: open.clone(),
                    text: String::new(),
                });
                if !tag.self_closing && !VOID.contains(&&*text(&tag.name)) {
                    open.push(elements.len() - 1);
                }
            }
            Token::EndTag(tag) => {
                let last = open.pop().expect("an end tag has its start tag");
                assert_eq!(
                    elements[last].name.as_bytes(),
                    &**tag.name,
                    "{:?}",
                    elements[last]
                );
            }
            Token::String(text) => {
                for element in &open {
                    elements[*element]
                        .text
                        .push_str(std::str::from_utf8(&text).unwrap());
                }
            }
            Token::Doctype(doctype) => assert_eq!(&**doctype.name, b"html"),
            Token::Comment(_) => {}
            Token::Error(error) => panic!("{error:?}"),
        }
    }
    assert!(
        open.is_empty(),
        "{:?}",
        open.iter()
            .map(|at| &elements[*at].name)
            .collect::<Vec<_>>()
    );
    elements
}

/// Elements that have no end tag.
const VOID: [&str; 2] = ["meta", "br"];
