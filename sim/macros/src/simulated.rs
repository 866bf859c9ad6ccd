//! `#[retake::simulated]`: which blocks it takes, and which callbacks they have.

use proc_macro2::{Delimiter, Group, Span, TokenStream as Tokens, TokenTree};
use quote::quote;
use syn::spanned::Spanned;
use syn::{Attribute, Error, Ident, ImplItem, ImplItemFn, ItemImpl, Result, parse_quote};

use crate::attributes::{BOXED, NOT_ASYNC_TRAIT, applies, conditional, is_named};
use crate::callback::gate_callback;

/// The gated callbacks, with the number of their parameters after `&self`.
const CALLBACKS: [(&str, usize); 5] = [
    ("pre_start", 2),
    ("post_start", 2),
    ("handle", 3),
    ("handle_supervisor_evt", 3),
    ("post_stop", 2),
];

/// Argument of this attribute where `#[ractor::actor]` makes the block below it.
const GENERATED: &str = "generated";

const PLACE: &str = "#[retake::simulated] belongs above an `impl Actor for …` block, or above \
                     #[ractor::actor]; gate other tasks with `retake::spawn`";
const THREAD_LOCAL: &str = "a `ThreadLocalActor` runs on a thread of its own, which no \
                            simulation schedules: make it an `Actor`, or leave it out of what \
                            is simulated and remove #[retake::simulated]";
