//! What the layer knows of a callsite, remembered by thread: the same few are
//! met again and again.

use std::cell::Cell;

use tracing::Metadata;

use super::filter::Reasons;
use crate::spans::labels::{Labels, Room};

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Callsite {
    /// The number of the span's own name.
    pub(crate) name: u32,
    /// Why it is looked at.
    pub(crate) reasons: Reasons,
}

/// Callsites a thread remembers: enough that most hit, few enough to be small.
const REMEMBERED: usize = 64;

#[derive(Clone, Copy)]
struct Memory {
    /// Of the names that the callsite's number is one of.
    serial: u32,
    address: usize,
    callsite: Callsite,
}

thread_local! {
    static MEMORIES: [Cell<Memory>; REMEMBERED] = const {
        [const {
            Cell::new(Memory {
                serial: 0,
                address: 0,
                callsite: Callsite {
                    name: 0,
                    reasons: Reasons::NONE,
                },
            })
        }; REMEMBERED]
    };
}

/// The callsite with this metadata; `reasons` is asked where it is new to this
/// thread.
pub(crate) fn callsite(
    labels: &Labels,
    metadata: &'static Metadata<'static>,
    reasons: impl FnOnce() -> Reasons,
) -> Callsite {
    let address = std::ptr::from_ref(metadata).addr();
    let serial = labels.serial();
    let recall = |memories: &[Cell<Memory>; REMEMBERED]| {
        let place = &memories[(address >> 4) % REMEMBERED];
        let memory = place.get();
        if memory.address == address && memory.serial == serial {
            return memory.callsite;
        }
        let callsite = look_up(labels, metadata, reasons());
        place.set(Memory {
            serial,
            address,
            callsite,
        });
        callsite
    };
    MEMORIES.with(recall)
}

fn look_up(labels: &Labels, metadata: &'static Metadata<'static>, reasons: Reasons) -> Callsite {
    let name = if reasons.span() {
        labels.number(Room::Span, metadata.name(), || None)
    } else {
        0
    };
    Callsite { name, reasons }
}
