//! Templates, and what must never be in one.

use super::*;

fn template(sql: &str) -> String {
    normal(sql).template
}

#[test]
fn values_become_question_marks() {
    for (sql, wanted) in [
        ("SELECT * FROM t WHERE a = 1", "SELECT * FROM t WHERE a = ?"),
        ("select 'it''s', -1.5e-3, 0xFF", "select ?, -?"),
        (
            "SELECT a1 FROM t2\n\t WHERE  b_3='x' -- no\n;",
            "SELECT a1 FROM t2 WHERE b_3=?",
        ),
        (
            "SELECT /* here */ `c'2`, `a``b` FROM t",
            "SELECT `c'2`, `a``b` FROM t",
        ),
        ("WHERE a IN (1, 2,3 , ?4)", "WHERE a IN (?)"),
        (
            "WHERE a = $1 AND b = :name AND c = @p AND d = ?",
            "WHERE a = ? AND b = ? AND c = ? AND d = ?",
        ),
        (
            "INSERT INTO t VALUES (1,2), (3,4),(5,6)",
            "INSERT INTO t VALUES (?)",
        ),
        ("SELECT x::int, $$a 'b' 1$$, $q$z$q$", "SELECT x::int, ?"),
        ("", ""),
        ("'never ends", "?"),
        ("SELECT 'ünï', 名前 FROM t", "SELECT ?, 名前 FROM t"),
    ] {
        assert_eq!(template(sql), wanted, "{sql}");
    }
}

#[test]
fn values_are_told_apart_where_they_are_known() {
    let values = |sql| normal(sql).values;
    assert_eq!(values("SELECT 1"), values("SELECT  1"));
    assert_ne!(values("SELECT 1"), values("SELECT 2"));
    assert_eq!(values("SELECT ?"), None);
    assert_eq!(values("SELECT a FROM t WHERE b = 1 AND c = $1"), None);
    assert_eq!(values("SELECT a FROM t"), None);
}

#[test]
fn any_text_has_a_template() {
    let mut random = 7_u64;
    for _ in 0..20_000 {
        let mut text = String::new();
        for _ in 0..random % 40 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let all = "'\"`$?:@-/*()0e.x ,;\nü名_";
            text.extend(
                all.chars()
                    .nth((random >> 33) as usize % all.chars().count()),
            );
        }
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let once = template(&text);
        assert!(once.len() <= text.len() + 1, "{text:?} {once:?}");
    }
}

#[test]
fn what_is_quoted_twice_over_is_a_name_where_it_can_be_nothing_else() {
    for (sql, wanted) in [
        // MySQL's and SQLite's values.
        (
            "SELECT a FROM t WHERE b = \"x\" AND c IN (\"y\", \"z\")",
            "SELECT a FROM t WHERE b = ? AND c IN (?)",
        ),
        ("INSERT INTO t VALUES (\"x\")", "INSERT INTO t VALUES (?)"),
        (
            "SELECT trim(leading \"x\" FROM \"y\") FROM t",
            "SELECT trim(leading ? FROM ?) FROM t",
        ),
        ("PREPARE s FROM \"SELECT 'x'\"", "PREPARE s FROM ?"),
        // What sea-orm, diesel and sqlx's users write for PostgreSQL.
        (
            "SELECT \"a\".\"b\", \"c\" FROM \"a\" WHERE \"a\".\"b\" = $1 AND \"c\" = $2",
            "SELECT \"a\".\"b\", \"c\" FROM \"a\" WHERE \"a\".\"b\" = ? AND \"c\" = ?",
        ),
        (
            "INSERT INTO \"t\" (\"a\", \"b\") VALUES ($1, $2) RETURNING \"id\"",
            "INSERT INTO \"t\" (\"a\", \"b\") VALUES (?) RETURNING \"id\"",
        ),
        (
            "SELECT \"a\" FROM t WHERE \"a\" IN (SELECT \"b\" FROM \"u\" LIMIT $1)",
            "SELECT \"a\" FROM t WHERE \"a\" IN (SELECT \"b\" FROM \"u\" LIMIT ?)",
        ),
        // SQLite's, where tables are quoted and so are values.
        (
            "SELECT \"a\" FROM \"t\" WHERE \"a\" = \"x\" OR \"b\" BETWEEN \"y\" AND \"z\"",
            "SELECT \"a\" FROM \"t\" WHERE \"a\" = ? OR \"b\" BETWEEN ? AND ?",
        ),
        (
            "INSERT INTO \"t\" VALUES (\"x\", \"y\"), (\"z\", \"x\")",
            "INSERT INTO \"t\" VALUES (?)",
        ),
    ] {
        assert_eq!(template(sql), wanted, "{sql}");
    }
}

