//! What a user sees as one sign-in, and can end by itself.

use std::fmt;

use aws_lc_rs::digest;

use crate::family::{Device, Family};
use crate::id::PrincipalId;

/// One sign-in of a subject: a device at one application, with all its families; where the tokens name no
/// device, one family. It says nothing of what it is made from and outlives the renewal of tokens, as a device
/// does. Renders as 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId([u8; 16]);

impl SessionId {
    /// The one that `family` belongs to.
    pub fn of(family: &Family) -> Self {
        if family.device.0.is_some() {
            return Self::of_device(family.client, family.subject.id, &family.device);
        }
        let id: &[u8] = family.id.as_bytes();
        Self::digest(&[b"latchkey session of a family\0", id])
    }

    /// That of a named device.
    pub fn of_device(client: PrincipalId, subject: PrincipalId, device: &Device) -> Self {
        let (client, subject): (&[u8], &[u8]) = (client.as_bytes(), subject.as_bytes());
        Self::digest(&[b"latchkey session of a device\0", client, subject, device.as_str().as_bytes()])
    }

    fn digest(parts: &[&[u8]]) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        for part in parts {
            context.update(part);
        }
        Self(context.finish().as_ref()[..16].try_into().expect("SHA-256 has 32 bytes"))
    }

    /// From the bytes that a store keeps.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes that a store keeps.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// From its text.
    pub fn parse(text: &str) -> Option<Self> {
        let well_formed = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = well_formed.then(|| u128::from_str_radix(text, 16).ok())??;
        Some(Self(number.to_be_bytes()))
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:032x}", u128::from_be_bytes(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::family;

    #[test]
    fn a_device_is_one_session_and_so_is_a_family_without_one() {
        let (mut one, mut other) = (family(1, "a device_pad"), family(2, "b device_pad"));
        other.id = crate::id::FamilyId::from_bytes([9; 16]);
        (one.device, other.device) = (Device(Some("device_pad".into())), Device(Some("device_pad".into())));
        other.client = one.client;
        other.subject = one.subject;
        assert_eq!(SessionId::of(&one), SessionId::of(&other), "two families of one device");
        other.subject.id = PrincipalId::from_bytes([7; 16]);
        assert_ne!(SessionId::of(&one), SessionId::of(&other), "another user's");
        other.subject = one.subject;
        (one.device, other.device) = (Device(None), Device(None));
        assert_ne!(SessionId::of(&one), SessionId::of(&other), "two families without a device");
        let id = SessionId::of(&one);
        assert_eq!(SessionId::parse(&id.to_string()), Some(id));
        assert_eq!(SessionId::from_bytes(*id.as_bytes()), id);
        for bad in ["", "00", &"g".repeat(32), &format!("+{}", "0".repeat(31))] {
            assert_eq!(SessionId::parse(bad), None, "{bad:?}");
        }
    }
}
