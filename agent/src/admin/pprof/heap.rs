//! `/debug/pprof/heap` and `/debug/pprof/allocs`: one profile, of which the
//! first shows what is in use and the second what was allocated.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use soakscope_report::{FlameOptions, Profile};
use soakscope_sampler::Detail;
use soakscope_sampler::heap::{self, HeapProfile};

use super::PANICKED;
use crate::admin::lane::{Cancellation, Failure, Lane};
use crate::admin::query::{Asked, Format, Refusal};
use crate::admin::respond;
use crate::admin::site::Site;
use crate::profiles::heap::heap_profile;
use crate::profiles::profile::Symbols;
use crate::session::Session;

pub(super) fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route(
            "/debug/pprof/heap",
            get(async |site, asked| answer(site, asked, "inuse_space").await),
        )
        .route(
            "/debug/pprof/allocs",
            get(async |site, asked| answer(site, asked, "alloc_space").await),
        )
}

async fn answer(
    State(site): State<Arc<Site>>,
    Query(asked): Query<Asked>,
    kind: &'static str,
) -> Response {
    let (format, seconds) = match prepared(&asked) {
        Ok(prepared) => prepared,
        Err(refusal) => return refusal.into_response(),
    };
    let turn = match lane(&site, seconds).enter().await {
        Ok(turn) => turn,
        Err(refused) => return refused.into_response(),
    };
    let body = respond::body(async move {
        let lane = lane(&site, seconds);
        let (before, turn) = match seconds {
            Some(seconds) => {
                let begun = lane.run(turn, |_| heap::snapshot()).await;
                tokio::time::sleep(seconds).await;
                begun.ok_or(PANICKED)?
            }
            None => (None, turn),
        };
        let live = Arc::clone(&site.live);
        let make = move |cancellation: &Cancellation| {
            let now = heap::snapshot().ok_or("the heap is not profiled")?;
            let mut profile = made(&now, before.as_ref(), &live.session, cancellation)?;
            if let Some(span) = &asked.span {
                profile = profile.filter(|sample| sample.is_in_span(span));
            }
            profile.default_sample_type = kind.to_owned();
            let index = profile.default_value_index();
            format.render(&profile, index, FlameOptions::default())
        };
        let (bytes, turn) = lane.run(turn, make).await.ok_or(PANICKED)?;
        Ok((bytes?, turn))
    });
    (format.headers(), body).into_response()
}

/// What is of a stretch keeps its turn for the whole of it.
fn lane(site: &Site, seconds: Option<Duration>) -> &Lane {
    match seconds {
        Some(_) => &site.lanes.heap_change,
        None => &site.lanes.heap,
    }
}

fn prepared(asked: &Asked) -> Result<(Format, Option<Duration>), Refusal> {
    if heap::stats().is_none() {
        let text = "the service's allocator is not soakscope::HeapProfiler; \
                    with it as #[global_allocator] the heap is profiled\n";
        return Err((StatusCode::SERVICE_UNAVAILABLE, text.to_owned()));
    }
    let seconds = asked.seconds.map(|_| asked.seconds(1.0)).transpose()?;
    Ok((asked.format()?, seconds))
}

/// The profile of now, less the one before if there is one.
fn made(
    now: &HeapProfile,
    before: Option<&HeapProfile>,
    session: &Session,
    cancellation: &Cancellation,
) -> Result<Profile, Failure> {
    let mut symbols = Symbols::until(cancellation.abandoned());
    let mut profile = heap_profile(now, &mut symbols, Detail::Lines, None, session);
    if let Some(before) = before {
        let then = heap_profile(before, &mut symbols, Detail::Lines, None, session);
        profile = difference(&profile, &then)?;
        let took = now.taken.duration_since(before.taken).unwrap_or_default();
        profile.duration_nanos = i64::try_from(took.as_nanos()).unwrap_or(0);
    }
    cancellation.check()?;
    Ok(profile)
}

fn difference(now: &Profile, before: &Profile) -> Result<Profile, Failure> {
    Ok(now.subtract(before)?)
}
