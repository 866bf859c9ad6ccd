//! The names of a message's variants, for messages that are not `Debug`: they are in the
//! patterns of the handler's `match message { … }`.

use proc_macro2::TokenStream as Tokens;
use quote::quote;
use syn::visit::{self, Visit};
use syn::{Arm, Attribute, Block, Expr, ExprMatch, Ident, Pat, PatIdent, parse_quote};

/// Arms of a `match` on a reference to the message, each of which gives its variant's name.
///
/// None where the patterns could mean something else outside of the body: where that has names
/// of its own (`use`), or binds the message's name again.
pub(crate) fn variants(parameter: &Pat, body: &Block) -> Vec<Tokens> {
    let Pat::Ident(PatIdent {
        ident,
        subpat: None,
        ..
    }) = parameter
    else {
        return Vec::new();
    };
    let mut finder = Finder {
        message: ident,
        arms: Vec::new(),
        is_certain: true,
    };
    finder.visit_block(body);
    if finder.is_certain {
        finder.arms
    } else {
        Vec::new()
    }
}

struct Finder<'a> {
    message: &'a Ident,
    arms: Vec<Tokens>,
    is_certain: bool,
}

impl<'ast> Visit<'ast> for Finder<'_> {
    // A `use`, or an item whose name hides another one.
    fn visit_item(&mut self, _: &'ast syn::Item) {
        self.is_certain = false;
    }

    fn visit_pat_ident(&mut self, pattern: &'ast PatIdent) {
        self.is_certain &= pattern.ident != *self.message;
        visit::visit_pat_ident(self, pattern);
    }

    fn visit_expr_match(&mut self, expression: &'ast ExprMatch) {
        if matches!(&*expression.expr, Expr::Path(path) if path.path.is_ident(self.message)) {
            for arm in &expression.arms {
                self.arm(arm);
            }
        }
        visit::visit_expr_match(self, expression);
    }
}

impl Finder<'_> {
    fn arm(&mut self, arm: &Arm) {
        let conditions: Vec<&Attribute> = arm
            .attrs
            .iter()
            .filter(|a| a.path().is_ident("cfg"))
            .collect();
        let mut patterns = vec![&arm.pat];
        while let Some(pattern) = patterns.pop() {
            let (path, bare): (_, Pat) = match pattern {
                Pat::Or(either) => {
                    patterns.extend(&either.cases);
                    continue;
                }
                Pat::Paren(inner) => {
                    patterns.push(&inner.pat);
                    continue;
                }
                Pat::TupleStruct(pattern) if pattern.qself.is_none() => {
                    let path = &pattern.path;
                    (path, parse_quote!(#path(..)))
                }
                Pat::Struct(pattern) if pattern.qself.is_none() => {
                    let path = &pattern.path;
                    (path, parse_quote!(#path { .. }))
                }
                Pat::Path(pattern) if pattern.qself.is_none() => {
                    let path = &pattern.path;
                    (path, parse_quote!(#path))
                }
                _ => continue,
            };
            let Some(last) = path.segments.last() else {
                continue;
            };
            let name = last.ident.to_string();
            self.arms
                .push(quote!(#(#conditions)* #bare => ::core::option::Option::Some(#name)));
        }
    }
}
