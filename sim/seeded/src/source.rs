//! A source file, and places in it that are found by its structure.

use std::ops::Range;

use syn::spanned::Spanned;

use crate::visitors::{
    Arms, Attributes, Calls, Closures, MethodCalls, Structs, condition, last_segment,
};

/// A file that is edited.
pub(crate) struct Source {
    text: String,
    file: syn::File,
    /// Items of the file, with those that tokio wraps in macros such as `cfg_rt!`.
    items: Vec<syn::Item>,
    /// Texts that take the place of parts of the file.
    edits: Vec<(Range<usize>, String)>,
}

impl Source {
    pub(crate) fn parse(text: String) -> Result<Self, String> {
        let file = syn::parse_file(&text).map_err(|error| {
            let start = error.span().start();
            format!("line {}: {error}", start.line)
        })?;
        let items = flat(&file.items);
        Ok(Self {
            text,
            file,
            items,
            edits: Vec::new(),
        })
    }

    /// The text with all edits.
    pub(crate) fn edited(mut self) -> String {
        self.edits.sort_by_key(|(range, _)| range.start);
        let mut edited = String::with_capacity(self.text.len() + 4096);
        let mut place = 0;
        for (range, text) in &self.edits {
            debug_assert!(place <= range.start, "edits do not overlap");
            edited.push_str(&self.text[place..range.start]);
            edited.push_str(text);
            place = range.end;
        }
        edited.push_str(&self.text[place..]);
        edited
    }

    /// The text as it is without any feature, and without tests.
    pub(crate) fn without_features(mut self) -> String {
        let mut attributes = Attributes::default();
        syn::visit::Visit::visit_file(&mut attributes, &self.file);
        let mut removed: Vec<Range<usize>> = Vec::new();
        for item in self.items() {
            let is_left_out = |attribute: &syn::Attribute| {
                let condition = condition(attribute);
                condition == "test" || condition.starts_with("feature")
            };
            if attributes_of(item).iter().any(is_left_out) {
                removed.push(item.span().byte_range());
            }
        }
        for range in attributes.conditional {
            if !removed.iter().any(|it| it.contains(&range.start)) {
                removed.push(range);
            }
        }
        self.edits
            .extend(removed.into_iter().map(|range| (range, String::new())));
        self.edited()
    }

    pub(crate) fn append(&mut self, text: &str) {
        let end = self.text.len();
        self.edits.push((end..end, text.to_owned()));
    }

    pub(crate) fn contains(&self, text: &str) -> bool {
        self.text.contains(text)
    }

    fn insert(&mut self, place: usize, text: impl Into<String>) {
        self.edits.push((place..place, text.into()));
    }

    fn text_of(&self, part: &impl Spanned) -> String {
        self.text[part.span().byte_range()].to_owned()
    }

    fn items(&self) -> impl Iterator<Item = &syn::Item> {
        self.items.iter()
    }

    /// The method of this name of a type, in the `impl` of a trait if one is named.
    fn method(
        &self,
        owner: &str,
        of_trait: Option<&str>,
        name: &str,
    ) -> Result<&syn::ImplItemFn, String> {
        let mut found = Vec::new();
        for item in self.items() {
            let syn::Item::Impl(block) = item else {
                continue;
            };
            let names_trait = block.trait_.as_ref().map(|(_, path, _)| last_segment(path));
            if names_trait.as_deref() != of_trait || owner_of(&block.self_ty) != owner {
                continue;
            }
            for item in &block.items {
                if let syn::ImplItem::Fn(method) = item
                    && method.sig.ident == name
                {
                    found.push(method);
                }
            }
        }
        one(found, || format!("the method `{owner}::{name}`"))
    }

    /// Add statements to the beginning of a method.
    pub(crate) fn at_start_of(
        &mut self,
        owner: &str,
        of_trait: Option<&str>,
        name: &str,
        text: &str,
    ) -> Result<(), String> {
        let method = self.method(owner, of_trait, name)?;
        let place = method.block.brace_token.span.open().byte_range().end;
        self.insert(place, format!(" {text} "));
        Ok(())
    }

