//! Rows of one exchange each: the bytes that are sent, the answers, and what of it the upstream sees.
//!
//! In `send`, a line's end is CR LF, and `\xHH \n \r \t \0 \\` stand for bytes. Placeholders: `{token}`
//! (alive, opaque), `{jwt}` (alive), `{repeat a 70000}`, `{headers 101}` (lines `X-1: v` …), `{port}` (the
//! gateway's).

use anyhow::{Context, Result, bail, ensure};
use latchkey_checks::recorder::Seen;
use latchkey_checks::report::Report;
use latchkey_checks::wire::{Asked, Connection, Reply, short};
use serde::Deserialize;

use crate::stage::Stage;

/// A file of rows.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rows {
    row: Vec<Row>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    id: String,
    says: String,
    send: String,
    /// The statuses of the answers, one after the other.
    status: Vec<u16>,
    /// The body of the last answer, to the byte.
    body: Option<String>,
    /// A text that the named header of the last answer holds.
    #[serde(default)]
    answers: Vec<(String, String)>,
    /// Whether the connection can be used again. Without it, both are right.
    then: Option<Then>,
    /// The request lines that reach the upstream; usually none does.
    #[serde(default)]
    upstream: Vec<String>,
    /// Lines that stand in the upstream's last head.
    #[serde(default)]
    sees: Vec<String>,
    /// Names of headers, in lower case, that do not.
    #[serde(default)]
    lacks: Vec<String>,
    /// The body that reaches the upstream with the last request.
    upstream_body: Option<String>,
}

#[derive(Debug, Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Then {
    Open,
    Closed,
}

/// What placeholders stand for.
pub(crate) struct Facts {
    pub(crate) token: String,
    pub(crate) jwt: String,
    pub(crate) port: u16,
}

impl Rows {
    pub(crate) fn read(text: &str) -> Result<Self> {
        toml::from_str(text).context("read the rows")
    }

    /// Runs every row against the stage; the recorder must see what the row says, and nothing besides.
    pub(crate) fn run(&self, stage: &Stage, facts: &Facts, report: &mut Report) {
        for row in &self.row {
            report.check(&row.id, &row.says, || row.run(stage, facts));
        }
    }
}

impl Row {
    fn run(&self, stage: &Stage, facts: &Facts) -> Result<()> {
        let known = stage.recorder.count();
        let mut connection = Connection::open(stage.gateway())?;
        let bytes = expand(&self.send, facts)?;
        connection.send_bytes(&bytes)?;
        let asked = if bytes.starts_with(b"HEAD ") { Asked::Head } else { Asked::Whole };
        let mut last = None;
        for status in &self.status {
            let reply = connection.read_reply(asked)?;
            ensure!(
                reply.status == *status,
                "status {}, not {status}: {}",
                reply.status,
                short(&reply.text())
            );
            last = Some(reply);
        }
        if let Some(last) = last {
            self.check_answer(&last)?;
        }
        match self.then {
            Some(Then::Open) => {
                probe(&mut connection, facts).context("the connection cannot be used again")?;
            }
            Some(Then::Closed) => {
                let rest = connection.read_to_end().context("the connection stays open")?;
                ensure!(rest.is_empty(), "more comes: {}", short(&String::from_utf8_lossy(&rest)));
            }
            None => {}
        }
        // What was let through came before this.
        probe(&mut Connection::open(stage.gateway())?, facts)?;
        self.check_upstream(&stage.recorder.since(known))
    }

    fn check_answer(&self, reply: &Reply) -> Result<()> {
        if let Some(body) = &self.body {
            ensure!(reply.text() == *body, "the body is {}", short(&reply.text()));
        }
        for (name, text) in &self.answers {
            let value = reply.header(name).with_context(|| format!("no header {name}"))?;
            ensure!(value.contains(text.as_str()), "{name}: {value}");
        }
        Ok(())
    }

    fn check_upstream(&self, seen: &[Seen]) -> Result<()> {
        let seen: Vec<&Seen> = seen.iter().filter(|seen| !seen.line().contains(PROBE)).collect();
        let lines: Vec<&str> = seen.iter().map(|seen| seen.line()).collect();
        ensure!(lines == self.upstream, "the upstream saw {lines:?}, not {:?}", self.upstream);
        let Some(last) = seen.last() else { return Ok(()) };
        for line in &self.sees {
            let (name, value) = line.split_once(": ").context("`sees` holds header lines")?;
            let values = last.header(name);
            ensure!(values == [value], "the upstream saw {name}: {values:?}, not {value:?}");
        }
        for name in &self.lacks {
            ensure!(last.header(name).is_empty(), "the upstream saw {name}: {:?}", last.header(name));
        }
        if let Some(body) = &self.upstream_body {
            let came = String::from_utf8_lossy(&last.body);
            ensure!(last.is_whole && came == body.as_str(), "the upstream's body is {}", short(&came));
        }
        Ok(())
    }
}

/// Stands in the target of calls that only ask whether all is well.
const PROBE: &str = "/probe";

fn probe(connection: &mut Connection, facts: &Facts) -> Result<()> {
    let text = "GET /check/1/probe HTTP/1.1\nHost: gateway\nAuthorization: Bearer {token}\n\n";
    connection.send_bytes(&expand(text, facts)?)?;
    connection.read_reply(Asked::Whole)?.expect(200).map(drop)
}

/// The bytes that a text of a row stands for.
fn expand(text: &str, facts: &Facts) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(place) = rest.find(['\n', '\\', '{']) {
        bytes.extend_from_slice(&rest.as_bytes()[..place]);
        let (mark, after) = rest[place..].split_at(1);
        rest = match mark {
            "\n" => {
                bytes.extend_from_slice(b"\r\n");
                after
            }
            "\\" => escape(after, &mut bytes)?,
            _ => {
                let (word, after) = after.split_once('}').context("a brace that does not end")?;
                placeholder(word, facts, &mut bytes)?;
                after
            }
        };
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(bytes)
}

fn escape<'a>(after: &'a str, bytes: &mut Vec<u8>) -> Result<&'a str> {
    let mark = after.chars().next().context("a backslash at the end")?;
    let byte = match mark {
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        '0' => 0,
        '\\' => b'\\',
        'x' => {
            bytes.push(u8::from_str_radix(after.get(1..3).context("\\xHH")?, 16)?);
            return Ok(&after[3..]);
        }
        other => bail!("an escape \\{other} that means nothing"),
    };
    bytes.push(byte);
    Ok(&after[1..])
}

fn placeholder(word: &str, facts: &Facts, bytes: &mut Vec<u8>) -> Result<()> {
    let words: Vec<&str> = word.split(' ').collect();
    let text = match words[..] {
        ["token"] => facts.token.clone(),
        ["jwt"] => facts.jwt.clone(),
        ["port"] => facts.port.to_string(),
        ["repeat", text, times] => text.repeat(times.parse()?),
        ["headers", count] => (1..=count.parse::<u32>()?)
            .map(|number| format!("X-{number}: v"))
            .collect::<Vec<_>>()
            .join("\r\n"),
        _ => bail!("a placeholder {{{word}}} that means nothing"),
    };
    bytes.extend_from_slice(text.as_bytes());
    Ok(())
}
