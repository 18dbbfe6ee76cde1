//! Threads: those of the service, of which the sampler keeps a few words, and those
//! of an agent, which are kept out of the profile.
//!
//! | file | what |
//! |---|---|
//! | `state` | a thread's words that the signal handler reads |
//! | `excluded` | the threads that are kept out of the profile |
//! | `own` | the threads of an agent |
//! | `cpu_time` | CPU clocks for a program to read |
//! | `name` | the kernel's name of a thread, as text |

mod cpu_time;
pub(crate) mod excluded;
pub(crate) mod name;
pub(crate) mod own;
pub(crate) mod state;

pub use cpu_time::{ThreadClock, excluded_cpu_time, process_cpu_time, thread_cpu_time};
pub use own::{adopt_current_thread, quiet_writes, spawn_own};
#[cfg(feature = "testing")]
pub use state::in_signal_handler;
pub use state::{Exclusion, exclude_current_thread, label, set_label};
