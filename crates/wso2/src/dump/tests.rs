use std::io::{self, BufRead, Cursor};

use proptest::prelude::*;

use super::*;

/// Rows as they were taken: the table's name, and each column that is there with its value.
#[derive(Debug, Default)]
struct Taken(Vec<(&'static str, Vec<(&'static str, String)>)>);

impl Rows for Taken {
    fn take(&mut self, table: usize, row: &Row) -> Result<(), String> {
        let columns = TABLES[table].columns.iter().enumerate();
        let values = columns.filter_map(|(number, name)| {
            Some((*name, String::from_utf8_lossy(row.get(number)?).into_owned()))
        });
        self.0.push((TABLES[table].name, values.collect()));
        Ok(())
    }

    fn read(&mut self, _: u64) {}
}

/// A file of which the head comes whole and the rest a few bytes at a time, so that every boundary lies somewhere.
struct Drops<'a> {
    text: &'a [u8],
    size: usize,
}

impl io::Read for Drops<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.len().min(out.len());
        out[..count].copy_from_slice(&self.text[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Drops<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(&self.text[..self.text.len().min(self.size)])
    }

    fn consume(&mut self, count: usize) {
        self.text = &self.text[count..];
        self.size = if count == 0 { self.size } else { 3 };
    }
}

fn taken(dump: &str) -> Vec<(&'static str, Vec<(&'static str, String)>)> {
    let mut taken = Taken::default();
    read(Drops { text: dump.as_bytes(), size: LOOK }, "a.sql", &mut taken).unwrap();
    taken.0
}

fn fault(dump: &str) -> String {
    read(Cursor::new(dump.as_bytes()), "a.sql", &mut Taken::default()).unwrap_err().to_string()
}

fn domain(id: &str, name: &str) -> (&'static str, Vec<(&'static str, String)>) {
    ("UM_DOMAIN", vec![("UM_DOMAIN_ID", id.to_owned()), ("UM_DOMAIN_NAME", name.to_owned())])
}

