//! How many files this process may open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit on open files to the hard one, so that a planted leak can run for hours before it
/// breaks the service. Gives the limits before and after when they differ.
pub fn raise_limit() -> Option<(u64, u64)> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let (before, after) = (current?, maximum?);
    if before >= after {
        return None;
    }
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    )
    .ok()?;
    Some((before, after))
}
