//! A random truth, written as each locale, script and tool writes it, and read
//! back: the hours and the numbers are those of the truth.

#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::io::Write as _;

use soakscope_report::{CellUnit, Timeline};

/// Draws that are the same each time.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn of<'a, T>(&mut self, some: &'a [T]) -> &'a T {
        &some[self.below(some.len() as u64) as usize]
    }
}

/// What happened: at these seconds since 1970 a process had so many bytes.
struct Truth {
    seconds: Vec<i64>,
    bytes: Vec<f64>,
    cpu: Vec<f64>,
}

impl Truth {
    fn draw(draw: &mut Draw) -> Truth {
        // Any day of two years, so that New Year and each end of a month come.
        let start = 1_767_225_600 - 86_400 + draw.below(730 * 86_400) as i64;
        let tick = *draw.of(&[1, 10, 60, 300]);
        let rows = 150 + draw.below(100) as i64;
        let level = *draw.of(&[30.0, 120.0, 950.0, 3000.0]);
        let slope = *draw.of(&[0.0, 0.3, 2.0]);
        let bytes = (0..rows).map(|row| {
            let ripple = draw.below(1000) as f64 / 250.0;
            ((level + slope * row as f64 + ripple) * 1_048_576.0).round()
        });
        let bytes: Vec<f64> = bytes.collect();
        Truth {
            seconds: (0..rows).map(|row| start + row * tick).collect(),
            bytes,
            cpu: (0..rows).map(|_| draw.below(9999) as f64 / 100.0).collect(),
        }
    }

    fn rows(&self) -> impl Iterator<Item = (i64, f64, f64)> {
        (0..self.seconds.len()).map(|row| (self.seconds[row], self.bytes[row], self.cpu[row]))
    }

    /// Compares what was read: a column in units of so many bytes.
    fn check(&self, what: &str, timeline: &Timeline, column: &str, unit: f64, within: f64) {
        assert_eq!(
            timeline.len(),
            self.seconds.len(),
            "{what}: {:?}",
            timeline.losses()
        );
        for (row, hours) in timeline.elapsed_hours().iter().enumerate() {
            let truth = (self.seconds[row] - self.seconds[0]) as f64 / 3600.0;
            assert!(
                (hours - truth).abs() < 1e-6,
                "{what}: row {row}: {hours} h, was {truth}"
            );
        }
        let values = timeline
            .series(column)
            .unwrap_or_else(|| panic!("{what}: no {column:?} in {:?}", timeline.columns()));
        for (row, value) in values.iter().enumerate() {
            let (value, truth) = (value * unit, self.bytes[row]);
            assert!(
                (value - truth).abs() <= within * truth,
                "{what}: row {row}: {value}, was {truth}"
            );
        }
        let facts = timeline.facts(column);
        assert_eq!(
            (facts.unreadable, facts.readings),
            (0, values.len()),
            "{what}"
        );
        assert_eq!(timeline.runs().len(), 1, "{what}");
    }
}

fn date(seconds: i64, format: &str) -> String {
    let moment = jiff::Timestamp::from_second(seconds).unwrap();
    moment
        .to_zoned(jiff::tz::TimeZone::UTC)
        .strftime(format)
        .to_string()
}

fn parse(what: &str, text: &str) -> Timeline {
    Timeline::parse(text.as_bytes())
        .unwrap_or_else(|error| panic!("{what}: {error}\n{}", &text[..text.len().min(300)]))
}

/// `1234567` with a mark between groups.
fn grouped(number: f64, mark: &str) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push_str(mark);
        }
        text.push(digit);
    }
    text
}

const DATES: [&str; 22] = [
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%SZ",
    "%Y-%m-%dT%H:%M:%S+00:00",
    "%Y/%m/%d %H:%M:%S",
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%y %H:%M:%S",
    "%d/%m/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %I:%M:%S %p",
    "%Y%m%d%H%M%S",
    "%Y%m%dT%H%M%SZ",
    "%a %b %e %H:%M:%S UTC %Y",
    "%b %d %H:%M:%S",
    "%d %b %Y %H:%M:%S",
    "%a, %d %b %Y %H:%M:%S +0000",
    "%d/%b/%Y:%H:%M:%S +0000",
    "%H:%M:%S",
    "%I:%M:%S %p",
    "%Y-%m-%d %H:%M:%S,000",
    "%s",
    "%s000",
    "%s000000",
];

