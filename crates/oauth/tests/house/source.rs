//! Rules about Rust source.

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::Fault;
use crate::files::File;

const MAX_FILE: usize = 500;
const MAX_FUNCTION: usize = 70;
const MAX_PARAMETERS: usize = 5;

/// The one door of time, and of chance. The signing keys hand the cryptographic library its own random
/// source, which is no door: the bytes never come out.
const CLOCK: &str = "crates/oauth/src/clock.rs";
const ENTROPY: [&str; 2] = ["crates/oauth/src/entropy.rs", "crates/oauth/src/jwk.rs"];
/// The yardsticks of the benchmark measure the cryptographic library as it is.
const YARDSTICKS: &str = "crates/bench/";
const PURE: [&str; 2] = ["crates/oauth/src/", "crates/catalog/src/"];

fn fault(file: &File, span: Span, what: &str) -> Fault {
    format!("{}:{}: {what}", file.path, span.start().line)
}

fn parsed(file: &File) -> Result<syn::File, Vec<Fault>> {
    syn::parse_file(&file.text).map_err(|problem| vec![fault(file, problem.span(), "this is not Rust")])
}

/// Files of 500 lines and functions of 70 at most. A function that says by `#[expect(clippy::too_many_lines)]`
/// that it is one table may be longer.
pub(crate) fn lengths(file: &File) -> Vec<Fault> {
    let lines = file.text.lines().count();
    let mut faults = match parsed(file) {
        Ok(tree) => functions(&tree).iter().filter_map(|function| too_long(file, function)).collect(),
        Err(faults) => faults,
    };
    if lines > MAX_FILE {
        faults.push(format!("{}: {lines} lines; cut it where the kind of code changes", file.path));
    }
    faults
}

fn too_long(file: &File, function: &Function<'_>) -> Option<Fault> {
    let lines = function.body?.span().end().line + 1 - function.signature.span().start().line;
    let is_table = function.attributes.iter().any(|attribute| {
        attribute.path().is_ident("expect") && tokens(attribute).contains(&"too_many_lines".to_owned())
    });
    let what = format!("fn {} has {lines} lines; {MAX_FUNCTION} are allowed", function.signature.ident);
    (lines > MAX_FUNCTION && !is_table).then(|| fault(file, function.signature.span(), &what))
}

/// At most five parameters, and none of them a bool, which says nothing where it is called. What implements
/// a trait has the signature that the trait gives it.
pub(crate) fn signatures(file: &File) -> Vec<Fault> {
    let tree = match parsed(file) {
        Ok(tree) => tree,
        Err(faults) => return faults,
    };
    let mut faults = Vec::new();
    for Function { signature, .. } in functions(&tree).iter().filter(|function| !function.implements_trait) {
        let (name, count) = (&signature.ident, signature.inputs.len());
        if count > MAX_PARAMETERS {
            let what = format!("fn {name} has {count} parameters; group what belongs together in a struct");
            faults.push(fault(file, signature.span(), &what));
        }
        let types = signature.inputs.iter().filter_map(|input| match input {
            syn::FnArg::Typed(typed) => Some(&*typed.ty),
            syn::FnArg::Receiver(_) => None,
        });
        for parameter in types.filter(|parameter| is_bool(parameter)) {
            let what = format!("fn {name} takes a bool; make it an enum that says what it means");
            faults.push(fault(file, parameter.span(), &what));
        }
    }
    faults
}

fn is_bool(parameter: &syn::Type) -> bool {
    let inner = if let syn::Type::Reference(reference) = parameter { &*reference.elem } else { parameter };
    matches!(inner, syn::Type::Path(path) if path.path.is_ident("bool"))
}

