//! The words by which columns are known, each list in one string.

/// Words with spaces between.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words(&'static str);

impl Words {
    pub(super) const fn of(words: &'static str) -> Words {
        Words(words)
    }

    pub(super) fn has(self, word: &str) -> bool {
        self.0.split(' ').any(|known| known == word)
    }

    pub(super) fn any<'a>(self, words: impl IntoIterator<Item = &'a str>) -> bool {
        words.into_iter().any(|word| self.has(word))
    }
}

/// Memory by whatever name.
pub(super) const MEMORY: Words = Words::of(
    "rss rsz resident uss pss mem memory heap nonheap metaspace ram swap swapped anon \
    anonymous shmem arena arenas malloc jemalloc mimalloc tcmalloc footprint memstats slab",
);

/// The memory that the kernel counts in pages.
pub(super) const RESIDENT: Words =
    Words::of("rss rsz res resident uss pss real working private anon swap shmem footprint");

/// Things that are held for a while and given back.
pub(super) const LEVELS: Words = Words::of(
    "connection connections conn conns socket sockets fd fds filedes handle handles \
    descriptor descriptors file files pipe pipes inode inodes thread threads lwp pids \
    process processes procs children task tasks goroutine goroutines coroutine coroutines \
    fiber fibers session sessions user users client clients peer peers subscriber \
    subscribers subscription subscriptions listener listeners watcher watchers observer \
    observers timer timers worker workers cache caches cached buffer buffers buff buffered \
    queue queues queued backlog mailbox mailboxes pool pools pooled entry entries item items \
    object objects key keys module modules class classes series stream streams channel \
    channels lock locks mutex mutexes waiter waiters pending inflight flight use used inuse \
    active open alive live waiting outstanding slot slots lease leases leased mapping \
    mappings maps node nodes table tables kept retained held leaked stored reference \
    references refs ref refcount callback callbacks handler handlers promise promises future \
    futures actor actors depth size len length occupancy document documents blob blobs chunk \
    chunks block blocks page pages map set vec list lru registry tenant tenants room rooms \
    token tokens statement statements cursor cursors instance instances plugin plugins image \
    images bytes zombies zombie devices windows topics partitions established members \
    participants unacked unacknowledged parked blocked running spawned tracked capacity",
);

/// Levels that are an amount of memory where memory is spoken of: `heap_used` is
/// bytes, `heap_objects` are things.
pub(super) const AMOUNTS: Words = Words::of(
    "cache caches cached buffer buffers buff buffered pool pools pooled used use inuse size \
    len length live alive active kept held retained leaked stored set bytes capacity process \
    processes image map table tables lru stream object page file",
);

/// What says of an event that it goes on: `open_requests`, `requests_in_flight`.
pub(super) const PRESENT: Words = Words::of(
    "open active pending queued inflight flight live alive outstanding running current \
    waiting held kept retained stored leaked buffered cached concurrent unacked parked \
    blocked",
);

/// Events, which are counted up for ever.
pub(super) const EVENTS: Words = Words::of(
    "request requests req reqs response responses error errors err errs hit hits miss misses \
    retry retries timeouts failure failures failed fail fails success successes succeeded ok \
    completed complete processed handled served dropped drops drop missed skipped restart \
    restarts reconnects call calls op ops operation operations commits rollbacks evictions \
    evicted expired created creates closed closes destroyed accepted accepts rejected \
    rejects opens opened done finished emitted published produced consumed delivered acked \
    added removed inserted inserts updates updated deletes deleted fault faults minflt \
    majflt pgfault pgmajfault switch switches ctxt csw cswch nvcswch syscalls packets packet \
    pkts pkt ticks jiffies utime stime cutime cstime gc gcs allocations allocs frees mallocs \
    deallocations instructions transactions queries interrupts irqs forks steals yields \
    wakeups compactions flushes fsyncs scans seeks logins logouts signups kills crashes \
    panics exceptions warnings seq sequence iteration iterations lookups clicks visits votes \
    orders purchases payments uploads downloads lineno rownum offset",
);

/// Nouns that are events where a `count` or a `total` is said of them.
pub(super) const HAPPENINGS: Words = Words::of(
    "event events message messages msg msgs job jobs row rows line lines record records batch \
    batches sample samples collection collections cycle cycles step steps point points tick \
    loop loops write writes read reads alloc free malloc query transaction commit login scan \
    eviction timeout exception",
);

/// Names that number the rows, if they are the whole name.
pub(super) const ROW_NUMBERS: Words =
    Words::of("row line step iter sample n no nr i idx index tick cycle round counter unnamed");

/// In and out.
pub(super) const TRAFFIC: Words = Words::of(
    "rx tx recv received rcvd receive sent send transmit transmitted read reads rd written \
    write writes writ wr wrtn rchar wchar syscr syscw transferred io ios in out ingress \
    egress uploaded downloaded net blkio network",
);

pub(super) const RATES: Words = Words::of(
    "rps qps tps iops fps hz mhz ghz rate ratio throughput bps kbps mbps gbps utilization \
    utilisation util load loadavg latency rtt jitter score temperature temp freq frequency \
    speed pressure psi quantile share fraction efficiency bandwidth apdex pct percent \
    percentage percentile stddev stdev variance",
);

/// Rates that stay rates whatever is said behind them, as in `tps_window`.
pub(super) const RATES_ANYWHERE: Words = Words::of("rps qps tps iops latency");

/// What is said of processors.
pub(super) const OF_CPU: Words = Words::of(
    "cpu cpus user usr sys system usage used total idle wait iowait steal nice util load \
    cores kernel percent processor guest",
);

/// Shares of a processor as the classic tools head their columns.
pub(super) const CPU_NAMES: Words = Words::of(
    "usr sys idl wai stl us sy id wa st hiq siq int 1m 5m 15m load1 load5 load15 hi si ni",
);

pub(super) const TIME_UNITS: Words = Words::of(
    "s sec secs second seconds ms msec msecs millis milliseconds us usec micros microseconds \
    ns nsec nanos nanoseconds min mins minute minutes h hr hrs hour hours day days",
);

pub(super) const TIMES: Words = Words::of(
    "elapsed uptime timestamp datetime date time times duration age delay ts epoch clock \
    timeout since etime etimes",
);

pub(super) const IDENTITIES: Words = Words::of(
    "pid ppid tgid tid uid gid id port version build seed hash generation year month priority \
    nice prio exit status",
);

pub(super) const PEAKS: Words = Words::of("peak peaks hwm highest max maximum watermark");

pub(super) const LIMITS: Words =
    Words::of("limit limits quota ceiling rlimit ulimit threshold cap allowance");

pub(super) const FREE: Words = Words::of("free available avail unused remaining");

pub(super) const DISKS: Words = Words::of("disk disks fs filesystem volume storage partition");

/// Words behind a name that do not change what it is.
pub(super) const TRAILERS: Words = Words::of(
    "avg mean median average cur curr now last latest raw value val gauge est approx self \
    stat info number usage all",
);

/// Words before it that do not.
pub(super) const LEADERS: Words = Words::of("num n nr no number of the my current cur");
