//! The words of an SQL dump.
//!
//! The text of a token is kept only where somebody wants it: dumps hold files of many megabytes as literals, and
//! none of those is ever in memory.

use std::io::{self, BufRead};

/// The longest literal or name that is kept, in bytes.
pub(crate) const MAX_KEPT: usize = 1024 * 1024;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LexError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("a value is longer than {MAX_KEPT} bytes")]
    TooLong,
    #[error("the file ends inside a value or a comment")]
    Unfinished,
}

type Result<T> = std::result::Result<T, LexError>;

/// What a backslash in a literal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backslash {
    /// The beginning of an escape (`MySQL`).
    Escape,
    /// A character like others (standard SQL).
    Plain,
}

/// Whether somebody wants the text of the next token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    Yes,
    No,
}

/// A token; its text stands in [`Lexer::text`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token {
    /// A word without quotes.
    Word,
    /// A name in quotes.
    Name,
    /// A literal.
    Text,
    /// A number as it is written.
    Number,
    /// Another character.
    Mark(u8),
    /// Nothing more.
    End,
}

#[derive(Debug)]
pub(crate) struct Lexer<R> {
    input: R,
    backslash: Backslash,
    line: u64,
    read: u64,
    text: Vec<u8>,
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

impl<R: BufRead> Lexer<R> {
    pub(crate) fn new(input: R, backslash: Backslash) -> Self {
        Self { input, backslash, line: 1, read: 0, text: Vec::new() }
    }

    /// The text of the last token that was to be kept.
    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    /// The line that is being read, from 1.
    pub(crate) const fn line(&self) -> u64 {
        self.line
    }

    /// Bytes read so far.
    pub(crate) const fn read(&self) -> u64 {
        self.read
    }

    fn peek(&mut self) -> Result<Option<u8>> {
        Ok(self.input.fill_buf()?.first().copied())
    }

    fn bump(&mut self, byte: u8) {
        self.line += u64::from(byte == b'\n');
        self.read += 1;
        self.input.consume(1);
    }

    fn take(&mut self) -> Result<Option<u8>> {
        let next = self.peek()?;
        if let Some(byte) = next {
            self.bump(byte);
        }
        Ok(next)
    }

    fn next_is(&mut self, wanted: u8) -> Result<bool> {
        let is = self.peek()? == Some(wanted);
        if is {
            self.bump(wanted);
        }
        Ok(is)
    }

    fn push(&mut self, byte: u8, keep: Keep) -> Result<()> {
        if keep == Keep::Yes {
            if self.text.len() == MAX_KEPT {
                return Err(LexError::TooLong);
            }
            self.text.push(byte);
        }
        Ok(())
    }

    /// Reads on until `stop` says so of a chunk's bytes, and keeps what lies before.
    fn run(&mut self, keep: Keep, stop: impl Fn(&[u8]) -> Option<usize>) -> Result<()> {
        loop {
            let chunk = self.input.fill_buf()?;
            if chunk.is_empty() {
                return Ok(());
            }
            let found = stop(chunk);
            let taken = &chunk[..found.unwrap_or(chunk.len())];
            if keep == Keep::Yes {
                if self.text.len() + taken.len() > MAX_KEPT {
                    return Err(LexError::TooLong);
                }
                self.text.extend_from_slice(taken);
            }
            let length = taken.len();
            self.line += memchr::memchr_iter(b'\n', taken).count() as u64;
            self.read += length as u64;
            self.input.consume(length);
            if found.is_some() {
                return Ok(());
            }
        }
    }

    /// The next token.
    pub(crate) fn next(&mut self, keep: Keep) -> Result<Token> {
        self.text.clear();
        loop {
            let Some(byte) = self.peek()? else { return Ok(Token::End) };
            match byte {
                _ if byte.is_ascii_whitespace() => self.bump(byte),
                b'#' if self.backslash == Backslash::Escape => self.skip_line()?,
                b'-' => {
                    self.bump(byte);
                    if self.next_is(b'-')? {
                        self.skip_line()?;
                    } else if self.peek()?.is_some_and(|next| next.is_ascii_digit() || next == b'.') {
                        self.push(b'-', keep)?;
                        return self.number(keep);
                    } else {
                        return Ok(Token::Mark(b'-'));
                    }
                }
                b'/' => {
                    self.bump(byte);
                    if !self.next_is(b'*')? {
                        return Ok(Token::Mark(b'/'));
                    }
                    self.skip_comment()?;
                }
                _ => return self.token(byte, keep),
            }
        }
    }

    fn token(&mut self, byte: u8, keep: Keep) -> Result<Token> {
        match byte {
            b'0'..=b'9' => self.number(keep),
            b'\'' => {
                let backslash = self.backslash;
                self.bump(byte);
                self.quoted((byte, backslash), keep)?;
                Ok(Token::Text)
            }
            b'"' | b'`' => {
                self.bump(byte);
                self.quoted((byte, Backslash::Plain), keep)?;
                Ok(Token::Name)
            }
            b'$' => self.dollar(),
            _ if is_word(byte) => self.word(keep),
            _ => {
                self.bump(byte);
                Ok(Token::Mark(byte))
            }
        }
    }

