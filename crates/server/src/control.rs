//! The control socket.

use std::os::unix::net::UnixListener;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::app::App;

/// Serves administration commands until `stop`.
pub async fn serve(_: Arc<App>, _: UnixListener, stop: CancellationToken) {
    stop.cancelled().await;
}
