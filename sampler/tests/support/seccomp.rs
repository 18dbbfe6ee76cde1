//! Refusal of system calls by a real seccomp filter, as a container or a
//! sandbox does it. A filter cannot be taken off again: use it in a process of
//! its own.
#![allow(dead_code, unreachable_pub)]

/// One call that is refused.
#[derive(Clone, Copy)]
pub struct Refused {
    pub call: libc::c_long,
    /// What the kernel answers.
    pub errno: i32,
    /// Only where this bit of this argument (its low word) is set.
    pub when: Option<(u32, u32)>,
}

impl Refused {
    pub fn always(call: libc::c_long, errno: i32) -> Self {
        Refused {
            call,
            errno,
            when: None,
        }
    }
}

/// Makes the kernel answer like this on every thread of this process, those to come
/// included.
pub fn refuse(calls: &[Refused]) {
    // In `struct seccomp_data` the number comes first and six arguments of 64
    // bits begin at 16; low words first, as all our machines are little-endian.
    let load = |offset| libc::sock_filter {
        code: (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16,
        jt: 0,
        jf: 0,
        k: offset,
    };
    let answer = |k| libc::sock_filter {
        code: (libc::BPF_RET | libc::BPF_K) as u16,
        jt: 0,
        jf: 0,
        k,
    };
    let jump = |test, k, skip_else| libc::sock_filter {
        code: (libc::BPF_JMP | test | libc::BPF_K) as u16,
        jt: 0,
        jf: skip_else,
        k,
    };
    let mut program = Vec::new();
    for refused in calls {
        let no = answer(libc::SECCOMP_RET_ERRNO | refused.errno as u32);
        program.push(load(0));
        match refused.when {
            None => program.extend([jump(libc::BPF_JEQ, refused.call as u32, 1), no]),
            Some((argument, bit)) => program.extend([
                jump(libc::BPF_JEQ, refused.call as u32, 3),
                load(16 + 8 * argument),
                jump(libc::BPF_JSET, bit, 1),
                no,
            ]),
        }
    }
    program.push(answer(libc::SECCOMP_RET_ALLOW));
    let filter = libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: the filter and its program are valid for the calls, which only
    // read them; PR_SET_NO_NEW_PRIVS takes plain numbers.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        let installed = libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_TSYNC,
            &filter,
        );
        assert_eq!(installed, 0, "{}", std::io::Error::last_os_error());
    }
}

/// Makes the kernel answer EPERM to `calls`.
pub fn forbid(calls: &[libc::c_long]) {
    let refused = calls.iter().map(|call| Refused::always(*call, libc::EPERM));
    refuse(&refused.collect::<Vec<_>>());
}
