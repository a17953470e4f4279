//! Sockets, files, clocks, threads and random sources are touched behind the seams only (`docs/architecture.md`,
//! "The four seams"): the rest of a cell runs on a simulated machine as it is.

use crate::tree::{self, TextFile};

/// Crates that run inside a cell or a client; everything else (operator, e2e, build scripts) is not simulated this way.
const SIMULATED: &str = "cell/";

/// Where a machine may be touched, and why. A folder ends with `/`.
const ALLOWED: [(&str, &str); 10] = [
    ("cell/server/src/os/", "the production side of the seams"),
    ("cell/server/src/main.rs", "reads flags and key files before there is a replica"),
    ("cell/server/src/run.rs", "binds the ports; a simulation assembles the same parts without it"),
    ("cell/server/src/ops/http.rs", "the operators' port, which no simulated machine has"),
    ("cell/raft/src/runtime.rs", "the runtime seam"),
    ("cell/gateway/src/transport/", "clients' sockets; a simulation drives the session itself"),
    ("cell/client/src/shell/", "the client's own machine; a simulation drives the session itself"),
    ("cell/client/src/clock.rs", "the client's own machine"),
    ("cell/client/src/builder.rs", "the client's own machine"),
    ("cell/client/src/store/file.rs", "the client's own machine"),
];

/// How something of the machine is named.
enum Name {
    /// A path that starts with these words.
    Path(&'static [&'static str]),
    /// A path with this word anywhere, because it is mostly imported.
    Word(&'static str),
}

impl Name {
    fn is_in(&self, path: &[String]) -> bool {
        match self {
            Self::Path(words) => path.len() >= words.len() && path.iter().zip(*words).all(|(part, word)| part == word),
            Self::Word(word) => path.iter().any(|part| part == word),
        }
    }
}

/// What touches a machine.
const MACHINE: [(&str, Name); 25] = [
    ("a file", Name::Path(&["std", "fs"])),
    ("a file", Name::Path(&["tokio", "fs"])),
    ("a file", Name::Word("FileBackend")),
    ("a file", Name::Path(&["rustix"])),
    ("a socket", Name::Path(&["tokio", "net"])),
    ("a socket", Name::Path(&["std", "net", "TcpListener"])),
    ("a socket", Name::Path(&["std", "net", "TcpStream"])),
    ("a socket", Name::Path(&["std", "net", "UdpSocket"])),
    ("a socket", Name::Path(&["std", "net", "ToSocketAddrs"])),
    ("a socket", Name::Path(&["std", "os", "unix"])),
    ("a clock", Name::Word("SystemTime")),
    ("a clock", Name::Path(&["std", "time", "Instant"])),
    // A generator that was handed over as an argument is data; these draw from the machine.
    ("a random source", Name::Path(&["rand", "rng"])),
    ("a random source", Name::Path(&["rand", "random"])),
    ("a random source", Name::Word("SysRng")),
    ("a random source", Name::Word("ThreadRng")),
    ("a random source", Name::Word("getrandom")),
    ("a thread", Name::Path(&["std", "thread"])),
    ("a task", Name::Path(&["tokio", "spawn"])),
    ("a task", Name::Path(&["tokio", "task", "spawn"])),
    ("a task", Name::Path(&["task", "spawn"])),
    ("a task", Name::Word("spawn_blocking")),
    ("a task", Name::Word("block_in_place")),
    ("a task", Name::Word("JoinSet")),
    ("a process", Name::Path(&["std", "process"])),
];

#[test]
fn nothing_but_the_seams_touches_the_machine() {
    let files = tree::rust_files();
    let simulated = files.iter().filter(|file| file.path.starts_with(SIMULATED) && file.path.contains("/src/"));
    let tests = test_modules(&files);
    let simulated = simulated.filter(|file| !tests.iter().any(|test| file.path.starts_with(test)));
    let others = simulated.filter(|file| !ALLOWED.iter().any(|(allowed, _)| file.path.starts_with(allowed)));
    let violations: Vec<_> = others.flat_map(|file| touches(&file.path, &file.text)).collect();
    tree::assert_none("go through a seam (cell/raft/src/seams.rs)", &violations);
}

#[test]
fn no_allowance_outlives_its_file() {
    let files = tree::rust_files();
    let stale = ALLOWED.iter().filter(|(allowed, _)| !files.iter().any(|file| file.path.starts_with(allowed)));
    let stale: Vec<_> = stale.map(|(allowed, reason)| format!("{allowed} ({reason})")).collect();
    tree::assert_none("allowed, but there is no such file", &stale);
}

