//! The service itself: where it listens, what it routes, how it stops.

mod ledger;
mod orders;
mod planted;
mod products;
mod refusal;
mod report;
mod store;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;

use crate::leak::Faults;
use crate::{Error, Leak};
use store::Store;

/// How long a stopping shop waits for clients that keep their connections.
const GRACE: Duration = Duration::from_secs(3);

/// How the shop is to be.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Where to listen; port 0 takes any free one, and [`Shop::addr`] says which.
    pub listen: SocketAddr,
    /// The fault to have.
    pub leak: Leak,
    /// Whether `GET /orders/{user}` asks the database once for each order instead of once.
    pub n_plus_one: bool,
    /// With [`Leak::Retention`], the request that brings the burst.
    pub burst_at: u64,
    /// With [`Leak::Connections`] and [`Leak::Fds`], how many orders there are to each one that loses a socket or a
    /// descriptor.
    pub orders_per_loss: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            leak: Leak::None,
            n_plus_one: false,
            burst_at: 3_000,
            // At the default rate of the soak, about one each second.
            orders_per_loss: 20,
        }
    }
}

/// What every handler can reach.
#[derive(Debug)]
struct Counter {
    store: Store,
    faults: Faults,
    n_plus_one: bool,
    /// Turns at making a report: more at a time than there are cores would only wait for each other.
    reports: Semaphore,
}

/// A shop that is open. [`stop`](Self::stop) closes it in good order.
#[derive(Debug)]
pub struct Shop {
    addr: SocketAddr,
    counter: Arc<Counter>,
    closing: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Shop {
    /// Fills a database in a temporary directory and starts serving on the current tokio runtime.
    ///
    /// # Errors
    ///
    /// When the address is taken, or the database cannot be made.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let listen = |source| Error::Listen {
            addr: options.listen,
            source,
        };
        let listener = TcpListener::bind(options.listen).await.map_err(listen)?;
        let addr = listener.local_addr().map_err(listen)?;
        let counter = Arc::new(Counter {
            store: Store::open().await?,
            faults: Faults::prepare(&options).await.map_err(listen)?,
            n_plus_one: options.n_plus_one,
            reports: Semaphore::new(std::thread::available_parallelism().map_or(1, usize::from)),
        });
        let (closing, closed) = oneshot::channel();
        let routes = routes(Arc::clone(&counter));
        let serving = tokio::spawn(async move {
            // A dropped sender means the same as a sent message: close.
            let closed = async move { drop(closed.await) };
            if let Err(error) = axum::serve(listener, routes)
                .with_graceful_shutdown(closed)
                .await
            {
                tracing::error!(%error, "the shop stopped serving");
            }
        });
        Ok(Self {
            addr,
            counter,
            closing,
            serving,
        })
    }

    /// Where the shop listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// A reading of how many database connections are in use, for a series of the agent's timeline.
    pub fn pool_in_use(&self) -> impl Fn() -> f64 + Send + Sync + use<> {
        let pool = self.counter.store.pool().clone();
        move || f64::from(pool.size()) - pool.num_idle() as f64
    }

    /// How many statements the database has been asked to run.
    pub fn statements(&self) -> u64 {
        self.counter.store.statements()
    }

    /// How many things the chosen fault has hoarded so far.
    pub fn hoarded(&self) -> usize {
        self.counter.faults.held()
    }

    /// Finishes the requests in flight, closes the database and deletes it.
    pub async fn stop(self) {
        let _ = self.closing.send(());
        let mut serving = self.serving;
        if tokio::time::timeout(GRACE, &mut serving).await.is_err() {
            serving.abort();
        }
        self.counter.store.close().await;
    }
}

fn routes(counter: Arc<Counter>) -> Router {
    Router::new()
        .route("/products", get(products::list))
        .route("/products/{id}", get(products::detail))
        .route("/orders/{user}", get(orders::of_user))
        .route("/orders", axum::routing::post(orders::place))
        .route("/report", get(report::sales))
        .fallback(refusal::no_such_page)
        .method_not_allowed_fallback(refusal::no_such_method)
        .layer(from_fn_with_state(Arc::clone(&counter), planted::strike))
        .layer(soakscope::axum::trace_layer())
        .with_state(counter)
}
