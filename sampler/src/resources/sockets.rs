//! Counts of this process's own sockets.

/// A state of a TCP socket, numbered as the Linux kernel numbers them
/// (`include/net/tcp_states.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[allow(missing_docs, reason = "the names are RFC 9293's own")]
pub enum TcpState {
    Established = 1,
    SynSent,
    SynRecv,
    FinWait1,
    FinWait2,
    TimeWait,
    /// Closed, or a socket that was made and never connected.
    Close,
    CloseWait,
    LastAck,
    Listen,
    Closing,
}

impl TcpState {
    /// Every state, in the kernel's order.
    pub const ALL: [TcpState; 11] = [
        TcpState::Established,
        TcpState::SynSent,
        TcpState::SynRecv,
        TcpState::FinWait1,
        TcpState::FinWait2,
        TcpState::TimeWait,
        TcpState::Close,
        TcpState::CloseWait,
        TcpState::LastAck,
        TcpState::Listen,
        TcpState::Closing,
    ];

    /// The state's name in lower case with underscores, e.g. `close_wait`.
    pub fn name(self) -> &'static str {
        match self {
            TcpState::Established => "established",
            TcpState::SynSent => "syn_sent",
            TcpState::SynRecv => "syn_recv",
            TcpState::FinWait1 => "fin_wait1",
            TcpState::FinWait2 => "fin_wait2",
            TcpState::TimeWait => "time_wait",
            TcpState::Close => "close",
            TcpState::CloseWait => "close_wait",
            TcpState::LastAck => "last_ack",
            TcpState::Listen => "listen",
            TcpState::Closing => "closing",
        }
    }
}

/// How many sockets of each kind this process holds open.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SocketCounts {
    tcp: [u64; 12],
    /// UDP sockets.
    pub udp: u64,
    /// Unix domain sockets.
    pub unix: u64,
    /// Connections that wait in accept queues for the service to take them.
    pub accept_queue: u64,
}

impl SocketCounts {
    /// TCP sockets in one state.
    pub fn tcp(&self, state: TcpState) -> u64 {
        self.tcp[state as usize]
    }

    /// TCP sockets in any state, listening ones among them: what psutil's
    /// `connections(kind="tcp")` counts.
    pub fn tcp_total(&self) -> u64 {
        self.tcp.iter().sum()
    }

    /// Counts one more TCP socket; `state` is the kernel's number. A number
    /// outside the known states is not counted as any of them, but stays in
    /// the total.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code))]
    pub(super) fn count_tcp(&mut self, state: u8) {
        let slot = if (1..=11).contains(&state) { state } else { 0 };
        self.tcp[slot as usize] += 1;
    }
}