/// No clock outside `clock.rs`, no random source outside `entropy.rs`, and no measuring of time in the pure
/// crates.
pub(crate) fn doors(file: &File) -> Vec<Fault> {
    let idents = match identifiers(file) {
        Ok(idents) => idents,
        Err(faults) => return faults,
    };
    let is_pure = PURE.iter().any(|folder| file.path.starts_with(folder));
    let mut faults = Vec::new();
    for (place, (ident, span)) in idents.iter().enumerate() {
        let next = idents.get(place + 1).map(|(ident, _)| ident.as_str());
        let reads_clock =
            ident == "SystemTime" && (is_pure || next == Some("now")) || is_pure && ident == "Instant";
        if reads_clock && file.path != CLOCK {
            faults.push(fault(
                file,
                *span,
                &format!("{ident}: take a Timestamp; only {CLOCK} reads the clock"),
            ));
        }
        let draws = ["rand", "getrandom", "fastrand", "OsRng", "SystemRandom", "thread_rng", "new_v4"];
        let may_draw = ENTROPY.contains(&file.path.as_str()) || file.path.starts_with(YARDSTICKS);
        if draws.contains(&ident.as_str()) && !may_draw {
            faults.push(fault(file, *span, &format!("{ident}: take an Entropy; only {} draws", ENTROPY[0])));
        }
    }
    faults
}

/// Nothing postponed and no test switched off.
pub(crate) fn undone(file: &File) -> Vec<Fault> {
    let Ok(stream) = file.text.parse::<TokenStream>() else {
        return vec![format!("{}: this is not Rust", file.path)];
    };
    let mut flat = Vec::new();
    flatten(stream, &mut flat);
    let mut faults = Vec::new();
    for (place, (token, span)) in flat.iter().enumerate() {
        let next = flat.get(place + 1).map(|(token, _)| token.as_str());
        let postpones = ["todo", "unimplemented"].contains(&token.as_str()) && next == Some("!");
        let before = place.checked_sub(2).map(|start| (flat[start].0.as_str(), flat[start + 1].0.as_str()));
        let ignores = token == "ignore" && before == Some(("#", "["));
        if postpones || ignores {
            faults.push(fault(file, *span, &format!("{token}: finish it, or leave it out")));
        }
    }
    faults
}

/// Names that say nothing: a file of helpers, a type that manages.
pub(crate) fn names(file: &File) -> Vec<Fault> {
    let stem = file.path.rsplit('/').next().unwrap_or_default();
    let mut faults = Vec::new();
    if ["mod.rs", "util.rs", "utils.rs", "helper.rs", "helpers.rs", "misc.rs"].contains(&stem) {
        faults.push(format!("{}: name the file by what it is about, beside its folder", file.path));
    }
    let types = ["struct", "enum", "trait", "type", "union"];
    let idents = identifiers(file).unwrap_or_default();
    for pair in idents.windows(2).filter(|pair| types.contains(&pair[0].0.as_str())) {
        let (name, span) = &pair[1];
        if ["Manager", "Helper", "Util", "Utils"].iter().any(|word| name.ends_with(word)) {
            faults.push(fault(file, *span, &format!("{name}: name the type by what it is")));
        }
    }
    faults
}

struct Function<'ast> {
    signature: &'ast syn::Signature,
    body: Option<&'ast syn::Block>,
    attributes: &'ast [syn::Attribute],
    implements_trait: bool,
}

#[derive(Default)]
struct Functions<'ast> {
    found: Vec<Function<'ast>>,
    in_trait_implementation: bool,
}

fn functions(tree: &syn::File) -> Vec<Function<'_>> {
    let mut functions = Functions::default();
    functions.visit_file(tree);
    functions.found
}

