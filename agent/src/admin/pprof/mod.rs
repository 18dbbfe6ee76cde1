//! `/debug/pprof/`: profiles by Go's conventions.

mod heap;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use soakscope_report::{FlameOptions, flame_subtitle, number};
use soakscope_sampler::Detail;

use crate::admin::lane::{Cancellation, Failure};
use crate::admin::query::{Asked, Format, Refusal};
use crate::admin::respond::{self, broken};
use crate::admin::site::Site;
use crate::profiles::piece::Piece;
use crate::profiles::profile::{Symbols, cpu_profile};
use crate::profiles::profiler::ProfilerHandle;
use crate::run::live::Live;

/// Where in a sample's values its count and its CPU time are. What threads are
/// doing now has taken no time, so it is counted.
const COUNT: usize = 0;
const CPU: usize = 1;

/// Why a body breaks off whose work panicked.
pub(super) const PANICKED: &str = "a profile's making panicked";

pub(super) fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/debug/pprof", get(index))
        .route("/debug/pprof/", get(index))
        .route("/debug/pprof/cmdline", get(cmdline))
        .route("/debug/pprof/profile", get(profile))
        .route("/debug/pprof/threads", get(threads))
        .merge(heap::routes())
}

async fn index() -> &'static str {
    "profile?seconds=N   CPU profile of the next N seconds\n\
     heap[?seconds=N]    who holds the heap, or what changed in N seconds\n\
     allocs[?seconds=N]  who allocated since the start, or in N seconds\n\
     threads             every thread's stack, now\n\
     cmdline             the command line, NUL between arguments\n\
     \n\
     format=pprof|svg|collapsed|speedscope   in which form; pprof if it is not said\n\
     span=NAME                               only of this route or span\n"
}

async fn cmdline() -> String {
    let arguments: Vec<String> = std::env::args_os()
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    arguments.join("\0")
}

async fn profile(State(site): State<Arc<Site>>, Query(asked): Query<Asked>) -> Response {
    let prepared = asked
        .seconds(30.0)
        .and_then(|seconds| Ok((seconds, prepared(&site.live, &asked)?)));
    let (seconds, (format, profiler)) = match prepared {
        Ok(prepared) => prepared,
        Err(refusal) => return refusal.into_response(),
    };
    let Ok(turn) = site.lanes.profile.enter().await else {
        let text = "another CPU profile is being taken; ask again when it is done\n";
        return (StatusCode::CONFLICT, text).into_response();
    };
    let Some(tap) = profiler.tap() else {
        let text = "the run is over, and its CPU profile with it\n";
        return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
    };
    // In this order, so that the turn is free only after the tap is closed.
    let held = (tap, turn);
    let body = respond::body(async move {
        tokio::time::sleep(seconds).await;
        let (tap, turn) = held;
        let live = Arc::clone(&site.live);
        let make = move |cancellation: &Cancellation| {
            let pieces = tap.take().ok_or("the profiler ended")?;
            render(
                &live,
                &pieces,
                CPU,
                format,
                asked.span.as_deref(),
                cancellation,
            )
        };
        let made = site.lanes.profile.run(turn, make).await;
        let (bytes, turn) = made.ok_or(PANICKED)?;
        Ok((bytes?, turn))
    });
    (format.headers(), body).into_response()
}

/// Unlike a profile this takes no time; naming what it finds does.
async fn threads(State(site): State<Arc<Site>>, Query(asked): Query<Asked>) -> Response {
    let (format, profiler) = match prepared(&site.live, &asked) {
        Ok(prepared) => prepared,
        Err(refusal) => return refusal.into_response(),
    };
    let turn = match site.lanes.threads.enter().await {
        Ok(turn) => turn,
        Err(refused) => return refused.into_response(),
    };
    let live = Arc::clone(&site.live);
    let make = move |cancellation: &Cancellation| {
        let failed = |status, why: &dyn std::fmt::Display| Err((status, format!("{why}\n")));
        match profiler.threads() {
            Ok(piece) => {
                let span = asked.span.as_deref();
                render(&live, &[piece], COUNT, format, span, cancellation)
                    .or_else(|why| failed(StatusCode::INTERNAL_SERVER_ERROR, &why))
            }
            Err(why) => failed(StatusCode::NOT_IMPLEMENTED, &why),
        }
    };
    match site.lanes.threads.run(turn, make).await {
        Some((Ok(bytes), turn)) => (format.headers(), respond::made((bytes, turn))).into_response(),
        Some((Err(refusal), _)) => refusal.into_response(),
        None => broken("the stacks could not be taken"),
    }
}

/// The format asked for and the profiler to ask, or what is missing.
fn prepared(live: &Live, asked: &Asked) -> Result<(Format, ProfilerHandle), Refusal> {
    let format = asked.format()?;
    let off = "CPU profiling is off; start without SOAKSCOPE_CPU_CLOCK=off to have it\n";
    live.profiler()
        .map(|profiler| (format, profiler))
        .ok_or_else(|| (StatusCode::SERVICE_UNAVAILABLE, off.to_owned()))
}

fn render(
    live: &Live,
    pieces: &[Piece],
    value_index: usize,
    format: Format,
    span: Option<&str>,
    cancellation: &Cancellation,
) -> Result<Vec<u8>, Failure> {
    cancellation.check()?;
    let labels = &live.session.spans.labels;
    let mut symbols = Symbols::until(cancellation.abandoned());
    let mut profile = cpu_profile(pieces, None, &mut symbols, Detail::Lines, labels);
    cancellation.check()?;
    if let Some(span) = span {
        profile = profile.filter(|sample| sample.is_in_span(span));
    }
    let what = span.map_or_else(String::new, |span| format!("{span}, "));
    let options = if value_index == CPU {
        let seconds = number(profile.duration_nanos as f64 / 1e9, 1);
        FlameOptions {
            title: format!("{}: CPU", live.session.service),
            subtitle: flame_subtitle(format!("{what}{seconds} s"), live.info().trust.as_ref()),
            ..FlameOptions::default()
        }
    } else {
        FlameOptions::default()
    };
    format.render(&profile, value_index, options)
}
