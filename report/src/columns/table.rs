//! The table of columns, in the order of the file.

use super::AgentShare::{Counted, Resident};
use super::ChartPanel::{Cpu, Held, Latency, Memory as MemoryPanel, Requests, Tasks};
use super::Column;
use super::ColumnBudget::{Highest, Mean};
use super::ColumnKind::{
    Agent, Clock, Counter, Delay, Host, Level, Limit, Memory, Peak, Phase, Rate, Virtual, Waiting,
};
use super::ColumnUnit::{
    Count, Megabytes, MegabytesPerSecond, Milliseconds, Minutes, PerSecond, Percent, Text,
    TimeOfDay,
};
use super::Worse::{Lower, Neither};

/// A constant for each column, and all of them in their order.
macro_rules! columns {
    ($($constant:ident = $name:literal, $unit:expr, $kind:expr $(, .$with:ident($value:expr))*;)*) => {
        $(
            #[doc = concat!("`", $name, "`.")]
            pub const $constant: Column = Column::new($name, $unit, $kind)$(.$with($value))*;
        )*
        /// Every column, in the order of the file.
        pub static ALL: &[Column] = &[$($constant),*];
    };
}

columns! {
    // The four that soak scripts already write.
    ELAPSED_MIN = "elapsed_min", Minutes, Clock;
    RSS_MB = "rss_mb", Megabytes, Memory, .panel(MemoryPanel), .budget(Highest), .with_agent(Resident);
    VMS_MB = "vms_mb", Megabytes, Virtual;
    CONNECTIONS = "connections", Count, Level, .panel(Held), .budget(Highest);

    TIME = "time", TimeOfDay, Clock;
    PHASE = "phase", Text, Phase;
    CPU_PERCENT = "cpu_percent", Percent, Rate, .panel(Cpu), .budget(Mean);
    THREADS = "threads", Count, Level, .panel(Held), .budget(Highest);
    OPEN_FDS = "open_fds", Count, Level, .panel(Held), .budget(Highest);
    RSS_ANON_MB = "rss_anon_mb", Megabytes, Memory, .panel(MemoryPanel), .with_agent(Resident);
    RSS_FILE_MB = "rss_file_mb", Megabytes, Memory;
    RSS_SHMEM_MB = "rss_shmem_mb", Megabytes, Memory;
    PEAK_RSS_MB = "peak_rss_mb", Megabytes, Peak;

    HEAP_LIVE_MB = "heap_live_mb", Megabytes, Memory,
        .panel(MemoryPanel), .budget(Highest), .with_agent(Counted);

    TCP_ESTABLISHED = "tcp_established", Count, Level;
    TCP_SYN_SENT = "tcp_syn_sent", Count, Level;
    TCP_SYN_RECV = "tcp_syn_recv", Count, Level;
    TCP_FIN_WAIT1 = "tcp_fin_wait1", Count, Level;
    TCP_FIN_WAIT2 = "tcp_fin_wait2", Count, Level;
    TCP_TIME_WAIT = "tcp_time_wait", Count, Level;
    TCP_CLOSE = "tcp_close", Count, Level;
    TCP_CLOSE_WAIT = "tcp_close_wait", Count, Level, .panel(Held);
    TCP_LAST_ACK = "tcp_last_ack", Count, Level;
    TCP_LISTEN = "tcp_listen", Count, Level;
    TCP_CLOSING = "tcp_closing", Count, Level;
    ACCEPT_QUEUE = "accept_queue", Count, Waiting;
    UDP_SOCKETS = "udp_sockets", Count, Level;
    UNIX_SOCKETS = "unix_sockets", Count, Level;

    // By a walk over all mappings, and so seldom that a short run has few.
    PSS_MB = "pss_mb", Megabytes, Memory, .with_agent(Resident), .covered_by(&RSS_ANON_MB);
    PRIVATE_DIRTY_MB = "private_dirty_mb", Megabytes, Memory,
        .with_agent(Resident), .covered_by(&RSS_ANON_MB);
    SWAP_MB = "swap_mb", Megabytes, Memory, .covered_by(&RSS_ANON_MB);
    OPEN_FDS_LIMIT = "open_fds_limit", Count, Limit;
    VMS_LIMIT_MB = "vms_limit_mb", Megabytes, Limit;
    CGROUP_MEMORY_LIMIT_MB = "cgroup_memory_limit_mb", Megabytes, Limit;

    PAGE_FAULTS_MINOR_PER_S = "page_faults_minor_per_s", PerSecond, Rate;
    PAGE_FAULTS_MAJOR_PER_S = "page_faults_major_per_s", PerSecond, Rate;
    CONTEXT_SWITCHES_VOLUNTARY_PER_S = "context_switches_voluntary_per_s", PerSecond, Rate;
    CONTEXT_SWITCHES_INVOLUNTARY_PER_S = "context_switches_involuntary_per_s", PerSecond, Rate;
    IO_READ_MB_PER_S = "io_read_mb_per_s", MegabytesPerSecond, Rate;
    IO_WRITE_MB_PER_S = "io_write_mb_per_s", MegabytesPerSecond, Rate;
    HEAP_ALLOC_MB_PER_S = "heap_alloc_mb_per_s", MegabytesPerSecond, Rate;
    // The first and the last count the page cache, too.
    CGROUP_MEMORY_MB = "cgroup_memory_mb", Megabytes, Host, .with_agent(Resident);
    CGROUP_ANON_MB = "cgroup_anon_mb", Megabytes, Memory, .with_agent(Resident);
    CGROUP_FILE_MB = "cgroup_file_mb", Megabytes, Host;
    CGROUP_HIGH_TOTAL = "cgroup_high_total", Count, Counter;
    CGROUP_MAX_TOTAL = "cgroup_max_total", Count, Counter;
    CGROUP_OOM_KILLS_TOTAL = "cgroup_oom_kills_total", Count, Counter;
    CGROUP_THROTTLED_PERCENT = "cgroup_throttled_percent", Percent, Rate;
    PRESSURE_CPU_PERCENT = "pressure_cpu_percent", Percent, Rate;
    PRESSURE_MEMORY_PERCENT = "pressure_memory_percent", Percent, Rate;
    PRESSURE_MEMORY_FULL_PERCENT = "pressure_memory_full_percent", Percent, Rate;
    PRESSURE_IO_PERCENT = "pressure_io_percent", Percent, Rate;
    PRESSURE_IO_FULL_PERCENT = "pressure_io_full_percent", Percent, Rate;

    TOKIO_ALIVE_TASKS = "tokio_alive_tasks", Count, Level, .panel(Tasks);
    TOKIO_GLOBAL_QUEUE = "tokio_global_queue", Count, Waiting;
    TOKIO_BUSY_PERCENT = "tokio_busy_percent", Percent, Rate;
    TOKIO_BLOCKING_THREADS = "tokio_blocking_threads", Count, Level;
    TOKIO_BLOCKING_QUEUE = "tokio_blocking_queue", Count, Level;
    TOKIO_LOCAL_QUEUES = "tokio_local_queues", Count, Level;
    TOKIO_STEALS_PER_S = "tokio_steals_per_s", PerSecond, Rate;
    TOKIO_FORCED_YIELDS_PER_S = "tokio_forced_yields_per_s", PerSecond, Rate;

    REQUESTS_PER_S = "requests_per_s", PerSecond, Rate, .panel(Requests), .worse(Neither);
    ERRORS_PER_S = "errors_per_s", PerSecond, Rate, .panel(Requests);
    LATENCY_P50_MS = "latency_p50_ms", Milliseconds, Rate, .panel(Latency);
    LATENCY_P95_MS = "latency_p95_ms", Milliseconds, Rate, .panel(Latency);
    LATENCY_P99_MS = "latency_p99_ms", Milliseconds, Rate, .panel(Latency);
    LATENCY_MAX_MS = "latency_max_ms", Milliseconds, Rate;
    REQUESTS_IN_FLIGHT = "requests_in_flight", Count, Waiting;

    HOST_AVAILABLE_MB = "host_available_mb", Megabytes, Host, .worse(Lower);
    HOST_LOAD_1M = "host_load_1m", Count, Host;

    AGENT_CPU_PERCENT = "agent_cpu_percent", Percent, Agent;
    AGENT_THREADS = "agent_threads", Count, Agent;
    AGENT_MEMORY_MB = "agent_memory_mb", Megabytes, Agent;
    AGENT_HEAP_MB = "agent_heap_mb", Megabytes, Agent;
    AGENT_OPEN_FDS = "agent_open_fds", Count, Agent;
    TICK_LATE_MS = "tick_late_ms", Milliseconds, Delay;
    TICKS_MISSED = "ticks_missed", Count, Counter;
    DROPPED = "dropped", Count, Counter;
}
