//! pprof's protobuf written by hand, for what no encoder of ours writes.

/// A number of a message.
pub(crate) fn number(field: u32, value: u64) -> Vec<u8> {
    [varint(u64::from(field) << 3), varint(value)].concat()
}

/// A message or a text in a message.
pub(crate) fn bytes(field: u32, bytes: &[u8]) -> Vec<u8> {
    let key = varint(u64::from(field) << 3 | 2);
    [&key, &varint(bytes.len() as u64), bytes].concat()
}

/// Numbers of a message, packed.
pub(crate) fn packed(field: u32, values: &[u64]) -> Vec<u8> {
    let all: Vec<u8> = values.iter().flat_map(|value| varint(*value)).collect();
    bytes(field, &all)
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut all = Vec::new();
    while value >= 0x80 {
        all.push(value as u8 | 0x80);
        value >>= 7;
    }
    all.push(value as u8);
    all
}

/// The string table.
pub(crate) fn strings(all: &[&[u8]]) -> Vec<u8> {
    all.iter().flat_map(|text| bytes(6, text)).collect()
}
