//! Which module of a crate uses which, as its sources say.
//!
//! Paths that begin with `crate`, `self`, `super` or the name of a child are
//! read wherever they stand, in `use` declarations and in code, and followed
//! through re-exports (`pub use`). What is compiled for tests only does not
//! count, nor what macros write.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

mod tokens;

use tokens::{Token, tokens};

/// A module's path below the crate's root, which is empty.
pub type Module = Vec<String>;

/// A crate's modules, and the paths in them.
#[derive(Debug, Default)]
pub struct Imports {
    modules: BTreeMap<Module, Names>,
    /// The path that a module uses, by its segments.
    paths: Vec<(Module, Vec<String>)>,
}

/// What other modules can reach in a module: its children are modules of their
/// own, the rest came by `use`.
#[derive(Debug, Default)]
struct Names {
    used: BTreeMap<String, Vec<String>>,
}

/// Which child of a parent uses which other, with a module and a path that show it.
type Edges = BTreeMap<(String, String), (Module, Vec<String>)>;

/// Modules that use each other, below the same parent.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Circle {
    /// The parent's path, empty for the crate's root.
    pub parent: String,
    /// Names of its children.
    pub members: Vec<String>,
}

impl Imports {
    /// Reads the crate whose root is this file (`src/lib.rs`).
    pub fn of_crate(root: &Path) -> Self {
        let mut imports = Self::default();
        let below = root.parent().expect("a file");
        imports.read(root, below, Vec::new());
        imports
    }

    /// Reads a module's file; its children's are `below`.
    fn read(&mut self, file: &Path, below: &Path, module: Module) {
        let text = std::fs::read_to_string(file)
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let tokens = tokens(&text);
        let mut reader = Reader {
            imports: self,
            tokens: &tokens,
            at: 0,
            children: Vec::new(),
        };
        reader.module(&module);
        for (child, path) in reader.children {
            let folder = child[module.len()..].iter().collect::<PathBuf>();
            let folder = below.join(folder);
            let candidates = match path {
                Some(path) => vec![file.with_file_name(path)],
                None => vec![folder.with_extension("rs"), folder.join("mod.rs")],
            };
            let found = candidates.into_iter().find(|path| path.exists());
            let found = found.unwrap_or_else(|| panic!("no file of {}", child.join("::")));
            self.read(&found, &folder, child);
        }
    }

    /// The module that a path leads to from another.
    fn resolve(&self, from: &[String], path: &[String], depth: usize) -> Option<Module> {
        let (mut module, mut rest): (Module, &[String]) = match path.first()?.as_str() {
            "crate" => (Vec::new(), &path[1..]),
            "self" => (from.to_vec(), &path[1..]),
            "super" => (from[..from.len().checked_sub(1)?].to_vec(), &path[1..]),
            _ => (from.to_vec(), path),
        };
        let relative = matches!(path[0].as_str(), "crate" | "self" | "super");
        let mut entered = relative;
        while let Some(next) = rest.first() {
            if next == "super" {
                module.pop()?;
                rest = &rest[1..];
                continue;
            }
            let mut child = module.clone();
            child.push(next.clone());
            if self.modules.contains_key(&child) {
                module = child;
                rest = &rest[1..];
                entered = true;
                continue;
            }
            let reexport = self.modules.get(&module)?.used.get(next);
            if let Some(reexport) = reexport.filter(|_| depth < 8) {
                let mut whole = reexport.clone();
                whole.extend_from_slice(&rest[1..]);
                // What comes from another crate is the re-exporting module's.
                let found = self.resolve(&module, &whole, depth + 1);
                return found.or(entered.then_some(module));
            }
            break;
        }
        entered.then_some(module)
    }

    /// Which child of a parent uses which other, and a module and a path of each
    /// that show it.
    fn edges(&self) -> BTreeMap<Module, Edges> {
        let mut edges: BTreeMap<Module, BTreeMap<_, _>> = BTreeMap::new();
        for (from, path) in &self.paths {
            let Some(to) = self.resolve(from, path, 0) else {
                continue;
            };
            let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
            // One of them is in the other: a parent and its child are one thing.
            let (Some(a), Some(b)) = (from.get(common), to.get(common)) else {
                continue;
            };
            edges
                .entry(from[..common].to_vec())
                .or_default()
                .entry((a.clone(), b.clone()))
                .or_insert_with(|| (from.clone(), path.clone()));
        }
        edges
    }

