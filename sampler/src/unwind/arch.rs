//! What differs between processors: DWARF register numbers, the layout of a
//! saved context, and the thread pointer.
//!
//! The aarch64 half follows the ABI documents ("DWARF for the Arm 64-bit
//! Architecture", `asm/sigcontext.h`); **it has been neither compiled nor run**.

#[cfg(target_arch = "x86_64")]
mod native {
    pub(crate) const DWARF_FP: u64 = 6;
    pub(crate) const DWARF_SP: u64 = 7;
    pub(crate) const DWARF_RA: u64 = 16;
    /// Registers that a rule can name in the interrupted frame.
    pub(crate) const REGISTERS: usize = 16;
    /// The instruction pointer as an operand of an expression.
    pub(crate) const DWARF_PC: u64 = 16;

    /// Offsets into the `ucontext` at the stack pointer in a signal
    /// trampoline: program counter, stack pointer, frame pointer.
    pub(crate) const TRAMPOLINE: (u64, u64, u64) = (168, 160, 120);
    /// `mov $__NR_rt_sigreturn, %rax; syscall`, little-endian.
    pub(crate) const TRAMPOLINE_CODE: u64 = 0x0f00_0000_0fc0_c748;

    /// `gregs` indices of the DWARF registers 0 to 15, in that order.
    const GREGS: [libc::c_int; REGISTERS] = [
        libc::REG_RAX,
        libc::REG_RDX,
        libc::REG_RCX,
        libc::REG_RBX,
        libc::REG_RSI,
        libc::REG_RDI,
        libc::REG_RBP,
        libc::REG_RSP,
        libc::REG_R8,
        libc::REG_R9,
        libc::REG_R10,
        libc::REG_R11,
        libc::REG_R12,
        libc::REG_R13,
        libc::REG_R14,
        libc::REG_R15,
    ];

    pub(crate) fn pc(context: &libc::ucontext_t) -> u64 {
        context.uc_mcontext.gregs[libc::REG_RIP as usize] as u64
    }

    /// The return address of the interrupted frame is always on the stack.
    pub(crate) fn link(_context: &libc::ucontext_t) -> u64 {
        0
    }

    pub(crate) fn register(context: &libc::ucontext_t, dwarf: u64) -> u64 {
        GREGS
            .get(dwarf as usize)
            .map_or(0, |greg| context.uc_mcontext.gregs[*greg as usize] as u64)
    }

    /// Whether the interrupted code was in a system call.
    ///
    /// `syscall` leaves the address behind itself in `rcx` and the flags in
    /// `r11`, and the kernel gives them back as they were; where the call is to be
    /// made once more, the program counter stands on the instruction again.
    pub(crate) fn in_system_call(context: &libc::ucontext_t) -> bool {
        const SYSCALL: u64 = 2;
        let [pc, behind, flags, kept] =
            [libc::REG_RIP, libc::REG_RCX, libc::REG_EFL, libc::REG_R11]
                .map(|greg| context.uc_mcontext.gregs[greg as usize] as u64);
        (behind == pc || behind == pc.wrapping_add(SYSCALL)) && flags == kept
    }

    /// The thread control block's address; on a `pthread`'s stack it is above
    /// every frame.
    pub(crate) fn thread_pointer() -> u64 {
        let pointer: u64;
        // SAFETY: the System V ABI for thread-local storage puts the thread
        // pointer's own value at offset 0 from `fs`; the load changes nothing.
        unsafe {
            std::arch::asm!("mov {}, fs:0", out(reg) pointer,
                options(nostack, preserves_flags, readonly));
        }
        pointer
    }

    /// Program counter, stack pointer, frame pointer and link register, here.
    #[inline(always)]
    pub(crate) fn here() -> [u64; 4] {
        let (pc, sp, fp): (u64, u64, u64);
        // SAFETY: reading these registers changes nothing.
        unsafe {
            std::arch::asm!("lea {pc}, [rip]", "mov {sp}, rsp", "mov {fp}, rbp",
                pc = out(reg) pc, sp = out(reg) sp, fp = out(reg) fp,
                options(nomem, nostack, preserves_flags));
        }
        [pc, sp, fp, 0]
    }

