//! Settings of a test, from environment variables.

use std::env;

/// The settings of a process.
pub(crate) struct Settings {
    pub(crate) failure: Option<Failure>,
    /// The copy whose first bit arrives wrong: the function and the number of the call.
    pub(crate) flip: Option<(String, u64)>,
    pub(crate) order: Order,
    pub(crate) seed: Option<u64>,
    pub(crate) devices: i32,
    pub(crate) memory: usize,
    pub(crate) capability: (i32, i32),
    pub(crate) version: i32,
    pub(crate) log: Option<String>,
}

/// The call that fails.
pub(crate) struct Failure {
    pub(crate) function: String,
    pub(crate) call: u64,
    pub(crate) code: u32,
}

/// When the work of streams is done.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// When the program waits for it.
    Late,
    /// At once.
    Early,
    /// Copies at once, unless an event holds them; kernels when the program waits for them.
    CopiesFirst,
}

impl Settings {
    /// Reads the environment; what cannot be understood is as if it were not set.
    pub(crate) fn new() -> Self {
        let capability = text("CAPABILITY").and_then(|text| {
            let (major, minor) = text.split_once('.')?;
            Some((major.parse().ok()?, minor.parse().ok()?))
        });
        Self {
            failure: text("FAIL").and_then(|text| {
                let mut parts = text.split(':');
                Some(Failure {
                    function: parts.next()?.to_owned(),
                    call: parts.next()?.parse().ok()?,
                    code: parts.next()?.parse().ok()?,
                })
            }),
            flip: text("FLIP").and_then(|text| {
                let (function, call) = text.split_once(':')?;
                Some((function.to_owned(), call.parse().ok()?))
            }),
            order: match text("ORDER").as_deref() {
                Some("early") => Order::Early,
                Some("copies-first") => Order::CopiesFirst,
                _ => Order::Late,
            },
            seed: number("SEED"),
            devices: number("DEVICES").unwrap_or(1),
            memory: number("MEMORY").unwrap_or(8 << 30),
            capability: capability.unwrap_or((8, 6)),
            version: number("CUDA").unwrap_or(12_000),
            log: text("LOG"),
        }
    }
}

fn text(name: &str) -> Option<String> {
    env::var(format!("APROVE_STAND_IN_{name}")).ok()
}

fn number<N: std::str::FromStr>(name: &str) -> Option<N> {
    text(name)?.parse().ok()
}
