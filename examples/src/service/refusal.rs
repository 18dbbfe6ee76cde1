//! How the shop says no: a status and `{"error": {"code", "message"}}`.

use axum::Json;
use axum::extract::OriginalUri;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// A request that was not served, and why.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl Refusal {
    pub(super) fn not_found(code: &'static str, message: String) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            code,
            message,
        }
    }

    pub(super) fn bad_request(code: &'static str, message: String) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            code,
            message,
        }
    }

    /// A failure of the shop's own; the details go to the log, not to the client.
    pub(super) fn internal(error: &dyn std::error::Error) -> Self {
        tracing::error!(%error, "request failed");
        let message = "the shop could not do this; please try again".to_owned();
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            code: "internal",
            message,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({ "error": { "code": self.code, "message": self.message } });
        (self.status, Json(body)).into_response()
    }
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => Self {
                status: StatusCode::SERVICE_UNAVAILABLE,
                code: "busy",
                message: "the shop is too busy; please try again".to_owned(),
            },
            error => Self::internal(&error),
        }
    }
}

impl From<JsonRejection> for Refusal {
    fn from(rejection: JsonRejection) -> Self {
        Self::bad_request("bad_body", rejection.body_text())
    }
}

impl From<PathRejection> for Refusal {
    fn from(rejection: PathRejection) -> Self {
        Self::bad_request("bad_path", rejection.body_text())
    }
}

impl From<QueryRejection> for Refusal {
    fn from(rejection: QueryRejection) -> Self {
        Self::bad_request("bad_query", rejection.body_text())
    }
}

/// Answers what matches no route.
pub(super) async fn no_such_page(OriginalUri(uri): OriginalUri) -> Refusal {
    Refusal::not_found(
        "no_such_page",
        format!("there is nothing at {}", uri.path()),
    )
}

/// Answers a method that a route does not have.
pub(super) async fn no_such_method(method: Method, OriginalUri(uri): OriginalUri) -> Refusal {
    let message = format!("{} does not take {method}", uri.path());
    Refusal {
        status: StatusCode::METHOD_NOT_ALLOWED,
        code: "no_such_method",
        message,
    }
}
