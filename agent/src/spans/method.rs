//! Methods of requests, which clients may invent.

/// What stands for every method that is not known, by OpenTelemetry's
/// conventions.
pub(crate) const OTHER: &str = "_OTHER";

/// Those of RFC 9110 and PATCH, of RFC 5789.
const KNOWN: [&str; 9] = [
    "GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "CONNECT", "TRACE",
];

/// The method where it is known, else [`OTHER`]. Methods are case-sensitive.
pub(crate) fn known(method: &str) -> &'static str {
    let known = KNOWN.into_iter().find(|known| *known == method);
    known.unwrap_or(OTHER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_invents_is_other() {
        assert_eq!(known("GET"), "GET");
        for invented in ["get", "BREW", "", "GET ", "XGET", "_OTHER"] {
            assert_eq!(known(invented), OTHER);
        }
    }
}
