//! Profiles in JSON: what they are, and the command that turns `FILE` into
//! collapsed stacks.

/// Stacks of a V8 CPU profile (Node's `--cpu-prof`, Chrome's `.cpuprofile`).
const V8_CPU: &str = r#"jq -r '(.nodes|map({key:(.id|tostring),value:.})|from_entries) as $n|(reduce .nodes[] as $p ({};reduce ($p.children//[])[] as $c (.;.[$c|tostring]=($p.id|tostring)))) as $up|def path:if .==null then [] else ($up[.]|path)+[$n[.].callFrame.functionName|if .=="" then "(anonymous)" else . end] end;.nodes[]|select(.hitCount>0)|"\(.id|tostring|path|join(";")) \(.hitCount)"' FILE > stacks.txt"#;

/// Those of a V8 heap profile (`--heap-prof`, `.heapprofile`).
const V8_HEAP: &str = r#"jq -r 'def path($p):($p+[.callFrame.functionName|if .=="" then "(anonymous)" else . end]) as $q|(select(.selfSize>0)|"\($q|join(";")) \(.selfSize)"),(.children[]|path($q));.head|path([])' FILE > stacks.txt"#;

/// Those of speedscope's "sampled" profiles.
const SPEEDSCOPE: &str = r#"jq -r '.shared.frames as $f|.profiles[]|[.samples,.weights]|transpose[]|"\(.[0]|map($f[.].name)|join(";")) \(.[1])"' FILE > stacks.txt"#;

/// Those of the Firefox profiler's processed format, which samply writes, too.
const FIREFOX: &str = r#"jq -r '.shared as $all|.threads[]|. as $t|(.stringArray//.stringTable//$all.stringArray) as $s|(.stackTable//$all.stackTable) as $k|(.frameTable//$all.frameTable) as $m|(.funcTable//$all.funcTable) as $g|def path:if .==null then [] else ($k.prefix[.]|path)+[$s[$g.name[$m.func[$k.frame[.]]]]] end;.samples.stack[]|select(.!=null)|"\(path|join(";")) 1"' FILE > stacks.txt"#;

/// Those of its "evented" profiles, as dotnet-trace writes them.
const SPEEDSCOPE_EVENTS: &str = r#"jq -r '.shared.frames as $f|.profiles[]|foreach .events[] as $e ({s:[],t:0};.o=(if (.s|length)>0 and $e.at>.t then "\(.s|map($f[.].name)|join(";")) \($e.at-.t)" else null end)|.t=$e.at|.s|=(if $e.type=="O" then .+[$e.frame] else .[:-1] end);.o|values)' FILE > stacks.txt"#;

/// What JSON is, by its beginning and its end, and the way out.
pub(super) fn recognised(head: &str, tail: &str) -> String {
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
        let command = if head.contains("\"evented\"") {
            SPEEDSCOPE_EVENTS
        } else {
            SPEEDSCOPE
        };
        return convert("JSON of speedscope", command)
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