#[test]
fn where_dialects_disagree_the_rest_is_one_value() {
    for (sql, wanted) in [
        ("SELECT 'it\\'s' AND b = 'c'", "SELECT ?"),
        ("SELECT E'it\\'s' AND b = 'c'", "SELECT E? AND b = ?"),
        ("SELECT q'[it's]' AND b = 'c'", "SELECT q? AND b = ?"),
        ("SELECT 'c:\\dir' AND b = 'c'", "SELECT ? AND b = ?"),
        ("SELECT a # it\n AND b = 'c'", "SELECT a AND b = ?"),
        ("SELECT a # it's\n AND b = 'c'", "SELECT a ?"),
        ("SELECT a -- it's\n AND b = 'c'", "SELECT a AND b = ?"),
        ("SELECT a #>> '{b}' = $1", "SELECT a #>> ? = ?"),
        ("SELECT /* a /* b */ c */ d", "SELECT ?"),
        ("SELECT $a1$it's$a1$, $1, $b$never", "SELECT ?"),
        ("SELECT \"never ends", "SELECT ?"),
        ("SELECT `never ends", "SELECT ?"),
        ("SELECT 1_000_000, a$b$c FROM t", "SELECT ?, a$b$c FROM t"),
    ] {
        assert_eq!(template(sql), wanted, "{sql}");
    }
}

/// A source of numbers; the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }

    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }

    /// A word that no statement has.
    fn secret(&mut self) -> String {
        let letters = (0..10).map(|_| char::from(b'a' + self.below(26) as u8));
        format!("zq{}", letters.collect::<String>())
    }
}

/// Values and comments as a dialect writes them: `1` and `2` stand for
/// secrets, `0` for a secret number.
const DIALECTS: [(&str, &[&str], &[&str]); 5] = [
    (
        "PostgreSQL",
        &[
            "'1'",
            "'1''2'",
            "'1\\'",
            "'1\\\\'",
            "'1\"2'",
            "E'1\\'2'",
            "e'1''2\\\\'",
            "E'\\\\\\'1'",
            "$$1'2$$",
            "$t1$1$$2$t1$",
            "$_ü$1\"$t$2$_ü$",
            "N'1'",
            "U&'1\\00412'",
            "B'1'",
            "'1' 'x'",
            "0",
            "0.5",
            ".0",
            "0e5",
            "0_0",
            "-0",
            "'1\n2'",
            "'[1'",
            "ARRAY['1', '2]']",
            "'#1'",
            "'--1'",
            "'/*1'",
            "'1'::text",
            "('{\"1\":2}'::json #>> '{1}')",
        ],
        &["-- 1 '2\n", "/* 1 /* '2 */ 1 */", "/* 1 ' \" 2 */", "--1\n"],
    ),
    (
        "MySQL",
        &[
            "'1'",
            "'1\\'2'",
            "\"1\\\"2\"",
            "\"1'2\"",
            "'1\"2'",
            "\"1\"\"2\"",
            "'1''2'",
            "'\\\\'",
            "\"1\\\\\"",
            "_utf8mb4'1'",
            "_binary\"1\"",
            "0",
            "0.5",
            "0x0",
            "\" FROM 1\"",
            "\".1\"",
            "\"1\" \"2\"",
            "\"#1\"",
            "\"$1$ 2\"",
            "\"1\\\" FROM \"",
            "5 --'1'\n",
        ],
        &[
            "# 1\n",
            "# 1 '2\n",
            "#1 \"2\n",
            "-- 1 '2\n",
            "/* 1 ' 2 */",
            "/*! '1*/2' */",
            "# $1$ 2\n",
            "#>1\n",
        ],
    ),
    (
        "SQLite",
        &[
            "'1'", "'1''2'", "\"1\"", "X'1'", "0", "\"1'2\"", "'1\\'", "\"1\\\"", "'1\"2'",
        ],
        &["-- 1 '2\n", "/* 1 ' 2 */"],
    ),
    (
        "Oracle",
        &[
            "'1'",
            "'1''2'",
            "q'[1'2]'",
            "Q'!1'2!'",
            "nq'{1''2}'",
            "q'(1\\'2)'",
            "N'1'",
            "0",
        ],
        &["-- 1 '2\n", "/* 1 ' 2 */"],
    ),
    (
        "SQL Server",
        &[
            "'1'",
            "N'1''2'",
            "'1\\'",
            "[it's] + '1'",
            "[a]]'b] + '1'",
            "[\"] + '1\"2'",
            "0",
            "0x0",
        ],
        &["-- 1 '2\n", "/* 1 /* 2 */ '1 */", "/* 1 ' 2 */"],
    ),
];

