//! Our own sockets, asked one by one with `getsockopt`.

use std::mem;

use crate::resources::{SocketCounts, TcpState};

/// Walks the descriptor numbers below `table` and asks each socket for its
/// state.
///
/// The walk ends once as many open descriptors were met as the kernel says
/// there are, so a sparse table costs little. Descriptors that come and go
/// during the walk make the count differ by at most as many.
pub(super) fn count(table: libc::c_int, open: Option<u64>) -> SocketCounts {
    let open = open.unwrap_or(u64::MAX);
    let mut counts = SocketCounts::default();
    let mut met = 0;
    for fd in 0..table {
        if met >= open {
            break;
        }
        match tcp_info(fd) {
            TcpAnswer::Closed => continue,
            TcpAnswer::NotSocket => {}
            TcpAnswer::OtherSocket => count_other(fd, &mut counts),
            TcpAnswer::Tcp { state, unacked } => {
                counts.count_tcp(state);
                if state == TcpState::Listen as u8 {
                    counts.accept_queue += u64::from(unacked);
                }
            }
        }
        met += 1;
    }
    counts
}

enum TcpAnswer {
    Closed,
    NotSocket,
    OtherSocket,
    Tcp { state: u8, unacked: u32 },
}

/// Asks a descriptor for the head of its `tcp_info`, up to `tcpi_unacked`,
/// which for a listening socket is the length of its accept queue.
fn tcp_info(fd: libc::c_int) -> TcpAnswer {
    const UNACKED_AT: usize = 24;
    let mut head = [0u8; UNACKED_AT + 4];
    let mut length = head.len() as libc::socklen_t;
    // SAFETY: `head` is writable for `length` bytes and `length` lives through
    // the call; the kernel writes at most `length` bytes. A descriptor that is
    // closed or no socket is refused without effect.
    let refused = unsafe {
        libc::getsockopt(
            fd,
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            head.as_mut_ptr().cast(),
            &mut length,
        )
    } != 0;
    if !refused {
        let [.., a, b, c, d] = head;
        return TcpAnswer::Tcp {
            state: head[0],
            unacked: u32::from_ne_bytes([a, b, c, d]),
        };
    }
    match std::io::Error::last_os_error().raw_os_error() {
        Some(libc::EBADF) => TcpAnswer::Closed,
        Some(libc::ENOTSOCK) => TcpAnswer::NotSocket,
        _ => TcpAnswer::OtherSocket,
    }
}

fn count_other(fd: libc::c_int, counts: &mut SocketCounts) {
    let Some(domain) = socket_option(fd, libc::SO_DOMAIN) else {
        return;
    };
    if domain == libc::AF_UNIX {
        counts.unix += 1;
    } else if (domain == libc::AF_INET || domain == libc::AF_INET6)
        && socket_option(fd, libc::SO_TYPE) == Some(libc::SOCK_DGRAM)
    {
        counts.udp += 1;
    }
}

fn socket_option(fd: libc::c_int, option: libc::c_int) -> Option<libc::c_int> {
    let mut value: libc::c_int = 0;
    let mut length = mem::size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: `value` is writable for `length` bytes and both live through
    // the call.
    let done = unsafe {
        libc::getsockopt(
            fd,
            libc::SOL_SOCKET,
            option,
            (&raw mut value).cast(),
            &mut length,
        )
    } == 0;
    done.then_some(value)
}