    /// The same, if there is such a method.
    pub(crate) fn at_start_of_any(&mut self, owner: &str, name: &str, text: &str) {
        drop(self.at_start_of(owner, None, name, text));
    }

    fn function(&self, name: &str) -> Result<&syn::ItemFn, String> {
        let functions = self.items().filter_map(|item| match item {
            syn::Item::Fn(function) if function.sig.ident == name => Some(function),
            _ => None,
        });
        one(functions.collect(), || format!("the function `{name}`"))
    }

    /// Add statements to the beginning of a function.
    pub(crate) fn at_start_of_function(&mut self, name: &str, text: &str) -> Result<(), String> {
        let function = self.function(name)?;
        let place = function.block.brace_token.span.open().byte_range().end;
        self.insert(place, format!(" {text} "));
        Ok(())
    }

    /// The same for a function in a module of the file, which knows its caller then.
    pub(crate) fn at_start_of_inner_function(
        &mut self,
        module: &str,
        name: &str,
        text: &str,
    ) -> Result<(), String> {
        let modules = self.items().filter_map(|item| match item {
            syn::Item::Mod(it) if it.ident == module => it.content.as_ref(),
            _ => None,
        });
        let inner: Vec<syn::Item> = modules.flat_map(|(_, items)| flat(items)).collect();
        let functions = inner.iter().filter_map(|item| match item {
            syn::Item::Fn(function) if function.sig.ident == name => Some(function),
            _ => None,
        });
        let function = one(functions.collect(), || {
            format!("the function `{module}::{name}`")
        })?;
        let start = function.span().byte_range().start;
        let body = function.block.brace_token.span.open().byte_range().end;
        self.insert(start, "#[track_caller] ");
        self.insert(body, format!(" {text} "));
        Ok(())
    }

    /// Add an attribute to a method.
    pub(crate) fn add_attribute(
        &mut self,
        owner: &str,
        name: &str,
        attribute: &str,
    ) -> Result<(), String> {
        let place = self.method(owner, None, name)?.span().byte_range().start;
        self.insert(place, format!("{attribute} "));
        Ok(())
    }

    /// Change the only call of a method in a method of a trait.
    pub(crate) fn change_call(
        &mut self,
        owner: &str,
        of_trait: &str,
        name: &str,
        called: &str,
        change: impl Fn(&str) -> String,
    ) -> Result<(), String> {
        let method = self.method(owner, Some(of_trait), name)?;
        let mut calls = MethodCalls {
            method: called,
            found: Vec::new(),
        };
        syn::visit::Visit::visit_impl_item_fn(&mut calls, method);
        let call = one(calls.found, || {
            format!("the call of `{called}` in `{owner}::{name}`")
        })?;
        let (range, new) = (call.span().byte_range(), change(&self.text_of(call)));
        self.edits.push((range, new));
        Ok(())
    }

    /// Give a method another name.
    pub(crate) fn rename(&mut self, owner: &str, name: &str, new: &str) -> Result<(), String> {
        let method = self.method(owner, None, name)?;
        let range = method.sig.ident.span().byte_range();
        self.edits.push((range, new.to_owned()));
        Ok(())
    }

    /// Add statements behind the first one of the closure in a method that has this parameter.
    pub(crate) fn behind_first_of_closure(
        &mut self,
        owner: &str,
        name: &str,
        parameter: &str,
        text: &str,
    ) -> Result<(), String> {
        let method = self.method(owner, None, name)?;
        let mut closures = Closures {
            parameter,
            found: Vec::new(),
        };
        syn::visit::Visit::visit_impl_item_fn(&mut closures, method);
        let closure = one(closures.found, || {
            format!("the closure with `{parameter}` in `{owner}::{name}`")
        })?;
        let syn::Expr::Block(body) = &*closure.body else {
            return Err(format!(
                "the closure with `{parameter}` in `{owner}::{name}` has no block"
            ));
        };
        let first = body.block.stmts.first().ok_or("an empty closure")?;
        let place = first.span().byte_range().end;
        self.insert(place, format!(" {text} "));
        Ok(())
    }

