//! Who may ask, decided from a request's header before anything is read or
//! begun.
//!
//! - One `Host`, and without a token it has to name this server (against DNS
//!   rebinding).
//! - Where a token is set, every request bears it.
//! - A browser that says where a request comes from (`Sec-Fetch-Site`,
//!   `Origin`) has to name this very server: scheme, host and port. That holds
//!   for every route, as even a reading costs something; only a link that a
//!   user follows may lead here from elsewhere. Who says nothing, as curl and
//!   Prometheus, is no browser.
//! - No route takes a body, so one of more than a few bytes is not waited for.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, ORIGIN, TRANSFER_ENCODING, WWW_AUTHENTICATE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::headers;
use super::limits::MAX_BODY_BYTES;

/// What a request is checked against.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    pub(super) address: SocketAddr,
    pub(super) token: Option<Arc<str>>,
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    Host,
    OtherName,
    Token,
    OtherSite,
    Body,
}

pub(super) async fn check(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let mut response = match guard.refusal(&request) {
        Some(refusal) => refusal.into_response(),
        None => next.run(request).await,
    };
    headers::add(&mut response);
    response
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, why) = match self {
            Self::Host => (StatusCode::BAD_REQUEST, "a request names one host, once\n"),
            Self::OtherName => (
                StatusCode::FORBIDDEN,
                "the Host header does not name this server; ask it by localhost or its address\n",
            ),
            Self::Token => (
                StatusCode::UNAUTHORIZED,
                "send the token as `Authorization: Bearer TOKEN`\n",
            ),
            Self::OtherSite => (
                StatusCode::FORBIDDEN,
                "requests from another site's page are refused\n",
            ),
            Self::Body => (StatusCode::PAYLOAD_TOO_LARGE, "no route takes a body\n"),
        };
        let mut response = (status, why).into_response();
        let headers = response.headers_mut();
        match self {
            Self::Token => {
                let challenge = HeaderValue::from_static("Bearer realm=\"soakscope\"");
                headers.insert(WWW_AUTHENTICATE, challenge);
            }
            // What of it has been sent is not read to its end.
            Self::Body => {
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
            }
            _ => {}
        }
        response
    }
}

impl Guard {
    fn refusal(&self, request: &Request) -> Option<Refusal> {
        let headers = request.headers();
        let Ok(host) = host(request) else {
            return Some(Refusal::Host);
        };
        match &self.token {
            Some(token) if !bears(headers, token) => return Some(Refusal::Token),
            None if !names_us(host, self.address) => return Some(Refusal::OtherName),
            _ => {}
        }
        if !(is_from_here(headers, host) || is_followed_link(request)) {
            return Some(Refusal::OtherSite);
        }
        has_body(headers).then_some(Refusal::Body)
    }
}

/// The one host that a request names, in its `Host` header and in its target
/// where that names one, too; empty where HTTP/1.0 names none.
fn host(request: &Request) -> Result<&str, ()> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().map_err(|_| ())?,
        (None, _) if request.version() <= Version::HTTP_10 => "",
        _ => return Err(()),
    };
    match request.uri().authority() {
        Some(authority) if !authority.as_str().eq_ignore_ascii_case(host) => Err(()),
        _ => Ok(host),
    }
}

/// Whether a `Host` value is loopback by name, or the bound address. Any port
/// is good: it may be forwarded from another.
fn names_us(host: &str, address: SocketAddr) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let bracketed = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    let ip: Option<IpAddr> = bracketed.unwrap_or(name).parse().ok();
    name.eq_ignore_ascii_case("localhost")
        || ip.is_some_and(|ip| ip.is_loopback() || ip == address.ip())
}

/// Whether the one `Authorization` is the scheme `Bearer`, in any case, and
/// this token. Bytes are compared: a token need not be ASCII.
fn bears(headers: &HeaderMap, token: &str) -> bool {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let (Some(given), None) = (given.next(), given.next()) else {
        return false;
    };
    let given = given.as_bytes().trim_ascii();
    let Some(at) = given.iter().position(u8::is_ascii_whitespace) else {
        return false;
    };
    let (scheme, given) = given.split_at(at);
    scheme.eq_ignore_ascii_case(b"bearer")
        && same(given.trim_ascii(), token.as_bytes().trim_ascii())
}

