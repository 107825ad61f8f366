//! Options of a run.

/// Options that do not change a bit of any result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// The number of threads; 0 counts as 1.
    pub threads: usize,
    /// The most file bytes that a thread holds of a matrix, at least one row.
    pub panel_bytes: usize,
    /// The most memory that the values and records of a side may take, in bytes: a run that needs more is not covered.
    pub memory: u64,
}

impl Default for Options {
    /// Returns one thread per CPU, panels of 4 MiB, and 4 GiB for the values of a side.
    fn default() -> Self {
        Self {
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            panel_bytes: 4 << 20,
            memory: 4 << 30,
        }
    }
}
