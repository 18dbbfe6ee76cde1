//! Which CPUs observers stand on, and how they get onto a CPU at once.

use std::io;
use std::mem;

/// CPUs that are known; further ones have no observer.
const MAX_CPUS: usize = libc::CPU_SETSIZE as usize;
/// Observers at most: with more CPUs, the others are judged by these.
const MAX_OBSERVERS: usize = 4;

/// Nanoseconds of a time slice: a thread with a short one is let onto its CPU
/// soon after it wakes (Linux 6.12; ignored before).
const SLICE: u64 = 100_000;

/// The CPUs that this process may use at all, whatever the mask of the calling
/// thread; the calling thread may use all of them afterwards.
pub(super) fn allowed() -> io::Result<Vec<usize>> {
    // The kernel takes from all CPUs those of the process's cpuset.
    let _ = set(0..MAX_CPUS);
    // SAFETY: all-zero is a valid set to be written over.
    let mut found: libc::cpu_set_t = unsafe { mem::zeroed() };
    // SAFETY: the set is valid for the write of the size that is given.
    let result =
        unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut found) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the number is below the size of a set.
    let is_in = |cpu: &usize| unsafe { libc::CPU_ISSET(*cpu, &found) };
    Ok((0..MAX_CPUS).filter(is_in).collect())
}

/// The CPUs for observers: each, where they see only their own, or some at even
/// distances.
pub(super) fn of_observers(allowed: &[usize], each: bool) -> Vec<usize> {
    let wanted = if each {
        allowed.len()
    } else {
        allowed.len().min(MAX_OBSERVERS)
    };
    (0..wanted)
        .map(|number| allowed[number * allowed.len() / wanted])
        .collect()
}

/// Has the calling thread run on these CPUs only.
pub(super) fn set(cpus: impl IntoIterator<Item = usize>) -> io::Result<()> {
    // SAFETY: all-zero is an empty set.
    let mut wanted: libc::cpu_set_t = unsafe { mem::zeroed() };
    for cpu in cpus {
        // SAFETY: a number beyond the set's size is left out.
        unsafe { libc::CPU_SET(cpu, &mut wanted) };
    }
    // SAFETY: the set is valid and only read.
    let result =
        unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const wanted) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// The CPU that the calling thread is on.
pub(super) fn current() -> Option<usize> {
    // SAFETY: it has no preconditions.
    usize::try_from(unsafe { libc::sched_getcpu() }).ok()
}

/// `struct sched_attr` of the kernel's `sched/types.h`, version 0.
#[repr(C)]
#[derive(Default)]
struct SchedulingAttributes {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
}

/// Has the calling thread wake at the moment it asks for, and get onto its CPU
/// soon. What the system refuses makes it late, which is counted.
pub(super) fn be_punctual() {
    let mut attributes = SchedulingAttributes::default();
    let size = size_of::<SchedulingAttributes>();
    // SAFETY: plain numbers; the attributes are valid for the write and the
    // read of the size that is given.
    unsafe {
        libc::syscall(libc::SYS_prctl, libc::PR_SET_TIMERSLACK, 1, 0, 0, 0);
        let known = libc::syscall(
            libc::SYS_sched_getattr,
            0,
            &raw mut attributes,
            size as libc::c_long,
            0,
        );
        if known == 0 && attributes.policy == libc::SCHED_OTHER as u32 {
            attributes.size = size as u32;
            attributes.flags = 0;
            attributes.runtime = SLICE;
            libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn observers_are_spread_over_the_cpus() {
        assert_eq!(of_observers(&[3], false), [3]);
        assert_eq!(of_observers(&[0, 1], false), [0, 1]);
        let eight = [0, 1, 2, 3, 4, 5, 6, 7];
        assert_eq!(of_observers(&eight, false), [0, 2, 4, 6]);
        assert_eq!(of_observers(&eight, true), eight);
        assert!(of_observers(&[], true).is_empty());
    }

    #[test]
    fn a_thread_gets_onto_the_cpu_that_it_asks_for() {
        let all = allowed().expect("the system says so");
        for cpu in all {
            set([cpu]).expect("it is allowed");
            assert_eq!(current(), Some(cpu));
        }
    }
}