    /// Whether `code`, the eight bytes before an address, ends in a call.
    pub(crate) fn ends_in_call(code: [u8; 8]) -> bool {
        // call rel32; and call r/m64 (FF /2) in its lengths 2 to 7.
        if code[3] == 0xe8 {
            return true;
        }
        let indirect = |at: usize, modrm_ok: fn(u8) -> bool| {
            code[at] == 0xff && code[at + 1] & 0x38 == 0x10 && modrm_ok(code[at + 1])
        };
        indirect(6, |m| {
            m >> 6 == 3 || (m >> 6 == 0 && m & 7 != 4 && m & 7 != 5)
        }) || indirect(5, |m| m >> 6 == 1 || (m >> 6 == 0 && m & 7 == 4))
            || indirect(4, |m| m >> 6 == 1 && m & 7 == 4)
            || indirect(2, |m| m >> 6 == 2 || (m >> 6 == 0 && m & 7 == 5))
            || indirect(1, |m| m >> 6 == 2 && m & 7 == 4)
    }
}

#[cfg(target_arch = "aarch64")]
mod native {
    pub(crate) const DWARF_FP: u64 = 29;
    pub(crate) const DWARF_SP: u64 = 31;
    pub(crate) const DWARF_RA: u64 = 30;
    pub(crate) const REGISTERS: usize = 16;
    pub(crate) const DWARF_PC: u64 = 32;

    /// The kernel's frame is 128 bytes of siginfo, then the `ucontext` with
    /// `uc_mcontext` at 176: fault address, x0 to x30, sp, pc.
    pub(crate) const TRAMPOLINE: (u64, u64, u64) =
        (128 + 176 + 8 * 33, 128 + 176 + 8 * 32, 128 + 176 + 8 * 30);
    /// `mov x8, #139; svc #0`, little-endian.
    pub(crate) const TRAMPOLINE_CODE: u64 = 0xd400_0001_d280_1168;

    pub(crate) fn pc(context: &libc::ucontext_t) -> u64 {
        context.uc_mcontext.pc
    }

    pub(crate) fn link(context: &libc::ucontext_t) -> u64 {
        context.uc_mcontext.regs[30]
    }

    pub(crate) fn register(context: &libc::ucontext_t, dwarf: u64) -> u64 {
        match dwarf {
            DWARF_SP => context.uc_mcontext.sp,
            _ => context
                .uc_mcontext
                .regs
                .get(dwarf as usize)
                .copied()
                .unwrap_or(0),
        }
    }

    /// Whether the interrupted code was in a system call: nothing in the registers
    /// says so here.
    pub(crate) fn in_system_call(_context: &libc::ucontext_t) -> bool {
        false
    }

    pub(crate) fn thread_pointer() -> u64 {
        let pointer: u64;
        // SAFETY: reading `tpidr_el0` is allowed at EL0 and changes nothing.
        unsafe {
            std::arch::asm!("mrs {}, tpidr_el0", out(reg) pointer,
                options(nomem, nostack, preserves_flags));
        }
        pointer
    }

    #[inline(always)]
    pub(crate) fn here() -> [u64; 4] {
        let (pc, sp, fp, link): (u64, u64, u64, u64);
        // SAFETY: reading these registers changes nothing.
        unsafe {
            std::arch::asm!("adr {pc}, .", "mov {sp}, sp", "mov {fp}, x29", "mov {link}, x30",
                pc = out(reg) pc, sp = out(reg) sp, fp = out(reg) fp, link = out(reg) link,
                options(nomem, nostack, preserves_flags));
        }
        [pc, sp, fp, link]
    }

    pub(crate) fn ends_in_call(code: [u8; 8]) -> bool {
        let word = u32::from_le_bytes([code[4], code[5], code[6], code[7]]);
        // bl imm26; blr Xn.
        word >> 26 == 0b100101 || word & 0xffff_fc1f == 0xd63f_0000
    }
}

pub(crate) use native::*;

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    fn before(code: &[u8]) -> [u8; 8] {
        let mut eight = [0x90; 8];
        eight[8 - code.len()..].copy_from_slice(code);
        eight
    }

    #[test]
    fn calls_of_every_length_are_recognised() {
        let calls: [&[u8]; 8] = [
            &[0xe8, 1, 2, 3, 4],
            &[0xff, 0xd0],
            &[0x41, 0xff, 0xd4],
            &[0xff, 0x50, 0x18],
            &[0xff, 0x14, 0xc8],
            &[0xff, 0x54, 0x24, 0x10],
            &[0xff, 0x15, 1, 2, 3, 4],
            &[0xff, 0x94, 0x24, 1, 2, 3, 4],
        ];
        for call in calls {
            assert!(ends_in_call(before(call)), "{call:x?}");
        }
        assert!(!ends_in_call([0x90; 8]));
        assert!(!ends_in_call(before(&[0xff, 0xe0])));
    }
}
