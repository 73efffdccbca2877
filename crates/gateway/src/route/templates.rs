//! The templates of one API as a tree of segments.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use http::Method;
use latchkey_catalog::api::Resource;

/// The templates of an API.
///
/// Every path through the tree is one template's shape, so a search meets a node at most once: it costs no
/// more than the templates are many, whatever the caller sends.
#[derive(Debug, Default)]
pub(super) struct Templates {
    root: Node,
}

#[derive(Debug, Default)]
struct Node {
    /// Next segments of fixed text.
    fixed: HashMap<Box<str>, Self, RandomState>,
    /// Next segments that hold names in braces, the one with most fixed text first.
    patterns: Vec<(Pattern, Self)>,
    /// The resources that end here, by method.
    here: Vec<(Method, usize)>,
    /// The resources that end here with `*`, by method.
    any_rest: Vec<(Method, usize)>,
}

/// A segment with names in braces, as the fixed texts around them: `{id}.json` is `["", ".json"]`.
#[derive(Debug, PartialEq, Eq)]
struct Pattern(Vec<Box<str>>);

impl Templates {
    /// Lays out resources whose templates were checked.
    pub(super) fn of(resources: &[Resource]) -> Self {
        let mut templates = Self::default();
        for (place, resource) in resources.iter().enumerate() {
            if let Ok(method) = Method::from_bytes(resource.method.as_bytes()) {
                templates.root.add(&resource.template, (method, place));
            }
        }
        templates.root.sort();
        templates
    }

    /// The resource of `method` for what follows context and version.
    pub(super) fn find(&self, method: &Method, rest: &str) -> Option<usize> {
        // The bare context is the resource `/`.
        let rest = rest.strip_prefix('/').unwrap_or(rest);
        let found = self.root.find(method, Some(rest), EndSlash::Counts)?;
        if !rest.ends_with('/') {
            return Some(found);
        }
        // It must not lead around a resource, and its scopes, to a wider one: many upstreams take the path
        // with and without it for the same (WSO2-2020-1106).
        self.root.find(method, Some(rest), EndSlash::MayBeLeftOut)
    }
}

/// What a slash at the end of a path is, where no template ends with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EndSlash {
    /// The beginning of another segment.
    Counts,
    /// Nothing.
    MayBeLeftOut,
}

impl EndSlash {
    /// The resource that ends before the slash.
    fn of_method(self, here: &[(Method, usize)], method: &Method) -> Option<usize> {
        match self {
            Self::Counts => None,
            Self::MayBeLeftOut => of_method(here, method),
        }
    }
}

impl Node {
    fn add(&mut self, template: &str, resource: (Method, usize)) {
        let mut node = self;
        for segment in template.split('/').skip(1) {
            if segment == "*" {
                return node.any_rest.push(resource);
            }
            node = if segment.contains('{') {
                node.pattern(Pattern::of(segment))
            } else {
                node.fixed.entry(segment.into()).or_default()
            };
        }
        node.here.push(resource);
    }

    fn pattern(&mut self, pattern: Pattern) -> &mut Self {
        let place = self.patterns.iter().position(|(held, _)| *held == pattern).unwrap_or_else(|| {
            self.patterns.push((pattern, Self::default()));
            self.patterns.len() - 1
        });
        &mut self.patterns[place].1
    }

    /// Puts the most specific pattern first; those with as much fixed text in the order of their texts, so
    /// that the order of the resources in a document does not matter.
    fn sort(&mut self) {
        self.patterns.sort_by(|(one, _), (other, _)| {
            other.fixed_length().cmp(&one.fixed_length()).then_with(|| one.0.cmp(&other.0))
        });
        self.fixed.values_mut().for_each(Self::sort);
        self.patterns.iter_mut().for_each(|(_, node)| node.sort());
    }

    /// The best resource under this node. `rest` is what follows, without the slash before it; `None` when
    /// nothing follows.
    fn find(&self, method: &Method, rest: Option<&str>, slash: EndSlash) -> Option<usize> {
        let Some(rest) = rest else {
            return of_method(&self.here, method).or_else(|| of_method(&self.any_rest, method));
        };
        let (segment, after) = match rest.split_once('/') {
            Some((segment, after)) => (segment, Some(after)),
            None => (rest, None),
        };
        let fixed = self.fixed.get(segment).and_then(|node| node.find(method, after, slash));
        let fitting = || self.patterns.iter().filter(|(pattern, _)| pattern.fits(segment));
        fixed
            .or_else(|| fitting().find_map(|(_, node)| node.find(method, after, slash)))
            .or_else(|| of_method(&self.any_rest, method))
            .or_else(|| if rest.is_empty() { slash.of_method(&self.here, method) } else { None })
    }
}

fn of_method(resources: &[(Method, usize)], method: &Method) -> Option<usize> {
    resources.iter().find(|(held, _)| held == method).map(|(_, place)| *place)
}

impl Pattern {
    fn of(segment: &str) -> Self {
        let texts = segment.split('{').enumerate();
        let after_name =
            |text: &str| text.split_once('}').map_or_else(String::new, |(_, fixed)| fixed.to_owned());
        Self(
            texts
                .map(|(place, text)| if place == 0 { text.into() } else { after_name(text).into() })
                .collect(),
        )
    }

    fn fixed_length(&self) -> usize {
        self.0.iter().map(|text| text.len()).sum()
    }

    /// Whether the segment is these texts with one or more characters between each two.
    fn fits(&self, segment: &str) -> bool {
        let (Some((first, middle)), true) = (self.0.split_first(), self.0.len() > 1) else {
            return false;
        };
        let (middle, last) = (&middle[..middle.len() - 1], &middle[middle.len() - 1]);
        let Some(mut rest) = segment.strip_prefix(&**first).and_then(|rest| rest.strip_suffix(&**last))
        else {
            return false;
        };
        // The earliest place leaves most for what follows. A path is ASCII here, so bytes are characters.
        for text in middle {
            let Some(place) = rest.get(1..).and_then(|rest| rest.find(&**text)) else {
                return false;
            };
            rest = &rest[1 + place + text.len()..];
        }
        !rest.is_empty()
    }
}
