//! The attribute macro of Retake: puts every callback of a `ractor` actor behind
//! the simulation's gate. Use it as `#[retake::simulated]`.

use proc_macro::TokenStream;
use proc_macro2::{Span, TokenStream as Tokens};
use quote::{format_ident, quote};
use syn::spanned::Spanned;
use syn::{
    Error, FnArg, Ident, ImplItem, ImplItemFn, ItemImpl, Pat, Result, ReturnType, Type, parse_quote,
};

/// Gate the callbacks of an `impl Actor for …` block.
///
/// Each callback's body runs only when the simulation grants it a turn, whatever
/// way the actor was spawned. Outside a simulation the body runs as written.
/// Callbacks that the block leaves to ractor's defaults are gated as well.
///
/// With ractor's `async-trait` feature, put this attribute above `#[async_trait]`.
#[proc_macro_attribute]
pub fn simulated(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let arguments = Tokens::from(arguments);
    let expanded = if arguments.is_empty() {
        syn::parse(item).and_then(gate_impl)
    } else {
        Err(Error::new(
            arguments.span(),
            "#[retake::simulated] takes no arguments",
        ))
    };
    expanded
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}

/// The gated callbacks, with the number of their parameters after `&self`.
const CALLBACKS: [(&str, usize); 5] = [
    ("pre_start", 2),
    ("post_start", 2),
    ("handle", 3),
    ("handle_supervisor_evt", 3),
    ("post_stop", 2),
];

