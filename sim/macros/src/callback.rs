//! Puts the body of one callback behind its gate.

use proc_macro2::{Span, TokenStream as Tokens};
use quote::{format_ident, quote};
use syn::spanned::Spanned;
use syn::{
    Attribute, Error, FnArg, GenericArgument, Ident, ImplItemFn, Pat, PathArguments, Result,
    ReturnType, Type, TypeParamBound, parse_quote,
};

use crate::attributes::{BOXED, NOT_ASYNC_TRAIT, metas};
use crate::variants::variants;

/// Attributes that do not look at the signature that they are on. All others are macros, such as
/// `tracing::instrument`, which need an `async fn` and the names of its parameters.
const PLAIN: [&str; 16] = [
    "allow",
    "cfg",
    "cfg_attr",
    "clippy",
    "cold",
    "deny",
    "deprecated",
    "diagnostic",
    "doc",
    "expect",
    "forbid",
    "inline",
    "must_use",
    "rustfmt",
    "track_caller",
    "warn",
];

pub(crate) fn gate_callback(function: &mut ImplItemFn, parameters: usize) -> Result<()> {
    check(function, parameters)?;
    let keep_signature = function.attrs.iter().any(is_macro);
    // The body sees its parameters under the patterns that its author wrote.
    let mut bindings = Vec::new();
    let mut names = Vec::new();
    let mut arms = Vec::new();
    for (index, argument) in function.sig.inputs.iter_mut().skip(1).enumerate() {
        let FnArg::Typed(argument) = argument else {
            continue;
        };
        if function.sig.ident == "handle" && index == 1 {
            arms = variants(&argument.pat, &function.block);
        }
        let name = match &*argument.pat {
            Pat::Ident(pattern) if keep_signature && pattern.by_ref.is_none() => {
                pattern.ident.clone()
            }
            _ => format_ident!("__retake_{index}", span = Span::call_site()),
        };
        let pattern = std::mem::replace(&mut *argument.pat, parse_quote!(#name));
        // The first `let` takes the parameter along where the pattern does not bind it: its value
        // is to be dropped in the body's step.
        bindings.push(quote!(let #name = #name; let #pattern = #name;));
        names.push(name);
    }

    let gate = gate_expression(&function.sig.ident, &names, &arms);
    let body = &function.block;
    // A callback written as `fn … -> impl Future` has a future for a body.
    let is_async = function.sig.asyncness.is_some();
    let awaited = (!is_async).then(|| quote!(.await));
    let gated = quote!(::retake::gate::Gate::run(__retake_gate, async move {
        #(#bindings)*
        #body #awaited
    }));
    let is_async_fn = if BOXED {
        is_async || asyncify(function)
    } else {
        keep_signature && is_async
    };
    let result = if is_async_fn {
        quote!(#gated.await)
    } else if BOXED {
        quote!(::std::boxed::Box::pin(#gated))
    } else {
        // Returned as it is, the gated body is the callback's only future. An `async fn` around
        // it would hold the parameters a second time, in the memory of every actor.
        unbox(function);
        gated
    };
    function.block = parse_quote!({
        let __retake_gate = #gate;
        #result
    });
    // The body's braces, which the author wrote, are inside others now.
    function.attrs.push(parse_quote!(
        #[allow(unused_braces, clippy::redundant_locals, clippy::used_underscore_binding)]
    ));
    Ok(())
}

/// Make it a function that returns some future of what it gives.
fn unbox(function: &mut ImplItemFn) {
    let output = match &function.sig.output {
        ReturnType::Type(_, output) if matches!(**output, Type::ImplTrait(_)) => return,
        ReturnType::Type(_, output) if function.sig.asyncness.is_some() => quote!(#output),
        ReturnType::Type(_, output) => {
            quote!(<#output as ::core::future::Future>::Output)
        }
        ReturnType::Default => return,
    };
    function.sig.output = parse_quote!(
        -> impl ::core::future::Future<Output = #output> + ::core::marker::Send
    );
    function.sig.asyncness = None;
}

/// Make an `async fn` of one that returns an `impl Future`; false if it does not.
fn asyncify(function: &mut ImplItemFn) -> bool {
    let ReturnType::Type(_, output) = &function.sig.output else {
        return false;
    };
    let Type::ImplTrait(future) = &**output else {
        return false;
    };
    let output = future.bounds.iter().find_map(|bound| {
        let TypeParamBound::Trait(bound) = bound else {
            return None;
        };
        let PathArguments::AngleBracketed(arguments) = &bound.path.segments.last()?.arguments
        else {
            return None;
        };
        arguments.args.iter().find_map(|argument| match argument {
            GenericArgument::AssocType(output) if output.ident == "Output" => Some(&output.ty),
            _ => None,
        })
    });
    let Some(output) = output else {
        return false;
    };
    function.sig.output = parse_quote!(-> #output);
    function.sig.asyncness = Some(parse_quote!(async));
    true
}

fn check(function: &ImplItemFn, parameters: usize) -> Result<()> {
    if function.sig.inputs.len() != parameters + 1 {
        return Err(Error::new(
            function.sig.span(),
            format!(
                "`{}` takes `&self` and {parameters} parameters in ractor's Actor trait",
                function.sig.ident
            ),
        ));
    }
    // What `#[async_trait]` leaves behind.
    let is_async_trait = function
        .sig
        .generics
        .lifetimes()
        .any(|parameter| parameter.lifetime.ident == "async_trait");
    if is_async_trait && !BOXED {
        return Err(Error::new(function.sig.span(), NOT_ASYNC_TRAIT));
    }
    Ok(())
}

fn is_macro(attribute: &Attribute) -> bool {
    metas(attribute).iter().any(|meta| {
        let first = meta.path().segments.first();
        first.is_some_and(|first| PLAIN.iter().all(|plain| first.ident != plain))
    })
}

fn gate_expression(callback: &Ident, names: &[Ident], arms: &[Tokens]) -> Tokens {
    let myself = &names[0];
    // Every callback but `pre_start` has the state for its last parameter. A generic impl's
    // may be bound by `Debug` or not, which the probe decides where it is expanded.
    let state = names.last().map(|state| {
        quote!(|| {
            #[allow(unused_imports)]
            use ::retake::gate::ProbeFallback as _;
            ::retake::gate::Probe(&*#state).state()
        })
    });
    match callback.to_string().as_str() {
        "handle" => {
            let message = &names[1];
            let name = (!arms.is_empty()).then(|| {
                quote!(.or_else(|| {
                    #[allow(deprecated, unreachable_patterns, clippy::all, clippy::pedantic)]
                    let name = match message { #(#arms,)* _ => ::core::option::Option::None };
                    name.map(::std::string::String::from)
                }))
            });
            quote!(::retake::gate::Gate::handle::<Self>(&#myself, &#message, |message| {
                #[allow(unused_imports)]
                use ::retake::gate::ProbeFallback as _;
                ::retake::gate::Probe(message).text() #name
            }, |message| {
                #[allow(unused_imports)]
                use ::retake::gate::ProbeFallback as _;
                ::retake::gate::Probe(message).copy()
            }, #state))
        }
        "handle_supervisor_evt" => {
            let event = &names[1];
            quote!(::retake::gate::Gate::supervision::<Self>(&#myself, &#event, #state))
        }
        "pre_start" => quote!(::retake::gate::Gate::pre_start::<Self>(&#myself)),
        name => {
            let constructor = Ident::new(name, callback.span());
            quote!(::retake::gate::Gate::#constructor::<Self>(&#myself, #state))
        }
    }
}
