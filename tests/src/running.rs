//! A program that runs beside a test.

use std::net::TcpStream;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

/// A running program; killed when dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
}

impl Running {
    /// Takes charge of a child.
    pub fn new(child: Child) -> Self {
        Self { child }
    }

    /// Waits until it accepts connections on a loopback port.
    ///
    /// # Panics
    ///
    /// If it ends first, or a minute passes.
    pub fn wait_for(&mut self, port: u16) {
        let give_up = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = self.child.try_wait().expect("it can be waited for");
            assert!(ended.is_none(), "it ended: {ended:?}");
            assert!(Instant::now() < give_up, "port {port} stays closed");
            // Only trying it shows that a port is open.
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Sends SIGTERM and waits for the end.
    pub fn terminate(&mut self) -> ExitStatus {
        let pid = i32::try_from(self.child.id()).expect("a pid");
        // SAFETY: kill takes no pointer; the child is ours and not yet waited for.
        assert_eq!(0, unsafe { libc::kill(pid, libc::SIGTERM) });
        self.child.wait().expect("it ends")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A loopback port that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback");
    listener.local_addr().expect("bound").port()
}