impl<'ast> Visit<'ast> for Functions<'ast> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        let (signature, body) = (&item.sig, Some(&*item.block));
        self.found.push(Function { signature, body, attributes: &item.attrs, implements_trait: false });
        visit::visit_item_fn(self, item);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let outside = std::mem::replace(&mut self.in_trait_implementation, item.trait_.is_some());
        visit::visit_item_impl(self, item);
        self.in_trait_implementation = outside;
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        let implements_trait = self.in_trait_implementation;
        let (signature, body) = (&item.sig, Some(&item.block));
        self.found.push(Function { signature, body, attributes: &item.attrs, implements_trait });
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        let (signature, body) = (&item.sig, item.default.as_ref());
        self.found.push(Function { signature, body, attributes: &item.attrs, implements_trait: false });
        visit::visit_trait_item_fn(self, item);
    }
}

/// The identifiers in order, those in macros and attributes included; comments and texts are none.
fn identifiers(file: &File) -> Result<Vec<(String, Span)>, Vec<Fault>> {
    let stream = file.text.parse::<TokenStream>();
    let stream = stream.map_err(|_| vec![format!("{}: this is not Rust", file.path)])?;
    let mut flat = Vec::new();
    flatten(stream, &mut flat);
    flat.retain(|(token, _)| token.starts_with(|first: char| first == '_' || first.is_alphabetic()));
    Ok(flat)
}

fn tokens(attribute: &syn::Attribute) -> Vec<String> {
    let mut flat = Vec::new();
    if let syn::Meta::List(list) = &attribute.meta {
        flatten(list.tokens.clone(), &mut flat);
    }
    flat.into_iter().map(|(token, _)| token).collect()
}

fn flatten(stream: TokenStream, out: &mut Vec<(String, Span)>) {
    for tree in stream {
        match tree {
            TokenTree::Group(group) => {
                let open = match group.delimiter() {
                    proc_macro2::Delimiter::Bracket => "[",
                    proc_macro2::Delimiter::Brace => "{",
                    proc_macro2::Delimiter::Parenthesis | proc_macro2::Delimiter::None => "(",
                };
                out.push((open.to_owned(), group.span_open()));
                flatten(group.stream(), out);
            }
            TokenTree::Ident(ident) => out.push((ident.to_string(), ident.span())),
            TokenTree::Punct(punct) => out.push((punct.to_string(), punct.span())),
            TokenTree::Literal(literal) => out.push(("\"".to_owned(), literal.span())),
        }
    }
}

#[cfg(test)]
mod planted {
    use super::*;

    fn found(rule: impl Fn(&File) -> Vec<Fault>, path: &str, text: &str) -> usize {
        rule(&File::planted(path, text)).len()
    }

    fn function_of(lines: usize) -> String {
        format!("fn long() {{\n{}}}\n", "    work();\n".repeat(lines - 2))
    }

    #[test]
    fn long_functions_and_files() {
        for (lines, faults) in [(2, 0), (70, 0), (71, 1)] {
            assert_eq!(found(lengths, "a.rs", &function_of(lines)), faults, "{lines}");
            let method = format!("impl A {{ {} }}", function_of(lines));
            assert_eq!(found(lengths, "a.rs", &method), faults, "{lines} in a method");
            let inner = format!("mod inner {{ trait A {{ {} }} }}", function_of(lines));
            assert_eq!(found(lengths, "a.rs", &inner), faults, "{lines} in a trait");
        }
        let table = format!("#[expect(clippy::too_many_lines, reason = \"one table\")]\n{}", function_of(90));
        assert_eq!(found(lengths, "a.rs", &table), 0);
        let other = format!("#[expect(clippy::panic, reason = \"too_many_lines\")]\n{}", function_of(90));
        assert_eq!(found(lengths, "a.rs", &other), 1);
        assert_eq!(found(lengths, "a.rs", &"// line\n".repeat(500)), 0);
        assert_eq!(found(lengths, "a.rs", &"// line\n".repeat(501)), 1);
        assert_eq!(found(lengths, "a.rs", "fn broken( {"), 1);
    }

