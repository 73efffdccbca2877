//! Bytes as letters and digits: eight bytes become eleven characters, so that a credential is one word
//! to a double click, a URL and a shell.

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const CHUNK: usize = 8;
const CHUNK_TEXT: usize = 11;
/// What no digit has.
const NONE: u8 = 0xff;
/// The digit of each byte.
const DIGITS: [u8; 256] = digits();

const fn digits() -> [u8; 256] {
    let mut digits = [NONE; 256];
    let mut digit: u8 = 0;
    while (digit as usize) < ALPHABET.len() {
        digits[ALPHABET[digit as usize] as usize] = digit;
        digit += 1;
    }
    digits
}

/// How many characters `bytes` bytes take; a multiple of eight.
pub const fn text_length(bytes: usize) -> usize {
    bytes / CHUNK * CHUNK_TEXT
}

/// Appends `bytes`, whose length is a multiple of eight, to `out`.
pub fn encode_into(bytes: &[u8], out: &mut String) {
    for chunk in bytes.as_chunks::<CHUNK>().0 {
        let mut number = u64::from_be_bytes(*chunk);
        let mut text = [0; CHUNK_TEXT];
        for place in text.iter_mut().rev() {
            *place = ALPHABET[usize::try_from(number % 62).expect("below 62")];
            number /= 62;
        }
        out.push_str(std::str::from_utf8(&text).expect("the alphabet is ASCII"));
    }
}

/// The `N` bytes, a multiple of eight, that `text` stands for. Every byte string has exactly one text:
/// another length, alphabet or a chunk beyond 64 bits is `None`.
pub fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != text_length(N) {
        return None;
    }
    let mut out = [0; N];
    let (chunks, _) = text.as_bytes().as_chunks::<CHUNK_TEXT>();
    for (chunk, place) in chunks.iter().zip(out.as_chunks_mut::<CHUNK>().0) {
        let [head @ .., last] = chunk.map(|character| DIGITS[usize::from(character)]);
        if last == NONE || head.contains(&NONE) {
            return None;
        }
        // Ten digits fit into 64 bits, the eleventh may not.
        let number = head.iter().fold(0, |number: u64, digit| number * 62 + u64::from(*digit));
        let number = number.checked_mul(62)?.checked_add(u64::from(last))?;
        *place = number.to_be_bytes();
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text_of(bytes: &[u8]) -> String {
        let mut text = String::new();
        encode_into(bytes, &mut text);
        text
    }

    #[test]
    fn ends_of_the_range() {
        assert_eq!(text_of(&[0; 8]), "00000000000");
        assert_eq!(text_of(&[0, 0, 0, 0, 0, 0, 0, 61]), "0000000000z");
        assert_eq!(text_of(&[0xff; 8]), "LygHa16AHYF");
        assert_eq!(decode::<8>("LygHa16AHYG"), None, "2 to the 64th is none of the numbers");
        assert_eq!(decode::<8>("zzzzzzzzzzz"), None);
        assert_eq!(text_of(&[]), "");
        assert_eq!(decode::<0>(""), Some([]));
    }

    proptest! {
        #[test]
        fn bytes_come_back(bytes in any::<[u8; 24]>()) {
            let text = text_of(&bytes);
            prop_assert_eq!(text.len(), text_length(24));
            prop_assert_eq!(decode::<24>(&text), Some(bytes));
        }

        /// What decodes has one text only, and no other length decodes.
        #[test]
        fn texts_come_back(text in "[0-9A-Za-z]{11}|[!-~]{11}|[0-9A-Za-z]{0,24}") {
            if let Some(bytes) = decode::<8>(&text) {
                prop_assert_eq!(text_of(&bytes), text);
            }
        }

        #[test]
        fn order_is_kept(one in any::<[u8; 16]>(), other in any::<[u8; 16]>()) {
            prop_assert_eq!(one.cmp(&other), text_of(&one).cmp(&text_of(&other)));
        }
    }
}