pub(crate) fn expand(arguments: &Tokens, item: Tokens) -> Result<Tokens> {
    let generated = arguments.to_string() == GENERATED;
    if !arguments.is_empty() && !generated {
        return Err(Error::new(
            arguments.span(),
            "#[retake::simulated] takes no arguments",
        ));
    }
    let mut block: ItemImpl = syn::parse2(without_groups(item))?;
    let Some((_, path, _)) = &block.trait_ else {
        return inherent(block, generated);
    };
    let name = path
        .segments
        .last()
        .map(|segment| segment.ident.to_string());
    match name.as_deref() {
        Some("Actor") => {}
        Some("ThreadLocalActor") => return Err(Error::new(path.span(), THREAD_LOCAL)),
        _ => return Err(Error::new(block.impl_token.span, PLACE)),
    }
    if !BOXED
        && let Some(attribute) = block
            .attrs
            .iter()
            .find(|a| is_named(a.path(), "async_trait"))
    {
        return Err(Error::new(attribute.span(), NOT_ASYNC_TRAIT));
    }
    gate_block(&mut block)?;
    if BOXED {
        // Where the author's own comes later, under whatever name, it finds nothing to do.
        block
            .attrs
            .insert(0, parse_quote!(#[::retake::gate::callbacks]));
    }
    Ok(quote!(#block))
}

/// A block without a trait: `#[ractor::actor]` makes an `impl Actor` out of it, and copies
/// this attribute to that, and to what is left of this block.
fn inherent(mut block: ItemImpl, generated: bool) -> Result<Tokens> {
    let by_ractor = block.attrs.iter().any(|a| applies(a, "actor"));
    if by_ractor {
        let argument = Ident::new(GENERATED, Span::call_site());
        block
            .attrs
            .push(parse_quote!(#[::retake::simulated(#argument)]));
    } else if !generated {
        return Err(Error::new(block.impl_token.span, PLACE));
    }
    Ok(quote!(#block))
}

fn gate_block(block: &mut ItemImpl) -> Result<()> {
    let mut missing = Vec::new();
    for (name, parameters) in CALLBACKS {
        let mut conditions = Some(Vec::new());
        for item in &mut block.items {
            if let ImplItem::Fn(function) = item
                && function.sig.ident == name
            {
                match (condition(&function.attrs)?, &mut conditions) {
                    (Some(condition), Some(conditions)) => conditions.push(condition),
                    _ => conditions = None,
                }
                gate_callback(function, parameters)?;
            }
        }
        if let Some(conditions) = conditions
            && let Some(mut function) = default_callback(name)
        {
            if !conditions.is_empty() {
                function
                    .attrs
                    .push(parse_quote!(#[cfg(not(any(#(#conditions),*)))]));
            }
            gate_callback(&mut function, parameters)?;
            missing.push(ImplItem::Fn(function));
        }
    }
    block.items.append(&mut missing);
    Ok(())
}

/// The condition under which something with these attributes is compiled, `None` for always.
fn condition(attributes: &[Attribute]) -> Result<Option<Tokens>> {
    let mut conditions = Vec::new();
    for attribute in attributes {
        if attribute.path().is_ident("cfg") {
            conditions.push(attribute.parse_args::<Tokens>()?);
        }
        if let Some((when, metas)) = conditional(attribute) {
            for meta in metas.iter().filter(|meta| meta.path().is_ident("cfg")) {
                let condition = &meta.require_list()?.tokens;
                conditions.push(quote!(any(not(#when), #condition)));
            }
        }
    }
    Ok((!conditions.is_empty()).then(|| quote!(all(#(#conditions),*))))
}

/// The same tokens without the invisible groups that `macro_rules!` puts around a `$body:block`:
/// syn takes no such group for the body of a function.
fn without_groups(tokens: Tokens) -> Tokens {
    let flat = tokens.into_iter().map(|token| match token {
        TokenTree::Group(group) => {
            let inner = without_groups(group.stream());
            let mut only = inner.clone().into_iter();
            let is_block = matches!(
                (only.next(), only.next()),
                (Some(TokenTree::Group(only)), None) if only.delimiter() == Delimiter::Brace
            );
            if group.delimiter() == Delimiter::None && is_block {
                return inner;
            }
            let mut same = Group::new(group.delimiter(), inner);
            same.set_span(group.span());
            TokenTree::Group(same).into()
        }
        token => Tokens::from(token),
    });
    flat.collect()
}

/// What ractor does for a callback that is not written; `pre_start` has no default.
fn default_callback(name: &str) -> Option<ImplItemFn> {
    let result = quote!(::core::result::Result<(), ::retake::gate::ractor::ActorProcessingErr>);
    let myself = quote!(myself: ::retake::gate::ractor::ActorRef<Self::Msg>);
    let function: ImplItemFn = match name {
        "post_start" | "post_stop" => {
            let name = Ident::new(name, Span::call_site());
            parse_quote!(async fn #name(&self, #myself, _: &mut Self::State) -> #result {
                let _ = myself;
                ::core::result::Result::Ok(())
            })
        }
        "handle" => parse_quote!(
            async fn handle(&self, #myself, _: Self::Msg, _: &mut Self::State) -> #result {
                let _ = myself;
                ::core::result::Result::Ok(())
            }
        ),
        "handle_supervisor_evt" => parse_quote!(
            async fn handle_supervisor_evt(
                &self,
                #myself,
                event: ::retake::gate::ractor::SupervisionEvent,
                _: &mut Self::State,
            ) -> #result {
                if let ::retake::gate::ractor::SupervisionEvent::ActorTerminated(..)
                    | ::retake::gate::ractor::SupervisionEvent::ActorFailed(..) = event
                {
                    myself.stop(::core::option::Option::None);
                }
                ::core::result::Result::Ok(())
            }
        ),
        _ => return None,
    };
    Some(function)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refusal(arguments: &Tokens, item: Tokens) -> String {
        expand(arguments, item).expect_err("expanded").to_string()
    }

    #[test]
    fn a_thread_local_actor_is_refused_by_name() {
        let refused = refusal(
            &quote!(),
            quote!(impl ractor::thread_local::ThreadLocalActor for A {}),
        );
        assert!(refused.starts_with("a `ThreadLocalActor` runs on a thread of its own"));
    }

    #[test]
    fn blocks_that_are_no_actor_are_refused_with_the_place_for_the_attribute() {
        assert_eq!(refusal(&quote!(), quote!(impl A {})), PLACE);
        assert_eq!(refusal(&quote!(), quote!(impl Display for A {})), PLACE);
        let arguments = refusal(&quote!(fast), quote!(impl Actor for A {}));
        assert_eq!(arguments, "#[retake::simulated] takes no arguments");
    }

    #[test]
    fn the_inherent_block_that_ractors_attribute_leaves_passes() {
        let above = quote!(
            #[ractor::actor(message = M)]
            impl A {
                fn add(&self) {}
            }
        );
        let handed_on = expand(&quote!(), above).unwrap().to_string();
        assert!(
            handed_on.contains("retake :: simulated (generated)"),
            "{handed_on}"
        );
        let left = quote!(impl A { fn add(&self) {} });
        assert_eq!(
            expand(&quote!(generated), left.clone())
                .unwrap()
                .to_string(),
            left.to_string()
        );
    }

    #[test]
    fn a_callback_with_other_parameters_than_ractors_is_refused() {
        let block = quote!(impl Actor for A { async fn handle(&self, message: M) {} });
        assert!(refusal(&quote!(), block).starts_with("`handle` takes `&self` and 3 parameters"));
    }

    #[cfg(not(feature = "async-trait"))]
    #[test]
    fn async_trait_without_the_feature_is_refused_above_and_below() {
        let below = quote!(
            #[async_trait]
            impl Actor for A {}
        );
        assert_eq!(refusal(&quote!(), below), NOT_ASYNC_TRAIT);
        let above = quote!(impl Actor for A {
            fn post_stop<'life0, 'async_trait>(&'life0 self, a: R, s: &mut S) -> Pin<F> { todo!() }
        });
        assert_eq!(refusal(&quote!(), above), NOT_ASYNC_TRAIT);
        let off = quote!(
            #[cfg_attr(any(), async_trait)]
            impl Actor for A {}
        );
        expand(&quote!(), off).unwrap();
    }
}
