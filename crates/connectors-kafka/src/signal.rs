//! Wakes a thread of the connector: data, room, a command.
//!
//! Invariant: a notification before the wait is not lost.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// A flag that can be waited for.
#[derive(Default)]
pub(crate) struct Signal {
    set: Mutex<bool>,
    changed: Condvar,
}

impl Signal {
    pub(crate) fn notify(&self) {
        *self.set.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_one();
    }
    /// Waits until notified, or for `timeout`; takes the notification.
    pub(crate) fn wait(&self, timeout: Duration) {
        let set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(set, timeout, |set| !*set);
        let (mut set, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *set = false;
    }
}
