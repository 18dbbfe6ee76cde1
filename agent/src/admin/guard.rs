//! Who may ask: the `Host` header has to name this server (against DNS
//! rebinding), and where a token is set, every request has to bear it.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// What a request is held against.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    pub(super) address: SocketAddr,
    pub(super) token: Option<Arc<str>>,
}

pub(super) async fn check(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    match refusal(&guard, &request) {
        Some((status, why)) => (status, why).into_response(),
        None => next.run(request).await,
    }
}

fn refusal(guard: &Guard, request: &Request) -> Option<(StatusCode, &'static str)> {
    let header = |name| request.headers().get(name)?.to_str().ok();
    match &guard.token {
        Some(token) => {
            let given = header(AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
            if !given.is_some_and(|given| same(given.as_bytes(), token.as_bytes())) {
                return Some((
                    StatusCode::UNAUTHORIZED,
                    "send the token as `Authorization: Bearer TOKEN`\n",
                ));
            }
        }
        None => {
            if !names_us(header(HOST).unwrap_or(""), guard.address) {
                return Some((
                    StatusCode::FORBIDDEN,
                    "the Host header does not name this server; ask it by localhost or its address\n",
                ));
            }
        }
    }
    // A page of another site may not change the run through a visitor's browser.
    let origin = header(ORIGIN).filter(|_| request.method() == Method::POST)?;
    let ours = origin
        .split_once("://")
        .is_some_and(|(_, host)| names_us(host, guard.address));
    (!ours).then_some((
        StatusCode::FORBIDDEN,
        "requests from another site's page are refused\n",
    ))
}

/// Whether a `Host` value is loopback by name, or the bound address.
fn names_us(host: &str, address: SocketAddr) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || name
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback() || ip == address.ip())
}

/// Compares in a time that does not depend on where the two differ.
fn same(given: &[u8], wanted: &[u8]) -> bool {
    let mut differ = u8::from(given.len() != wanted.len());
    for (index, want) in wanted.iter().enumerate() {
        differ |= want ^ given.get(index).copied().unwrap_or(!want);
    }
    std::hint::black_box(differ) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_pass() {
        let address = "127.0.0.1:9900".parse().expect("address");
        for host in [
            "localhost",
            "localhost:9900",
            "127.0.0.1:9900",
            "[::1]:9900",
        ] {
            assert!(names_us(host, address), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example:9900",
            "10.0.0.1:9900",
        ] {
            assert!(!names_us(host, address), "{host}");
        }
    }

    #[test]
    fn tokens_are_equal_only_whole() {
        assert!(same(b"secret", b"secret"));
        for other in [&b"secre"[..], b"secrets", b"Secret", b""] {
            assert!(!same(other, b"secret"));
        }
    }
}