#[test]
fn every_way_to_name_the_machine_is_caught() {
    for (text, what) in [
        ("std::fs::read(path)", "a file"),
        ("use std::{fmt, fs};", "a file"),
        ("use std::{\n    collections::BTreeMap,\n    time::{Duration, Instant},\n};", "a clock"),
        ("use std::time::{Duration, Instant};", "a clock"),
        ("let now = std::time::SystemTime::now();", "a clock"),
        ("use std::net::{SocketAddr, TcpStream};", "a socket"),
        ("use tokio::net::TcpListener;", "a socket"),
        ("let id: u64 = rand::random();", "a random source"),
        ("use rand::rngs::{StdRng, SysRng};", "a random source"),
        ("use tokio::{fs, net};", "a file"),
        ("tokio::spawn(async {});", "a task"),
    ] {
        let found = touches("a.rs", text);
        assert!(found.first().is_some_and(|found| found.contains(what)), "{text}: {found:?}");
    }
}

#[test]
fn data_comments_and_tests_are_left_alone() {
    for text in [
        "use std::net::SocketAddr;",
        "use std::time::Duration;",
        "use tokio::time::Instant;",
        "use tokio::{sync::mpsc, time::Instant};",
        "/// Like std::fs::read.",
        "use rand::{Rng, SeedableRng, rngs::StdRng};",
        "fn f() {}\n\n#[cfg(test)]\nmod tests {\n    use std::fs;\n}\n",
    ] {
        assert_eq!(touches("a.rs", text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn modules_that_only_tests_see_are_known_by_their_declaration() {
    let file = |path: &str, text: &str| TextFile { path: path.into(), text: text.into() };
    let files = [
        file("a/src/lib.rs", "mod one;\n#[cfg(test)]\nmod world;\nmod two;\n"),
        file("a/src/two.rs", "#[cfg(test)]\nmod tests;\n"),
        file("a/src/one.rs", "#[cfg(test)]\nmod tests {\n}\n"),
    ];

    assert_eq!(test_modules(&files), ["a/src/world.rs", "a/src/world/", "a/src/two/tests.rs", "a/src/two/tests/"]);
}

/// The files and folders of modules that are declared for tests only.
fn test_modules(files: &[TextFile]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        let stem = file.path.strip_suffix(".rs").unwrap_or(&file.path);
        let folder = match stem.rsplit_once('/') {
            Some((folder, "lib" | "main" | "mod")) => folder,
            _ => stem,
        };
        for declared in file.text.split("#[cfg(test)]\n").skip(1) {
            let line = declared.lines().next().unwrap_or_default();
            let name =
                line.trim_start_matches("pub(crate) ").strip_prefix("mod ").and_then(|name| name.strip_suffix(';'));
            found
                .extend(name.into_iter().flat_map(|name| [format!("{folder}/{name}.rs"), format!("{folder}/{name}/")]));
        }
    }
    found
}

fn touches(path: &str, text: &str) -> Vec<String> {
    let paths = paths(&code(text));
    let found = MACHINE.iter().filter_map(|(what, name)| {
        let path = paths.iter().find(|path| name.is_in(path))?;
        Some((what, path.join("::")))
    });
    found.map(|(what, used)| format!("{path}: {what}, by {used}")).collect()
}

/// Without comments, and without the tests that end a file.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// Every path in the code; groups in braces are multiplied out.
fn paths(code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    // What stands before each open brace that continues a path.
    let mut stack: Vec<Option<Vec<String>>> = Vec::new();
    let mut current: Vec<String> = Vec::new();
    let mut tokens = tokens(code).into_iter().peekable();
    while let Some(token) = tokens.next() {
        let base = || stack.last().cloned().flatten().unwrap_or_default();
        match token.as_str() {
            "::" if tokens.next_if(|next| next == "{").is_some() => stack.push(Some(std::mem::take(&mut current))),
            "{" => stack.push(None),
            "}" => {
                stack.pop();
            }
            word if word.starts_with(|first: char| first.is_alphabetic() || first == '_') => {
                if current.is_empty() {
                    current = base();
                }
                current.push(token);
                if tokens.peek().is_none_or(|next| next != "::") {
                    found.push(std::mem::take(&mut current));
                }
            }
            _ => {}
        }
    }
    found
}

/// Words, `::` and single signs.
fn tokens(code: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut in_word = false;
    for sign in code.chars() {
        let is_word = sign.is_alphanumeric() || sign == '_';
        match tokens.last_mut() {
            Some(last) if is_word && in_word => last.push(sign),
            Some(last) if sign == ':' && last == ":" => last.push(sign),
            _ if sign.is_whitespace() => {}
            _ => tokens.push(sign.to_string()),
        }
        in_word = is_word;
    }
    tokens
}
