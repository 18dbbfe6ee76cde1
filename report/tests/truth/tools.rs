//! The truth as each tool prints it.

use std::fmt::Write as _;

use super::{Truth, date};

/// A table of a tool: the text, the column, and the bytes in its unit.
pub(crate) type Tool = fn(&Truth) -> (String, &'static str, f64);

pub(crate) fn psrecord(truth: &Truth) -> (String, &'static str, f64) {
    let mut text = "# Elapsed time   CPU (%)     Real (MB)   Virtual (MB)\n".to_owned();
    for (second, bytes, cpu) in truth.rows() {
        let (s, mb) = ((second - truth.seconds[0]) as f64, bytes / 1_048_576.0);
        writeln!(text, "{s:12.3} {cpu:12.3} {mb:12.3} {:12.3}", 900.0).unwrap();
    }
    (text, "Real (MB)", 1_048_576.0)
}

pub(crate) fn pidstat(truth: &Truth) -> (String, &'static str, f64) {
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

pub(crate) fn pidstat_h(truth: &Truth) -> (String, &'static str, f64) {
    let mut text = "Linux 5.15.0 (box) \t01/05/2026 \t_x86_64_\t(8 CPU)\n\n".to_owned();
    text.push_str("# Time        UID       PID    %usr    %CPU   CPU  minflt/s  majflt/s     VSZ     RSS   %MEM  Command\n");
    for (second, bytes, cpu) in truth.rows() {
        let (time, kb) = (date(second, "%I:%M:%S %p"), bytes / 1024.0);
        writeln!(text, "{time}  1000      4100    {cpu:.2}    {cpu:.2}     1      0.00      0.00  900000  {kb:.0}   0.75  svc").unwrap();
    }
    (text, "RSS (KB)", 1024.0)
}

pub(crate) fn sar(truth: &Truth) -> (String, &'static str, f64) {
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

pub(crate) fn sadf(truth: &Truth) -> (String, &'static str, f64) {
    let mut text = "# hostname;interval;timestamp;kbmemfree;kbmemused;%memused\n".to_owned();
    for (second, bytes, _) in truth.rows() {
        let time = date(second, "%Y-%m-%d %H:%M:%S UTC");
        writeln!(text, "box;60;{time};1234567;{:.0};12.34", bytes / 1024.0).unwrap();
    }
    (text, "kbmemused", 1024.0)
}

pub(crate) fn dstat(truth: &Truth) -> (String, &'static str, f64) {
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

pub(crate) fn docker(truth: &Truth) -> (String, &'static str, f64) {
    let mut text = String::new();
    for (second, bytes, cpu) in truth.rows() {
        writeln!(text, "{}", date(second, "%Y-%m-%dT%H:%M:%S")).unwrap();
        text.push_str("CONTAINER ID   NAME      CPU %     MEM USAGE / LIMIT     MEM %     NET I/O           BLOCK I/O   PIDS\n");
        let mib = bytes / 1_048_576.0;
        writeln!(text, "abcdef123456   svc       {cpu:.2}%     {mib:.2}MiB / 15.5GiB    0.76%     1.2kB / 0B        0B / 0B     12").unwrap();
    }
    (text, "MEM USAGE / LIMIT", 1.0)
}

pub(crate) fn docker_stamped(truth: &Truth) -> (String, &'static str, f64) {
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

pub(crate) fn kubectl(truth: &Truth) -> (String, &'static str, f64) {
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

pub(crate) fn prometheus(truth: &Truth) -> (String, &'static str, f64) {
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

pub(crate) fn collectl(truth: &Truth) -> (String, &'static str, f64) {
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

pub(crate) const WORKING_SET: &str = "\\\\BOX\\Process(svc)\\Working Set";

pub(crate) fn typeperf(truth: &Truth) -> (String, &'static str, f64) {
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

pub(crate) fn top(truth: &Truth) -> (String, &'static str, f64) {
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

pub(crate) fn vmstat(truth: &Truth) -> (String, &'static str, f64) {
    let mut text = String::new();
    for (row, (second, bytes, cpu)) in truth.rows().enumerate() {
        if row % 20 == 0 {
            text.push_str(
                "procs -----------memory---------- ---swap-- -----io---- -system-- ------cpu----- -----timestamp-----\n \
                 r  b   swpd   free   buff  cache   si   so    bi    bo   in   cs us sy id wa st                 UTC\n",
            );
        }
        let time = date(second, "%Y-%m-%d %H:%M:%S");
        let wide = cpu * 900.0;
        writeln!(
            text,
            " 1  0      0 {:6.0}  12345 234567    0    0 {wide:5.0} {cpu:5.0} {:4.0} 1424  1  1 98  0  0 {time}",
            bytes / 1024.0,
            cpu * 40.0
        )
        .unwrap();
    }
    (text, "free (KB)", 1024.0)
}

pub(crate) fn ps(truth: &Truth) -> (String, &'static str, f64) {
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

pub(crate) fn ps_stamped(truth: &Truth) -> (String, &'static str, f64) {
    let mut text = "TIMESTAMP PID RSS\n".to_owned();
    for (second, bytes, _) in truth.rows() {
        writeln!(text, "{second} 4100 {:.0}", bytes / 1024.0).unwrap();
    }
    (text, "RSS (KB)", 1024.0)
}

pub(crate) const TOOLS: [(&str, Tool); 16] = [
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
