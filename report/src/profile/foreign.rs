//! Profiles of other formats: what they are, and how they become one that is
//! read.
//!
//! A file with the wrong ending is the commonest mistake of all, and "not
//! protobuf" helps nobody. So each format that profilers write is recognised by
//! how it begins, and the answer is the command that turns `FILE` into pprof, or
//! into collapsed stacks (`root;caller;leaf 42`), which are read as well.

use super::{collapsed, json};
use crate::limits::lenient;

/// Bytes at the beginning that are looked at.
const HEAD: usize = 64 << 10;
/// Bytes at the end: some JSON says last what it is.
const TAIL: usize = 4 << 10;

const CONVERT: &str = "`go tool pprof -proto PROGRAM FILE > profile.pb.gz`";

const PERF_DATA: &str = "it is a recording of `perf record`; turn it into stacks with \
    `perf script -i FILE | inferno-collapse-perf > stacks.txt` and read stacks.txt";
const PICTURE: &str = "it is a picture of a profile, from which none can be read; name the \
    profile it was drawn of";
const UTF_16: &str = "it is text in UTF-16, as PowerShell's > makes of all that it writes, \
    binary files too; write it with the tool's own option, such as curl -o FILE";

/// Formats by their first bytes.
const BINARY: [(&[u8], &str); 16] = [
    (b"PERFILE2", PERF_DATA),
    (b"2ELIFREP", PERF_DATA),
    (b"\x89PNG", PICTURE),
    (b"%PDF", PICTURE),
    (b"\xff\xfe", UTF_16),
    (b"\xfe\xff", UTF_16),
    (b"\x7fELF", "it is a program or a library, not a profile"),
    (b"MZ\x90\0", "it is a program or a library, not a profile"),
    (
        b"FLR\0",
        "it is a recording of the JVM (JFR); turn it into stacks with \
         `jfrconv -o collapsed FILE stacks.txt` (async-profiler) and read stacks.txt",
    ),
    (
        b"JAVA PROFILE 1",
        "it is a heap dump of the JVM, which has no stacks; Eclipse MAT shows it",
    ),
    (
        b"memray\0",
        "it is a recording of memray, which draws it: `memray flamegraph FILE`",
    ),
    (
        b"Nettrace",
        "it is a trace of .NET; `dotnet-trace convert --format Speedscope FILE` makes JSON of it, \
         and that says how it becomes stacks",
    ),
    (
        b"\x04\x08",
        "it is a profile of Ruby's stackprof; turn it into stacks with \
         `stackprof --stackcollapse FILE > stacks.txt` and read stacks.txt",
    ),
    (
        b"gmon\x01\0",
        "it is a profile of gprof, which has no stacks; `gprof PROGRAM FILE` lists it",
    ),
    (
        b"SQLite format 3\0",
        "it is a database, such as Nsight or Instruments write; export stacks or pprof from the \
         tool that wrote it",
    ),
    (
        b"bplist00",
        "it is a property list of Apple's; export stacks or pprof from the tool that wrote it",
    ),
];

const PRINTED: &str = "it is what `go tool pprof` printed of a profile; name that profile, or print \
    it with -proto";
const CALLGRIND: &str = "it is a profile of callgrind, which has no stacks; `callgrind_annotate FILE` \
    lists it";
const V8_LOG: &str = "it is a log of V8; `node --prof-process FILE` shows it, and `node --cpu-prof` \
    writes what can be converted";

/// Formats that are text, by their first words.
const TEXTS: [(&str, &str); 19] = [
    (
        "heap_v2/",
        "it is a heap profile of jemalloc's own format; turn it into stacks with \
         `jeprof --collapsed PROGRAM FILE > stacks.txt` and read stacks.txt",
    ),
    ("PeriodType:", PRINTED),
    ("File: ", PRINTED),
    ("Type: ", PRINTED),
    ("Showing nodes", PRINTED),
    ("digraph ", PRINTED),
    ("%PDF-", PICTURE),
    ("<svg", PICTURE),
    ("<?xml", PICTURE),
    ("# callgrind", CALLGRIND),
    ("version: 1\n", CALLGRIND),
    ("events: ", CALLGRIND),
    (
        "desc: ",
        "it is a profile of massif; `ms_print FILE` shows it",
    ),
    ("v8-version,", V8_LOG),
    ("shared-library,", V8_LOG),
    (
        "H4sI",
        "it is gzip in Base64; decode it with `base64 -d FILE > profile.pb.gz`",
    ),
    (
        "HTTP/1.",
        "it begins with a server's headers, as curl -i writes them; fetch it without -i",
    ),
    (
        "version https://git-lfs",
        "it is a pointer of Git LFS; fetch the file with `git lfs pull`",
    ),
    (
        "--- symbol",
        "it is a profile of the older pprof with its symbols; convert it with \
         `go tool pprof -proto FILE > profile.pb.gz`",
    ),
];

