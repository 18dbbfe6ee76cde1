//! The admin server: a thread and a small runtime of its own, so that it
//! answers while the service's runtime is stalled.
//!
//! It may be attacked: whoever can connect is held to the bounds of [`limits`]
//! by [`server`], to who and from where by [`guard`], and to how much at once
//! by the lanes of [`lane`].

mod counts;
mod guard;
mod headers;
mod lane;
mod limits;
mod pprof;
mod pulse;
mod query;
mod respond;
mod routes;
mod server;
mod site;
mod status;
#[cfg(test)]
mod tests;

use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::thread::JoinHandle;

use soakscope_sampler::ClosedInChild;
use tokio::sync::oneshot;

use self::counts::Counts;
use self::limits::Limits;
use self::site::{Lanes, Site};
use crate::error::Error;
use crate::run::live::Live;
use crate::threads;

/// A running admin server; it stops when dropped.
pub(crate) struct Admin {
    address: SocketAddr,
    /// Of the listening socket, until it is closed.
    closed_in_child: Option<ClosedInChild>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// An address that is bound and not yet served.
pub(crate) struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

impl Bound {
    /// Takes the address, or says why not.
    ///
    /// # Errors
    ///
    /// [`Error::TokenRequired`] for an address that is not loopback without a
    /// token, [`Error::Listen`] where the address cannot be had.
    pub(crate) fn bind(address: &str, token: Option<&str>) -> Result<Self, Error> {
        let refused = |source| Error::Listen {
            address: address.to_owned(),
            source,
        };
        let resolved = std::net::ToSocketAddrs::to_socket_addrs(address)
            .map_err(refused)?
            .next()
            .ok_or_else(|| refused(std::io::Error::other("the name has no address")))?;
        if let Some(token) = token.filter(|token| token.trim().is_empty()) {
            return Err(Error::Option {
                name: "token".to_owned(),
                value: token.to_owned(),
                remedy: "an empty token would let everybody in; set one, or none".to_owned(),
            });
        }
        if !resolved.ip().is_loopback() && token.is_none() {
            return Err(Error::TokenRequired { address: resolved });
        }
        let listener = TcpListener::bind(resolved).map_err(refused)?;
        listener.set_nonblocking(true).map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        Ok(Self { listener, address })
    }

    pub(crate) fn serve(self, live: Arc<Live>) -> Result<Admin, Error> {
        let Self { listener, address } = self;
        let lanes = Lanes::new();
        // A thread for every slot: work that has a turn never waits for one.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .max_blocking_threads(lanes.threads())
            .thread_name_fn(threads::next_worker)
            .on_thread_start(threads::adopt)
            .build()
            .map_err(Error::Thread)?;
        let closed_in_child = Some(ClosedInChild::new(listener.as_raw_fd()));
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = threads::spawn(threads::ADMIN, move || {
            runtime.block_on(async move {
                let listener = match tokio::net::TcpListener::from_std(listener) {
                    Ok(listener) => listener,
                    Err(error) => {
                        live.session
                            .journal
                            .warn(&format!("the admin server cannot serve: {error}"));
                        return;
                    }
                };
                let counts = Arc::new(Counts::default());
                let site = Arc::new(Site {
                    live,
                    lanes,
                    counts: Arc::clone(&counts),
                });
                let router = routes::router(site, address);
                tokio::select! {
                    () = server::serve(listener, router, counts, Limits::default()) => {}
                    _ = stopped => {}
                }
            });
            // Connections still open are cut; nothing here is worth waiting for.
            runtime.shutdown_background();
        })?;
        Ok(Admin {
            address,
            closed_in_child,
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Admin {
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.closed_in_child = None;
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
