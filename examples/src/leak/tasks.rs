//! Tasks that never end: each order waits for a confirmation whose sender is kept and never used.

use std::sync::{Mutex, PoisonError};

use tokio::sync::oneshot;

/// The senders nobody will ever use; dropping them would end the tasks.
#[derive(Debug, Default)]
pub(super) struct Confirmations {
    awaited: Mutex<Vec<oneshot::Sender<()>>>,
}

impl Confirmations {
    /// Spawns a task that waits for the courier's confirmation. This is the leak: it never comes.
    #[inline(never)]
    pub(super) fn wait_for_confirmation_forever(&self, order: i64) {
        let (sender, confirmed) = oneshot::channel();
        self.awaited
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(sender);
        tokio::spawn(async move {
            if confirmed.await.is_ok() {
                tracing::info!(order, "delivered");
            }
        });
    }

    pub(super) fn held(&self) -> usize {
        let awaited = self.awaited.lock().unwrap_or_else(PoisonError::into_inner);
        awaited.iter().filter(|sender| !sender.is_closed()).count()
    }
}
