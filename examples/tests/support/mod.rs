//! A client for the tests: real HTTP to a real shop.

#![allow(dead_code, reason = "each test binary uses its own part")]

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use shop::{Leak, Options, Shop};

/// A shop on a free port and a client for it.
pub(crate) struct Visit {
    /// The shop.
    pub(crate) shop: Shop,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Visit {
    /// Opens a shop with this fault.
    pub(crate) async fn with(leak: Leak) -> Self {
        Self::to(Options {
            leak,
            ..Options::default()
        })
        .await
    }

    /// Opens a shop with these options.
    pub(crate) async fn to(options: Options) -> Self {
        let shop = Shop::start(options).await.expect("the shop opens");
        Self {
            shop,
            client: Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    /// Asks; gives the status and the body as text.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: &str) -> (StatusCode, String) {
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.shop.addr()))
            .header("content-type", "application/json")
            .body(Full::from(body.to_owned()))
            .expect("a valid request");
        let answer = self.client.request(request).await.expect("an answer");
        let status = answer.status();
        let body = answer
            .into_body()
            .collect()
            .await
            .expect("a whole body")
            .to_bytes();
        (status, String::from_utf8(body.to_vec()).expect("text"))
    }

    /// Asks; gives the status and the body as JSON.
    pub(crate) async fn json(&self, method: &str, path: &str, body: &str) -> (StatusCode, Value) {
        let (status, body) = self.ask(method, path, body).await;
        (
            status,
            serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error} in {body}")),
        )
    }
}