    /// Whether one module of the root uses another, itself or by way of others.
    ///
    /// # Panics
    ///
    /// If there is no such module.
    pub fn reaches(&self, from: &str, to: &str) -> bool {
        for name in [from, to] {
            let module = vec![name.to_owned()];
            assert!(self.modules.contains_key(&module), "no module {name}");
        }
        let edges = self.edges();
        let edges = edges.get(&Module::new());
        let mut seen = BTreeSet::from([from]);
        let mut next = vec![from];
        while let Some(at) = next.pop() {
            let used = edges.into_iter().flatten().map(|((a, b), _)| (a, b));
            let used = used.filter(|(a, _)| *a == at).map(|(_, b)| b.as_str());
            next.extend(used.filter(|name| seen.insert(name)));
        }
        seen.contains(to)
    }

    /// Every circle, below the root and below each module.
    pub fn circles(&self) -> Vec<Circle> {
        let mut circles = Vec::new();
        for (parent, edges) in self.edges() {
            let nodes: BTreeSet<&String> = edges.keys().flat_map(|(a, b)| [a, b]).collect();
            let reaches = |start: &String| {
                let mut seen = BTreeSet::new();
                let mut open = vec![start];
                while let Some(at) = open.pop() {
                    for (_, next) in edges.keys().filter(|(from, _)| from == at) {
                        if seen.insert(next) {
                            open.push(next);
                        }
                    }
                }
                seen
            };
            let reached: BTreeMap<&String, BTreeSet<&String>> =
                nodes.iter().map(|node| (*node, reaches(node))).collect();
            let mut done = BTreeSet::new();
            for node in &nodes {
                let mutual = nodes.iter().filter(|other| {
                    reached[*node].contains(*other) && reached[*other].contains(node)
                });
                let members: Vec<String> = mutual.map(|other| (*other).clone()).collect();
                if members.len() > 1 && done.insert(members.clone()) {
                    circles.push(Circle {
                        parent: parent.join("::"),
                        members,
                    });
                }
            }
        }
        circles
    }

    /// The paths that make a circle, for people to read.
    pub fn explain(&self, circle: &Circle) -> String {
        let mut text = String::new();
        for (parent, edges) in self.edges() {
            if parent.join("::") != circle.parent {
                continue;
            }
            for ((a, b), (module, path)) in edges {
                if circle.members.contains(&a) && circle.members.contains(&b) {
                    let (module, path) = (module.join("::"), path.join("::"));
                    text += &format!("    {a} -> {b}: {module} uses {path}\n");
                }
            }
        }
        text
    }
}

/// Reads the tokens of one file.
struct Reader<'a> {
    imports: &'a mut Imports,
    tokens: &'a [Token],
    at: usize,
    /// Modules that are in files of their own, with the file where it is named.
    children: Vec<(Module, Option<String>)>,
}