    /// Add a field to a struct.
    pub(crate) fn add_field(&mut self, owner: &str, field: &str) -> Result<(), String> {
        let structs = self.items().filter_map(|item| match item {
            syn::Item::Struct(it) if it.ident == owner => Some(it),
            _ => None,
        });
        let it = one(structs.collect(), || format!("the struct `{owner}`"))?;
        let syn::Fields::Named(fields) = &it.fields else {
            return Err(format!("the struct `{owner}` has no named fields"));
        };
        let place = fields.brace_token.span.open().byte_range().end;
        self.insert(place, format!(" {field}, "));
        Ok(())
    }

    /// Change the type of a field.
    pub(crate) fn change_field(
        &mut self,
        owner: &str,
        field: &str,
        change: impl Fn(&str) -> String,
    ) -> Result<(), String> {
        let fields = self.items().filter_map(|item| match item {
            syn::Item::Struct(it) if it.ident == owner => Some(it.fields.iter()),
            _ => None,
        });
        let fields = fields
            .flatten()
            .filter(|it| it.ident.as_ref().is_some_and(|name| name == field));
        let it = one(fields.collect(), || format!("the field `{owner}::{field}`"))?;
        let (range, new) = (it.ty.span().byte_range(), change(&self.text_of(&it.ty)));
        self.edits.push((range, new));
        Ok(())
    }

    /// Add the value of a field where a method makes a struct.
    pub(crate) fn add_value(
        &mut self,
        (owner, name): (&str, &str),
        made: &str,
        value: &str,
    ) -> Result<(), String> {
        let structs = self.structs_made(owner, name, made)?;
        let place = one(structs, || format!("a `{made}` in `{owner}::{name}`"))?
            .brace_token
            .span
            .open()
            .byte_range()
            .end;
        self.insert(place, format!(" {value}, "));
        Ok(())
    }

    /// Add the value of a field where a function makes a struct.
    pub(crate) fn add_value_in_function(
        &mut self,
        name: &str,
        made: &str,
        value: &str,
    ) -> Result<(), String> {
        let function = self.function(name)?;
        let mut structs = Structs {
            made,
            found: Vec::new(),
        };
        syn::visit::Visit::visit_item_fn(&mut structs, function);
        let it = one(structs.found, || format!("a `{made}` in `{name}`"))?;
        let place = it.brace_token.span.open().byte_range().end;
        self.insert(place, format!(" {value}, "));
        Ok(())
    }

    /// Change the value of a field where a method makes a struct.
    pub(crate) fn change_value(
        &mut self,
        (owner, name): (&str, &str),
        made: &str,
        field: &str,
        change: impl Fn(&str) -> String,
    ) -> Result<(), String> {
        let structs = self.structs_made(owner, name, made)?;
        let made_here = one(structs, || format!("a `{made}` in `{owner}::{name}`"))?;
        let values = made_here.fields.iter().filter(|it| match &it.member {
            syn::Member::Named(name) => name == field,
            syn::Member::Unnamed(_) => false,
        });
        let value = one(values.collect(), || {
            format!("the value of `{made}::{field}`")
        })?;
        let (range, new) = (
            value.expr.span().byte_range(),
            change(&self.text_of(&value.expr)),
        );
        self.edits.push((range, new));
        Ok(())
    }

    fn structs_made(
        &self,
        owner: &str,
        name: &str,
        made: &str,
    ) -> Result<Vec<&syn::ExprStruct>, String> {
        let method = self.method(owner, None, name)?;
        let mut structs = Structs {
            made,
            found: Vec::new(),
        };
        syn::visit::Visit::visit_impl_item_fn(&mut structs, method);
        Ok(structs.found)
    }

