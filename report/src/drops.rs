//! What can be lost: the causes that are counted in a run's trust figures, on
//! `/metrics` and in its events.

/// An enum of causes with their names, in the order of the specification.
macro_rules! causes {
    ($($(#[doc = $doc:literal])+ $cause:ident = $name:literal $(| $old:literal)*,)*) => {
        /// Why something was lost.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum DropCause {
            $($(#[doc = $doc])+ $cause,)*
        }

        impl DropCause {
            /// Every cause.
            pub const ALL: &[DropCause] = &[$(DropCause::$cause),*];

            /// The cause as it is written.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(DropCause::$cause => $name,)*
                }
            }

            /// The cause of this name, or of one that it had before; `None` for
            /// one that this version does not know.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                Some(match name {
                    $($name $(| $old)* => DropCause::$cause,)*
                    _ => return None,
                })
            }
        }
    };
}

causes! {
    /// CPU samples of threads that block the profiler's signal.
    SignalBlocked = "signal blocked",
    /// CPU samples while the program had the signal or its handler.
    SignalTaken = "signal taken",
    /// CPU samples for which the ring had no room.
    RingFull = "ring full" | "ring-full",
    /// CPU samples for which the system refused to send the signal.
    SignalNotSent = "signal not sent",
    /// CPU samples whose signal interrupted the handler of another.
    HandlerReentered = "handler re-entered",
    /// CPU samples that came before modules were known.
    NotReady = "not ready",
    /// CPU samples for which there was no stack to walk on.
    NoFreeStack = "no free stack",
    /// Times at which CPU samples could not be taken over.
    ProfileDrains = "profile_drains",
    /// Windows of profiles.
    ProfileWindows = "profile_windows",
    /// Sampled heap blocks for which the table had no room.
    HeapBlocks = "heap_blocks",
    /// Sampled heap blocks that were counted with others' details.
    HeapDetail = "heap_detail",
    /// Cells of columns that every run has and that could not be read.
    CoreReadings = "core_readings",
    /// Cells of tracked series whose closure panicked or blocked.
    TrackedValues = "tracked_values",
    /// Rows of `timeline.csv`.
    TimelineRows = "timeline_rows",
    /// Rows of `spans.csv`.
    SpanRows = "span_rows",
    /// Lines of `spans.hlog`.
    SpanHistograms = "span_histograms",
    /// Lines of `events.jsonl`.
    Events = "events",
    /// Warnings beyond so many in a while.
    Warnings = "warnings",
    /// Slow requests that have no event of their own.
    SlowRequestsSuppressed = "slow_requests_suppressed" | "slow_requests_untold",
    /// Requests with a repeated statement for which the table had no room.
    RepeatsWithoutRoom = "repeats_without_room",
    /// Broken budgets that the service's callback was not given.
    BreachesUnreported = "breaches_unreported" | "breaches_untold",
    /// The thread that takes rows ended before its time.
    TickerDied = "ticker_died",
    /// The thread that takes heap profiles ended before its time.
    HeapWatchDied = "heap_watch_died",
    /// The thread that takes CPU profiles ended before its time.
    ProfilerDied = "profiler_died",
    /// Bytes that a limit on file sizes refused at first.
    RefusedFileSizeLimit = "bytes_refused_file_size_limit",
    /// Bytes for which the disk had no room at first.
    RefusedDiskFull = "bytes_refused_disk_full",
    /// Bytes that a quota refused at first.
    RefusedQuota = "bytes_refused_quota",
    /// Bytes that the disk failed to take at first.
    RefusedIoError = "bytes_refused_io_error",
    /// Bytes that a file system without writes refused at first.
    RefusedReadOnly = "bytes_refused_read_only",
    /// Bytes that permissions refused at first.
    RefusedNoPermission = "bytes_refused_no_permission",
    /// Bytes for which no descriptor was free at first.
    RefusedNoDescriptor = "bytes_refused_no_descriptor",
    /// Bytes whose directory was gone at first.
    RefusedDirectoryGone = "bytes_refused_directory_gone",
    /// Bytes that were refused at first for another reason.
    RefusedOther = "bytes_refused_other",
}

impl DropCause {
    /// Why bytes were refused, in words; `None` where it is no refusal. Those
    /// are kept and tried again, so they are not lost yet.
    #[must_use]
    pub fn refusal(self) -> Option<String> {
        let why = self.name().strip_prefix("bytes_refused_")?;
        Some(why.replace('_', " "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_is_known_by_its_name_and_old_names_still_are() {
        for cause in DropCause::ALL {
            assert_eq!(DropCause::from_name(cause.name()), Some(*cause));
        }
        let old = |name| DropCause::from_name(name).map(DropCause::name);
        assert_eq!(old("ring-full"), Some("ring full"));
        assert_eq!(
            old("slow_requests_untold"),
            Some("slow_requests_suppressed")
        );
        assert_eq!(old("moon"), None);
        let quota = DropCause::RefusedQuota.refusal();
        assert_eq!(quota.as_deref(), Some("quota"));
        assert_eq!(DropCause::Events.refusal(), None);
    }
}
