//! Stacks without frame pointers, walked inside a signal handler.
//!
//! The rule for each program counter comes from a lock-free cache of packed
//! rules; on a miss it is worked out on the spot from `.eh_frame`, which takes
//! a binary search and the interpretation of one function's entry. Return
//! addresses recur from sample to sample, so nearly all steps are hits, cost
//! about as much as following a frame pointer, and need 64 KiB in all. Sorted
//! rows for whole modules, compiled beforehand, were rejected: they take
//! megabytes for a large program and several cache misses per step.
//!
//! | file | what |
//! |---|---|
//! | `rule` | one step up the stack, packed in a word |
//! | `table` | the entry of `.eh_frame` for an address |
//! | `cfi`, `row`, `expression` | the rule for an address out of that entry |
//! | `cache` | rules by address |
//! | `modules` | which module covers an address |
//! | `memory` | reading a stack without faulting |
//! | `walk` | the walk |
//! | `main_stack` | where the initial thread's stack is |
//! | `published` | the table of modules and the rules, for all who walk |
//! | `here` | the stack of the calling thread, in ordinary code |
//! | `absent` | `here` where there is no unwinder |
//! | `arch` | registers; the only file that differs by processor |

pub(crate) mod arch;
mod bytes;
mod cache;
mod cfi;
mod expression;
#[cfg(not(miri))]
mod here;
#[cfg(miri)]
#[path = "absent.rs"]
mod here;
pub(crate) mod main_stack;
pub(crate) mod memory;
mod modules;
pub(crate) mod published;
mod row;
mod rule;
mod table;
pub(crate) mod walk;

pub(crate) use here::{StackStart, maintain, on_private_stack, prepare, stack_from};

#[cfg(test)]
mod oracle;