#[test]
fn any_locale_any_date_any_unit() {
    let mut draw = Draw(12);
    const MIB: f64 = 1_048_576.0;
    for round in 0..400 {
        let truth = Truth::draw(&mut draw);
        let format = *draw.of(&DATES);
        let name = *draw.of(&["time", "timestamp", "date"]);
        let delimiter = *draw.of(&[",", ";", "\t"]);
        let comma = delimiter == ";" && draw.below(2) == 0;
        let end = *draw.of(&["\n", "\r\n", "\r"]);
        let quote = |cell: String| {
            if cell.contains(delimiter) {
                format!("\"{cell}\"")
            } else {
                cell
            }
        };
        let local = |cell: String| if comma { cell.replace('.', ",") } else { cell };
        let style = draw.below(9);
        let (header, unit) = match style {
            0 | 1 => ("rss_mb", MIB),
            2 => ("rss_bytes", 1.0),
            3 | 4 => ("RSS (KB)", 1024.0),
            _ => ("mem", 1.0),
        };
        let cell = |bytes: f64| match style {
            0 => local(format!("{:.3}", bytes / MIB)),
            1 => local(format!("{:.1}", bytes / MIB)),
            2 => grouped(bytes, if comma { "." } else { "," }),
            3 => format!("{:.0}", bytes / 1024.0),
            4 => grouped(bytes / 1024.0, if comma { "'" } else { " " }),
            5 => local(format!("{:.2}MiB / 15.5GiB", bytes / MIB)),
            6 => local(format!("{:.2} MB", bytes / MIB)),
            7 => format!("{:.0} kB", bytes / 1024.0),
            _ => local(format!("{:.2}%, {:.2}M", 1.0, bytes / MIB)).split_off(7),
        };
        let bom = if draw.below(4) == 0 { "\u{feff}" } else { "" };
        let mut text = format!("{bom}{name}{delimiter}{header}{delimiter}cpu{end}");
        for (second, bytes, cpu) in truth.rows() {
            let time = quote(date(second, format));
            let (memory, cpu) = (quote(cell(bytes)), quote(local(format!("{cpu:.2}"))));
            write!(text, "{time}{delimiter}{memory}{delimiter}{cpu}{end}").unwrap();
        }
        let what = format!("round {round}: {format:?} {style} {delimiter:?} comma {comma}");
        let timeline = parse(&what, &text);
        truth.check(&what, &timeline, header, unit, 0.01);
        let expected = (style > 4).then_some(CellUnit::Bytes);
        assert_eq!(timeline.facts(header).unit, expected, "{what}");
    }
}

