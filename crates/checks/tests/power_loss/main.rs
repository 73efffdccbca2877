//! Power loss: the disk is rebuilt as it may be left at every sync of a run, and the server must come up on
//! each such image with every acknowledged token and revocation in force.
//!
//! The server runs under strace, which sees every write, sync and answer in their order. For each sync, the
//! worst moment is just before it has ended: everything acknowledged until then must already be certain on
//! the disk. Beside these images there are torn ones, in which uncertain writes are there in part.
//!
//! The control runs a small SQLite program whose durability is known through the same machinery: with
//! `synchronous=NORMAL` it must lose rows, with `FULL` it must not. Were the replayer blind, the control
//! would fail.
//!
//! Faults planted in the server to see the check fail: `synchronous=NORMAL` (acknowledged tokens lost),
//! answers sent before the commit (the same), caches published before the commit (a token that someone saw
//! dead lives again after the power loss: only the run on few keys finds this).
//!
//! `LATCHKEY_LONG=1` checks more images, by other seeds in each run (counted in `long/power-loss-*`).

mod control;
mod images;