    /// A word, or a literal that a word introduces: `X'…'`, `E'…'`, `N'…'`, `U&'…'`.
    fn word(&mut self, keep: Keep) -> Result<Token> {
        self.run(Keep::Yes, |chunk| chunk.iter().position(|byte| !is_word(*byte)))?;
        let introducer = match self.text.as_slice() {
            [one] => one.to_ascii_uppercase(),
            _ => return Ok(Token::Word),
        };
        let unicode = introducer == b'U' && self.next_is(b'&')?;
        let is_one = unicode || b"XENB".contains(&introducer);
        if !is_one || self.peek()? != Some(b'\'') {
            return Ok(Token::Word);
        }
        self.bump(b'\'');
        self.text.clear();
        let backslash = if introducer == b'E' { Backslash::Escape } else { Backslash::Plain };
        self.quoted((b'\'', backslash), keep)?;
        match introducer {
            b'X' => self.unhex(),
            b'U' => self.text = code_points(&self.text, b"\\"),
            _ => {}
        }
        Ok(Token::Text)
    }

    fn number(&mut self, keep: Keep) -> Result<Token> {
        self.run(Keep::Yes, |chunk| {
            chunk.iter().position(|byte| !byte.is_ascii_alphanumeric() && *byte != b'.')
        })?;
        if let Some(digits) = self.text.strip_prefix(b"0x").map(<[u8]>::to_vec) {
            self.text = digits;
            self.unhex();
            return Ok(Token::Text);
        }
        if keep == Keep::No {
            self.text.clear();
        }
        Ok(Token::Number)
    }

    fn unhex(&mut self) {
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let pairs = self.text.as_chunks::<2>().0.iter();
        let bytes = pairs.filter_map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
        self.text = bytes.collect();
    }

    /// The rest of what is quoted by `quote`; a doubled one is one of its characters.
    fn quoted(&mut self, (quote, backslash): (u8, Backslash), keep: Keep) -> Result<()> {
        loop {
            match backslash {
                Backslash::Escape => self.run(keep, |chunk| memchr::memchr2(quote, b'\\', chunk))?,
                Backslash::Plain => self.run(keep, |chunk| memchr::memchr(quote, chunk))?,
            }
            match self.take()? {
                None => return Err(LexError::Unfinished),
                Some(b'\\') if backslash == Backslash::Escape => {
                    let escaped = self.take()?.ok_or(LexError::Unfinished)?;
                    self.push(unescaped(escaped), keep)?;
                }
                Some(_) if self.next_is(quote)? => self.push(quote, keep)?,
                Some(_) => return Ok(()),
            }
        }
    }

    /// The body of a function between `$tag$` and `$tag$`, of which nothing is kept.
    fn dollar(&mut self) -> Result<Token> {
        self.bump(b'$');
        self.run(Keep::Yes, |chunk| chunk.iter().position(|byte| !is_word(*byte)))?;
        if !self.next_is(b'$')? {
            return Ok(Token::Word);
        }
        let tag = std::mem::take(&mut self.text);
        loop {
            self.run(Keep::No, |chunk| memchr::memchr(b'$', chunk))?;
            if self.take()?.is_none() {
                return Err(LexError::Unfinished);
            }
            self.text.clear();
            self.run(Keep::Yes, |chunk| chunk.iter().position(|byte| !is_word(*byte)))?;
            if self.text == tag && self.next_is(b'$')? {
                self.text.clear();
                return Ok(Token::Text);
            }
        }
    }

    fn skip_comment(&mut self) -> Result<()> {
        loop {
            self.run(Keep::No, |chunk| memchr::memchr(b'*', chunk))?;
            if self.take()?.is_none() {
                return Err(LexError::Unfinished);
            }
            if self.next_is(b'/')? {
                return Ok(());
            }
        }
    }

    /// Passes over the rest of the line.
    pub(crate) fn skip_line(&mut self) -> Result<()> {
        self.run(Keep::No, |chunk| memchr::memchr(b'\n', chunk))
    }

    /// The next line of copied rows, in [`Self::text`] where it is to be kept; false where the rows end.
    pub(crate) fn copied_line(&mut self, keep: Keep) -> Result<bool> {
        self.text.clear();
        if self.peek()?.is_none() {
            return Err(LexError::Unfinished);
        }
        let mut ends = false;
        if keep == Keep::No && self.next_is(b'\\')? {
            ends = self.next_is(b'.')? && self.peek()?.is_none_or(|next| next.is_ascii_whitespace());
        }
        self.run(keep, |chunk| memchr::memchr(b'\n', chunk))?;
        self.next_is(b'\n')?;
        if self.text.last() == Some(&b'\r') {
            self.text.pop();
        }
        Ok(!ends && self.text != b"\\.")
    }
}

const fn unescaped(byte: u8) -> u8 {
    match byte {
        b'0' => 0,
        b'b' => 8,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'Z' => 26,
        other => other,
    }
}

/// Text in which `\` and what of `lead` follows introduces four digits of a code point, and other escapes are
/// those of Java.
pub(crate) fn code_points(text: &[u8], lead: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(text);
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut letters = text.chars();
    let mut buffer = [0; 2];
    while let Some(letter) = letters.next() {
        let rest = letters.as_str();
        let digits =
            if lead == b"\\" { rest.get(..4) } else { rest.strip_prefix('u').and_then(|it| it.get(..4)) };
        let unit = digits.filter(|_| letter == '\\').and_then(|digits| u16::from_str_radix(digits, 16).ok());
        if let Some(unit) = unit {
            units.push(unit);
            letters = rest[if lead == b"\\" { 4 } else { 5 }..].chars();
        } else if letter == '\\' {
            let escaped = letters.next().map_or(b'\\', |next| u8::try_from(next).unwrap_or(b'?'));
            units.push(u16::from(unescaped(escaped)));
        } else {
            units.extend_from_slice(letter.encode_utf16(&mut buffer));
        }
    }
    String::from_utf16_lossy(&units).into_bytes()
}
