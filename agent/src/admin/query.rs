//! What a request for a profile asks for: of how long, in which form, of which
//! route or span.

use std::time::Duration;

use axum::http::header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderName, StatusCode};
use serde::Deserialize;
use soakscope_report::{FlameOptions, Profile, flamegraph, speedscope};

use super::headers;
use super::lane::Failure;

/// The longest profile one request may ask for.
const MAX_SECONDS: f64 = 300.0;

/// Why a request is not answered.
pub(super) type Refusal = (StatusCode, String);

#[derive(Deserialize)]
pub(super) struct Asked {
    pub(super) seconds: Option<f64>,
    format: Option<String>,
    /// A route or a span, by its name in `spans.csv`.
    pub(super) span: Option<String>,
}

#[derive(Clone, Copy)]
pub(super) enum Format {
    Pprof,
    Svg,
    Collapsed,
    Speedscope,
}

impl Asked {
    /// The format, or why it is none.
    pub(super) fn format(&self) -> Result<Format, Refusal> {
        match self.format.as_deref() {
            None | Some("pprof" | "proto") => Ok(Format::Pprof),
            Some("svg") => Ok(Format::Svg),
            Some("collapsed") => Ok(Format::Collapsed),
            Some("speedscope") => Ok(Format::Speedscope),
            Some(_) => {
                let text = "format takes pprof, svg, collapsed or speedscope\n";
                Err((StatusCode::BAD_REQUEST, text.to_owned()))
            }
        }
    }

    /// The seconds asked for, or why there are none such.
    pub(super) fn seconds(&self, default: f64) -> Result<Duration, Refusal> {
        let seconds = self.seconds.unwrap_or(default);
        if seconds > 0.0 && seconds <= MAX_SECONDS {
            return Ok(Duration::from_secs_f64(seconds));
        }
        let text = format!("seconds takes a number above 0, at most {MAX_SECONDS}\n");
        Err((StatusCode::BAD_REQUEST, text))
    }
}

impl Format {
    pub(super) fn headers(self) -> [(HeaderName, &'static str); 3] {
        let (kind, disposition) = match self {
            Format::Pprof => (
                "application/octet-stream",
                "attachment; filename=\"profile.pb.gz\"",
            ),
            Format::Svg => ("image/svg+xml", "inline"),
            Format::Collapsed => ("text/plain; charset=utf-8", "inline"),
            Format::Speedscope => ("application/json", "inline"),
        };
        let policy = match self {
            Format::Svg => headers::picture_policy(),
            _ => headers::POLICY,
        };
        [
            (CONTENT_TYPE, kind),
            (CONTENT_DISPOSITION, disposition),
            (CONTENT_SECURITY_POLICY, policy),
        ]
    }

    /// The profile in this format, by one of its values where it has room for one only.
    pub(super) fn render(
        self,
        profile: &Profile,
        value_index: usize,
        heading: FlameOptions,
    ) -> Result<Vec<u8>, Failure> {
        let options = FlameOptions {
            value_index: Some(value_index),
            ..heading
        };
        Ok(match self {
            Format::Pprof => profile.encode(),
            Format::Collapsed => profile.collapsed(value_index).into_bytes(),
            Format::Speedscope => speedscope(profile, value_index, "soakscope").into_bytes(),
            Format::Svg => flamegraph(profile, &options)?,
        })
    }
}