#[test]
fn what_mysqldump_writes_is_read() {
    let dump = r"-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)
/*!40101 SET NAMES utf8mb4 */;
DROP TABLE IF EXISTS `UM_DOMAIN`;
CREATE TABLE `UM_DOMAIN` (
  `UM_DOMAIN_ID` int NOT NULL AUTO_INCREMENT,
  `KEY` enum('a','b)') DEFAULT NULL COMMENT 'it''s, (a) comment',
  `UM_DOMAIN_NAME` varchar(255) CHARACTER SET utf8mb4 DEFAULT NULL,
  PRIMARY KEY (`UM_DOMAIN_ID`),
  KEY `x` (`UM_DOMAIN_NAME`)
) ENGINE=InnoDB;
LOCK TABLES `UM_DOMAIN` WRITE;
INSERT INTO `UM_DOMAIN` VALUES (1,'a','PRI\'MARY\\'),(2,NULL,'a\nb;c),('),(-3,_binary 'x','Åsa''s'),(4,'a',NULL);
INSERT INTO `OTHER` VALUES ('; INSERT INTO `UM_DOMAIN` VALUES (9,1,2)',0x00FF);
INSERT INTO `UM_DOMAIN` VALUES (5,'b',0x414243),(6,'b',_utf8mb4'd');
DELIMITER ;;
CREATE TRIGGER t BEFORE INSERT ON x FOR EACH ROW BEGIN INSERT INTO UM_DOMAIN VALUES (7,'c','no'); END ;;
DELIMITER ;
";
    let null = ("UM_DOMAIN", vec![("UM_DOMAIN_ID", "4".to_owned())]);
    let expected = [
        domain("1", r"PRI'MARY\"),
        domain("2", "a\nb;c),("),
        domain("-3", "Åsa's"),
        null,
        domain("5", "ABC"),
        domain("6", "d"),
    ];
    assert_eq!(taken(dump), expected);
}

#[test]
fn what_pg_dump_writes_is_read() {
    let dump = concat!(
        "--\n-- PostgreSQL database dump\n--\n\\restrict abc'def\nSET x = 1;\n",
        "CREATE FUNCTION public.f() RETURNS trigger LANGUAGE plpgsql AS $_$ BEGIN; 'COPY'; $ $1 END $_$;\n",
        "CREATE TABLE public.um_domain (um_domain_id integer NOT NULL, um_domain_name character varying(255));\n",
        "COPY public.other (a, b) FROM stdin;\n\\N\tx'y;\n\\.\n\n",
        "COPY public.um_domain (um_domain_name, um_domain_id) FROM stdin;\n",
        "it's\\ta\\\\b\\101\t1\n\\N\t2\n\\.\n\n",
        "INSERT INTO public.um_domain VALUES (3, 'a\\b''c'), (4, E'a\\tb');\n",
        "INSERT INTO public.um_domain (um_domain_id) OVERRIDING SYSTEM VALUE VALUES (5);\n",
    );
    let only = |id: &str| ("UM_DOMAIN", vec![("UM_DOMAIN_ID", id.to_owned())]);
    let expected =
        [domain("1", "it's\ta\\bA"), only("2"), domain("3", "a\\b'c"), domain("4", "a\tb"), only("5")];
    assert_eq!(taken(dump), expected);
}

#[test]
fn what_h2_writes_is_read() {
    let dump = r#"-- H2 2.1.214;
CREATE USER IF NOT EXISTS "SA" SALT 'ab' HASH 'cd' ADMIN;
CREATE CACHED TABLE "PUBLIC"."UM_DOMAIN"("UM_DOMAIN_ID" INTEGER NOT NULL, "UM_DOMAIN_NAME" CHARACTER VARYING(255));
-- 2 +/- SELECT COUNT(*) FROM PUBLIC.UM_DOMAIN;
INSERT INTO "PUBLIC"."UM_DOMAIN" VALUES
(1, 'PRIMARY'),
(2, U&'\00c5sa\\');
INSERT INTO PUBLIC.UM_DOMAIN(UM_DOMAIN_ID, UM_DOMAIN_NAME) VALUES (3, STRINGDECODE('a\nb\u00e4')), (TRUE, CAST(X'41' AS BINARY));
INSERT INTO "PUBLIC"."AM_POLICY_APPLICATION"("NAME", "QUOTA") VALUES ('Gold', TIMESTAMP '2020-01-01 00:00:00.0');
INSERT INTO "PUBLIC"."AM_API_THROTTLE_POLICY"("NAME", "DEFAULT_QUOTA") VALUES ('10KPerMin', 10000);
"#;
    let policy = |level: &str, name: &str, quota: &str| {
        let values = [("LEVEL", level), ("NAME", name), ("QUOTA", quota)];
        ("POLICY", values.map(|(column, value)| (column, value.to_owned())).to_vec())
    };
    let expected = [
        domain("1", "PRIMARY"),
        domain("2", "Åsa\\"),
        domain("3", "a\nbä"),
        domain("TRUE", "A"),
        policy("application", "Gold", "2020-01-01 00:00:00.0"),
        policy("resource", "10KPerMin", "10000"),
    ];
    assert_eq!(taken(dump), expected);
}

#[test]
fn a_fault_says_where_it_is_and_shows_nothing() {
    let head = "CREATE TABLE UM_USER (UM_ID INT, UM_USER_PASSWORD TEXT);\n";
    let long = format!("{head}INSERT INTO UM_USER VALUES (1, '{}');", "hidden".repeat(MAX_TEXT));
    let cases = [
        (
            "INSERT INTO UM_USER VALUES (1,'hidden');",
            "a.sql, line 1, table UM_USER: the columns are not known",
        ),
        (
            &format!("{head}INSERT INTO UM_USER VALUES (1,\n'hidden', 3);"),
            "line 3, table UM_USER: a row has more",
        ),
        (
            &format!("{head}INSERT INTO UM_USER VALUES (1,'hid"),
            "line 2, table UM_USER: the file ends inside a value",
        ),
        (
            &format!("{head}INSERT INTO UM_USER VALUES (1,"),
            "line 2, table UM_USER: the file ends inside a statement",
        ),
        (
            &format!("{head}COPY UM_USER FROM stdin;\n1\thidden\n"),
            "line 4, table UM_USER: the file ends inside",
        ),
        (&long, "line 2, table UM_USER: a value is longer than"),
    ];
    for (dump, expected) in cases {
        let said = fault(dump);
        assert!(said.contains(expected) && !said.contains("hid"), "{said}");
    }
}

/// Enough repetitions of six letters to be too long.
const MAX_TEXT: usize = crate::lexer::MAX_KEPT / 6 + 1;

fn quoted(text: &str) -> [String; 3] {
    let mysql = text.replace('\\', "\\\\").replace('\'', "\\'").replace('\n', "\\n").replace('\0', "\\0");
    let copied = text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n").replace('\r', "\\r");
    [mysql, text.replace('\'', "''"), copied]
}

proptest! {
    #[test]
    fn values_come_back_as_they_were(text in any::<String>(), number in any::<i64>()) {
        let [mysql, plain, copied] = quoted(&text);
        let make = "CREATE TABLE UM_DOMAIN (UM_DOMAIN_ID INT, UM_DOMAIN_NAME TEXT);\n";
        let number = number.to_string();
        let expected = [domain(&number, &text)];
        let dumps = [
            format!("-- MySQL dump\n{make}INSERT INTO `UM_DOMAIN` VALUES ({number},'{mysql}');"),
            format!("{make}INSERT INTO UM_DOMAIN VALUES ({number}, '{plain}');"),
            format!("{make}COPY UM_DOMAIN FROM stdin;\n{number}\t{copied}\n\\.\n"),
        ];
        for (kind, dump) in dumps.iter().enumerate() {
            // A backtick would tell of MySQL, and NUL is nothing that PostgreSQL has.
            if kind == 0 || !text.contains(['`', '\0']) {
                prop_assert_eq!(&taken(dump), &expected, "{}", dump);
            }
        }
    }

    #[test]
    fn nothing_hostile_ends_it(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(Cursor::new(bytes), "a.sql", &mut Taken::default());
    }

    #[test]
    fn no_mixture_of_words_ends_it(
        parts in prop::collection::vec(prop::sample::select(vec![
            "CREATE", " TABLE ", "INSERT INTO ", "COPY ", "UM_USER", "UM_DOMAIN", "(", ")", ",", ";", "'", "`", "\"",
            "\\", "\\.\n", "\n", "FROM stdin;\n", " VALUES ", "NULL", "0x", "X'4", "E'", "U&'\\00", "$$", "$a$", "--",
            "/*", "*/", "-1", "STRINGDECODE", "DELIMITER", "\t", "\u{e4}", "UM_DOMAIN_ID", ".",
        ]), 0..40)
    ) {
        let dump = format!("CREATE TABLE UM_DOMAIN (UM_DOMAIN_ID INT);\n{}", parts.concat());
        let _ = read(Cursor::new(dump.into_bytes()), "a.sql", &mut Taken::default());
    }
}
