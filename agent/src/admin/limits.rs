//! What the admin server allows itself, so that the service keeps its
//! descriptors and its memory whatever arrives at the port.

use std::os::unix::fs::MetadataExt;
use std::time::Duration;

/// The server's bounds. Tests make the times short.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Connections at once.
    pub(super) connections: usize,
    /// Time from a connection, or from an answer, to the whole next header.
    /// Covers clients that are silent, drip, or stay idle.
    pub(super) header: Duration,
    /// Time in which a client takes [`MIN_TAKEN`] bytes of an answer that waits
    /// for it.
    pub(super) write: Duration,
    /// A connection that sent no whole header for so long may give way to a
    /// newer one when there is no room.
    pub(super) grace: Duration,
    /// How long the server waits for descriptors to come back.
    pub(super) pause: Duration,
}

/// Bytes of a request's header, and of its target.
pub(super) const MAX_HEADER_BYTES: usize = 16 << 10;
/// Fields of a request's header.
pub(super) const MAX_HEADERS: usize = 64;
/// Bytes of a request's body. No route takes any; a client may send a few.
pub(super) const MAX_BODY_BYTES: u64 = 4 << 10;
/// Bytes of an answer that a client has to take within [`Limits::write`].
pub(super) const MIN_TAKEN: u64 = 64 << 10;

/// Descriptors that are left to the service before the server takes more than
/// one connection; an eighth of a small limit.
const RESERVE: u64 = 64;
/// Descriptors that are left to the service before the server takes any.
const LAST: u64 = 8;

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 32,
            header: Duration::from_secs(10),
            write: Duration::from_secs(10),
            grace: Duration::from_millis(100),
            pause: Duration::from_millis(250),
        }
    }
}

impl Limits {
    /// How many connections there may be now, of which there are `held`.
    pub(super) fn room(&self, held: usize) -> usize {
        match Descriptors::read() {
            Some(descriptors) => descriptors.room(held).min(self.connections),
            None => self.connections,
        }
    }
}

/// Descriptors of this process.
#[derive(Debug, Clone, Copy)]
struct Descriptors {
    limit: u64,
    open: u64,
}

impl Descriptors {
    /// `None` where there is no limit or the system does not say.
    fn read() -> Option<Self> {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current?;
        // Since Linux 6.2 the size is the number of open descriptors; before it
        // is 0, and they have to be counted.
        let open = match std::fs::metadata("/proc/self/fd") {
            Ok(metadata) if metadata.size() > 0 => metadata.size(),
            Ok(_) => match std::fs::read_dir("/proc/self/fd") {
                Ok(entries) => entries.count() as u64,
                // Not even that one could be opened.
                Err(_) => limit,
            },
            Err(_) => return None,
        };
        Some(Self { limit, open })
    }

    /// Connections that leave the service its share: the reserve, below which
    /// one is left for an operator to see why, and none at the very end.
    fn room(self, held: usize) -> usize {
        let others = self.open.saturating_sub(held as u64);
        let left = self.limit.saturating_sub(others);
        let reserve = RESERVE.min(self.limit / 8);
        let last = LAST.min(reserve);
        let room = usize::try_from(left.saturating_sub(reserve)).unwrap_or(usize::MAX);
        room.max(usize::from(left > last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_keeps_its_descriptors() {
        let room = |limit, open, held| Descriptors { limit, open }.room(held);
        assert_eq!(room(1_024, 20, 0), 1_024 - 20 - 64);
        assert_eq!(
            room(1_024, 20 + 32, 32),
            1_024 - 20 - 64,
            "ours are not counted"
        );
        assert_eq!(room(1_024, 950, 0), 10);
        assert_eq!(room(1_024, 960, 0), 1, "one is left for an operator");
        assert_eq!(room(1_024, 1_015, 0), 1);
        assert_eq!(room(1_024, 1_016, 0), 0, "the last are the service's");
        assert_eq!(room(1_024, 1_024, 0), 0);
        assert_eq!(room(64, 40, 0), 16, "an eighth of a small limit");
        assert_eq!(room(64, 70, 0), 0, "a limit lowered below what is open");
    }
}
