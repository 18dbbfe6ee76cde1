//! What takes each measurement of a run: the keys and values of `engines` in
//! `run.json`.

/// A measurement, as a key of `engines`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Measurement {
    /// When the CPU profile samples; its value is a [`CpuClock`].
    CpuClock,
    /// How its stacks are walked.
    CpuUnwinder,
    /// How the heap is counted.
    Heap,
}

/// What delivers the CPU samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CpuClock {
    /// `perf_event_open` with a task clock.
    Perf,
    /// Moments drawn at random.
    Instants,
    /// A timer on each thread's CPU clock.
    Timer,
    /// The `pprof` crate.
    Pprof,
    /// The clock on the wall.
    Wall,
    /// None.
    Off,
}

impl Measurement {
    /// Every measurement.
    pub const ALL: [Measurement; 3] = [
        Measurement::CpuClock,
        Measurement::CpuUnwinder,
        Measurement::Heap,
    ];

    /// The key.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Measurement::CpuClock => "cpu_clock",
            Measurement::CpuUnwinder => "cpu_unwinder",
            Measurement::Heap => "heap",
        }
    }
}

impl CpuClock {
    /// Every clock.
    pub const ALL: [CpuClock; 6] = [
        CpuClock::Perf,
        CpuClock::Instants,
        CpuClock::Timer,
        CpuClock::Pprof,
        CpuClock::Wall,
        CpuClock::Off,
    ];

    /// The clock as it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            CpuClock::Perf => "perf",
            CpuClock::Instants => "instants",
            CpuClock::Timer => "timer",
            CpuClock::Pprof => "pprof",
            CpuClock::Wall => "wall",
            CpuClock::Off => "off",
        }
    }
}
