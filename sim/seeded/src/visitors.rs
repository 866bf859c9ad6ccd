//! What looks for parts of a source file.

use std::ops::Range;

use syn::spanned::Spanned;

/// The last part of a path.
pub(crate) fn last_segment(path: &syn::Path) -> String {
    path.segments
        .last()
        .map(|it| it.ident.to_string())
        .unwrap_or_default()
}

/// What has to be for this attribute's item to be compiled: `test`.
pub(crate) fn condition(attribute: &syn::Attribute) -> String {
    match &attribute.meta {
        syn::Meta::List(list) if list.path.is_ident("cfg") => list.tokens.to_string(),
        _ => String::new(),
    }
}

/// Attributes that depend on a condition.
#[derive(Default)]
pub(crate) struct Attributes {
    pub(crate) conditional: Vec<Range<usize>>,
}

impl syn::visit::Visit<'_> for Attributes {
    fn visit_attribute(&mut self, attribute: &syn::Attribute) {
        if attribute.path().is_ident("cfg_attr") || condition(attribute).starts_with("not") {
            self.conditional.push(attribute.span().byte_range());
        }
    }
}

pub(crate) struct Closures<'a, 'ast> {
    pub(crate) parameter: &'a str,
    pub(crate) found: Vec<&'ast syn::ExprClosure>,
}

impl<'ast> syn::visit::Visit<'ast> for Closures<'_, 'ast> {
    fn visit_expr_closure(&mut self, closure: &'ast syn::ExprClosure) {
        let is_named =
            |input: &syn::Pat| matches!(input, syn::Pat::Ident(it) if it.ident == self.parameter);
        if closure.inputs.iter().any(is_named) {
            self.found.push(closure);
        }
        syn::visit::visit_expr_closure(self, closure);
    }
}

pub(crate) struct Calls<'a, 'ast> {
    pub(crate) function: &'a str,
    pub(crate) found: Vec<&'ast syn::ExprCall>,
}

impl<'ast> syn::visit::Visit<'ast> for Calls<'_, 'ast> {
    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        if let syn::Expr::Path(path) = &*call.func
            && last_segment(&path.path) == self.function
        {
            self.found.push(call);
        }
        syn::visit::visit_expr_call(self, call);
    }
}

pub(crate) struct Structs<'a, 'ast> {
    pub(crate) made: &'a str,
    pub(crate) found: Vec<&'ast syn::ExprStruct>,
}

impl<'ast> syn::visit::Visit<'ast> for Structs<'_, 'ast> {
    fn visit_expr_struct(&mut self, it: &'ast syn::ExprStruct) {
        if last_segment(&it.path) == self.made {
            self.found.push(it);
        }
        syn::visit::visit_expr_struct(self, it);
    }
}

pub(crate) struct Arms<'ast> {
    pub(crate) found: Vec<&'ast syn::Arm>,
}

impl<'ast> syn::visit::Visit<'ast> for Arms<'ast> {
    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        self.found.push(arm);
        syn::visit::visit_arm(self, arm);
    }
}

pub(crate) struct MethodCalls<'a, 'ast> {
    pub(crate) method: &'a str,
    pub(crate) found: Vec<&'ast syn::ExprMethodCall>,
}

impl<'ast> syn::visit::Visit<'ast> for MethodCalls<'_, 'ast> {
    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        if call.method == self.method {
            self.found.push(call);
        }
        syn::visit::visit_expr_method_call(self, call);
    }
}