/// Whether all that a browser says of a request's origin names this server.
fn is_from_here(headers: &HeaderMap, host: &str) -> bool {
    let all = |name: HeaderName, good: &dyn Fn(&str) -> bool| {
        let mut values = headers.get_all(name).iter();
        values.all(|value| value.to_str().is_ok_and(|value| good(value.trim())))
    };
    let site = HeaderName::from_static("sec-fetch-site");
    all(site, &|site| matches!(site, "same-origin" | "none"))
        && all(ORIGIN, &|origin| {
            let of = origin.split_once("://");
            of.is_some_and(|(scheme, of)| {
                scheme.eq_ignore_ascii_case("http")
                    && without_default_port(of).eq_ignore_ascii_case(without_default_port(host))
            })
        })
}

fn without_default_port(host: &str) -> &str {
    host.strip_suffix(":80").unwrap_or(host)
}

/// Whether a user followed a link to a page of ours in a tab of its own. A page
/// cannot claim that for a request of its own making.
fn is_followed_link(request: &Request) -> bool {
    let is = |name: &str, value: &str| request.headers().get(name).is_some_and(|v| v == value);
    matches!(*request.method(), Method::GET | Method::HEAD)
        && !request.headers().contains_key(ORIGIN)
        && is("sec-fetch-mode", "navigate")
        && is("sec-fetch-dest", "document")
        && is("sec-fetch-user", "?1")
}

