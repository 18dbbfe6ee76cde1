//! The answer of a Prometheus range query: a series for each set of labels.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use serde::Deserialize;

use super::header::{no_header, unique};
use crate::error::Error;
use crate::limits::{ANSWER_BYTES, COLUMNS};
use crate::records::OwnedRow;

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    status: String,
    #[serde(default)]
    error: String,
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    #[serde(rename = "resultType", default)]
    kind: String,
    #[serde(default)]
    result: Vec<Series>,
}

#[derive(Deserialize)]
struct Series {
    #[serde(default)]
    metric: BTreeMap<String, String>,
    #[serde(default)]
    values: Vec<(f64, String)>,
}

/// The names of the columns and the rows of an answer.
pub(super) fn read(input: impl Read) -> Result<(Vec<String>, Vec<OwnedRow>), Error> {
    let bytes = ANSWER_BYTES
        .read(input)
        .map_err(|error| no_header(&format!("it cannot be read: {error}")))??;
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let answer: Answer = serde_json::from_slice(bytes).map_err(|error| {
        no_header(&format!(
            "the file is JSON, but not the answer of a Prometheus range query ({error}); write \
             it as CSV, such as with jq -r '[.timestamp, .rss_bytes] | @csv'"
        ))
    })?;
    if answer.status == "error" {
        let error = super::facts::example(answer.error.as_bytes());
        return Err(no_header(&format!(
            "Prometheus answered with an error: {error}"
        )));
    }
    let data = answer
        .data
        .filter(|data| data.kind == "matrix")
        .ok_or_else(|| {
            no_header(
                "the JSON is not the answer of a Prometheus range query; ask /api/v1/query_range, \
             whose resultType is matrix",
            )
        })?;
    if data.result.len() as u64 >= COLUMNS.most {
        return Err(COLUMNS.exceeded());
    }
    Ok((names(&data.result), rows(&data.result)?))
}

/// What the series are called: by their metric, and by the labels in which
/// those of one metric differ.
fn names(series: &[Series]) -> Vec<String> {
    let metric = |series: &Series| match series.metric.get("__name__") {
        Some(name) => name.clone(),
        None => "value".to_owned(),
    };
    let mut labels: BTreeMap<String, BTreeMap<&str, BTreeSet<&str>>> = BTreeMap::new();
    for one in series {
        let of_metric = labels.entry(metric(one)).or_default();
        for (label, value) in &one.metric {
            of_metric.entry(label).or_default().insert(value);
        }
    }
    let one = |one: &Series| {
        let name = metric(one);
        let differing: Vec<String> = one
            .metric
            .iter()
            .filter(|(label, _)| {
                labels
                    .get(&name)
                    .and_then(|of_metric| of_metric.get(&label[..]))
                    .is_some_and(|values| values.len() > 1)
            })
            .map(|(label, value)| format!("{label}={value}"))
            .collect();
        if differing.is_empty() {
            name
        } else {
            format!("{name} [{}]", differing.join(", "))
        }
    };
    unique(std::iter::once("timestamp".to_owned()).chain(series.iter().map(one)))
}

/// A row for each moment of any series.
fn rows(series: &[Series]) -> Result<Vec<OwnedRow>, Error> {
    let mut moments: Vec<f64> = series
        .iter()
        .flat_map(|one| one.values.iter().map(|(moment, _)| *moment))
        .filter(|moment| moment.is_finite())
        .collect();
    moments.sort_by(f64::total_cmp);
    moments.dedup();
    if moments.len().saturating_mul(series.len()) > crate::limits::CELLS {
        return Err(ANSWER_BYTES.exceeded());
    }
    let mut next = vec![0; series.len()];
    Ok(moments
        .into_iter()
        .map(|moment| {
            let time = format!("{moment:.3}");
            let cells =
                series
                    .iter()
                    .zip(&mut next)
                    .map(|(one, next)| match one.values.get(*next) {
                        Some((at, value)) if *at <= moment => {
                            *next += 1;
                            value.as_str()
                        }
                        _ => "",
                    });
            OwnedRow::of(std::iter::once(time.as_str()).chain(cells))
        })
        .collect())
}
