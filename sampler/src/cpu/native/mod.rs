//! The native engine of Linux: clocks that signal the thread that burns CPU
//! time, a handler that walks its stack, a ring, and a thread that drains it.
//!
//! | file | what |
//! |---|---|
//! | `engine` | the engine: its start, its stop, what it hands over |
//! | `drain` | the thread that reads the ring and looks after the clock |
//! | `driver` | the clock in use |
//! | `handler` | the signal handler, and all that runs in it |
//! | `shared` | what the handler shares with the rest |
//! | `ring`, `record` | how samples travel |
//! | `aggregate`, `indexed` | samples added up, in bounded memory |
//! | `instants`, `perf_clock`, `timer_clock`, `wall_clock` | what makes the signals |
//! | `signals`, `directed`, `timers`, `tasks` | the kernel's interfaces |
//! | `masks`, `blocked` | threads that block our signal |
//! | `alternate_stacks` | alternate signal stacks for threads without one |

mod aggregate;
mod alternate_stacks;
mod blocked;
mod directed;
mod drain;
mod driver;
mod engine;
mod forked;
mod handler;
mod indexed;
mod instants;
pub(super) mod masks;
mod perf_clock;
mod record;
mod ring;
mod shared;
pub(super) mod signals;
mod sync;
mod tasks;
mod timer_clock;
mod timers;
#[cfg(feature = "testing")]
mod timing;
mod wall_clock;

pub(crate) use engine::{NativeEngine, ring_bytes};
#[cfg(feature = "testing")]
pub use timing::time_handler;
