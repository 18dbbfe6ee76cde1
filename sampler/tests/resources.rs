//! Readings of this process against what the test itself opens and holds.

use std::fs::File;
use std::io::Read;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixDatagram;

use soakscope_sampler::resources::{Resources, TcpState};

/// One process, one test: descriptors are counted, and another test's would
/// be among them.
#[test]
fn readings_follow_what_the_process_holds() {
    let mut resources = Resources::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = listener.local_addr().expect("bound");

    let before = resources.sockets().expect("Linux");
    let fds_before = resources.process().open_fds.expect("Linux");
    let pairs: Vec<_> = (0..25)
        .map(|_| {
            let ours = TcpStream::connect(address).expect("connect");
            let (theirs, _) = listener.accept().expect("accept");
            (ours, theirs)
        })
        .collect();
    let waiting = TcpStream::connect(address).expect("connect");
    let _udp = UdpSocket::bind("127.0.0.1:0").expect("udp");
    let _unix = UnixDatagram::unbound().expect("unix");
    let _file = File::open("/proc/self/statm").expect("file");

    let after = resources.sockets().expect("Linux");
    assert_eq!(after.tcp_total() - before.tcp_total(), 51);
    assert_eq!(after.tcp(TcpState::Established), 51);
    assert_eq!(after.tcp(TcpState::Listen), 1);
    assert_eq!(after.accept_queue, 1, "one connection was not accepted");
    assert_eq!(after.udp - before.udp, 1);
    assert_eq!(after.unix - before.unix, 1);
    assert_eq!(
        resources.process().open_fds.expect("Linux") - fds_before,
        54
    );

    // The peers close; our ends, which we keep, are left in CLOSE_WAIT.
    let ours: Vec<_> = pairs
        .into_iter()
        .map(|(ours, theirs)| {
            drop(theirs);
            ours
        })
        .collect();
    for mut stream in &ours {
        // End of file is the event that says the peer's FIN has arrived.
        assert_eq!(stream.read(&mut [0u8; 1]).expect("read"), 0);
    }
    let closed = resources.sockets().expect("Linux");
    assert_eq!(closed.tcp(TcpState::CloseWait), 25);
    assert_eq!(closed.tcp(TcpState::Established), 1);
    drop(waiting);

    let listed = std::fs::read_dir("/proc/self/fd").expect("proc").count() as u64 - 1;
    assert_eq!(resources.process().open_fds, Some(listed));
    let reading = resources.process();
    assert!(reading.rss_bytes > reading.rss_file_bytes);
    assert!(reading.vms_bytes > reading.rss_bytes);
    let tasks = std::fs::read_dir("/proc/self/task").expect("proc").count() as u64;
    assert_eq!(reading.threads, Some(tasks));
}