    /// Change an argument of the only call of a function in a method.
    pub(crate) fn change_argument(
        &mut self,
        (owner, name): (&str, &str),
        function: &str,
        number: usize,
        change: impl Fn(&str) -> String,
    ) -> Result<(), String> {
        let method = self.method(owner, None, name)?;
        let mut calls = Calls {
            function,
            found: Vec::new(),
        };
        syn::visit::Visit::visit_impl_item_fn(&mut calls, method);
        let what = || format!("the call of `{function}` in `{owner}::{name}`");
        let call = one(calls.found, what)?;
        let argument = call
            .args
            .iter()
            .nth(number)
            .ok_or_else(|| format!("{} has no argument {number}", what()))?;
        let (range, new) = (
            argument.span().byte_range(),
            change(&self.text_of(argument)),
        );
        self.edits.push((range, new));
        Ok(())
    }

    /// Add a condition to the arms of a method that have a guard.
    pub(crate) fn add_guard(
        &mut self,
        owner: &str,
        of_trait: Option<&str>,
        name: &str,
        condition: &str,
    ) -> Result<(), String> {
        let method = self.method(owner, of_trait, name)?;
        let mut arms = Arms { found: Vec::new() };
        syn::visit::Visit::visit_impl_item_fn(&mut arms, method);
        let guarded = arms.found.into_iter().filter_map(|arm| arm.guard.as_ref());
        let (_, guard) = one(guarded.collect(), || {
            format!("the guard in `{owner}::{name}`")
        })?;
        let place = guard.span().byte_range().end;
        self.insert(place, format!(" && {condition}"));
        Ok(())
    }

    /// Change what a method does in the arm of this pattern.
    pub(crate) fn change_arm(
        &mut self,
        owner: &str,
        name: &str,
        pattern: &str,
        change: impl Fn(&str) -> String,
    ) -> Result<(), String> {
        let method = self.method(owner, None, name)?;
        let mut arms = Arms { found: Vec::new() };
        syn::visit::Visit::visit_impl_item_fn(&mut arms, method);
        let of_pattern = arms
            .found
            .into_iter()
            .filter(|arm| self.text_of(&arm.pat) == pattern);
        let arm = one(of_pattern.collect(), || {
            format!("the arm `{pattern}` in `{owner}::{name}`")
        })?;
        let (range, new) = (
            arm.body.span().byte_range(),
            change(&self.text_of(&arm.body)),
        );
        self.edits.push((range, new));
        Ok(())
    }
}

/// Items, and those that are wrapped in macros of conditions.
fn flat(items: &[syn::Item]) -> Vec<syn::Item> {
    let mut all = Vec::new();
    for item in items {
        if let syn::Item::Macro(it) = item
            && last_segment(&it.mac.path).starts_with("cfg_")
            && let Ok(wrapped) = it.mac.parse_body::<syn::File>()
        {
            all.extend(flat(&wrapped.items));
        } else {
            all.push(item.clone());
        }
    }
    all
}

/// The only one of these.
fn one<T>(mut found: Vec<T>, what: impl Fn() -> String) -> Result<T, String> {
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(format!("{} is missing", what())),
        count => Err(format!("{} is there {count} times", what())),
    }
}

/// The name of a type: of what it points to, if it is an `Arc`.
fn owner_of(it: &syn::Type) -> String {
    let syn::Type::Path(path) = it else {
        return String::new();
    };
    let Some(last) = path.path.segments.last() else {
        return String::new();
    };
    match &last.arguments {
        syn::PathArguments::AngleBracketed(arguments) if last.ident == "Arc" => {
            match arguments.args.first() {
                Some(syn::GenericArgument::Type(it)) => owner_of(it),
                _ => String::new(),
            }
        }
        _ => last.ident.to_string(),
    }
}

fn attributes_of(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(it) => &it.attrs,
        syn::Item::Fn(it) => &it.attrs,
        syn::Item::Impl(it) => &it.attrs,
        syn::Item::Macro(it) => &it.attrs,
        syn::Item::Mod(it) => &it.attrs,
        syn::Item::Use(it) => &it.attrs,
        _ => &[],
    }
}