fn gate_impl(mut block: ItemImpl) -> Result<Tokens> {
    let is_actor = block.trait_.as_ref().is_some_and(|(_, path, _)| {
        path.segments
            .last()
            .is_some_and(|segment| segment.ident == "Actor")
    });
    if !is_actor {
        return Err(Error::new(
            block.impl_token.span,
            "#[retake::simulated] goes on an `impl Actor for …` block; gate other tasks with `retake::spawn`",
        ));
    }
    // That macro rewrites `async fn` itself.
    let keep_async = block.attrs.iter().any(|a| {
        a.path()
            .segments
            .last()
            .is_some_and(|last| last.ident == "async_trait")
    });
    let mut present = Vec::new();
    for item in &mut block.items {
        if let ImplItem::Fn(function) = item
            && let Some((name, parameters)) = CALLBACKS
                .iter()
                .find(|(name, _)| function.sig.ident == name)
        {
            gate_callback(function, *parameters, keep_async)?;
            present.push(*name);
        }
    }
    let missing = CALLBACKS.iter().filter(|(name, _)| !present.contains(name));
    for (name, _) in missing {
        if let Some(mut function) = default_callback(name) {
            let parameters = function.sig.inputs.len() - 1;
            gate_callback(&mut function, parameters, keep_async)?;
            block.items.push(ImplItem::Fn(function));
        }
    }
    Ok(quote!(#block))
}

fn gate_callback(function: &mut ImplItemFn, parameters: usize, keep_async: bool) -> Result<()> {
    if function.sig.inputs.len() != parameters + 1 {
        return Err(Error::new(
            function.sig.span(),
            format!(
                "`{}` takes `&self` and {parameters} parameters in ractor's Actor trait",
                function.sig.ident
            ),
        ));
    }
    if is_boxed(&function.sig.output) {
        return Err(Error::new(
            function.sig.output.span(),
            "this callback is already boxed: put #[retake::simulated] above #[async_trait]",
        ));
    }

    // The body sees its parameters under the patterns that its author wrote.
    let mut bindings = Vec::new();
    let mut names = Vec::new();
    for (place, argument) in function.sig.inputs.iter_mut().skip(1).enumerate() {
        let FnArg::Typed(argument) = argument else {
            continue;
        };
        let name = format_ident!("__retake_{place}", span = Span::call_site());
        let pattern = std::mem::replace(&mut *argument.pat, ident_pattern(&name));
        // The first `let` takes the parameter along where the pattern does not bind it: its value
        // is to be dropped in the body's step.
        bindings.push(quote!(let #name = #name; let #pattern = #name;));
        names.push(name);
    }

    let gate = gate_expression(&function.sig.ident, &names);
    let body = &function.block;
    // A callback written as `fn … -> impl Future` has a future for a body.
    let awaited = if function.sig.asyncness.is_some() {
        quote!(#body)
    } else {
        quote!(#body.await)
    };
    let gated = quote!(::retake::gate::Gate::run(__retake_gate, async move {
        #(#bindings)*
        #awaited
    }));
    let mut awaited = function.sig.asyncness.map(|_| quote!(.await));
    // Its braces, which the author wrote, are inside others now.
    function.attrs.push(parse_quote!(#[allow(unused_braces)]));
    if let (ReturnType::Type(_, output), Some(_), false) =
        (&function.sig.output, &function.sig.asyncness, keep_async)
    {
        // Returned as it is, the gated body is the callback's only future. An `async fn` around it
        // would hold the parameters a second time, in the memory of every actor.
        function.sig.output =
            parse_quote!(-> impl ::core::future::Future<Output = #output> + ::core::marker::Send);
        function.sig.asyncness = None;
        awaited = None;
    }
    function.block = parse_quote!({
        let __retake_gate = #gate;
        #gated #awaited
    });
    Ok(())
}

fn gate_expression(callback: &Ident, names: &[Ident]) -> Tokens {
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
            quote!(::retake::gate::Gate::handle::<Self>(&#myself, &#message, |message| {
                #[allow(unused_imports)]
                use ::retake::gate::ProbeFallback as _;
                ::retake::gate::Probe(message).text()
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

/// What ractor does for a callback that is not written; `pre_start` has no default.
fn default_callback(name: &str) -> Option<ImplItemFn> {
    let result = quote!(::std::result::Result<(), ::ractor::ActorProcessingErr>);
    let myself = quote!(myself: ::ractor::ActorRef<Self::Msg>);
    let function: ImplItemFn = match name {
        "post_start" | "post_stop" => {
            let name = Ident::new(name, Span::call_site());
            parse_quote!(async fn #name(&self, #myself, _: &mut Self::State) -> #result {
                let _ = myself;
                ::std::result::Result::Ok(())
            })
        }
        "handle" => parse_quote!(
            async fn handle(&self, #myself, _: Self::Msg, _: &mut Self::State) -> #result {
                let _ = myself;
                ::std::result::Result::Ok(())
            }
        ),
        "handle_supervisor_evt" => parse_quote!(
            async fn handle_supervisor_evt(
                &self,
                #myself,
                event: ::ractor::SupervisionEvent,
                _: &mut Self::State,
            ) -> #result {
                if let ::ractor::SupervisionEvent::ActorTerminated(..)
                    | ::ractor::SupervisionEvent::ActorFailed(..) = event
                {
                    myself.stop(::std::option::Option::None);
                }
                ::std::result::Result::Ok(())
            }
        ),
        _ => return None,
    };
    Some(function)
}

fn ident_pattern(name: &Ident) -> Pat {
    parse_quote!(#name)
}

/// True for `Pin<Box<dyn Future …>>`, which `#[async_trait]` leaves behind.
fn is_boxed(output: &ReturnType) -> bool {
    match output {
        ReturnType::Type(_, kind) => match &**kind {
            Type::Path(path) => path
                .path
                .segments
                .last()
                .is_some_and(|last| last.ident == "Pin"),
            _ => false,
        },
        ReturnType::Default => false,
    }
}

/// A test that runs its scenario under many seeds. Use it as `#[retake_sim::test]`.
///
/// The function is async, without parameters, and gives nothing or a `Result<(), E>` with
/// `E: Debug`; an error fails the test as a panic would. Settings, all optional:
/// `seeds = 200`, `strategy = "mix"` (or one, such as `"pct:depth=3"`), `faults = "none"`
/// (`"swarm"`, or a TOML file beside the crate's manifest), `steps = 1_000_000` (the most
/// of a run), `horizon = "1h"` (of virtual time, by which the function has to return). Other attributes, such as `#[ignore]` and `#[should_panic]`, work as usual.
///
/// A failure prints its seed, the shrunk story, the files of case and trace, and the
/// command that replays it; the case is saved in the crate's folder `retake-cases`, and
/// runs first from then on.
#[proc_macro_attribute]
pub fn test(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let settings = syn::parse_macro_input!(arguments with
        syn::punctuated::Punctuated::<syn::MetaNameValue, syn::Token![,]>::parse_terminated);
    syn::parse(item)
        .and_then(|function| simulated_test(&settings, &function))
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}

fn simulated_test(
    settings: &syn::punctuated::Punctuated<syn::MetaNameValue, syn::Token![,]>,
    function: &syn::ItemFn,
) -> Result<Tokens> {
    let mut fields = [
        ("seeds", quote!(200)),
        ("strategy", quote!("mix")),
        ("faults", quote!("none")),
        ("steps", quote!(1_000_000)),
        ("horizon", quote!("1h")),
    ];
    for setting in settings {
        let field = fields
            .iter_mut()
            .find(|(name, _)| setting.path.is_ident(name));
        let Some((_, value)) = field else {
            return Err(Error::new(
                setting.path.span(),
                "there is no such setting: write seeds, strategy, faults, steps or horizon",
            ));
        };
        let given = &setting.value;
        *value = quote!(#given);
    }
    let signature = &function.sig;
    if signature.asyncness.is_none() || !signature.inputs.is_empty() {
        return Err(Error::new(
            signature.span(),
            "#[retake_sim::test] goes on an async function without parameters",
        ));
    }
    let (attributes, visibility) = (&function.attrs, &function.vis);
    let (name, output, body) = (&signature.ident, &signature.output, &function.block);
    let (field, value): (Vec<_>, Vec<_>) = fields
        .iter()
        .map(|(name, value)| (format_ident!("{name}"), value))
        .unzip();
    let text = name.to_string();
    Ok(quote! {
        #[::core::prelude::v1::test]
        #(#attributes)*
        #visibility fn #name() {
            async fn scenario() {
                async fn #name() #output #body
                ::retake_sim::explore::testing::Ended::check(#name().await);
            }
            ::retake_sim::explore::testing::Test {
                crate_folder: ::core::env!("CARGO_MANIFEST_DIR"),
                crate_name: ::core::env!("CARGO_PKG_NAME"),
                module: ::core::module_path!(),
                name: #text,
                #(#field: #value,)*
            }
            .run(scenario);
        }
    })
}
