//! Plain HTTP to a loopback server.

use std::time::Duration;

/// What a server answered.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The `Content-Type`.
    pub content_type: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("text")
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }
}

/// GET, with no header of its own.
pub fn get(address: &str, path: &str) -> Answer {
    get_with(address, path, &[])
}

/// GET with headers; a `Host` among them takes the place of the usual one.
pub fn get_with(address: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = agent().get(format!("http://{address}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    answer(request.call().expect("an answer"))
}

/// POST with an empty body.
pub fn post(address: &str, path: &str) -> Answer {
    let request = agent().post(format!("http://{address}{path}"));
    answer(request.send_empty().expect("an answer"))
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(60)))
        .build()
        .into()
}

fn answer(mut response: ureq::http::Response<ureq::Body>) -> Answer {
    let content_type = response.headers().get("content-type");
    Answer {
        status: response.status().as_u16(),
        content_type: content_type
            .and_then(|value| value.to_str().ok())
            .unwrap_or("")
            .to_owned(),
        body: response.body_mut().read_to_vec().expect("a body"),
    }
}
