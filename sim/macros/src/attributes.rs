//! Attributes of blocks and callbacks, behind `#[cfg_attr(…)]` as well.

use proc_macro2::TokenStream as Tokens;
use quote::ToTokens;
use syn::punctuated::Punctuated;
use syn::{Attribute, Meta};

/// Whether ractor's trait is `#[async_trait]`: its callbacks return boxed futures.
pub(crate) const BOXED: bool = cfg!(feature = "async-trait");

pub(crate) const NOT_ASYNC_TRAIT: &str = "ractor's `Actor` is no async trait here: turn on the feature \
                               `async-trait` of `retake`, or remove #[async_trait]";

/// The condition and the attributes of a `#[cfg_attr(…)]`.
pub(crate) fn conditional(attribute: &Attribute) -> Option<(Tokens, Vec<Meta>)> {
    if !attribute.path().is_ident("cfg_attr") {
        return None;
    }
    let metas = attribute.parse_args_with(Punctuated::<Meta, syn::Token![,]>::parse_terminated);
    let mut metas = metas.ok()?.into_iter();
    let when = metas.next()?.to_token_stream();
    Some((when, metas.collect()))
}

/// The attributes that this one replaces, with or without a condition.
pub(crate) fn metas(attribute: &Attribute) -> Vec<Meta> {
    conditional(attribute).map_or_else(|| vec![attribute.meta.clone()], |(_, metas)| metas)
}

pub(crate) fn applies(attribute: &Attribute, name: &str) -> bool {
    metas(attribute)
        .iter()
        .any(|meta| is_named(meta.path(), name))
}

pub(crate) fn is_named(path: &syn::Path, name: &str) -> bool {
    path.segments.last().is_some_and(|last| last.ident == name)
}
