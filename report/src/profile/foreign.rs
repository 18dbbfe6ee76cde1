//! Profiles of other formats: what they are, and how they become one that is
//! read.
//!
//! A file with the wrong ending is the commonest mistake of all, and "not
//! protobuf" helps nobody. So each format that profilers write is recognised by
//! how it begins, and the answer is the command that turns `FILE` into pprof, or
//! into collapsed stacks (`root;caller;leaf 42`), which are read as well.

use super::collapsed;
use crate::limits::lenient;

/// Bytes at the beginning that are looked at.
const HEAD: usize = 64 << 10;
/// Bytes at the end: some JSON says last what it is.
const TAIL: usize = 4 << 10;

/// Turns what `go tool pprof` reads into what is read here.
const BY_PPROF: &str = "`go tool pprof -proto PROGRAM FILE > profile.pb.gz`";

/// What bytes are that are surely not pprof's, and the way out.
pub(super) fn recognised(raw: &[u8]) -> Option<String> {
    if is_text(raw) {
        return text(raw);
    }
    let starts = |magic: &[u8]| raw.starts_with(magic);
    Some(if starts(b"PERFILE2") || starts(b"2ELIFREP") {
        "it is a recording of `perf record`; turn it into stacks with \
         `perf script -i FILE | inferno-collapse-perf > stacks.txt` and read stacks.txt"
            .to_owned()
    } else if starts(b"\x7fELF") {
        "it is a program or a library, not a profile".to_owned()
    } else if starts(b"FLR\0") {
        "it is a recording of the JVM (JFR); turn it into stacks with \
         `jfrconv -o collapsed FILE stacks.txt` (async-profiler) and read stacks.txt"
            .to_owned()
    } else if starts(b"memray\0") {
        "it is a recording of memray, which draws it: `memray flamegraph FILE`".to_owned()
    } else if starts(b"SQLite format 3\0") {
        "it is a database, such as Nsight or Instruments write; export stacks or pprof from the tool that wrote it"
            .to_owned()
    } else if starts(b"\x89PNG") || starts(b"%PDF") {
        "it is a picture of a profile, from which none can be read; name the profile it was drawn of"
            .to_owned()
    } else if is_gperftools_cpu(raw) {
        format!("it is a CPU profile of gperftools' own format; convert it with {BY_PPROF}")
    } else {
        return None;
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
    let starts = |words: &[&str]| words.iter().any(|word| head.starts_with(word));
    let line = head.lines().next().unwrap_or_default();
    // A function may be called `[unknown]` or `<module>`.
    let is_stack = collapsed::weighted(line.trim_end().as_bytes()).is_some();
    Some(if starts(&["{", "["]) && !is_stack {
        let tail = lenient(&raw[raw.len().saturating_sub(TAIL)..], TAIL);
        json(head, &tail)
    } else if starts(&["heap_v2/"]) {
        "it is a heap profile of jemalloc's own format; turn it into stacks with \
         `jeprof --collapsed PROGRAM FILE > stacks.txt` and read stacks.txt"
            .to_owned()
    } else if starts(&[
        "heap profile:",
        "heapz",
        "growthz",
        "goroutine profile:",
        "threadcreate profile:",
    ]) || starts(&[
        "--- contention",
        "--- mutex",
        "--- heap",
        "--- thread",
        "cycles/second",
    ]) {
        let words = [
            "heap",
            "growth",
            "goroutine",
            "threadcreate",
            "mutex",
            "thread",
        ];
        let kind = words.iter().find(|word| line.contains(**word));
        format!(
            "it is a {} profile in pprof's older text format (Go's ?debug=1, gperftools, tcmalloc); \
             fetch it without debug=1, or convert it with {BY_PPROF}",
            kind.unwrap_or(&"contention")
        )
    } else if starts(&["--- symbol", "--- profile"]) {
        format!("it is a profile of the older pprof with its symbols; convert it with {BY_PPROF}")
    } else if starts(&["goroutine "]) && line.ends_with("]:") {
        "it is Go's list of goroutines (?debug=2); fetch /debug/pprof/goroutine without debug"
            .to_owned()
    } else if starts(&[
        "PeriodType:",
        "File: ",
        "Type: ",
        "Showing nodes",
        "digraph ",
    ]) {
        "it is what `go tool pprof` printed of a profile; name that profile, or print it with -proto".to_owned()
    } else if starts(&["<svg", "<?xml"]) || (starts(&["<"]) && head.contains("<svg")) {
        "it is a picture of a profile, from which none can be read; name the profile it was drawn of".to_owned()
    } else if starts(&["<"]) && !is_stack {
        "it is a web page, as a server answers to a login or a wrong address; look at it, and fetch the profile again".to_owned()
    } else if starts(&["# callgrind", "version: 1\ncreator: callgrind", "events: "]) {
        "it is a profile of callgrind, which has no stacks; `callgrind_annotate FILE` lists it"
            .to_owned()
    } else if starts(&["desc: "]) {
        "it is a profile of massif; `ms_print FILE` shows it".to_owned()
    } else if starts(&["v8-version,", "shared-library,"]) {
        "it is a log of V8; `node --prof-process FILE` shows it, and `node --cpu-prof` writes what can be converted"
            .to_owned()
    } else if is_heaptrack(head) {
        "it is a recording of heaptrack; turn it into stacks with \
         `heaptrack_print -F stacks.txt FILE` and read stacks.txt"
            .to_owned()
    } else if is_perf_script(head) {
        "it is what `perf script` printed; turn it into stacks with \
         `inferno-collapse-perf FILE > stacks.txt` and read stacks.txt"
            .to_owned()
    } else if line.contains(',') && !line.contains(';') && !is_stack {
        "it is a table; `soakscope leaks FILE` judges one".to_owned()
    } else {
        return None;
    })
}

fn is_heaptrack(head: &str) -> bool {
    let mut lines = head.lines();
    let versions = lines.next().unwrap_or_default().strip_prefix("v ");
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

/// Stacks of a V8 CPU profile (Node's `--cpu-prof`, Chrome's `.cpuprofile`).
const V8_CPU: &str = r#"jq -r '(.nodes|map({key:(.id|tostring),value:.})|from_entries) as $n|(reduce .nodes[] as $p ({};reduce ($p.children//[])[] as $c (.;.[$c|tostring]=($p.id|tostring)))) as $up|def path:if .==null then [] else ($up[.]|path)+[$n[.].callFrame.functionName|if .=="" then "(anonymous)" else . end] end;.nodes[]|select(.hitCount>0)|"\(.id|tostring|path|join(";")) \(.hitCount)"' FILE > stacks.txt"#;

/// Those of a V8 heap profile (`--heap-prof`, `.heapprofile`).
const V8_HEAP: &str = r#"jq -r 'def path($p):($p+[.callFrame.functionName|if .=="" then "(anonymous)" else . end]) as $q|(select(.selfSize>0)|"\($q|join(";")) \(.selfSize)"),(.children[]|path($q));.head|path([])' FILE > stacks.txt"#;

/// Those of speedscope's "sampled" profiles.
const SPEEDSCOPE: &str = r#"jq -r '.shared.frames as $f|.profiles[]|[.samples,.weights]|transpose[]|"\(.[0]|map($f[.].name)|join(";")) \(.[1])"' FILE > stacks.txt"#;

/// Those of the Firefox profiler's processed format, which samply writes, too.
const FIREFOX: &str = r#"jq -r '.shared as $all|.threads[]|. as $t|(.stringArray//.stringTable//$all.stringArray) as $s|(.stackTable//$all.stackTable) as $k|(.frameTable//$all.frameTable) as $m|(.funcTable//$all.funcTable) as $g|def path:if .==null then [] else ($k.prefix[.]|path)+[$s[$g.name[$m.func[$k.frame[.]]]]] end;.samples.stack[]|select(.!=null)|"\(path|join(";")) 1"' FILE > stacks.txt"#;

fn json(head: &str, tail: &str) -> String {
    let has = |words: &[&str]| {
        let quoted = |word: &&str| {
            let word = format!("\"{word}\"");
            head.contains(&word) || tail.contains(&word)
        };
        words.iter().all(quoted)
    };
    let convert = |what: &str, command: &str| {
        format!("it is {what}; turn it into stacks with `{command}` and read stacks.txt")
    };
    if head.contains("speedscope.app/file-format") {
        return convert("JSON of speedscope", SPEEDSCOPE)
            + " (py-spy writes stacks itself with `--format raw`)";
    }
    if has(&["nodes", "callFrame"]) {
        return convert("a CPU profile of V8 (JSON of Node or Chrome)", V8_CPU);
    }
    if has(&["head", "callFrame", "selfSize"]) {
        return convert("a heap profile of V8 (JSON of Node or Chrome)", V8_HEAP);
    }
    if has(&["stackTable"]) || has(&["meta", "threads"]) {
        return convert("JSON of the Firefox profiler", FIREFOX);
    }
    if has(&["traceEvents"]) || has(&["ph", "ts"]) {
        let command = "stackcollapse-chrome-tracing.py FILE > stacks.txt";
        return convert("a trace of Chrome's format (JSON)", command);
    }
    if has(&["snapshot", "node_fields"]) {
        return "it is a heap snapshot of V8, which has no stacks; open it in Chrome's DevTools, or take \
                a heap profile with `node --heap-prof`"
            .to_owned();
    }
    if has(&["flamebearer"]) {
        return "it is JSON of Pyroscope; fetch the profile as pprof with \
                `profilecli query merge --output=pprof=profile.pb.gz`"
            .to_owned();
    }
    if has(&["dhatFileVersion"]) {
        return "it is a heap profile of DHAT (JSON); open it in dh_view.html of Valgrind"
            .to_owned();
    }
    if has(&["service", "agent_version"]) {
        return "it is the description of a run; name the directory that it is in".to_owned();
    }
    "it is JSON of a kind that is not known; export it as pprof or as collapsed stacks, \
     `root;caller;leaf 42`, from the tool that wrote it"
        .to_owned()
}
