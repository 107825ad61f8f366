//! Who wants to know how far the pass has come.

/// Told of progress, from any thread.
pub trait Observer: Sync {
    /// The pass begins; it will read about this many bytes.
    fn start(&self, bytes: u64) {
        let _ = bytes;
    }

    /// This many bytes more were read.
    fn advance(&self, bytes: u64) {
        let _ = bytes;
    }
}

/// Nobody.
impl Observer for () {}
