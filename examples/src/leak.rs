//! The faults the shop can be asked to have.
//!
//! Each fault is one file with one clearly named function, so that a profile or a heap profile can name it, and
//! each is a mistake that services really make. [`Faults`] holds what they hoard; a healthy shop hoards nothing.

mod connections;
mod descriptors;
mod memory;
mod retention;
mod tasks;

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};

/// Which fault the shop has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Leak {
    /// None: the healthy shop.
    #[default]
    None,
    /// Some kilobytes of every request are kept for good.
    Memory,
    /// Sockets to the payment gateway stay in CLOSE_WAIT.
    Connections,
    /// Files of invoices stay open.
    Fds,
    /// Tasks wait for something that never comes.
    Tasks,
    /// One burst of small allocations is freed, but for the few that keep the allocator from giving pages back.
    Retention,
}

impl Leak {
    /// Every fault, in the order the help shows them.
    pub const ALL: [Self; 6] = [
        Self::None,
        Self::Memory,
        Self::Connections,
        Self::Fds,
        Self::Tasks,
        Self::Retention,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Memory => "memory",
            Self::Connections => "connections",
            Self::Fds => "fds",
            Self::Tasks => "tasks",
            Self::Retention => "retention",
        }
    }
}

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Leak {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|leak| leak.name() == text)
            .ok_or_else(|| format!("choose one of {}", Self::ALL.map(Self::name).join(", ")))
    }
}

/// The chosen fault and what it has hoarded so far.
#[derive(Debug)]
pub(crate) struct Faults {
    leak: Leak,
    burst_at: u64,
    orders_per_loss: u64,
    requests: AtomicU64,
    orders: AtomicU64,
    memory: memory::Journal,
    connections: Option<connections::Gateway>,
    descriptors: descriptors::Invoices,
    tasks: tasks::Confirmations,
    retention: retention::Catalogue,
}

impl Faults {
    /// Prepares the fault; only [`Leak::Connections`] has something to start, its payment gateway.
    pub(crate) async fn prepare(options: &crate::Options) -> std::io::Result<Self> {
        Ok(Self {
            leak: options.leak,
            burst_at: options.burst_at,
            orders_per_loss: options.orders_per_loss.max(1),
            requests: AtomicU64::new(0),
            orders: AtomicU64::new(0),
            memory: memory::Journal::default(),
            connections: match options.leak {
                Leak::Connections => Some(connections::Gateway::open().await?),
                _ => None,
            },
            descriptors: descriptors::Invoices::default(),
            tasks: tasks::Confirmations::default(),
            retention: retention::Catalogue::default(),
        })
    }

    /// Called once for each request, whatever its route.
    pub(crate) fn on_request(&self, route: &str) {
        let number = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        match self.leak {
            Leak::Memory => self.memory.remember_request_forever(number, route),
            Leak::Retention if number == self.burst_at => self.retention.import_in_one_burst(),
            _ => {}
        }
    }

    /// Called once for each order placed.
    pub(crate) async fn on_order(&self, order: i64, total_cents: i64) {
        let number = self.orders.fetch_add(1, Ordering::Relaxed) + 1;
        let loses = number.is_multiple_of(self.orders_per_loss);
        match self.leak {
            Leak::Connections if loses => {
                if let Some(gateway) = &self.connections {
                    gateway
                        .authorise_and_forget_socket(order, total_cents)
                        .await;
                }
            }
            Leak::Fds if loses => self
                .descriptors
                .write_and_forget_to_close(order, total_cents),
            Leak::Tasks => self.tasks.wait_for_confirmation_forever(order),
            _ => {}
        }
    }

    /// How many things the fault holds now: entries, sockets, files, tasks or pins.
    pub(crate) fn held(&self) -> usize {
        match self.leak {
            Leak::None => 0,
            Leak::Memory => self.memory.held(),
            Leak::Connections => self
                .connections
                .as_ref()
                .map_or(0, connections::Gateway::held),
            Leak::Fds => self.descriptors.held(),
            Leak::Tasks => self.tasks.held(),
            Leak::Retention => self.retention.held(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for leak in Leak::ALL {
            assert_eq!(leak.name().parse(), Ok(leak));
        }
        assert!(
            "ram"
                .parse::<Leak>()
                .is_err_and(|message| message.contains("retention"))
        );
    }
}