    #[test]
    fn large_signatures() {
        let cases = [
            ("fn f(a: u8, b: u8, c: u8, d: u8, e: u8) {}", 0),
            ("fn f(a: u8, b: u8, c: u8, d: u8, e: u8, f: u8) {}", 1),
            ("impl A { fn f(&self, a: u8, b: u8, c: u8, d: u8, e: u8) {} }", 1),
            ("impl B for A { fn f(&self, a: u8, b: u8, c: u8, d: u8, e: u8) {} }", 0),
            ("trait B { fn f(&self, a: u8, b: u8, c: u8, d: u8, e: u8); }", 1),
            ("fn f(yes: bool) {}", 1),
            ("fn f(yes: &bool) {}", 1),
            ("impl A { fn f(&self, yes: bool) {} }", 1),
            ("impl B for A { fn visit_bool(&self, yes: bool) {} fn g() { fn h(no: bool) {} } }", 1),
            ("trait B { fn f(yes: bool); }", 1),
            ("fn f(g: impl Fn(bool) -> u8, h: Vec<bool>) -> bool { true }", 0),
        ];
        for (text, faults) in cases {
            assert_eq!(found(signatures, "a.rs", text), faults, "{text}");
        }
    }

    #[test]
    fn other_doors() {
        let cases = [
            ("crates/store/src/a.rs", "fn f() { std::time::SystemTime::now(); }", 1),
            ("crates/store/src/a.rs", "use std::time::SystemTime; fn f() { g!(SystemTime::now()) }", 1),
            ("crates/store/src/a.rs", "fn f(at: std::time::SystemTime) -> std::time::Instant { g() }", 0),
            ("crates/store/src/a.rs", "// SystemTime::now\nfn f() { g(\"SystemTime::now\") }", 0),
            ("crates/oauth/src/a.rs", "use std::time::Instant;", 1),
            ("crates/catalog/src/a.rs", "use std::time::SystemTime;", 1),
            (CLOCK, "fn f() { std::time::SystemTime::now(); }", 0),
            ("crates/store/src/a.rs", "fn f() { aws_lc_rs::rand::fill(&mut out); }", 1),
            ("crates/store/src/a.rs", "use getrandom::fill;", 1),
            ("crates/store/src/a.rs", "fn f() { Uuid::new_v4() }", 1),
            ("crates/store/src/a.rs", "fn operand() { random(entropy) }", 0),
            (ENTROPY[0], "fn f() { aws_lc_rs::rand::fill(&mut out); }", 0),
            ("crates/bench/src/a.rs", "use aws_lc_rs::rand::SystemRandom;", 0),
        ];
        for (path, text, faults) in cases {
            assert_eq!(found(doors, path, text), faults, "{path}: {text}");
        }
    }

    #[test]
    fn unfinished_code() {
        let cases = [
            ("fn f() { todo!() }", 1),
            ("fn f() { unimplemented!(\"later\") }", 1),
            ("#[test]\n#[ignore]\nfn f() {}", 1),
            ("#[test]\n#[ignore = \"slow\"]\nfn f() {}", 1),
            ("mod a { #[ignore] fn f() {} }", 1),
            ("fn f() { ignore(todo) }", 0),
            ("// todo!()\nfn f() { g(\"todo!()\") }", 0),
        ];
        for (text, faults) in cases {
            assert_eq!(found(undone, "a.rs", text), faults, "{text}");
        }
    }

    #[test]
    fn names_without_meaning() {
        let cases = [
            ("src/token.rs", "struct Token; impl Token { fn manager() {} }", 0),
            ("src/token/mod.rs", "", 1),
            ("src/utils.rs", "", 1),
            ("src/token.rs", "struct TokenManager;", 1),
            ("src/token.rs", "mod a { pub enum StringUtils { A } }", 1),
            ("src/token.rs", "// struct TokenManager\nfn f(manager: TokenManager) {}", 0),
        ];
        for (path, text, faults) in cases {
            assert_eq!(found(names, path, text), faults, "{path}: {text}");
        }
    }
}
