//! Loads and stores: spaces, types and lists of registers.

use crate::{
    body::Body,
    error::Error,
    fault::Space,
    instruction::{Access, Extend, Op, Slot},
    operands::SCRATCH,
    variable::bits,
};

impl Body<'_, '_> {
    pub(crate) fn load(&mut self, rest: &str) -> Result<(), Error> {
        let (space, kind, count) = self.memory_form(rest)?;
        let size = bits(kind).ok_or_else(|| self.not_covered())?;
        let mut values = [SCRATCH; 4];
        let mut extend = Extend::Zero;
        let list = self.open_list(count)?;
        for (index, value) in values.iter_mut().take(count).enumerate() {
            if index > 0 {
                self.comma()?;
            }
            let register;
            (*value, register) = self.target(size, true)?;
            if kind.starts_with('s') && register > size {
                extend = Extend::Sign(u8::try_from(register).unwrap_or(64));
            }
        }
        self.close_list(list)?;
        self.comma()?;
        let (address, offset) = self.address()?;
        let access = access(space, size, values, count, address, offset);
        self.emit(Op::Load { access, extend })
    }

    pub(crate) fn store(&mut self, rest: &str) -> Result<(), Error> {
        let (space, kind, count) = self.memory_form(rest)?;
        let size = bits(kind).ok_or_else(|| self.not_covered())?;
        if matches!(space, Space::Param | Space::Const) {
            return Err(self.not_covered());
        }
        let (address, offset) = self.address()?;
        self.comma()?;
        let mut values = [SCRATCH; 4];
        let list = self.open_list(count)?;
        for (index, value) in values.iter_mut().take(count).enumerate() {
            if index > 0 {
                self.comma()?;
            }
            *value = self.value(size, true, kind.starts_with('f'))?;
        }
        self.close_list(list)?;
        let access = access(space, size, values, count, address, offset);
        self.emit(Op::Store { access })
    }

    /// The space, the type and the number of values of a load or store; hints for caches mean nothing here.
    fn memory_form<'s>(&self, rest: &'s str) -> Result<(Space, &'s str, usize), Error> {
        let (hints, kind) = rest.rsplit_once('.').unwrap_or(("", rest));
        let (mut space, mut count) = (Space::Generic, 1);
        for hint in hints.split('.').filter(|hint| !hint.is_empty()) {
            match hint {
                "global" => space = Space::Global,
                "shared" => space = Space::Shared,
                "const" => space = Space::Const,
                "param" => space = Space::Param,
                "v2" => count = 2,
                "v4" => count = 4,
                "volatile" | "nc" | "ca" | "cg" | "cs" | "lu" | "cv" | "wb" | "wt" => {}
                _ => return Err(self.not_covered()),
            }
        }
        Ok((space, kind, count))
    }

    fn open_list(&mut self, count: usize) -> Result<bool, Error> {
        if count > 1 {
            self.tokens.expect('{')?;
        }
        Ok(count > 1)
    }

    fn close_list(&mut self, is_list: bool) -> Result<(), Error> {
        if is_list {
            self.tokens.expect('}')?;
        }
        Ok(())
    }
}

fn access(
    space: Space,
    bits: u32,
    values: [Slot; 4],
    count: usize,
    address: Slot,
    offset: i32,
) -> Access {
    Access {
        space,
        size: u8::try_from(bits / 8).unwrap_or_default(),
        count: u8::try_from(count).unwrap_or_default(),
        values,
        address,
        offset,
    }
}
