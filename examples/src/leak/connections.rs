//! Sockets left in CLOSE_WAIT: a client that reads its answer and never closes its end.
//!
//! The other end is a payment gateway of three lines on a loopback port: it reads a request, answers and
//! closes, as HTTP/1.0 servers do. From then on the shop's end is in CLOSE_WAIT until the shop closes it,
//! and the shop has put it into a list.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// The gateway, and the shop's ends of the conversations it had with it.
#[derive(Debug)]
pub(super) struct Gateway {
    addr: SocketAddr,
    serving: AbortHandle,
    forgotten: Mutex<Vec<TcpStream>>,
}

impl Gateway {
    /// Opens a gateway on a loopback port of its own.
    pub(super) async fn open() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let addr = listener.local_addr()?;
        let serving = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(answer(socket));
            }
        });
        Ok(Self {
            addr,
            serving: serving.abort_handle(),
            forgotten: Mutex::new(Vec::new()),
        })
    }

    /// Has the gateway authorise a payment. This is the leak: the socket is kept after the answer.
    ///
    /// A gateway that cannot be reached leaks nothing and stops no order.
    #[inline(never)]
    pub(super) async fn authorise_and_forget_socket(&self, order: i64, total_cents: i64) {
        if let Ok(socket) = self.authorise(order, total_cents).await {
            self.forgotten
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(socket);
        }
    }

    async fn authorise(&self, order: i64, total_cents: i64) -> io::Result<TcpStream> {
        let mut socket = TcpStream::connect(self.addr).await?;
        socket
            .write_all(format!("AUTHORISE {order} {total_cents}\n").as_bytes())
            .await?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await?;
        Ok(socket)
    }

    pub(super) fn held(&self) -> usize {
        self.forgotten
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(socket: TcpStream) {
    let mut socket = BufReader::new(socket);
    let mut request = String::new();
    // A client that went away needs no answer.
    if socket.read_line(&mut request).await.is_ok() {
        let _ = socket.write_all(b"AUTHORISED\n").await;
    }
}