#[test]
fn elapsed_time_in_any_spelling() {
    let mut draw = Draw(3);
    for round in 0..60 {
        let truth = Truth::draw(&mut draw);
        let kind = round % 6;
        let mut text = [
            "elapsed_min;rss_mb\n",
            "elapsed;rss_mb\n",
            "Elapsed (s);rss_mb\n",
            "elapsed_h;rss_mb\n",
            "Laufzeit (s);rss_mb\n",
            "uptime;rss_mb\n",
        ][kind]
            .to_owned();
        for (second, bytes, _) in truth.rows() {
            let s = second - truth.seconds[0];
            let time = match kind {
                0 => format!("{:.6}", s as f64 / 60.0).replace('.', ","),
                1 | 5 => format!("{:02}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60),
                2 => format!("{s}"),
                3 => format!("{:.7}", s as f64 / 3600.0),
                _ => format!("{s},0"),
            };
            let rss = format!("{:.2}", bytes / 1_048_576.0).replace('.', ",");
            writeln!(text, "{time};{rss}").unwrap();
        }
        let what = format!("round {round}: kind {kind}");
        truth.check(&what, &parse(&what, &text), "rss_mb", 1_048_576.0, 0.01);
    }
}

/// A table of a tool: the text, the column, and the bytes in its unit.
type Tool = fn(&Truth) -> (String, &'static str, f64);

fn psrecord(truth: &Truth) -> (String, &'static str, f64) {
    let mut text = "# Elapsed time   CPU (%)     Real (MB)   Virtual (MB)\n".to_owned();
    for (second, bytes, cpu) in truth.rows() {
        let (s, mb) = ((second - truth.seconds[0]) as f64, bytes / 1_048_576.0);
        writeln!(text, "{s:12.3} {cpu:12.3} {mb:12.3} {:12.3}", 900.0).unwrap();
    }
    (text, "Real (MB)", 1_048_576.0)
}

fn pidstat(truth: &Truth) -> (String, &'static str, f64) {
    let mut text = "Linux 5.15.0 (box) \t01/05/2026 \t_x86_64_\t(8 CPU)\n".to_owned();
    for (second, bytes, cpu) in truth.rows() {
        let (time, kb) = (date(second, "%H:%M:%S"), bytes / 1024.0);
        writeln!(
            text,
            "\n{time}      UID       PID  minflt/s  majflt/s     VSZ     RSS   %MEM  Command"
        )
        .unwrap();
        writeln!(
            text,
            "{time}     1000      4100      0.00      0.00  900000  {kb:.0}   0.75  svc"
        )
        .unwrap();
        writeln!(
            text,
            "\n{time}      UID       PID    %usr %system  %guest   %wait    %CPU   CPU  Command"
        )
        .unwrap();
        writeln!(
            text,
            "{time}     1000      4100    {cpu:.2}    0.10    0.00    0.00    2.00     3  svc"
        )
        .unwrap();
    }
    text.push_str(
        "\nAverage:     1000      4100      0.00      0.00  900000  120000   0.75  svc\n",
    );
    (text, "RSS (KB)", 1024.0)
}

fn pidstat_h(truth: &Truth) -> (String, &'static str, f64) {
    let mut text = "Linux 5.15.0 (box) \t01/05/2026 \t_x86_64_\t(8 CPU)\n\n".to_owned();
    text.push_str("# Time        UID       PID    %usr    %CPU   CPU  minflt/s  majflt/s     VSZ     RSS   %MEM  Command\n");
    for (second, bytes, cpu) in truth.rows() {
        let (time, kb) = (date(second, "%I:%M:%S %p"), bytes / 1024.0);
        writeln!(text, "{time}  1000      4100    {cpu:.2}    {cpu:.2}     1      0.00      0.00  900000  {kb:.0}   0.75  svc").unwrap();
    }
    (text, "RSS (KB)", 1024.0)
}

fn sar(truth: &Truth) -> (String, &'static str, f64) {
    let mut text = "Linux 5.15.0 (box) \t01/05/2026 \t_x86_64_\t(8 CPU)\n\n".to_owned();
    for (row, (second, bytes, _)) in truth.rows().enumerate() {
        let time = date(second, "%I:%M:%S %p");
        if row % 50 == 0 {
            writeln!(
                text,
                "\n{time} kbmemfree   kbavail kbmemused  %memused kbbuffers"
            )
            .unwrap();
        }
        writeln!(
            text,
            "{time}   1234567   2345678 {:9.0}     12.34     12345",
            bytes / 1024.0
        )
        .unwrap();
    }
    text.push_str("Average:      1234567   2345678    120000     12.34     12345\n");
    (text, "kbmemused (KB)", 1024.0)
}

fn sadf(truth: &Truth) -> (String, &'static str, f64) {
    let mut text = "# hostname;interval;timestamp;kbmemfree;kbmemused;%memused\n".to_owned();
    for (second, bytes, _) in truth.rows() {
        let time = date(second, "%Y-%m-%d %H:%M:%S UTC");
        writeln!(text, "box;60;{time};1234567;{:.0};12.34", bytes / 1024.0).unwrap();
    }
    (text, "kbmemused", 1024.0)
}

fn dstat(truth: &Truth) -> (String, &'static str, f64) {
    let mut text = "\"Dstat 0.7.3 CSV output\"\n\"Author:\",\"A\",,,,\"URL:\",\"u\"\n\
        \"Host:\",\"box\",,,,\"User:\",\"u\"\n\"Cmdline:\",\"dstat -t -m\",,,,\"Date:\",\"05 Jan 2026\"\n\n\
        \"system\",\"total cpu usage\",,\"memory usage\",,\n\"time\",\"usr\",\"sys\",\"used\",\"buff\",\"free\"\n"
        .to_owned();
    for (second, bytes, cpu) in truth.rows() {
        let time = date(second, "%d-%m %H:%M:%S");
        writeln!(text, "{time},{cpu:.3},0.1,{bytes:.1},10000.0,2000000.0").unwrap();
    }
    (text, "memory usage used (bytes)", 1.0)
}

fn docker(truth: &Truth) -> (String, &'static str, f64) {
    let mut text = String::new();
    for (second, bytes, cpu) in truth.rows() {
        writeln!(text, "{}", date(second, "%Y-%m-%dT%H:%M:%S")).unwrap();
        text.push_str("CONTAINER ID   NAME      CPU %     MEM USAGE / LIMIT     MEM %     NET I/O           BLOCK I/O   PIDS\n");
        let mib = bytes / 1_048_576.0;
        writeln!(text, "abcdef123456   svc       {cpu:.2}%     {mib:.2}MiB / 15.5GiB    0.76%     1.2kB / 0B        0B / 0B     12").unwrap();
    }
    (text, "MEM USAGE / LIMIT", 1.0)
}

fn docker_stamped(truth: &Truth) -> (String, &'static str, f64) {
    let mut text = String::new();
    for (row, (second, bytes, cpu)) in truth.rows().enumerate() {
        let time = date(second, "%b %d %H:%M:%S");
        if row % 3 == 0 {
            writeln!(text, "{time} \u{1b}[2J\u{1b}[HCONTAINER ID   NAME      CPU %     MEM USAGE / LIMIT     MEM %     NET I/O           BLOCK I/O   PIDS").unwrap();
        }
        let mib = bytes / 1_048_576.0;
        writeln!(text, "{time} abcdef123456   svc       {cpu:.2}%     {mib:.2}MiB / 15.5GiB    0.76%     1.2kB / 0B        0B / 0B     12").unwrap();
    }
    (text, "MEM USAGE / LIMIT", 1.0)
}

fn kubectl(truth: &Truth) -> (String, &'static str, f64) {
    let mut text = String::new();
    for (second, bytes, cpu) in truth.rows() {
        writeln!(text, "{}", date(second, "%a %b %e %H:%M:%S UTC %Y")).unwrap();
        text.push_str("NAME                     CPU(cores)   MEMORY(bytes)   \n");
        let mib = bytes / 1_048_576.0;
        writeln!(
            text,
            "svc-6d4cf56db6-abcde     {cpu:.0}m         {mib:.0}Mi           "
        )
        .unwrap();
    }
    (text, "MEMORY(bytes)", 1.0)
}

fn prometheus(truth: &Truth) -> (String, &'static str, f64) {
    let values: Vec<String> = truth
        .rows()
        .map(|(second, bytes, _)| format!("[{second},\"{bytes}\"]"))
        .collect();
    let text = format!(
        "{{\"status\":\"success\",\"data\":{{\"resultType\":\"matrix\",\"result\":[{{\"metric\":\
         {{\"__name__\":\"process_resident_memory_bytes\",\"job\":\"svc\"}},\"values\":[{}]}},\
         {{\"metric\":{{\"__name__\":\"process_open_fds\",\"job\":\"svc\"}},\"values\":[[{},\"7\"]]}}]}}}}",
        values.join(","),
        truth.seconds[1]
    );
    (text, "process_resident_memory_bytes", 1.0)
}

fn collectl(truth: &Truth) -> (String, &'static str, f64) {
    let mut text = "################################################################\n\
        # Collectl:   V4.3.1-1  HiRes: 1  Options: -sm -P\n# Host:       box\n\
        ################################################################\n\
        #Date Time [CPU]User% [MEM]Tot [MEM]Used [MEM]Free\n"
        .to_owned();
    for (second, bytes, cpu) in truth.rows() {
        let time = date(second, "%Y%m%d %H:%M:%S");
        writeln!(text, "{time} {cpu:.0} 16000000 {:.0} 12345", bytes / 1024.0).unwrap();
    }
    (text, "[MEM]Used (KB)", 1024.0)
}

const WORKING_SET: &str = "\\\\BOX\\Process(svc)\\Working Set";

fn typeperf(truth: &Truth) -> (String, &'static str, f64) {
    let mut text =
        format!("\"(PDH-CSV 4.0) (W. Europe Standard Time)(-60)\",\"{WORKING_SET}\"\r\n");
    for (second, bytes, _) in truth.rows() {
        write!(
            text,
            "\"{}.000\",\"{bytes:.6}\"\r\n",
            date(second, "%m/%d/%Y %H:%M:%S")
        )
        .unwrap();
    }
    (text, WORKING_SET, 1.0)
}

fn top(truth: &Truth) -> (String, &'static str, f64) {
    let mut text = String::new();
    for (second, bytes, cpu) in truth.rows() {
        let kib = bytes / 1024.0;
        let memory = if kib > 1e6 {
            format!("{:.1}g", kib / 1_048_576.0)
        } else {
            format!("{kib:.0}")
        };
        write!(
            text,
            "top - {} up 1 day,  2:03,  1 user,  load average: 0.10, 0.20, 0.30\n\
             Tasks:   1 total,   1 running,   0 sleeping,   0 stopped,   0 zombie\n\
             %Cpu(s):  1.0 us,  0.5 sy,  0.0 ni, 98.5 id,  0.0 wa,  0.0 hi,  0.0 si,  0.0 st\n\
             MiB Mem :  15900.0 total,   1000.0 free,   2000.0 used,  12900.0 buff/cache\n\n    \
             PID USER      PR  NI    VIRT    RES    SHR S  %CPU  %MEM     TIME+ COMMAND\n   \
             4100 svc       20   0  900000 {memory:>6}   9000 S {cpu:5.1}   0.7   0:01.23 svc\n\n",
            date(second, "%H:%M:%S")
        )
        .unwrap();
    }
    (text, "RES (KB)", 1024.0)
}

fn vmstat(truth: &Truth) -> (String, &'static str, f64) {
    let mut text = String::new();
    for (row, (second, bytes, _)) in truth.rows().enumerate() {
        if row % 20 == 0 {
            text.push_str(
                "procs -----------memory---------- ---swap-- -----io---- -system-- ------cpu----- -----timestamp-----\n \
                 r  b   swpd   free   buff  cache   si   so    bi    bo   in   cs us sy id wa st                 UTC\n",
            );
        }
        let time = date(second, "%Y-%m-%d %H:%M:%S");
        writeln!(text, " 1  0      0 {:.0}  12345 234567    0    0     1     2    3    4  1  1 98  0  0 {time}", bytes / 1024.0).unwrap();
    }
    (text, "free (KB)", 1024.0)
}

fn ps(truth: &Truth) -> (String, &'static str, f64) {
    let mut text = String::new();
    for (second, bytes, _) in truth.rows() {
        writeln!(
            text,
            "{second}\n  PID   RSS    VSZ COMMAND\n 4100 {:.0} 900000 /usr/bin/svc --port 80",
            bytes / 1024.0
        )
        .unwrap();
    }
    (text, "RSS (KB)", 1024.0)
}

fn ps_stamped(truth: &Truth) -> (String, &'static str, f64) {
    let mut text = "TIMESTAMP PID RSS\n".to_owned();
    for (second, bytes, _) in truth.rows() {
        writeln!(text, "{second} 4100 {:.0}", bytes / 1024.0).unwrap();
    }
    (text, "RSS (KB)", 1024.0)
}

#[test]
fn tables_of_tools() {
    let tools: [(&str, Tool); 16] = [
        ("psrecord", psrecord),
        ("pidstat", pidstat),
        ("pidstat -h", pidstat_h),
        ("sar", sar),
        ("sadf -d", sadf),
        ("dstat", dstat),
        ("docker", docker),
        ("docker with times", docker_stamped),
        ("kubectl", kubectl),
        ("prometheus", prometheus),
        ("collectl", collectl),
        ("typeperf", typeperf),
        ("top", top),
        ("vmstat", vmstat),
        ("ps", ps),
        ("ps with times", ps_stamped),
    ];
    let mut draw = Draw(7);
    for (name, tool) in tools {
        for round in 0..6 {
            let truth = Truth::draw(&mut draw);
            let (text, column, unit) = tool(&truth);
            let what = format!("{name}, round {round}");
            let within = if name == "kubectl" || name == "top" {
                0.03
            } else {
                0.001
            };
            truth.check(&what, &parse(&what, &text), column, unit, within);
            // A pipe gives little at a time, and gzip is unpacked.
            let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            packed.write_all(text.as_bytes()).unwrap();
            let packed = packed.finish().unwrap();
            let timeline = Timeline::read(Dribble(&packed), 0).unwrap();
            truth.check(&what, &timeline, column, unit, within);
        }
    }
}

/// A pipe that gives seven bytes at a time.
struct Dribble<'a>(&'a [u8]);

impl std::io::Read for Dribble<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.0.len().min(buffer.len()).min(7);
        buffer[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        Ok(count)
    }
}

