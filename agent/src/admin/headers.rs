//! What every answer says to a browser: keep nothing, guess nothing, frame
//! nothing, run nothing; except that a flame graph runs its own script.

use std::sync::OnceLock;

use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use soakscope_report::{FlameOptions, ProfileBuilder, flamegraph};

/// The policy of what is text: nothing is loaded and nothing runs.
pub(super) const POLICY: &str =
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static ALWAYS: [(HeaderName, HeaderValue); 7] = [
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (
        VARY,
        HeaderValue::from_static("Authorization, Host, Origin, Sec-Fetch-Site"),
    ),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
];

/// Adds what an answer does not say already.
pub(super) fn add(response: &mut Response) {
    for (name, value) in &ALWAYS {
        let headers = response.headers_mut();
        if !headers.contains_key(name) {
            headers.insert(name, value.clone());
        }
    }
}

/// The policy of a flame graph: its own style and script run, by their hashes,
/// and nothing else does. They are the same in every picture, so a small one
/// says what they are.
pub(super) fn picture_policy() -> &'static str {
    static POLICY: OnceLock<String> = OnceLock::new();
    POLICY.get_or_init(|| {
        let mut builder = ProfileBuilder::cpu(0, 1, 1);
        let function = builder.function("f", "f", "", 0);
        let location = builder.location(None, 1, &[(function, 1)]);
        builder.sample(&[location], &[1, 1], Vec::new());
        let small = flamegraph(&builder.build(), &FlameOptions::default());
        policy_of(&String::from_utf8_lossy(&small.unwrap_or_default()))
    })
}

/// The policy that lets a picture's first style, first script and first
/// handler run.
fn policy_of(svg: &str) -> String {
    let style = element(svg, "style").map(hash);
    let script = element(svg, "script").map(hash);
    let handler = svg
        .split_once(" onload=\"")
        .and_then(|(_, rest)| rest.split_once('"'))
        .map(|(handler, _)| hash(handler.to_owned()));
    let mut policy = POLICY.to_owned();
    if let Some(style) = style {
        policy.push_str(&format!("; style-src {style}"));
    }
    if let (Some(script), Some(handler)) = (script, handler) {
        policy.push_str(&format!("; script-src 'unsafe-hashes' {script} {handler}"));
    }
    policy
}

/// The text of the first element of a name, as an XML parser hands it over.
fn element(svg: &str, name: &str) -> Option<String> {
    let (_, rest) = svg.split_once(&format!("<{name} "))?;
    let (_, rest) = rest.split_once('>')?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    Some(text.replace("<![CDATA[", "").replace("]]>", ""))
}

fn hash(text: String) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_picture_runs_under_the_same_policy() {
        let mut builder = ProfileBuilder::cpu(0, 1_000_000_000, 10_101_010);
        let function = builder.function("a<b>\"&]]></script>", "x", "", 0);
        let location = builder.location(None, 1, &[(function, 3)]);
        builder.sample(&[location], &[7, 70], Vec::new());
        let profile = builder.build();
        for value_index in [0, 1] {
            let options = FlameOptions {
                value_index: Some(value_index),
                title: "shop: CPU".to_owned(),
                subtitle: "30 s; clock timer".to_owned(),
                ..FlameOptions::default()
            };
            let svg = flamegraph(&profile, &options).expect("a picture");
            let svg = String::from_utf8(svg).expect("text");
            assert_eq!(policy_of(&svg), picture_policy());
            // What the policy does not cover: more of either, or other handlers.
            for (once, what) in [("<script", 1), ("<style", 1), (" style=\"", 0)] {
                assert_eq!(svg.matches(once).count(), what, "{once}");
            }
            let handlers = svg.matches(" onload=\"").count();
            let all = svg.match_indices(" on").filter(|(at, _)| {
                let rest = &svg[at + 3..];
                let word = rest.find(|c: char| !c.is_ascii_lowercase());
                word.is_some_and(|end| rest[end..].starts_with("=\""))
            });
            assert_eq!((handlers, all.count()), (1, 1));
        }
        for part in ["style-src 'sha256-", "script-src 'unsafe-hashes' 'sha256-"] {
            assert!(picture_policy().contains(part), "{}", picture_policy());
        }
    }

    #[test]
    fn an_element_s_text_is_what_a_parser_sees() {
        let svg = "<svg><style type=\"x\">a<![CDATA[ b]]><![CDATA[c ]]></style></svg>";
        assert_eq!(element(svg, "style").as_deref(), Some("a bc "));
        // FIPS 180-4's example.
        let abc = "'sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0='";
        assert_eq!(hash("abc".to_owned()), abc);
    }
}
