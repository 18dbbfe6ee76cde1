//! The instructions that move the stack pointer. Nothing else is in assembly.

/// Calls `entry(argument)` with the stack pointer at `top`.
///
/// # Safety
///
/// - The memory below `top`, as much as `entry` uses, belongs to the caller.
/// - `top` is a multiple of 16.
/// - `entry` may be called with `argument`, and does not unwind.
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
pub(super) unsafe extern "C" fn call_on(
    top: u64,
    entry: extern "C" fn(*mut libc::c_void),
    argument: *mut libc::c_void,
) {
    std::arch::naked_asm!(
        ".cfi_startproc",
        "push rbp",
        ".cfi_def_cfa_offset 16",
        ".cfi_offset rbp, -16",
        "mov rbp, rsp",
        ".cfi_def_cfa_register rbp",
        "mov rsp, rdi",
        "mov rdi, rdx",
        "call rsi",
        "mov rsp, rbp",
        "pop rbp",
        ".cfi_def_cfa rsp, 8",
        "ret",
        ".cfi_endproc",
    )
}

/// As on x86-64; assembled, and never run.
#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
pub(super) unsafe extern "C" fn call_on(
    top: u64,
    entry: extern "C" fn(*mut libc::c_void),
    argument: *mut libc::c_void,
) {
    std::arch::naked_asm!(
        "stp x29, x30, [sp, #-16]!",
        "mov x29, sp",
        "mov sp, x0",
        "mov x0, x2",
        "blr x1",
        "mov sp, x29",
        "ldp x29, x30, [sp], #16",
        "ret",
    )
}

/// Defines `$name`, a signal handler for `SA_SIGINFO` that runs `$handler` on
/// a stack of ours. It must be installed with all signals in its mask.
///
/// On x86-64 it writes nothing to the stack it finds. It may use the registers
/// that a call does not preserve: a signal's return restores all of them.
#[cfg(target_arch = "x86_64")]
macro_rules! signal_entry {
    ($(#[$doc:meta])* $name:ident => $handler:path) => {
        $(#[$doc])*
        #[unsafe(naked)]
        pub(crate) extern "C" fn $name(
            _signal: libc::c_int,
            _info: *mut libc::siginfo_t,
            _context: *mut libc::c_void,
        ) {
            // The arguments stay in rdi, rsi and rdx all the way.
            std::arch::naked_asm!(
                ".cfi_startproc",
                // Claim the lowest stack that is free.
                "mov r8, qword ptr [rip + {free}@GOTPCREL]",
                "mov rax, qword ptr [r8]",
                "2:",
                "test rax, rax",
                "jz 3f",
                "bsf rcx, rax",
                "mov r9, rax",
                "btr r9, rcx",
                "lock cmpxchg qword ptr [r8], r9",
                "jnz 2b",
                // Its top; the old stack pointer and the number go there.
                "mov r10, qword ptr [rip + {base}@GOTPCREL]",
                "mov r10, qword ptr [r10]",
                "lea r11, [rcx + 1]",
                "shl r11, {stride_bits}",
                "add r10, r11",
                "mov qword ptr [r10 - 8], rsp",
                "mov qword ptr [r10 - 16], rcx",
                "lea rsp, [r10 - 32]",
                // For whoever unwinds from the handler: the frame that called
                // is above the stack pointer saved at rsp + 24, which is
                // DW_CFA_def_cfa_expression of 5 bytes: DW_OP_breg7 24,
                // DW_OP_deref, DW_OP_plus_uconst 8.
                ".cfi_escape 0x0f, 5, 0x77, 24, 0x06, 0x23, 8",
                "call {handler}",
                "mov rcx, qword ptr [rsp + 16]",
                "mov rsp, qword ptr [rsp + 24]",
                ".cfi_def_cfa rsp, 8",
                "mov r8, qword ptr [rip + {free}@GOTPCREL]",
                "lock bts qword ptr [r8], rcx",
                "ret",
                "3:",
                "mov r8, qword ptr [rip + {none_free}@GOTPCREL]",
                "lock inc qword ptr [r8]",
                "ret",
                ".cfi_endproc",
                free = sym crate::platform::private_stacks::FREE,
                base = sym crate::platform::private_stacks::BASE,
                none_free = sym crate::platform::private_stacks::NONE_FREE,
                handler = sym $handler,
                stride_bits = const crate::platform::private_stacks::STRIDE_BITS,
            )
        }
    };
}

/// As on x86-64, but for a small frame on the stack it finds.
#[cfg(target_arch = "aarch64")]
macro_rules! signal_entry {
    ($(#[$doc:meta])* $name:ident => $handler:path) => {
        $(#[$doc])*
        pub(crate) extern "C" fn $name(
            signal: libc::c_int,
            info: *mut libc::siginfo_t,
            context: *mut libc::c_void,
        ) {
            let mut arguments = (signal, info, context);
            extern "C" fn call(arguments: *mut libc::c_void) {
                type Arguments = (libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);
                // SAFETY: the pointer is that of `arguments`, which outlives
                // the switch.
                let (signal, info, context) = unsafe { *arguments.cast::<Arguments>() };
                $handler(signal, info, context);
            }
            $crate::platform::private_stacks::call_in_handler(call, (&raw mut arguments).cast());
        }
    };
}

pub(crate) use signal_entry;
