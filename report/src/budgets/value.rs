//! Tables and values of a budget file, and what is said of those that are not
//! what they should be.

use toml::{Table, Value};

use super::nearest::nearest;

pub(super) fn table<'a>(place: &str, value: &'a Value) -> Result<&'a Table, String> {
    value.as_table().ok_or_else(|| {
        format!(
            "{place} is {}; it is a table, written [{place}]",
            shown(value)
        )
    })
}

/// Refuses a key that is not known.
pub(super) fn known(place: &str, table: &Table, names: &[&str]) -> Result<(), String> {
    match table.keys().find(|key| !names.contains(&key.as_str())) {
        Some(key) => Err(unknown(place, key, names)),
        None => Ok(()),
    }
}

pub(super) fn unknown(place: &str, key: &str, names: &[&str]) -> String {
    match nearest(key, names.iter().copied()) {
        Some(near) => format!("{place} has an unknown key {key:?}; did you mean {near:?}?"),
        None => format!(
            "{place} has an unknown key {key:?}; it takes {}",
            names.join(", ")
        ),
    }
}

/// A value as it stands in the file, or what kind it is.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text:?}"),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Boolean(truth) => truth.to_string(),
        Value::Datetime(_) => "a date".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Table(_) => "a table".to_owned(),
    }
}

pub(super) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(whole) => Some(*whole as f64),
        Value::Float(number) => number.is_finite().then_some(*number),
        _ => None,
    }
}
