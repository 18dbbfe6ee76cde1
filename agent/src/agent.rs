//! The handle that a service holds.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::registry::LookupSpan;

use crate::admin::Admin;
use crate::builder::Builder;
use crate::error::Error;
use crate::run::live::Live;
use crate::run::outcome::Outcome;
use crate::tracing_layer::filter::CallsiteFilter;
use crate::tracing_layer::layer::SpanLayer;

/// A running agent. Share it by reference or in an `Arc`.
///
/// In a child that the process forks off it does nothing from then on, and its
/// methods return at once: the run is the parent's. A new agent can be started
/// there.
///
/// Dropping it seals the run as far as it can; [`finish`](Self::finish) does
/// the same and returns the outcome.
pub struct Agent {
    live: Option<Arc<Live>>,
    admin: Option<Admin>,
}

impl Agent {
    /// Options for an agent of this service; [`Builder::start`] starts it.
    pub fn builder(service: &str) -> Builder {
        Builder::new(service)
    }

    /// An agent that does nothing, for a service to fall back on.
    pub fn disabled() -> Self {
        Self {
            live: None,
            admin: None,
        }
    }

    pub(crate) fn new(live: Arc<Live>, admin: Option<Admin>) -> Self {
        Self {
            live: Some(live),
            admin,
        }
    }

    /// A layer for the service's `tracing` subscriber: rates and latencies of
    /// requests and spans, and their names on every sample.
    ///
    /// A span is a request when it opens with a field `http.route`, or with
    /// `otel.kind = "server"`. Other spans are measured at or above
    /// [`Builder::span_level`].
    ///
    /// The layer filters for itself. A filter that is meant for another layer
    /// belongs to that layer (`with_filter`): a global filter
    /// (`registry().with(filter)`) hides from this layer, too, what it rejects.
    pub fn layer<S>(&self) -> impl Layer<S> + Send + Sync + 'static + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let session = self.live().map(|live| Arc::clone(&live.session));
        let layer = SpanLayer::new(session);
        let filter = CallsiteFilter::new(layer.selection());
        layer.with_filter(filter)
    }

    /// Begins a phase; the one before ends. Names keep letters, digits and
    /// `-_.`; anything else becomes `_`.
    ///
    /// Phases do not nest: a name with a `/` is refused with a warning, and the
    /// run stays in the phase it is in.
    pub fn phase(&self, name: &str) {
        if let Some(live) = self.live()
            && let Err(refusal) = live.phase(name)
        {
            live.session.journal.warn(&refusal.to_string());
        }
    }

    /// The admin server's address; `None` where there is none.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.live().and(self.admin.as_ref()).map(Admin::address)
    }

    /// The latest value of a column of the timeline, e.g. `rss_mb`; `None`
    /// where it is missing.
    pub fn latest(&self, column: &str) -> Option<f64> {
        self.live()?.session.history.newest(column)
    }

    /// The current metrics in Prometheus' text format, for a service that answers
    /// `/metrics` itself; the admin server's has those of its connections, too.
    /// Empty for a disabled agent.
    pub fn metrics(&self) -> String {
        self.live()
            .map(|live| live.session.metrics())
            .unwrap_or_default()
    }

    /// The run directory; `None` for a disabled agent.
    pub fn run_dir(&self) -> Option<&Path> {
        Some(self.live.as_ref()?.run_dir())
    }

    /// Ends the run: takes the last row and the last profile, judges, and
    /// seals the run directory. The admin server goes on answering.
    ///
    /// Called again it answers the same outcome.
    ///
    /// # Errors
    ///
    /// A part of the agent failed, so that the run was not judged. A disk that
    /// is full or gone is no error: the verdict is given all the same, and
    /// [`Outcome::unwritten`] names what could not be written.
    pub fn finish(&self) -> Result<Outcome, Error> {
        match (self.live(), &self.live) {
            (Some(live), _) => live.finish(),
            (None, Some(_)) => Ok(Outcome::forked()),
            (None, None) => Ok(Outcome::disabled()),
        }
    }

    /// The parts, in the process that they run in.
    fn live(&self) -> Option<&Arc<Live>> {
        let live = self.live.as_ref();
        live.filter(|live| !live.session.process.is_elsewhere())
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if self.live.is_some() && self.live().is_none() {
            // A child has no threads to join, and must not wait for a lock that
            // one of them held.
            std::mem::forget((self.live.take(), self.admin.take()));
            return;
        }
        if let Some(live) = &self.live
            && let Err(error) = live.finish()
        {
            tracing::warn!(target: "soakscope", %error, "the run could not be sealed");
        }
    }
}

impl std::fmt::Debug for Agent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Agent")
            .field("run_dir", &self.run_dir())
            .field("local_addr", &self.local_addr())
            .finish()
    }
}
