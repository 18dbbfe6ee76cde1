//! The ring's protocol under every interleaving that the model checker knows.

#[allow(dead_code, unreachable_pub)]
mod sync {
    pub(crate) use loom::sync::atomic::{AtomicU64, Ordering};
}

#[allow(dead_code)]
#[path = "../src/cpu/native/ring.rs"]
mod ring;

use loom::sync::Arc;
use loom::thread;
use ring::{Full, Ring};

fn header(length: u64, id: u64) -> u64 {
    length | id << 32
}

/// Two producers and a consumer: every record that was accepted arrives whole
/// and once, in the order of its producer.
#[test]
fn records_arrive_whole_and_once() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let ring = Arc::new(Ring::new(4));
        let producers: Vec<_> = (1..=2u64)
            .map(|id| {
                let ring = ring.clone();
                thread::spawn(move || ring.push(&[&[header(2, id)], &[id * 100]]).is_ok())
            })
            .collect();
        let mut seen = Vec::new();
        let mut record = Vec::new();
        if ring.pop(&mut record) {
            seen.push(record.clone());
        }
        let accepted = producers
            .into_iter()
            .filter(|_| true)
            .map(|p| p.join().expect("a producer ends"))
            .filter(|accepted| *accepted)
            .count();
        while ring.pop(&mut record) {
            seen.push(record.clone());
        }
        assert_eq!(accepted, 2);
        assert_eq!(seen.len(), accepted);
        seen.sort();
        for (record, id) in seen.iter().zip(1u64..) {
            assert_eq!(record[..], [header(2, id), id * 100]);
        }
    });
}

/// A producer that laps the ring never meets an old header: what the consumer
/// gave back is zero.
#[test]
fn a_full_ring_refuses_and_a_reused_place_is_clean() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let ring = Arc::new(Ring::new(2));
        assert_eq!(ring.push(&[&[header(2, 1), 11]]), Ok(2));
        let producer = {
            let ring = ring.clone();
            thread::spawn(move || ring.push(&[&[header(1, 2)]]) != Err(Full))
        };
        let mut record = Vec::new();
        assert!(ring.pop(&mut record));
        assert_eq!(record[..], [header(2, 1), 11]);
        let late = ring.pop(&mut record).then(|| record.clone());
        let accepted = producer.join().expect("the producer ends");
        let last = ring.pop(&mut record).then(|| record.clone());
        let arrived: Vec<_> = late.into_iter().chain(last).collect();
        assert_eq!(arrived.len(), usize::from(accepted));
        for record in arrived {
            assert_eq!(record[..], [header(1, 2)]);
        }
    });
}
