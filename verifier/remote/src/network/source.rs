//! An object of a network as a source of the verifier.

use std::io;
use std::sync::{Arc, OnceLock};

use verifier::origin::Origin;
use verifier::source::Source;

use super::attempts::attempts;
use super::failure::Failure;
use super::parts::{Claim, Found, PART, Part, Parts, SMALL};
use super::pinned::Pinned;
use super::{Object, runtime};

/// The bytes of the largest object of any store, and then some; lengths are added up, and must not overflow.
const LONGEST: u64 = 1 << 50;

/// An object of a network. Its identity is taken with the first bytes, and holds for every reply.
pub(crate) struct RemoteSource(Arc<Shared>);

struct Shared {
    object: Box<dyn Object>,
    pinned: Pinned,
    origin: Origin,
    parts: Parts,
    small: Parts,
    /// What ended the reading: nothing is read after it, so that no mixture of two states is ever compared.
    ended: OnceLock<Failure>,
}

impl RemoteSource {
    /// Opens an object, called by its address without secrets.
    pub(super) fn open(object: Box<dyn Object>, location: String) -> io::Result<Self> {
        let first = runtime::wait(attempts(|| object.get(0..PART, None)))??;
        let length = first.pinned.length;
        if length > LONGEST {
            let why = format!("it has {length} bytes, as its server says: no model has so many");
            return Err(Failure::Lasting(why).into());
        }
        let Pinned {
            etag,
            last_modified,
            revision,
            version,
            sha256,
            ..
        } = first.pinned.clone();
        let shared = Shared {
            object,
            pinned: first.pinned,
            origin: Origin {
                location,
                etag,
                last_modified,
                revision,
                version,
                published_sha256: sha256,
            },
            parts: Parts::large(),
            small: Parts::small(),
            ended: OnceLock::new(),
        };
        if let Found::Claimed(claim) = shared.parts.wait_for(0).found {
            claim.put(first.bytes);
        }
        Ok(Self(Arc::new(shared)))
    }

    fn part(&self, parts: &Parts, index: u64) -> io::Result<Part> {
        let Self(shared) = self;
        let wanted = parts.wait_for(index);
        wanted.next.for_each(|next| self.begin(next, index));
        match wanted.found {
            Found::Held(part) => Ok(part),
            Found::Claimed(claim) => runtime::wait(shared.fetch(claim))?.map_err(io::Error::from),
        }
    }

    /// Begins to fetch a part that will probably be wanted next.
    fn begin(&self, index: u64, after: u64) {
        let shared = Arc::clone(&self.0);
        if shared.ended.get().is_some() || index.saturating_mul(PART) >= shared.pinned.length {
            return;
        }
        runtime::begin(async move {
            if let Some(claim) = shared.parts.claim_ahead(index, after) {
                // Whoever wants the part hears why it is not there.
                drop(shared.fetch(claim).await);
            }
        });
    }
}

impl Shared {
    /// Asks whether the object is the one that was opened.
    fn is_same(&self) -> Result<Result<(), Failure>, String> {
        let now = runtime::wait(attempts(|| self.object.get(0..1, Some(&self.pinned))));
        let now = now.map_err(|why| why.to_string())?;
        Ok(now.map(|_| ()))
    }

    async fn fetch(&self, claim: Claim<'_>) -> Result<Part, Failure> {
        let range = self.pinned.within(&claim.range());
        if let Some(ended) = self.ended.get() {
            return Err(ended.clone());
        }
        match attempts(|| self.object.get(range.clone(), Some(&self.pinned))).await {
            Ok(reply) => Ok(claim.put(reply.bytes)),
            Err(why) => Err(self.ended.get_or_init(|| why).clone()),
        }
    }
}

impl Source for RemoteSource {
    fn length(&self) -> u64 {
        self.0.pinned.length
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(buffer.len() as u64);
        let end = end.filter(|end| *end <= self.length());
        let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        let Self(shared) = self;
        let mut large = offset / PART..end.div_ceil(PART);
        // What is wanted again for a few bytes, such as those between two tensors, is not worth a part.
        let is_small = buffer.len() as u64 <= SMALL;
        let parts = match is_small && large.any(|index| shared.parts.is_gone(index)) {
            true => &shared.small,
            false => &shared.parts,
        };
        let (mut offset, mut rest) = (offset, buffer);
        while !rest.is_empty() {
            let part = self.part(parts, offset / parts.length)?;
            let start = usize::try_from(offset % parts.length).map_err(io::Error::other)?;
            let bytes = part.get(start..).unwrap_or_default();
            let length = bytes.len().min(rest.len());
            let (now, later) = rest.split_at_mut(length);
            let Some(bytes) = bytes.get(..length).filter(|bytes| !bytes.is_empty()) else {
                unreachable!("a part has all bytes of its range");
            };
            now.copy_from_slice(bytes);
            offset = offset.saturating_add(length as u64);
            rest = later;
        }
        Ok(())
    }

    fn check_unchanged(&self) -> Result<(), String> {
        let ended = |why: &Failure| match why {
            Failure::Changed(why) => why.clone(),
            other => format!("its state cannot be asked for any more: {}", other.text()),
        };
        match self.0.ended.get() {
            Some(why) => Err(ended(why)),
            None => self.0.is_same()?.map_err(|why| ended(&why)),
        }
    }

    fn ended(&self) -> Option<String> {
        let Self(shared) = self;
        let why = shared.ended.get()?;
        let is_same = !matches!(why, Failure::Changed(_)) && matches!(shared.is_same(), Ok(Ok(())));
        is_same.then(|| why.text().to_owned())
    }

    fn origin(&self) -> Option<&Origin> {
        Some(&self.0.origin)
    }
}
