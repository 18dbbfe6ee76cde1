//! Any bytes as `run.json`: they are refused, or read back as they are written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use soakscope_report::RunInfo;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(info) = RunInfo::parse(bytes) {
        let written = info.to_json();
        let read = RunInfo::parse(written.as_bytes()).expect("what is written can be read");
        assert_eq!(read, info);
    }
});
