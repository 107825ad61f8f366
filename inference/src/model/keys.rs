//! The keys of a model, whatever the format: asked for by the names of GGUF without the architecture.

use std::{cell::RefCell, collections::BTreeSet};

use crate::error::Error;

/// What a file states under its keys.
///
/// Each function fails when the value has another type; a key that is absent is `None`.
pub(crate) trait Stated {
    fn count(&self, key: &'static str) -> Result<Option<usize>, Error>;
    /// One number, or one for each layer.
    fn counts(&self, key: &'static str) -> Result<Option<PerLayer<usize>>, Error>;
    /// One number, or one flag for each layer.
    fn flags(&self, key: &'static str) -> Result<Option<PerLayer<bool>>, Error>;
    fn float(&self, key: &'static str) -> Result<Option<f32>, Error>;
    fn flag(&self, key: &'static str) -> Result<Option<bool>, Error>;
    fn text(&self, key: &'static str) -> Result<Option<String>, Error>;
    /// The key as the format spells it.
    fn name(&self, key: &'static str) -> String;
}

/// A value for all layers, or one for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PerLayer<T> {
    /// For all: a number.
    One(usize),
    /// For each.
    Each(Vec<T>),
}

/// Keys that remember which of them were asked for.
pub(crate) struct Keys<'a> {
    stated: &'a dyn Stated,
    asked: RefCell<BTreeSet<&'static str>>,
}

impl<'a> Keys<'a> {
    pub(crate) const fn new(stated: &'a dyn Stated) -> Self {
        Self {
            stated,
            asked: RefCell::new(BTreeSet::new()),
        }
    }

    /// The keys that were asked for so far.
    pub(crate) fn asked(&self) -> BTreeSet<&'static str> {
        self.asked.borrow().clone()
    }

    fn ask(&self, key: &'static str) -> &dyn Stated {
        self.asked.borrow_mut().insert(key);
        self.stated
    }

    /// Notes that the architecture has a key, whether or not it takes effect in this file.
    pub(crate) fn knows(&self, key: &'static str) {
        self.ask(key);
    }

    /// Notes a key that says what is done without it as well.
    pub(crate) fn knows_as(&self, key: &'static str, usual: f32) -> Result<(), Error> {
        if self.stated.float(key)? == Some(usual) {
            self.knows(key);
        }
        Ok(())
    }

    /// A number under a key that the architecture does not have.
    pub(crate) fn unread(&self, key: &'static str) -> Result<Option<usize>, Error> {
        self.stated.count(key)
    }

    pub(crate) fn name(&self, key: &'static str) -> String {
        self.stated.name(key)
    }

    pub(crate) fn needed(&self, key: &'static str) -> Result<usize, Error> {
        let count = self.count(key)?;
        count.ok_or_else(|| Error::model(self.name(key), "an integer", "none"))
    }

    /// A number that has to be there, and is not 0.
    pub(crate) fn positive(&self, key: &'static str) -> Result<usize, Error> {
        match self.needed(key)? {
            0 => Err(Error::model(self.name(key), "at least 1", 0)),
            count => Ok(count),
        }
    }

    /// Whether a file says something under each of these keys, whatever it is.
    ///
    /// # Errors
    /// Fails with the first that it does not have.
    pub(crate) fn require(&self, keys: &[&'static str]) -> Result<(), Error> {
        // A value of another type is no number here, and an error where it is read.
        let lacks = |key: &&&'static str| {
            matches!(self.stated.float(key), Ok(None)) || matches!(self.stated.count(key), Ok(None))
        };
        match keys.iter().find(lacks) {
            Some(key) => Err(Error::model(self.name(key), "a number", "none")),
            None => Ok(()),
        }
    }

    pub(crate) fn count(&self, key: &'static str) -> Result<Option<usize>, Error> {
        self.ask(key).count(key)
    }

    /// A number for each of `layers`.
    pub(crate) fn counts(
        &self,
        key: &'static str,
        layers: usize,
    ) -> Result<Option<Vec<usize>>, Error> {
        match self.ask(key).counts(key)? {
            None => Ok(None),
            Some(PerLayer::One(number)) => Ok(Some(vec![number; layers])),
            Some(PerLayer::Each(numbers)) => self.for_each(key, numbers, layers).map(Some),
        }
    }

    /// A flag for each layer, or one number.
    pub(crate) fn flags(
        &self,
        key: &'static str,
        layers: usize,
    ) -> Result<Option<PerLayer<bool>>, Error> {
        match self.ask(key).flags(key)? {
            Some(PerLayer::Each(flags)) => {
                let flags = self.for_each(key, flags, layers)?;
                Ok(Some(PerLayer::Each(flags)))
            }
            other => Ok(other),
        }
    }

    /// llama.cpp takes the first values of an array that is longer than the model, and refuses a shorter one.
    fn for_each<T>(
        &self,
        key: &'static str,
        mut values: Vec<T>,
        layers: usize,
    ) -> Result<Vec<T>, Error> {
        if values.len() < layers {
            let expected = format_args!("a value for each of {layers} layers");
            return Err(Error::model(self.name(key), expected, values.len()));
        }
        values.truncate(layers);
        Ok(values)
    }

    pub(crate) fn float(&self, key: &'static str) -> Result<Option<f32>, Error> {
        self.ask(key).float(key)
    }

    pub(crate) fn flag(&self, key: &'static str) -> Result<Option<bool>, Error> {
        self.ask(key).flag(key)
    }

    pub(crate) fn text(&self, key: &'static str) -> Result<Option<String>, Error> {
        self.ask(key).text(key)
    }
}

/// Keys of a test: numbers and texts, and nothing for each layer.
#[cfg(test)]
pub(crate) struct Listed<'a> {
    pub(crate) numbers: &'a [(&'a str, f32)],
    pub(crate) texts: &'a [(&'a str, &'a str)],
}

#[cfg(test)]
impl Listed<'_> {
    fn number(&self, key: &str) -> Option<f32> {
        let mut numbers = self.numbers.iter();
        numbers
            .find(|(name, _)| *name == key)
            .map(|(_, number)| *number)
    }
}

#[cfg(test)]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "tests state small whole numbers"
)]
impl Stated for Listed<'_> {
    fn count(&self, key: &'static str) -> Result<Option<usize>, Error> {
        Ok(self.number(key).map(|number| number as usize))
    }

    fn counts(&self, key: &'static str) -> Result<Option<PerLayer<usize>>, Error> {
        Ok(self.count(key)?.map(PerLayer::One))
    }

    fn flags(&self, key: &'static str) -> Result<Option<PerLayer<bool>>, Error> {
        Ok(self.count(key)?.map(PerLayer::One))
    }

    fn float(&self, key: &'static str) -> Result<Option<f32>, Error> {
        Ok(self.number(key))
    }

    fn flag(&self, key: &'static str) -> Result<Option<bool>, Error> {
        Ok(self.number(key).map(|number| number != 0.0))
    }

    fn text(&self, key: &'static str) -> Result<Option<String>, Error> {
        let mut texts = self.texts.iter();
        let found = texts.find(|(name, _)| *name == key);
        Ok(found.map(|(_, text)| (*text).to_owned()))
    }

    fn name(&self, key: &'static str) -> String {
        key.to_owned()
    }
}