/// Statements with places for values (`{}`) and for comments (`~`).
const STATEMENTS: [&str; 10] = [
    "SELECT a ~ FROM t WHERE b = {} AND c <> {} ~",
    "INSERT INTO t (a, b) ~ VALUES ({}, {}), ({},{})",
    "UPDATE t SET a = {} ~ WHERE b IN ({}, {} ~, {}) AND c LIKE {}",
    "SELECT {}, f({}, {}) ~ FROM t",
    "SELECT a FROM t WHERE b BETWEEN {} AND {} ~ LIMIT 5",
    "CALL p({}, ~ {})",
    "SELECT CASE WHEN a = {} THEN {} ELSE {} END ~ FROM t",
    "SELECT trim(both {} from {}) ~ FROM t",
    "SELECT a FROM t WHERE b = (SELECT c FROM u ~ WHERE d > {}) AND e IS DISTINCT FROM {}",
    "{}",
];

#[test]
fn no_value_is_left_in_any_dialect() {
    let mut random = Random(11);
    for round in 0..60_000 {
        let (dialect, values, comments) = DIALECTS[round % DIALECTS.len()];
        let mut secrets = Vec::new();
        let mut fill = |random: &mut Random, text: &str| {
            let mut filled = String::new();
            for c in text.chars() {
                match c {
                    '1' | '2' => {
                        let secret = random.secret();
                        filled.push_str(&secret);
                        secrets.push(secret);
                    }
                    '0' => {
                        let secret = format!("9{:08}", random.below(100_000_000));
                        filled.push_str(&secret);
                        secrets.push(secret);
                    }
                    c => filled.push(c),
                }
            }
            filled
        };
        let mut sql = String::new();
        let mut rest = random.of(&STATEMENTS);
        while let Some(at) = rest.find(['{', '~']) {
            sql.push_str(&rest[..at]);
            if rest[at..].starts_with('{') {
                let value = random.of(values);
                // A tag has to be the same at both ends, and is no secret.
                let value = match value.contains("t1$") {
                    true => value.replace("t1$", "t\u{1}$"),
                    false => value.to_owned(),
                };
                sql.push_str(&fill(&mut random, &value).replace('\u{1}', "1"));
                rest = &rest[at + 2..];
            } else {
                if random.below(4) == 0 {
                    let comment = random.of(comments);
                    sql.push_str(&fill(&mut random, comment));
                }
                rest = &rest[at + 1..];
            }
        }
        sql.push_str(rest);
        if dialect == "PostgreSQL" && random.below(2) == 0 {
            sql = sql.replace(" t ", " \"t\" ");
        }
        let whole = template(&sql);
        // As where it was too long, or the client gave up.
        let cut = sql.floor_char_boundary(random.below(sql.len() + 1));
        let part = template(&sql[..cut]);
        for secret in &secrets {
            assert!(!whole.contains(secret), "{dialect}: {sql}\n{whole}");
            assert!(!part.contains(secret), "{dialect}: {}\n{part}", &sql[..cut]);
        }
    }
}

#[test]
fn reads_are_told_from_writes() {
    for sql in ["SELECT 1", "(select 1)", "WITH a AS (SELECT ?) SELECT"] {
        assert!(reads(sql), "{sql}");
    }
    for sql in ["INSERT INTO t SELECT", "UPDATE t", "BEGIN", ""] {
        assert!(!reads(sql), "{sql}");
    }
}