#[test]
fn tables_without_a_time_name_the_way_to_one() {
    for (text, remedy) in [
        (
            "CONTAINER ID   NAME      CPU %     MEM USAGE / LIMIT     MEM %     NET I/O   BLOCK I/O   PIDS\n\
             abcdef123456   svc       1.20%     120.6MiB / 15.5GiB    0.76%     1kB / 0B  0B / 0B     12\n",
            "docker stats --no-stream",
        ),
        (
            "NAME      CPU(cores)   MEMORY(bytes)\nsvc-abc   250m         120Mi\n",
            "kubectl top pod",
        ),
        (
            "  PID   RSS    VSZ COMMAND\n 4100 120000 900000 svc\n",
            "date +",
        ),
        (
            "procs -----------memory---------- ---swap-- -----io---- -system-- ------cpu-----\n \
             r  b   swpd   free   buff  cache   si   so    bi    bo   in   cs us sy id wa st\n \
             1  0      0 123456  12345 234567    0    0     1     2    3    4  1  1 98  0  0\n",
            "vmstat -t",
        ),
        ("1767600000 120000\n1767600010 120001\n", "add a header"),
        ("{\"a\":1}\n", "query_range"),
        ("[{\"t\":1}]\n", "jq -r"),
        ("# HELP a b\n# TYPE a gauge\na 1\n", "query_range"),
        ("elapsed_min,rss_mb\n0,120,7\n1,120,9\n", "semicolons"),
    ] {
        let error = Timeline::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(remedy), "{error}");
    }
}

#[test]
fn several_processes_are_several_series() {
    let mut text = String::new();
    for row in 0..100 {
        write!(
            text,
            "{}\n  PID   RSS COMMAND\n 41 {} web\n {} {} web\n 9 5 db\n",
            1_767_600_000 + row * 10,
            1000 + row,
            // The second worker is started anew half way.
            if row < 50 { 42 } else { 43 },
            2000 + row % 50
        )
        .unwrap();
    }
    let timeline = parse("ps", &text);
    assert_eq!(timeline.len(), 100);
    let first = timeline.series("RSS (KB) [web 41]").unwrap();
    assert_eq!((first[0], first[99]), (1000.0, 1099.0));
    let second = timeline.series("RSS (KB) [web 43]").unwrap();
    assert_eq!(
        (second[49], second[50], second[99]),
        (2049.0, 2000.0, 2049.0)
    );
    assert_eq!(
        timeline.series("PID [web 43]").unwrap()[49..51],
        [42.0, 43.0]
    );
    assert_eq!(timeline.series("RSS (KB) [db]").unwrap()[7], 5.0);
}