/// How pprof's older text formats begin, and of what they are.
const LEGACY: [(&str, &str); 11] = [
    ("heap profile:", "heap"),
    ("heapz", "heap"),
    ("growthz", "heap"),
    ("goroutine profile:", "goroutine"),
    ("threadcreate profile:", "thread"),
    ("--- heap", "heap"),
    ("--- thread", "thread"),
    ("--- mutex", "mutex"),
    ("--- contention", "contention"),
    ("--- profile", "CPU"),
    ("cycles/second", "contention"),
];

/// What bytes are that are surely not pprof's, and the way out.
pub(super) fn recognised(raw: &[u8]) -> Option<String> {
    if is_text(raw) {
        return text(raw);
    }
    let known = BINARY.iter().find(|(magic, _)| raw.starts_with(magic));
    if let Some((_, problem)) = known {
        return Some((*problem).to_owned());
    }
    is_gperftools_cpu(raw).then(|| {
        format!("it is a CPU profile of gperftools' own format; convert it with {CONVERT}")
    })
}

/// The binary format of gperftools begins with five machine words: 0, 3 (words
/// that follow), 0 (version), the period in microseconds, 0.
fn is_gperftools_cpu(raw: &[u8]) -> bool {
    let words = |size: usize, big: bool| -> Option<[u64; 5]> {
        let mut all = [0; 5];
        for (word, bytes) in all.iter_mut().zip(raw.get(..5 * size)?.chunks(size)) {
            let digit = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
            *word = if big {
                bytes.iter().fold(0, digit)
            } else {
                bytes.iter().rev().fold(0, digit)
            };
        }
        Some(all)
    };
    let kinds = [(8, false), (4, false), (8, true), (4, true)];
    kinds.into_iter().any(|(size, big)| {
        matches!(
            words(size, big),
            Some([0, 3..=u64::MAX, 0, 1..=u64::MAX, _])
        )
    })
}

/// Whether it begins as text does: every pprof has small numbers, which are no
/// characters.
pub(super) fn is_text(raw: &[u8]) -> bool {
    let some = &raw[..raw.len().min(512)];
    let character =
        |byte: &u8| *byte >= b' ' && *byte != 0x7f || matches!(byte, b'\t' | b'\n' | b'\r');
    !some.is_empty() && some.iter().all(character)
}

/// What a text is; `None` of what may be collapsed stacks.
fn text(raw: &[u8]) -> Option<String> {
    let head = lenient(raw, HEAD);
    let head = head.trim_start_matches('\u{feff}').trim_start();
    if let Some((_, problem)) = TEXTS.iter().find(|(word, _)| head.starts_with(word)) {
        return Some((*problem).to_owned());
    }
    if let Some((_, kind)) = LEGACY.iter().find(|(word, _)| head.starts_with(word)) {
        return Some(format!(
            "it is a {kind} profile in pprof's older text format (Go's ?debug=1, gperftools, \
             tcmalloc); fetch it without debug=1, or convert it with {CONVERT}"
        ));
    }
    let line = head.lines().next().unwrap_or_default();
    let problem = if line.starts_with("goroutine ") && line.ends_with("]:") {
        "it is Go's list of goroutines (?debug=2); fetch /debug/pprof/goroutine without debug"
    } else if is_heaptrack(line) {
        "it is a recording of heaptrack; turn it into stacks with \
         `heaptrack_print -F stacks.txt FILE` and read stacks.txt"
    } else if is_perf_script(head) {
        "it is what `perf script` printed; turn it into stacks with \
         `inferno-collapse-perf FILE > stacks.txt` and read stacks.txt"
    } else if collapsed::weighted(line.trim_end().as_bytes()).is_some() {
        // A function may be called `[unknown]`, `<module>` or `f(a, b)`.
        return None;
    } else if head.starts_with(['{', '[']) {
        let tail = lenient(&raw[raw.len().saturating_sub(TAIL)..], TAIL);
        return Some(json::recognised(head, &tail));
    } else if head.starts_with('<') && head.contains("<svg") {
        PICTURE
    } else if head.starts_with('<') {
        "it is a web page, as a server answers to a login or a wrong address; look at it, and fetch \
         the profile again"
    } else if line.contains(',') && !line.contains(';') {
        "it is a table; `soakscope leaks FILE` judges one"
    } else {
        return None;
    };
    Some(problem.to_owned())
}

/// Whether a first line is heaptrack's: its versions, in hexadecimal.
fn is_heaptrack(line: &str) -> bool {
    let versions = line.strip_prefix("v ");
    versions.is_some_and(|rest| {
        rest.split(' ')
            .all(|part| part.bytes().all(|b| b.is_ascii_hexdigit()))
    })
}

/// Whether a line is a frame as `perf script` prints one: an address, a name,
/// and the file in brackets.
fn is_perf_script(head: &str) -> bool {
    head.lines().take(200).any(|line| {
        let indented = line.starts_with(['\t', ' ']);
        let mut words = line.split_whitespace();
        let address = words.next().unwrap_or_default();
        indented
            && address.len() >= 4
            && address.bytes().all(|b| b.is_ascii_hexdigit())
            && line.trim_end().ends_with(')')
            && words.next().is_some()
    })
}
