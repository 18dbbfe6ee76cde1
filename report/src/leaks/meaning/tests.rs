//! Names as scripts and exporters give them, and what they mean.

use super::super::words::words;
use super::*;

fn all(names: &str, expected: Meaning) {
    for name in names.split(", ") {
        assert_eq!(of(&words(name), true), expected, "{name}");
    }
}

#[test]
fn levels_that_begin_or_end_like_something_else_are_levels() {
    all(
        "pids, net_connections, loaded_modules, load_balancer_conns, time_series, virtual_users, \
         ratelimit_entries, rate_limiter_entries, requests_in_flight, openRequests, \
         pending_messages, Thread Count, handle_count, process_open_fds, go_goroutines, \
         heap_objects, queue_depth, accept_queue, db_pool_in_use, connections (3), \
         jvm_threads_live_threads, hikaricp_connections_active, checked_out, vcpu_sessions, \
         numThreads, openFDs, tick_listeners, read_buffers, context_handles, tcp_close_wait, CLOSE_WAIT, disk_handles",
        Meaning::Level,
    );
    all(
        "disk_cache_mb, errors_kept_mb, cpu_cache_mb, hours_cache_mb, io_buffers_mb, \
         net_buffers_kb, memory_bytes, process_resident_memory_bytes, RSS (KB), rssKB, rss, \
         rss[KiB], VmRSS, heapUsed, heapTotal, Working Set, Private Bytes, Real (MB), RES, \
         mem.kb, mem_usage, rss_min, container_memory_usage_bytes, go_memstats_heap_inuse_bytes",
        Meaning::Memory,
    );
}

#[test]
fn what_is_counted_for_ever_is_a_counter_and_the_rest_is_what_it_is() {
    all(
        "gc_count, utime, stime, row, seq, index, total_rows, success, event_count, req_count, \
         minor-faults, ctx_switches, err_count, requests_total, cache_hits, tasks_completed, \
         connections_accepted, process_cpu_seconds_total, go_memstats_alloc_bytes_total, \
         jvm_gc_pause_seconds_count, dropped, ticks_missed, cpu_time",
        Meaning::Counter,
    );
    all(
        "rx_bytes, tx_packets, bytes_sent, net_io, BLOCK I/O, disk_read_mb, recv",
        Meaning::Traffic,
    );
    all(
        "cpu_percent, %CPU, CPU (%), rps, p99, latency, requests_per_s, KB/s, load1, load_avg, \
         hit_rate, tps_window, cpu_usage, cpu, usr, minflt/s",
        Meaning::Rate,
    );
    all(
        "vsz, vms_mb, VIRT, Virtual (MB), VmSize, virtual_memory",
        Meaning::Virtual,
    );
    all("gc_pause_ms, uptime_s, age, latency_p99_ms", Meaning::Time);
    all(
        "peak_rss_mb, rss_peak_mb, VmHWM, max_connections, heap_max",
        Meaning::Peak,
    );
    all(
        "open_fds_limit, cgroup_memory_limit_mb, rate_limit",
        Meaning::Limit,
    );
    all("pid, PPID, session_id, port, version", Meaning::Identity);
    all("%MEM, mem_percent, memory_percent", Meaning::MemoryShare);
    all(
        "host_memory_mb, mem_free, available_memory, disk_used, cgroup_memory_mb",
        Meaning::Host,
    );
    all("agent_rss_mb", Meaning::Agent);
    all(
        "connections_total, total_connections",
        Meaning::LevelOrTotal,
    );
    all("alloc_bytes, widgets_mb", Meaning::MemoryOrTotal);
    all("widgets, pool_17_x, name", Meaning::Unknown);
    assert_eq!(of(&words("host_sessions"), false), Meaning::Level);
}
