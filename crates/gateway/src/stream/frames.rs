//! Where the frames of a WebSocket end (RFC 6455 section 5.2), so that a tunnel that is cut can say goodbye
//! between two of them. Nothing else is read of what goes through, and nothing is judged.

use http::StatusCode;

use crate::answer::Row;

/// The longest head of a frame: two bytes, eight of length, four of mask.
const LONGEST_HEAD: usize = 14;

/// Why a tunnel is closed, as its ends read it (RFC 6455 section 7.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseCode {
    /// The server ends, or nothing came for too long: come again.
    GoingAway,
    /// The token that opened it is no longer valid.
    PolicyViolation,
    /// The call that opened it would be answered with this: come again where it says that the service is away for a
    /// while (503), else it is a matter of policy.
    Refused(Row),
}

impl CloseCode {
    /// The frame that says it, as a server sends it to its client.
    pub fn frame(self) -> Vec<u8> {
        let payload = self.payload();
        [&[0x88, short_length(&payload)][..], &payload].concat()
    }

    /// The frame that says it, as a client sends it to its server, under `mask` (RFC 6455 section 5.3).
    pub fn masked(self, mask: [u8; 4]) -> Vec<u8> {
        let payload = self.payload();
        let hidden = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask);
        [0x88, 0x80 | short_length(&payload)].into_iter().chain(mask).chain(hidden).collect()
    }

    fn payload(self) -> Vec<u8> {
        let (code, reason): (u16, &[&str]) = match self {
            Self::GoingAway => (1001, &["going away"]),
            Self::PolicyViolation => (1008, &["the token is no longer valid"]),
            Self::Refused(row) if row.status == StatusCode::SERVICE_UNAVAILABLE => {
                (1001, &[row.code, " ", row.message.trim_end()])
            }
            Self::Refused(row) => (1008, &[row.code, " ", row.message.trim_end()]),
        };
        [&code.to_be_bytes()[..], reason.concat().as_bytes()].concat()
    }
}

fn short_length(payload: &[u8]) -> u8 {
    u8::try_from(payload.len()).expect("a goodbye is short")
}

/// Follows the frames of one direction.
#[derive(Debug, Default)]
pub struct Frames {
    head: [u8; LONGEST_HEAD],
    /// How many bytes of `head` are there.
    have: usize,
    /// How many bytes of the payload are still to come.
    left: u64,
}

impl Frames {
    /// These bytes went through.
    pub fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.left > 0 {
                let now = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
                self.left -= now as u64;
                bytes = &bytes[now..];
                continue;
            }
            self.head[self.have] = bytes[0];
            self.have += 1;
            bytes = &bytes[1..];
            if self.have == self.head_length() {
                self.left = self.payload();
                self.have = 0;
            }
        }
    }

    /// Whether the next byte begins a frame.
    pub const fn is_between(&self) -> bool {
        self.have == 0 && self.left == 0
    }

    /// How long the head is, as far as that is known.
    fn head_length(&self) -> usize {
        if self.have < 2 {
            return 2;
        }
        let extended = match self.head[1] & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        2 + extended + if self.head[1] & 0x80 == 0 { 0 } else { 4 }
    }

    fn payload(&self) -> u64 {
        let extended = &self.head[2..10];
        match self.head[1] & 0x7f {
            126 => u64::from(u16::from_be_bytes([extended[0], extended[1]])),
            127 => u64::from_be_bytes(extended.try_into().expect("eight bytes")),
            short => u64::from(short),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A frame with a payload of so many bytes.
    fn frame(length: usize, mask: Option<[u8; 4]>) -> Vec<u8> {
        let bit = if mask.is_some() { 0x80 } else { 0 };
        let mut frame = vec![0x82];
        match length {
            0..=125 => frame.push(bit | u8::try_from(length).unwrap()),
            126..=0xffff => {
                frame.push(bit + 126);
                frame.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            _ => {
                frame.push(bit + 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend(mask.into_iter().flatten());
        frame.resize(frame.len() + length, 0xff);
        frame
    }

    proptest! {
        #[test]
        fn frames_end_where_they_end(
            frames in prop::collection::vec((prop_oneof![0..200usize, 65_400..65_700usize], any::<Option<[u8; 4]>>()), 1..5),
            step in 1..100usize,
        ) {
            let frames: Vec<Vec<u8>> = frames.into_iter().map(|(length, mask)| frame(length, mask)).collect();
            let mut ends = Vec::new();
            for frame in &frames {
                ends.push(ends.last().unwrap_or(&0) + frame.len());
            }
            let bytes = frames.concat();
            let (mut seen, mut passed) = (Frames::default(), 0);
            for part in bytes.chunks(step) {
                seen.pass(part);
                passed += part.len();
                prop_assert_eq!(seen.is_between(), ends.contains(&passed), "after {} bytes", passed);
            }
        }
    }

    #[test]
    fn goodbyes_are_frames_of_their_own() {
        for code in [CloseCode::GoingAway, CloseCode::PolicyViolation] {
            for frame in [code.frame(), code.masked([1, 2, 3, 4])] {
                let mut frames = Frames::default();
                frames.pass(&frame[..frame.len() - 1]);
                assert!(!frames.is_between());
                frames.pass(&frame[frame.len() - 1..]);
                assert!(frames.is_between());
            }
        }
        assert_eq!(CloseCode::GoingAway.frame()[..4], [0x88, 12, 0x03, 0xe9]);
        let masked = CloseCode::GoingAway.masked([1, 2, 3, 4]);
        assert_eq!(masked[..8], [0x88, 0x8c, 1, 2, 3, 4, 0x03 ^ 1, 0xe9 ^ 2]);
        assert_eq!(masked.len(), CloseCode::GoingAway.frame().len() + 4);
    }
}