/// Whether there is a body beyond the few bytes that are passed over.
fn has_body(headers: &HeaderMap) -> bool {
    let few = |length: &HeaderValue| {
        let length = length.to_str().ok().and_then(|text| text.parse().ok());
        length.is_some_and(|length: u64| length <= MAX_BODY_BYTES)
    };
    headers.contains_key(TRANSFER_ENCODING) || !headers.get_all(CONTENT_LENGTH).iter().all(few)
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
    use axum::body::Body;

    use super::*;

    /// What becomes of a request with this method, target and header.
    fn refusal(token: Option<&str>, target: &str, headers: &[(&str, &[u8])]) -> Option<Refusal> {
        let guard = Guard {
            address: "127.0.0.1:9900".parse().expect("address"),
            token: token.map(Into::into),
        };
        let (method, target) = target.split_once(' ').expect("method and target");
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in headers {
            let value = HeaderValue::from_bytes(value).expect("a value");
            request = request.header(*name, value);
        }
        guard.refusal(&request.body(Body::empty()).expect("a request"))
    }

    /// The same, of a browser that names the usual host.
    fn from_browser(target: &str, more: &[(&str, &str)]) -> Option<Refusal> {
        let mut headers: Vec<(&str, &[u8])> = vec![("host", b"127.0.0.1:9900")];
        headers.extend(more.iter().map(|(name, value)| (*name, value.as_bytes())));
        refusal(None, target, &headers)
    }

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
            "[[::1]]:9900",
            "localhost:9900@evil.example",
            "evil.example:localhost",
        ] {
            assert!(!names_us(host, address), "{host}");
        }
    }

    #[test]
    fn a_request_names_one_host_once() {
        let local: (&str, &[u8]) = ("host", b"localhost:9900");
        let evil: (&str, &[u8]) = ("host", b"evil.example");
        assert_eq!(refusal(None, "GET /status", &[local]), None);
        for two in [[local, evil], [evil, local], [local, local]] {
            assert_eq!(refusal(None, "GET /status", &two), Some(Refusal::Host));
            let token = refusal(Some("secret"), "GET /status", &two);
            assert_eq!(token, Some(Refusal::Host));
        }
        assert_eq!(refusal(None, "GET /status", &[]), Some(Refusal::Host));
        let absolute = "GET http://localhost:9900/status";
        assert_eq!(refusal(None, absolute, &[local]), None);
        assert_eq!(refusal(None, absolute, &[evil]), Some(Refusal::Host));
        let absolute = "GET http://evil.example/status";
        assert_eq!(refusal(None, absolute, &[local]), Some(Refusal::Host));
        assert_eq!(refusal(None, absolute, &[evil]), Some(Refusal::OtherName));
        let odd: (&str, &[u8]) = ("host", b"localhost\xff");
        assert_eq!(refusal(None, "GET /status", &[odd]), Some(Refusal::Host));
    }

    #[test]
    fn pages_of_other_sites_are_refused_on_every_route() {
        for target in ["POST /finish", "GET /debug/pprof/heap", "GET /status"] {
            let says = |more: &[(&str, &str)]| from_browser(target, more);
            assert_eq!(says(&[]), None);
            assert_eq!(says(&[("origin", "http://127.0.0.1:9900")]), None);
            assert_eq!(says(&[("sec-fetch-site", "same-origin")]), None);
            assert_eq!(says(&[("sec-fetch-site", "none")]), None);
            for other in [
                ("origin", "http://127.0.0.1:3000"),
                ("origin", "http://localhost:9900"),
                ("origin", "https://127.0.0.1:9900"),
                ("origin", "http://127.0.0.1"),
                ("origin", "http://evil.example"),
                ("origin", "null"),
                ("sec-fetch-site", "same-site"),
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-site", "SAME-ORIGIN, cross-site"),
            ] {
                assert_eq!(says(&[other]), Some(Refusal::OtherSite), "{other:?}");
                let ours = ("origin", "http://127.0.0.1:9900");
                assert_eq!(says(&[ours, other]), Some(Refusal::OtherSite), "{other:?}");
            }
        }
        let local: (&str, &[u8]) = ("host", b"localhost");
        let origin: (&str, &[u8]) = ("origin", b"http://localhost:80");
        assert_eq!(refusal(None, "POST /finish", &[local, origin]), None);
    }

    #[test]
    fn a_link_that_a_user_follows_leads_here_and_changes_nothing() {
        let link = [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
            ("sec-fetch-user", "?1"),
        ];
        assert_eq!(from_browser("GET /", &link), None);
        assert_eq!(
            from_browser("POST /finish", &link),
            Some(Refusal::OtherSite)
        );
        for without in 1..link.len() {
            let mut less = link.to_vec();
            less.remove(without);
            assert_eq!(from_browser("GET /", &less), Some(Refusal::OtherSite));
        }
        let mut frame = link;
        frame[2].1 = "iframe";
        assert_eq!(from_browser("GET /", &frame), Some(Refusal::OtherSite));
    }

    #[test]
    fn a_bearer_is_one_in_any_case_and_spacing() {
        let asks = |values: &[&[u8]]| {
            let mut headers: Vec<(&str, &[u8])> = vec![("host", b"any.example")];
            headers.extend(values.iter().map(|value| ("authorization", *value)));
            refusal(Some("s\u{e9}cret"), "GET /status", &headers)
        };
        let good: [&[u8]; 5] = [
            b"Bearer s\xc3\xa9cret",
            b"bearer s\xc3\xa9cret",
            b"BEARER   s\xc3\xa9cret",
            b"bEaReR\ts\xc3\xa9cret",
            b"Bearer s\xc3\xa9cret ",
        ];
        for good in good {
            assert_eq!(asks(&[good]), None, "{good:?}");
            assert_eq!(asks(&[good, good]), Some(Refusal::Token), "twice");
        }
        let bad: [&[u8]; 9] = [
            b"",
            b"Bearer",
            b"Bearer ",
            b"s\xc3\xa9cret",
            b"Bearers\xc3\xa9cret",
            b"Basic s\xc3\xa9cret",
            b"Bearer s\xe9cret",
            b"Bearer s\xc3\xa9cret s\xc3\xa9cret",
            b"\xff\xfe \xff",
        ];
        for bad in bad {
            assert_eq!(asks(&[bad]), Some(Refusal::Token), "{bad:?}");
        }
        assert_eq!(asks(&[]), Some(Refusal::Token));
    }

    #[test]
    fn a_body_is_not_waited_for() {
        let with = |name: &str, value: &str| from_browser("POST /phase/a", &[(name, value)]);
        assert_eq!(with("content-length", "0"), None);
        assert_eq!(with("content-length", "4096"), None);
        for length in ["4097", "18446744073709551616", "-1", "x"] {
            assert_eq!(with("content-length", length), Some(Refusal::Body));
        }
        assert_eq!(with("transfer-encoding", "chunked"), Some(Refusal::Body));
    }

    #[test]
    fn tokens_are_equal_only_whole() {
        assert!(same(b"secret", b"secret"));
        for other in [&b"secre"[..], b"secrets", b"Secret", b""] {
            assert!(!same(other, b"secret"));
        }
    }
}
