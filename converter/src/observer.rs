//! How far the pass has come.

/// Hears how far the pass over the sources has come; calls may come from any thread.
pub trait Observer: Sync {
    /// Tells how many bytes of source the pass will read.
    fn start(&self, bytes: u64) {
        let _ = bytes;
    }

    /// Tells that so many more bytes of source were read.
    fn advance(&self, bytes: u64) {
        let _ = bytes;
    }
}

/// Hears nothing.
impl Observer for () {}
