use std::pin::pin;
use std::sync::Arc;

use super::*;

fn family(number: u8) -> Changed {
    Changed::Family { id: FamilyId::from_bytes([number; 16]), access: None }
}

#[test]
fn changes_are_told_in_their_order_and_in_pages() {
    let changes = Changes::keeping(10);
    let start = changes.mark();
    changes.publish([family(1), family(2)]);
    changes.publish([]);
    changes.publish([family(3)]);
    assert_eq!(changes.since(start, 10).unwrap(), (vec![family(1), family(2), family(3)], changes.mark()));
    let (first, then) = changes.since(start, 2).unwrap();
    assert_eq!(first, [family(1), family(2)]);
    assert_eq!(changes.since(then, 2).unwrap(), (vec![family(3)], changes.mark()));
    assert_eq!(changes.since(changes.mark(), 2).unwrap(), (Vec::new(), changes.mark()));
}

#[test]
fn whoever_lags_behind_is_told_so() {
    let changes = Changes::keeping(3);
    let start = changes.mark();
    changes.publish([family(1), family(2), family(3)]);
    assert_eq!(changes.since(start, 9).unwrap().0, [family(1), family(2), family(3)]);
    changes.publish([family(4)]);
    assert_eq!(changes.since(start, 9), Err(Gap));
    let next = Mark { seq: 1, ..start };
    assert_eq!(changes.since(next, 9).unwrap().0, [family(2), family(3), family(4)]);
}

#[test]
fn a_mark_of_elsewhere_is_a_gap() {
    let (changes, other) = (Changes::default(), Changes::default());
    assert_eq!(changes.since(other.mark(), 1), Err(Gap));
    let ahead = Mark { seq: 1, ..changes.mark() };
    assert_eq!(changes.since(ahead, 1), Err(Gap), "of this opening, and never reached");
    assert_eq!(changes.since(Mark { seq: u64::MAX, ..ahead }, 1), Err(Gap));
}

#[tokio::test]
async fn nobody_sleeps_past_a_change() {
    let changes = Arc::new(Changes::default());
    let start = changes.mark();
    {
        let mut waiting = pin!(changes.wait(start));
        assert!(futures_are_pending(waiting.as_mut()).await, "nothing has happened");
        changes.publish([family(1)]);
        waiting.await;
    }
    changes.wait(start).await;
    changes.wait(Changes::default().mark()).await;
}

async fn futures_are_pending(future: std::pin::Pin<&mut impl Future<Output = ()>>) -> bool {
    let mut future = future;
    std::future::poll_fn(|context| std::task::Poll::Ready(future.as_mut().poll(context).is_pending())).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_follower_misses_nothing_while_many_publish() {
    const EACH: u8 = 200;
    let changes = Arc::new(Changes::default());
    let mut mark = changes.mark();
    let writers: Vec<_> = (0..4)
        .map(|_| {
            let changes = Arc::clone(&changes);
            tokio::spawn(async move {
                for number in 0..EACH {
                    changes.publish([family(number)]);
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    let mut told = Vec::new();
    while told.len() < 4 * usize::from(EACH) {
        changes.wait(mark).await;
        let (more, next) = changes.since(mark, 7).unwrap();
        assert!(!more.is_empty(), "whoever is woken finds something");
        told.extend(more);
        mark = next;
    }
    for number in 0..EACH {
        assert_eq!(told.iter().filter(|change| **change == family(number)).count(), 4);
    }
    for writer in writers {
        writer.await.unwrap();
    }
}
