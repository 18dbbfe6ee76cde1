//! Where there is no unwinder: no stacks, by the names of `here`.

/// There is nothing to get ready.
pub(crate) fn prepare() -> bool {
    true
}

/// There is no loader to follow.
pub(crate) fn maintain() {}

/// Where a walk would begin.
pub(crate) struct StackStart;

impl StackStart {
    pub(crate) fn here() -> Self {
        StackStart
    }
}

/// Runs `work` here.
pub(crate) fn on_private_stack<R>(work: impl FnOnce() -> R) -> Option<R> {
    Some(work())
}

/// No frames, and not all of them.
pub(crate) fn stack_from(_start: &StackStart, _frames: &mut [u64]) -> (usize, bool) {
    (0, false)
}
