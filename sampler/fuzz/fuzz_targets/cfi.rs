//! Any bytes as unwind tables: some rule comes out, and nothing else happens.
#![no_main]
#![allow(dead_code)]

#[path = "../../src/unwind/arch.rs"]
mod arch;
#[path = "../../src/unwind/bytes.rs"]
mod bytes;
#[path = "../../src/unwind/cfi.rs"]
mod cfi;
#[path = "../../src/unwind/expression.rs"]
mod expression;
#[path = "../../src/unwind/row.rs"]
mod row;
#[path = "../../src/unwind/rule.rs"]
mod rule;
#[path = "../../src/unwind/table.rs"]
mod table;

use libfuzzer_sys::fuzz_target;

const ADDRESS: u64 = 0x1000;

fuzz_target!(|input: (u16, u64, &[u8])| {
    let (header, pc, bytes) = input;
    let image = bytes::Image {
        bytes,
        address: ADDRESS,
    };
    let header = ADDRESS + u64::from(header);
    let rule = table::rule_for(image, header, pc);
    let packed = rule::Rule::unpack(rule.pack());
    assert!(packed == rule || packed == rule::Rule::Unsupported);
    let _ = cfi::rule_in_entry(image, header, pc);
});
