//! SIGINT and SIGTERM as a flag, so that a conversion can clean up before it ends.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGABRT, SIGINT, SIGTERM, SIGXFSZ};

use crate::exit::{NOT_DONE, Outcome};

/// Takes the death out of signals that mean a limit of the system: a file that may not grow makes its write fail, and memory
/// that is not given ends the program with the code of what is not done, after the runtime has said why.
pub(crate) fn survive_limits() -> io::Result<()> {
    signal_hook::flag::register(SIGXFSZ, Arc::default())?;
    let always = Arc::new(AtomicBool::new(true));
    signal_hook::flag::register_conditional_shutdown(SIGABRT, NOT_DONE.into(), always)?;
    Ok(())
}

/// Set when the program is asked to stop.
pub(crate) struct Cancel {
    /// Becomes true with the first signal.
    pub(crate) flag: Arc<AtomicBool>,
    signal: Arc<AtomicUsize>,
}

impl Cancel {
    /// Installs the handlers of SIGINT and SIGTERM.
    pub(crate) fn on_signals() -> io::Result<Self> {
        let cancel = Self {
            flag: Arc::default(),
            signal: Arc::default(),
        };
        for signal in [SIGINT, SIGTERM] {
            let number = usize::try_from(signal).map_err(io::Error::other)?;
            signal_hook::flag::register_usize(signal, Arc::clone(&cancel.signal), number)?;
            signal_hook::flag::register(signal, Arc::clone(&cancel.flag))?;
        }
        Ok(cancel)
    }

    /// The outcome to end with, if a signal was received.
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        let signal = self.signal.load(Ordering::SeqCst);
        u8::try_from(signal)
            .ok()
            .filter(|&signal| signal != 0)
            .map(Outcome::Stopped)
    }
}