impl Reader<'_> {
    fn word(&self, ahead: usize) -> Option<&str> {
        match self.tokens.get(self.at + ahead)? {
            Token::Word(word) => Some(word),
            _ => None,
        }
    }

    fn is(&self, ahead: usize, mark: char) -> bool {
        matches!(self.tokens.get(self.at + ahead), Some(Token::Mark(c)) if *c == mark)
    }

    fn is_path(&self, ahead: usize) -> bool {
        matches!(self.tokens.get(self.at + ahead), Some(Token::PathSeparator))
    }

    /// Reads a module to its end.
    fn module(&mut self, module: &Module) {
        self.imports.modules.entry(module.clone()).or_default();
        let mut depth = 0_usize;
        let mut path_of_file = None;
        while self.at < self.tokens.len() {
            if self.is(0, '#') && self.is(1, '[') {
                let attribute = self.attribute();
                if is_for_tests(&attribute) {
                    self.skip_item();
                } else if let [Token::Word(name), Token::Mark('='), Token::Text(path)] =
                    attribute.as_slice()
                    && name == "path"
                {
                    path_of_file = Some(path.clone());
                }
                continue;
            }
            match (self.word(0), self.word(1)) {
                (Some("mod"), Some(name)) if self.is(2, ';') || self.is(2, '{') => {
                    let mut child = module.clone();
                    child.push(name.to_owned());
                    let inline = self.is(2, '{');
                    self.at += 3;
                    if inline {
                        self.module(&child);
                    } else {
                        self.children.push((child, path_of_file.take()));
                    }
                }
                (Some("use"), _) => {
                    self.at += 1;
                    let mut leaves = Vec::new();
                    self.use_tree(Vec::new(), &mut leaves);
                    for (path, name) in leaves {
                        self.imports.paths.push((module.clone(), path.clone()));
                        let names = self.imports.modules.entry(module.clone()).or_default();
                        names.used.insert(name, path);
                    }
                }
                // `pub(in crate::a)` uses nothing.
                (Some("in"), Some("crate" | "super" | "self")) => self.at += 2,
                (Some("crate" | "super" | "self"), _) if self.is_path(1) => {
                    let path = self.path();
                    self.imports.paths.push((module.clone(), path));
                }
                _ => {
                    if self.is(0, '{') {
                        depth += 1;
                    } else if self.is(0, '}') {
                        if depth == 0 {
                            self.at += 1;
                            return;
                        }
                        depth -= 1;
                    }
                    self.at += 1;
                }
            }
        }
    }

    /// The tokens between an attribute's brackets.
    fn attribute(&mut self) -> Vec<Token> {
        self.at += 2;
        let begin = self.at;
        let mut depth = 1_usize;
        while self.at < self.tokens.len() && depth > 0 {
            if self.is(0, '[') {
                depth += 1;
            } else if self.is(0, ']') {
                depth -= 1;
            }
            self.at += 1;
        }
        self.tokens[begin..self.at.saturating_sub(1).max(begin)].to_vec()
    }

    /// Skips an item with its other attributes: to its `;`, or past its braces.
    fn skip_item(&mut self) {
        let mut depth = 0_usize;
        while self.at < self.tokens.len() {
            let (opens, closes) = (
                self.is(0, '{') || self.is(0, '(') || self.is(0, '['),
                self.is(0, '}') || self.is(0, ')') || self.is(0, ']'),
            );
            if closes && depth == 0 {
                // The last field or statement of what it is in.
                return;
            }
            let brace = self.is(0, '}');
            let ends = self.is(0, ';') || self.is(0, ',');
            self.at += 1;
            if opens {
                depth += 1;
            } else if closes {
                depth -= 1;
                if depth == 0 && brace {
                    return;
                }
            } else if ends && depth == 0 {
                return;
            }
        }
    }

    /// `a::b::c`, without what is generic about it.
    fn path(&mut self) -> Vec<String> {
        let mut path = Vec::new();
        while let Some(word) = self.word(0) {
            path.push(word.to_owned());
            self.at += 1;
            if self.is_path(0) && self.word(1).is_some() {
                self.at += 1;
            } else {
                break;
            }
        }
        path
    }

    /// The paths of a `use` declaration, each with the name it goes by.
    fn use_tree(&mut self, before: Vec<String>, leaves: &mut Vec<(Vec<String>, String)>) {
        if self.is_path(0) {
            self.at += 1;
        }
        let mut path = before;
        path.extend(self.path());
        if self.is_path(0) {
            self.at += 1;
        }
        if self.is(0, '{') {
            self.at += 1;
            while self.at < self.tokens.len() && !self.is(0, '}') {
                self.use_tree(path.clone(), leaves);
                if self.is(0, ',') {
                    self.at += 1;
                }
            }
            self.at += 1;
            return;
        }
        if self.is(0, '*') {
            self.at += 1;
            leaves.push((path, "*".to_owned()));
            return;
        }
        // `a::{self, b}` names `a`.
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        let mut name = path.last().cloned().unwrap_or_default();
        if self.word(0) == Some("as") {
            name = self.word(1).unwrap_or("_").to_owned();
            self.at += 2;
        }
        if self.is(0, ';') {
            self.at += 1;
        }
        if path.is_empty() {
            // Nothing that can be read: go on behind it.
            self.at += 1;
            return;
        }
        leaves.push((path, name));
    }
}

/// `cfg(test)`, alone or as one of all conditions.
fn is_for_tests(attribute: &[Token]) -> bool {
    let word = |at: usize| match attribute.get(at) {
        Some(Token::Word(word)) => word.as_str(),
        _ => "",
    };
    let condition = (word(0) == "cfg").then(|| word(2));
    condition == Some("test") || (condition == Some("all") && word(4) == "test")
}
