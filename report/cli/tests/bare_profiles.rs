//! Profiles of other programs, as `soakscope top` and `flamegraph` read them:
//! what is odd but right is read, and what is none is named with the way out.

#![allow(clippy::unwrap_used)]

#[path = "support/command.rs"]
mod command;
#[path = "../../tests/support/wire.rs"]
mod wire;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use command::{err, out, soakscope};
use soakscope_report::{Label, Mapping, Profile, ProfileBuilder, RunDir, RunInfo, ValueType};

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// A file in a directory of its own, by its path.
struct File(tempfile::TempDir);

impl File {
    fn of(bytes: &[u8]) -> File {
        let file = File(tempfile::tempdir().unwrap());
        std::fs::write(file.0.path().join("x.pb.gz"), bytes).unwrap();
        file
    }

    fn path(&self) -> String {
        self.0.path().join("x.pb.gz").display().to_string()
    }

    /// What a command says of it that goes well: output and remarks.
    fn shows(&self, command: &str, arguments: &[&str]) -> (String, String) {
        let output = soakscope(&[&[command, &self.path()], arguments].concat());
        assert_eq!(output.status.code(), Some(0), "{}", err(&output));
        (out(&output), err(&output))
    }

    /// What a command says that does not.
    fn refused(&self, command: &str, arguments: &[&str]) -> String {
        let output = soakscope(&[&[command, &self.path()], arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{}", out(&output));
        assert_eq!(out(&output), "");
        err(&output)
    }

    fn collapsed(&self, arguments: &[&str]) -> String {
        let arguments = [&["--format", "collapsed"], arguments].concat();
        self.shows("flamegraph", &arguments).0
    }
}

fn heap() -> Profile {
    let mut builder = ProfileBuilder::heap(1, 0, 524_288);
    let main = builder.function("main", "main", "main.go", 1);
    let make = builder.function("make", "make", "make.go", 1);
    let (main, make) = (
        builder.location(None, 1, &[(main, 3)]),
        builder.location(None, 2, &[(make, 7)]),
    );
    let labels = vec![
        Label::text("thread_name", "worker"),
        Label::number("bytes", 1024, "bytes"),
    ];
    builder.sample(&[make, main], &[10, 4 << 20, 3, 3 << 20], labels);
    builder.sample(&[main], &[5, 1 << 20, 0, 0], Vec::new());
    builder.build()
}

#[test]
fn a_bare_profile_comes_from_a_path_a_pipe_or_standard_input() {
    let bytes = heap().encode();
    let file = File::of(&bytes);
    let (wanted, _) = file.shows("top", &[]);
    assert!(
        wanted.starts_with("3 MB inuse_space in all; showing 2 of 2"),
        "{wanted}"
    );
    assert!(wanted.contains("make  (make.go)"), "{wanted}");
    let (svg, _) = file.shows("flamegraph", &[]);
    assert!(svg.contains("x.pb.gz: inuse_space"), "{svg}");

    let mut child = Command::new(env!("CARGO_BIN_EXE_soakscope"))
        .args(["top", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&bytes).unwrap();
    assert_eq!(out(&child.wait_with_output().unwrap()), wanted);

    let pipe = file.0.path().join("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let writer = pipe.clone();
    let writer = std::thread::spawn(move || std::fs::write(writer, bytes).unwrap());
    assert_eq!(
        out(&soakscope(&["top", &pipe.display().to_string()])),
        wanted
    );
    writer.join().unwrap();

    // Raw, and gzipped by who served it as well.
    let mut raw = Vec::new();
    let bytes = heap().encode();
    let mut unpack = flate2::read::GzDecoder::new(bytes.as_slice());
    std::io::Read::read_to_end(&mut unpack, &mut raw).unwrap();
    for bytes in [raw.clone(), gzipped(&bytes), gzipped(&gzipped(&bytes))] {
        assert_eq!(File::of(&bytes).shows("top", &[]).0, wanted);
    }
    let deep = (0..4).fold(raw, |bytes, _| gzipped(&bytes));
    assert!(
        File::of(&deep)
            .refused("top", &[])
            .contains("gzipped more than 3 times")
    );
}

#[test]
fn its_values_are_chosen_by_type() {
    let file = File::of(&heap().encode());
    for (kind, wanted) in [
        ("alloc_space", "5 MB alloc_space"),
        ("alloc_objects/count", "15 alloc_objects"),
        ("2", "3 inuse_objects"),
    ] {
        let (text, _) = file.shows("top", &["--type", kind]);
        assert!(text.starts_with(wanted), "{text}");
    }
    let refused = file.refused("top", &["--type", "cpu"]);
    let all = "alloc_objects/count, alloc_space/bytes, inuse_objects/count, inuse_space/bytes";
    assert!(refused.contains(all), "{refused}");
    assert_eq!(
        file.collapsed(&["--type", "inuse_objects"]),
        "main;make 3\n"
    );
    let json = file.shows("top", &["--json", "--type", "inuse_objects"]).0;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&json["kind"], &json["total"]),
        (&"inuse_objects".into(), &3.into())
    );

    // What the profile says, CPU time before what is last, and the last.
    let default = |types: &[&str], default: &str| {
        let types = types.iter().map(|kind| ValueType::new(kind, "count"));
        let profile = Profile {
            sample_types: types.collect(),
            default_sample_type: default.to_owned(),
            ..Profile::default()
        };
        profile.sample_types[profile.default_value_index()]
            .kind
            .clone()
    };
    assert_eq!(default(&["a", "b", "c"], "b"), "b");
    assert_eq!(default(&["a", "b"], "gone"), "b");
    assert_eq!(default(&["cpu", "wall"], ""), "cpu");
    assert_eq!(default(&["inuse_space", "z"], ""), "inuse_space");
    assert_eq!(default(&["contentions", "delay"], ""), "delay");
    let space = Profile {
        sample_types: vec![
            ValueType::new("objects", "count"),
            ValueType::new("space", "bytes"),
        ],
        ..Profile::default()
    };
    assert_eq!(
        space.named_value_index("inuse_space"),
        Some(1),
        "as jemalloc's"
    );
}

#[test]
fn its_samples_are_chosen_by_label() {
    let file = File::of(&heap().encode());
    for part in [
        ["--thread", "worker"],
        ["--label", "thread_name=worker"],
        ["--label", "bytes=1024"],
    ] {
        let all = [&part[..], &["--type", "alloc_objects"]].concat();
        assert_eq!(file.collapsed(&all), "main;make 10\n", "{part:?}");
    }
    let refused = file.refused("top", &["--label", "bytes=7"]);
    assert!(
        refused.contains("bytes=1024bytes, thread_name=worker"),
        "{refused}"
    );
    assert!(
        file.refused("top", &["--label", "bytes"])
            .contains("KEY=VALUE")
    );
    for (arguments, says) in [
        (vec!["--from", "1"], "no minutes"),
        (vec!["--phase", "steady"], "phase steady"),
        (vec!["--by", "span"], "no CPU time"),
    ] {
        assert!(file.refused("top", &arguments).contains(says), "{says}");
    }
    assert!(
        file.refused("flamegraph", &["--diff"])
            .contains("-diff_base")
    );
}

/// What `go tool pprof -diff_base … -proto` writes.
#[test]
fn a_difference_shows_what_shrank() {
    let mut builder = ProfileBuilder::new(
        vec![
            ValueType::new("samples", "count"),
            ValueType::new("space", "bytes"),
        ],
        ValueType::default(),
        0,
    );
    for (address, name, mb) in [(1, "grew", 2), (2, "shrank", -6)] {
        let function = builder.function(name, name, "", 0);
        let at = builder.location(None, address, &[(function, 0)]);
        builder.sample(&[at], &[mb, mb << 20], Vec::new());
    }
    let file = File::of(&builder.build().encode());
    let (text, _) = file.shows("top", &[]);
    assert!(
        text.starts_with("-4 MB space in all (2 MB grew, 6 MB shrank, and shares are of the two together); showing 2 of 2"),
        "{text}"
    );
    let rows: Vec<&str> = text.lines().skip(3).collect();
    assert!(
        rows[0].contains("-75.0%") && rows[0].ends_with("shrank"),
        "{text}"
    );
    assert!(
        rows[1].contains("25.0%") && rows[1].ends_with("grew"),
        "{text}"
    );
    assert_eq!(file.collapsed(&[]), "grew 2097152\nshrank -6291456\n");
    let (svg, remarks) = file.shows("flamegraph", &[]);
    assert!(
        svg.contains("what shrank (-6 MB in all) has no width"),
        "{svg}"
    );
    assert!(remarks.contains("top lists it"), "{remarks}");
    let json: serde_json::Value = serde_json::from_str(&file.shows("top", &["--json"]).0).unwrap();
    assert_eq!(
        (&json["total"], &json["shrank"]),
        (&(-4_i64 << 20).into(), &(-6_i64 << 20).into())
    );
}

/// All that the format allows and our encoder never writes, in one profile:
/// tables before and after, ids of any size, mappings and functions that are
/// not there, inlined lines, unknown fields, folded places, numbers unpacked,
/// texts that are no UTF-8.
fn odd() -> Vec<u8> {
    let sample = |ids: &[u64], value: u64, rest: &[u8]| {
        let values = [wire::number(2, 1), wire::number(2, value)].concat();
        wire::bytes(2, &[wire::packed(1, ids), values, rest.to_vec()].concat())
    };
    let line = |function: u64, line: u64| {
        wire::bytes(
            4,
            &[wire::number(1, function), wire::number(2, line)].concat(),
        )
    };
    let location = |id: u64, mapping: u64, address: u64, rest: &[u8]| {
        let head = [
            wire::number(1, id),
            wire::number(2, mapping),
            wire::number(3, address),
        ];
        wire::bytes(4, &[&head.concat(), rest].concat())
    };
    let function = |id: u64, name: u64, symbol: u64| {
        let all = [
            wire::number(1, id),
            wire::number(2, name),
            wire::number(3, symbol),
            wire::number(4, 7),
        ];
        wire::bytes(5, &all.concat())
    };
    let huge = u64::MAX;
    let label = |key: u64, text: u64| {
        wire::bytes(3, &[wire::number(1, key), wire::number(2, text)].concat())
    };
    let size = wire::bytes(
        3,
        &[wire::number(1, 9), wire::number(3, 64), wire::number(4, 10)].concat(),
    );
    [
        sample(&[huge, 5], 30, &[label(8, 11), size].concat()),
        sample(&[6, 5], 20, &[]),
        sample(&[7, 5], 10, &wire::number(77, 1)),
        sample(&[], 5, &[]),
        location(huge, 0, 0, &[line(1 << 40, 10), line(3, 20)].concat()),
        // Folded, of no function, of a mapping and a function that are not there.
        location(5, 9, 0x500, &[line(4, 1), wire::number(5, 1)].concat()),
        location(6, 2, 0x2010, &[]),
        location(7, 44, 0xdead, &line(99, 3)),
        wire::bytes(
            3,
            &[
                wire::number(1, 2),
                wire::number(2, 0x2000),
                wire::number(3, 0x3000),
                wire::number(5, 12),
            ]
            .concat(),
        ),
        wire::bytes(1, &[wire::number(1, 1), wire::number(2, 2)].concat()),
        wire::bytes(1, &[wire::number(1, 3), wire::number(2, 4)].concat()),
        wire::bytes(11, &[wire::number(1, 3), wire::number(2, 4)].concat()),
        wire::number(12, 10),
        wire::bytes(99, b"of a later version"),
        function(1 << 40, 5, 0),
        function(3, 6, 0),
        // One that has a symbol only.
        function(4, 0, 7),
        wire::packed(13, &[13, 13]),
        wire::strings(&[
            b"",
            b"samples",
            b"count",
            b"wall",
            b"microseconds",
            b"inner",
            b"out\xffer",
            b"_main",
            b"thread",
            b"size",
            b"bytes",
            b"w\xc3",
            b"/lib/libx.so",
            b"a comment",
        ]),
    ]
    .concat()
}

#[test]
fn what_the_format_allows_is_read() {
    let bytes = odd();
    let (profile, notes) = Profile::decode_noted(&bytes).unwrap();
    assert_eq!((profile.total(0), profile.total(1)), (4, 65));
    assert_eq!(profile.comments, ["a comment", "a comment"]);
    assert_eq!(profile.period_type, ValueType::new("wall", "microseconds"));
    assert_eq!(
        notes,
        [
            "1 lines name functions that are not in it, and are left out",
            "2 locations name mappings that are not in it"
        ]
    );
    let file = File::of(&bytes);
    assert_eq!(
        file.collapsed(&[]),
        "<no stack> 5\n_main;0xdead 10\n_main;libx.so+0x10 20\n_main;out\u{fffd}er;inner 30\n"
    );
    assert_eq!(
        file.collapsed(&["--label", "thread=w\u{fffd}", "--label", "size=64"])
            .lines()
            .count(),
        1
    );
    let (lines, remarks) = file.shows("top", &["--by", "line"]);
    assert!(remarks.contains("2 locations name mappings"), "{remarks}");
    assert!(
        lines.contains("inner") && lines.contains("0.065 ms wall"),
        "{lines}"
    );
    // Written and read again it is the same.
    assert_eq!(
        Profile::decode(&profile.encode()).unwrap().collapsed(1),
        profile.collapsed(1)
    );
}

/// What is left out says so; what would make totals wrong is refused.
#[test]
fn what_go_tool_pprof_refuses_is_refused() {
    let types = wire::bytes(1, &wire::number(1, 1));
    let strings = wire::strings(&[b"", b"cpu"]);
    for (what, bytes, says) in [
        (
            "no values",
            [types.clone(), wire::bytes(2, b""), strings.clone()].concat(),
            "0 values for 1 sample types",
        ),
        (
            "a location that is not there",
            [
                types.clone(),
                wire::bytes(2, &[wire::number(1, 3), wire::number(2, 1)].concat()),
                strings.clone(),
            ]
            .concat(),
            "location 3 is not in it",
        ),
        (
            "no strings",
            [types.clone(), wire::bytes(2, &wire::number(2, 1))].concat(),
            "string 1 is not in its table",
        ),
        ("no types", strings.clone(), "no sample types"),
        ("nothing", Vec::new(), "the file is empty"),
        (
            "cut off",
            odd()[..odd().len() - 3].to_vec(),
            "ends inside a field",
        ),
        ("no protobuf", vec![7; 100], "no pprof"),
    ] {
        let refused = File::of(&bytes).refused("top", &[]);
        assert!(refused.contains(says), "{what}: {refused}");
        assert!(refused.contains("x.pb.gz"), "{what}: {refused}");
    }
    let cut = gzipped(&odd());
    let refused = File::of(&cut[..cut.len() - 9]).refused("flamegraph", &[]);
    assert!(
        refused.contains("cut off: its gzip ends early"),
        "{refused}"
    );
}

/// Files that are no pprof as they are, and what must be said of each.
fn foreign() -> Vec<(Vec<u8>, &'static str)> {
    let words = |words: [u64; 5]| words.map(u64::to_le_bytes).concat();
    let small = |words: [u32; 5]| words.map(u32::to_be_bytes).concat();
    let mut tar = vec![0; 512];
    tar[257..262].copy_from_slice(b"ustar");
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    zlib.write_all(&odd()).unwrap();
    let text = [
        ("H4sIAAAAAAAA", "base64 -d FILE > profile.pb.gz"),
        ("HTTP/1.1 200 OK\r\n", "without -i"),
        (
            "version https://git-lfs.github.com/spec/v1\n",
            "git lfs pull",
        ),
        (
            "{\"$schema\":\"https://www.speedscope.app/file-format-schema.json\",\"profiles\":[{\"type\":\"evented\"}]}",
            "foreach .events[]",
        ),
        (
            "heap_v2/524288\n  t*: 1: 2 [0: 0]\n",
            "jeprof --collapsed PROGRAM FILE > stacks.txt",
        ),
        (
            "heap profile: 2: 2048 [4: 4096] @ heap_v2/524288\n1: 1024",
            "go tool pprof -proto PROGRAM FILE",
        ),
        (
            "heap profile: 1: 2 [3: 4] @ heap/1048576\n",
            "without debug=1",
        ),
        (
            "goroutine profile: total 5\n",
            "goroutine profile in pprof's older text format",
        ),
        (
            "--- contention:\ncycles/second=1\n",
            "contention profile in pprof's older text format",
        ),
        ("goroutine 1 [running]:\nmain.main()\n", "?debug=2"),
        (
            "--- symbol\nbinary=/x\n--- profile\n",
            "go tool pprof -proto",
        ),
        ("PeriodType: cpu nanoseconds\nPeriod: 1\n", "-proto"),
        ("Showing nodes accounting for 1s\n", "-proto"),
        ("<svg width=\"1\">", "picture of a profile"),
        ("<?xml version=\"1.0\"?><svg>", "picture of a profile"),
        ("<!DOCTYPE html>\n<html>", "web page"),
        ("# callgrind format\nversion: 1\n", "callgrind_annotate"),
        ("desc: --massif\ncmd: x\n", "ms_print"),
        (
            "v 10500 3\nX /usr/bin/x\n",
            "heaptrack_print -F stacks.txt FILE",
        ),
        (
            "x 7 1.5: 1 cycles:\n\t    55aa10 main+0x1 (/x)\n",
            "inferno-collapse-perf FILE",
        ),
        ("v8-version,11,3\n", "node --prof-process FILE"),
        ("elapsed_min,rss_mb\n0,1\n", "soakscope leaks FILE"),
        (
            "{\"$schema\":\"https://www.speedscope.app/file-format-schema.json\",\"shared\":{}}",
            "--format raw",
        ),
        (
            "{\"nodes\":[{\"id\":1,\"callFrame\":{}}],\"startTime\":1}",
            ".callFrame.functionName",
        ),
        ("{\"head\":{\"callFrame\":{},\"selfSize\":0}}", ".selfSize"),
        ("{\"meta\":{},\"libs\":[],\"threads\":[]}", "Firefox"),
        (
            "{\"traceEvents\":[]}",
            "stackcollapse-chrome-tracing.py FILE > stacks.txt",
        ),
        (
            "[{\"ph\":\"X\",\"ts\":1}]",
            "stackcollapse-chrome-tracing.py",
        ),
        (
            "{\"snapshot\":{\"meta\":{\"node_fields\":[]}}}",
            "--heap-prof",
        ),
        ("{\"flamebearer\":{}}", "profilecli query merge"),
        ("{\"dhatFileVersion\":2}", "dh_view.html"),
        (
            "{\"format\":\"1.0\",\"service\":\"x\",\"agent_version\":\"1\"}",
            "name the directory",
        ),
        ("{}", "JSON of a kind that is not known"),
    ];
    let mut all: Vec<(Vec<u8>, &str)> = vec![
        (
            b"\x28\xb5\x2f\xfd$\x8aQ\x04\x00".to_vec(),
            "packed with zstd; unpack it first with `zstd -d FILE",
        ),
        (b"\x50\x2a\x4d\x18\x04\0\0\0".to_vec(), "zstd -d FILE"),
        (
            b"\x04\x22\x4d\x18d@".to_vec(),
            "packed with LZ4; unpack it first with `lz4 -d FILE",
        ),
        (b"\xfd7zXZ\x00\x00\x04".to_vec(), "xz -dc FILE"),
        (b"BZh91AY&SY\x01".to_vec(), "bzip2 -dc FILE"),
        (b"PK\x03\x04\x14\0".to_vec(), "unzip FILE"),
        (b"\xff\x06\x00\x00sNaPpY".to_vec(), "snzip -dc FILE"),
        (tar, "tar -xf FILE"),
        (zlib.finish().unwrap(), "packed with zlib"),
        (
            b"PERFILE2\x68\0\0\0".to_vec(),
            "perf script -i FILE | inferno-collapse-perf > stacks.txt",
        ),
        (b"FLR\0\0\x02".to_vec(), "jfrconv"),
        (b"\x7fELF\x02\x01".to_vec(), "a program or a library"),
        (words([0, 3, 0, 10_000, 0]), "gperftools"),
        (small([0, 3, 0, 10_000, 0]), "gperftools"),
        (b"\xff\xfem\0;\0".to_vec(), "UTF-16"),
        (b"JAVA PROFILE 1.0.2\0".to_vec(), "heap dump of the JVM"),
        (
            b"Nettrace\x14\0".to_vec(),
            "dotnet-trace convert --format Speedscope FILE",
        ),
        (
            b"\x04\x08{\x0f".to_vec(),
            "stackprof --stackcollapse FILE > stacks.txt",
        ),
        (b"gmon\x01\0".to_vec(), "gprof PROGRAM FILE"),
        (b"memray\0\x0c".to_vec(), "memray flamegraph FILE"),
        (
            b"just some words\n".to_vec(),
            "line 1, \"just some words\", is not `root;caller;leaf 42`",
        ),
        (b"a;b 3 5\na;c 1 2\n".to_vec(), "two counts"),
    ];
    all.extend(text.map(|(text, says)| (text.as_bytes().to_vec(), says)));
    all
}

#[test]
fn other_formats_are_named_with_the_way_out() {
    for (bytes, says) in foreign() {
        for bytes in [gzipped(&bytes), bytes] {
            let refused = File::of(&bytes).refused("top", &[]);
            assert!(refused.contains(says), "{says:?} is not in {refused}");
            assert!(refused.contains("x.pb.gz: not a readable"), "{refused}");
        }
    }
}

/// A run none of whose profiles can be read says why, and one of whose can, too.
#[test]
fn a_run_s_unreadable_profiles_are_named() {
    let temp = tempfile::tempdir().unwrap();
    let dir = RunDir::create(&temp.path().join("run"), &RunInfo::default()).unwrap();
    let run = dir.path().display().to_string();
    dir.write_profile("cpu-000001", b"\x28\xb5\x2f\xfd$\x8aQ\x04")
        .unwrap();
    for command in ["top", "flamegraph"] {
        let output = soakscope(&[command, &run]);
        assert_eq!(output.status.code(), Some(2));
        let said = err(&output);
        assert!(said.contains("no CPU profile that can be read"), "{said}");
        assert!(
            said.contains("cpu-000001.pb.gz") && said.contains("zstd -d FILE"),
            "{said}"
        );
    }
    let mut builder = ProfileBuilder::cpu(1, 1, 1);
    let f = builder.function("f", "f", "", 0);
    let at = builder.location(None, 1, &[(f, 0)]);
    builder.sample(&[at], &[3, 30_000_000], Vec::new());
    dir.write_profile("cpu-000002", &builder.build().encode())
        .unwrap();
    for command in ["top", "flamegraph"] {
        let output = soakscope(&[command, &run]);
        assert_eq!(output.status.code(), Some(0));
        assert!(err(&output).contains("zstd -d FILE"), "{}", err(&output));
    }
}

#[test]
fn collapsed_stacks_are_read_as_they_are() {
    let text = "# of py-spy\n\nmain (app.py:3);work (app.py:9) 40\r\nmain (app.py:3);work (app.py:9) 2\nmain (app.py:3) 8\n";
    let file = File::of(text.as_bytes());
    let wanted = "main (app.py:3) 8\nmain (app.py:3);work (app.py:9) 42\n";
    assert_eq!(file.collapsed(&[]), wanted);
    let (text, remarks) = file.shows("top", &["--by", "line"]);
    assert!(
        text.starts_with("50 samples in all, by 50 samples"),
        "{text}"
    );
    assert!(remarks.contains("source lines are not known"), "{remarks}");
    // Names that other formats begin with.
    for text in [
        "<module>;f 3\n",
        "[unknown];f 3\n",
        "{closure} 3\n",
        "f(int, char) 3\n",
    ] {
        assert_eq!(File::of(text.as_bytes()).collapsed(&[]), text);
    }
    // What we write is read back, whatever it was made of.
    let profile = heap();
    let again = Profile::decode(profile.collapsed(3).as_bytes()).unwrap();
    assert_eq!(again.collapsed(0), profile.collapsed(3));
    let fractions = Profile::decode(b"a;b 0.5\na 1.25\na;c 9007199254740993\n").unwrap();
    assert_eq!(fractions.sample_types[0].unit, "thousandths");
    let whole = Profile::decode(b"a;c 9007199254740993\n").unwrap();
    assert_eq!(whole.total(0), 9_007_199_254_740_993);
}

/// `drop_frames` and `keep_frames`, as allocators write them.
#[test]
fn frames_that_a_profile_drops_are_their_callers() {
    let mut builder = ProfileBuilder::new(
        vec![ValueType::new("space", "bytes")],
        ValueType::default(),
        0,
    );
    let mut at = |address: u64, names: &[&str]| {
        let lines: Vec<(u32, u32)> = names
            .iter()
            .map(|name| (builder.function(name, name, "", 0), 0))
            .collect();
        builder.location(None, address, &lines)
    };
    let (main, user) = (at(1, &["main"]), at(2, &["user"]));
    let malloc = at(3, &["malloc(unsigned long)"]);
    let pages = at(4, &["do_malloc_pages"]);
    let kept = at(5, &["malloc_kept"]);
    // Inlined into a function of the program.
    let inlined = at(6, &["tc_new", "caller"]);
    for (stack, bytes) in [
        (vec![pages, malloc, user, main], 1),
        (vec![kept, user, main], 2),
        (vec![pages, inlined, main], 4),
        // Nothing is left of one that begins there, so it stays.
        (vec![pages, malloc], 8),
    ] {
        builder.sample(&stack, &[bytes], Vec::new());
    }
    let mut profile = builder.build();
    profile.drop_frames = "malloc.*|do_malloc_pages|tc_new".to_owned();
    profile.keep_frames = "malloc_kept".to_owned();
    let file = File::of(&profile.encode());
    assert_eq!(
        file.collapsed(&[]),
        "main;caller 4\nmain;user 1\nmain;user;malloc_kept 2\nmalloc(unsigned long);do_malloc_pages 8\n"
    );
    profile.drop_frames = "(".to_owned();
    let (_, remarks) = File::of(&profile.encode()).shows("top", &[]);
    assert!(
        remarks.contains("drop_frames is no regular expression"),
        "{remarks}"
    );
}

#[test]
fn nothing_to_show_is_said() {
    let (_, remarks) = File::of(&ProfileBuilder::cpu(1, 1, 1).build().encode()).shows("top", &[]);
    assert!(remarks.contains("x.pb.gz has no samples"), "{remarks}");
    let mut builder = ProfileBuilder::cpu(1, 1, 1);
    builder.sample(&[], &[4, 0], Vec::new());
    let (_, remarks) = File::of(&builder.build().encode()).shows("flamegraph", &[]);
    assert!(
        remarks.contains("all values of cpu in x.pb.gz are 0; --type shows another"),
        "{remarks}"
    );
}

/// While a run goes on its windows have names; its lines are looked up at the
/// end, in a profile that may have been loaded elsewhere.
#[test]
fn a_finished_run_lists_lines() {
    let temp = tempfile::tempdir().unwrap();
    let dir = RunDir::create(&temp.path().join("run"), &RunInfo::default()).unwrap();
    let run = dir.path().display().to_string();
    let profile = |base: u64, lines: bool| {
        let mut builder = ProfileBuilder::cpu(1, 1, 1);
        let mapping = builder.mapping(Mapping {
            start: base,
            limit: base + 0x1000,
            path: "/srv/shop".into(),
            build_id: "abc".into(),
            ..Mapping::default()
        });
        let (file, line) = if lines { ("src/shop.rs", 42) } else { ("", 0) };
        let work = builder.function("shop::work", "work", file, 0);
        let inner = builder.function("shop::inner", "inner", "src/inner.rs", 0);
        let inlined = [(inner, 7), (work, line)];
        let known = builder.location(
            Some(mapping),
            base + 0x10,
            if lines { &inlined } else { &inlined[1..] },
        );
        let libc = builder.location(None, 0x7f00, &[]);
        builder.sample(&[libc, known], &[1, 10_000_000], Vec::new());
        builder.sample(&[known], &[2, 20_000_000], Vec::new());
        builder.build()
    };
    dir.write_profile("cpu-000001", &profile(0x40_0000, false).encode())
        .unwrap();
    let lines = || {
        let output = soakscope(&["top", &run, "--by", "line"]);
        assert_eq!(output.status.code(), Some(0));
        (out(&output), err(&output))
    };
    let (text, remarks) = lines();
    assert!(
        remarks.contains("source lines are not known: the run has no cpu.pb.gz"),
        "{remarks}"
    );
    assert!(text.contains("shop::work"), "{text}");
    dir.write_artifact("cpu.pb.gz", &profile(0x50_0000, false).encode())
        .unwrap();
    assert!(lines().1.contains("line-tables-only"), "{}", lines().1);
    dir.write_artifact("cpu.pb.gz", &profile(0x50_0000, true).encode())
        .unwrap();
    let (text, remarks) = lines();
    assert_eq!(remarks, "");
    let row = |name: &str| {
        text.lines()
            .find(|line| line.contains(name))
            .unwrap_or_else(|| panic!("{text}"))
    };
    assert!(
        row("shop::inner").contains("src/inner.rs:7") && row("shop::inner").contains("20 ms"),
        "{text}"
    );
    assert!(row("shop::work").contains("src/shop.rs:42"), "{text}");
    assert!(text.starts_with("30 ms cpu in all"), "{text}");
    dir.write_artifact("cpu.pb.gz", b"torn").unwrap();
    assert!(
        lines().1.contains("cpu.pb.gz: not a readable"),
        "{}",
        lines().1
    );
    assert!(Path::new(&run).join("cpu.pb.gz").exists());
}
