//! Whether a call that failed at an upstream goes out once more.
//!
//! A call may have done its work although no answer came. So one that may have reached a server goes out
//! again only where the method says that this does no harm (RFC 9110 section 9.2.2) and the API's definition
//! wants it; the head of an answer, or time that is over, ends every attempt. A call that reached nobody is
//! another matter: it goes to the next address, whatever it is. That a kept connection was closed under a call is
//! no attempt: the connections deal with it among themselves.

use http::Method;
use latchkey_catalog::upstream::Retries;

/// The most attempts of one call, the first among them. With many addresses down, a caller would wait for
/// as many connections.
pub const ATTEMPTS: u32 = 3;

/// How far a call came that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reached {
    /// Nobody: no connection was made, or nothing was written to it.
    Nobody,
    /// Perhaps a server, which ended the connection without an answer.
    Server,
    /// A server that took too long, or whose answer was none.
    Answer,
}

/// Whether to go out once more, and where to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Next {
    /// The failure is the answer.
    GiveUp,
    /// To another address, if there is one that was not tried.
    OtherAddress,
}

/// What stands in the way of sending a call again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Body {
    /// Nothing: it has no body, or the body is still there in full.
    Whole,
    /// Part of its body is gone.
    Spent,
}

/// What comes after attempt number `attempts` failed.
pub fn next(method: &Method, body: Body, retries: Retries, (reached, attempts): (Reached, u32)) -> Next {
    if attempts >= ATTEMPTS || body == Body::Spent {
        return Next::GiveUp;
    }
    match reached {
        Reached::Nobody => Next::OtherAddress,
        Reached::Server if is_idempotent(method) && retries == Retries::Idempotent && attempts == 1 => {
            Next::OtherAddress
        }
        Reached::Server | Reached::Answer => Next::GiveUp,
    }
}

/// GET, HEAD, OPTIONS, PUT and DELETE (RFC 9110 section 9.2.2).
pub fn is_idempotent(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::OPTIONS, Method::PUT, Method::DELETE].contains(method)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Next::{GiveUp, OtherAddress};
    use Reached::{Answer, Nobody, Server};

    fn after_one(method: &Method, retries: Retries) -> [Next; 3] {
        [Nobody, Server, Answer].map(|reached| next(method, Body::Whole, retries, (reached, 1)))
    }

    #[test]
    fn what_reached_nobody_goes_on_and_what_may_have_only_if_it_does_no_harm() {
        for method in [Method::GET, Method::HEAD, Method::OPTIONS, Method::PUT, Method::DELETE] {
            let off = after_one(&method, Retries::Off);
            assert_eq!(off, [OtherAddress, GiveUp, GiveUp], "{method}");
            let on = after_one(&method, Retries::Idempotent);
            assert_eq!(on, [OtherAddress, OtherAddress, GiveUp], "{method}");
        }
        for method in [Method::POST, Method::PATCH] {
            for retries in [Retries::Off, Retries::Idempotent] {
                let nexts = after_one(&method, retries);
                assert_eq!(nexts, [OtherAddress, GiveUp, GiveUp], "{method}");
            }
        }
    }

    #[test]
    fn a_body_that_is_gone_and_the_number_of_attempts_end_it() {
        let idempotent = Retries::Idempotent;
        for reached in [Nobody, Server, Answer] {
            assert_eq!(next(&Method::PUT, Body::Spent, idempotent, (reached, 1)), GiveUp);
            assert_eq!(next(&Method::GET, Body::Whole, idempotent, (reached, ATTEMPTS)), GiveUp);
        }
        assert_eq!(next(&Method::GET, Body::Whole, idempotent, (Server, 2)), GiveUp, "retried once");
        assert_eq!(next(&Method::POST, Body::Whole, idempotent, (Nobody, 2)), OtherAddress);
    }
}
