//! The attribute macro of Retake: puts every callback of a `ractor` actor behind
//! the simulation's gate. Use it as `#[retake::simulated]`.

mod attributes;
mod callback;
mod callbacks;
mod simulated;
mod variants;

use proc_macro::TokenStream;
use proc_macro2::TokenStream as Tokens;
use quote::{format_ident, quote};
use syn::spanned::Spanned;
use syn::{Error, Result};

/// Gates the callbacks of an `impl Actor for …` block.
///
/// Each callback's body runs only when the simulation grants it a turn, whatever
/// way the actor was spawned. Outside a simulation the body runs as written.
/// Callbacks that the block leaves to ractor's defaults are gated as well.
///
/// With ractor's feature `async-trait`, turn on the feature `async-trait` of `retake`; this
/// attribute goes above or below `#[async_trait]`, or takes its place. With
/// `#[ractor::actor]` it goes above that.
///
/// A `ThreadLocalActor` is refused: it runs on a thread of its own, which no simulation
/// schedules.
///
/// ```ignore
/// #[retake::simulated]
/// impl Actor for Counter {
///     type Msg = Message;
///     // … as without the attribute
/// }
/// ```
#[proc_macro_attribute]
pub fn simulated(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expanded(simulated::expand(&arguments.into(), item.into()))
}

/// Lets one `impl Actor for …` block of `async fn`s compile in both forms of ractor's trait,
/// without gates; `retake::gate::callbacks` is this attribute or ractor's `async_trait`.
///
/// It has that name for a reason, see `retake::gate::simulated`.
#[doc(hidden)]
#[proc_macro_attribute]
pub fn async_trait(_: TokenStream, item: TokenStream) -> TokenStream {
    expanded(callbacks::expand(item.into()))
}

fn expanded(result: Result<Tokens>) -> TokenStream {
    result
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}

/// A test that runs its scenario under many seeds. Use it as `#[retake_sim::test]`.
///
/// The function is async, without parameters, and gives nothing or a `Result<(), E>` with
/// `E: Debug`; an error fails the test as a panic would. Settings, all optional:
/// `seeds = 200`, `strategy = "mix"` (or one, such as `"pct:depth=3"`), `faults = "none"`
/// (`"swarm"`, or a TOML file relative to the crate's manifest), `steps = 1_000_000` (the most
/// of a run), `horizon = "1h"` (of virtual time, by which the function has to return),
/// `isolation = "process"` (each run in a process of its own; `"shared"`: all in the test's),
/// `strict = false` (`true`: a tokio task outside the scheduler fails the test),
/// `allow_threads = false` (`true`: a run may start threads, which run outside the
/// simulation), `timeout = "120s"` (of real time for one run, which hangs if it takes longer),
/// `memory_mb = 4096` (the largest address space of a run, on Unix). `strict` alone is short
/// for `strict = true`, and so is `allow_threads`. Other attributes, such as `#[ignore]` and
/// `#[should_panic]`, work as usual.
///
/// A failure prints its seed, the shrunk story, the files of case and trace, and the
/// command that replays it; the case is saved in the crate's folder `retake-cases`, and
/// runs first from then on.
#[proc_macro_attribute]
pub fn test(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let settings = syn::parse_macro_input!(arguments with
        syn::punctuated::Punctuated::<syn::Meta, syn::Token![,]>::parse_terminated);
    syn::parse(item)
        .and_then(|function| simulated_test(&settings, &function))
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}

/// Settings of each run, with their fields of `RunConfig`.
const OF_RUNS: [(&str, &str); 3] = [
    ("steps", "step_limit"),
    ("strict", "strict"),
    ("allow_threads", "allow_threads"),
];

/// Settings of tests that are on where they are named without a value.
const FLAGS: [&str; 2] = ["strict", "allow_threads"];

fn simulated_test(
    settings: &syn::punctuated::Punctuated<syn::Meta, syn::Token![,]>,
    function: &syn::ItemFn,
) -> Result<Tokens> {
    let mut fields = [
        ("seeds", quote!(200)),
        ("strategy", quote!("mix")),
        ("faults", quote!("none")),
        ("horizon", quote!("1h")),
        ("isolation", quote!("process")),
        ("timeout", quote!("120s")),
        ("memory_mb", quote!(4096)),
    ];
    let mut of_runs = Vec::new();
    for setting in settings {
        let is_named = |name: &str| setting.path().is_ident(name);
        let of_run = OF_RUNS.iter().find(|(name, _)| is_named(name));
        let field = fields.iter_mut().find(|(name, _)| is_named(name));
        let Some(name) = of_run
            .map(|(name, _)| *name)
            .or(field.as_ref().map(|it| it.0))
        else {
            return Err(Error::new(
                setting.path().span(),
                "there is no such setting: write seeds, strategy, faults, steps, horizon, \
                 isolation, strict, allow_threads, timeout or memory_mb",
            ));
        };
        let given = match setting {
            syn::Meta::NameValue(setting) => {
                let given = &setting.value;
                quote!(#given)
            }
            syn::Meta::Path(_) if FLAGS.contains(&name) => quote!(true),
            other => {
                return Err(Error::new(
                    other.span(),
                    format!("`{name}` needs a value: write `{name} = ...`"),
                ));
            }
        };
        match (of_run, field) {
            (Some((_, field)), _) => {
                let field = format_ident!("{field}");
                of_runs.push(quote!(config.#field = #given;));
            }
            (None, Some((_, value))) => *value = given,
            (None, None) => {}
        }
    }
    let signature = &function.sig;
    if signature.asyncness.is_none() || !signature.inputs.is_empty() {
        return Err(Error::new(
            signature.span(),
            "#[retake_sim::test] needs an async function without parameters",
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
            async fn #name() #output #body
            ::retake_sim::explore::test_runner::Test {
                crate_folder: ::core::env!("CARGO_MANIFEST_DIR"),
                crate_name: ::core::env!("CARGO_PKG_NAME"),
                module: ::core::module_path!(),
                name: #text,
                #(#field: #value,)*
                config: |config| {
                    let _ = &config;
                    #(#of_runs)*
                },
            }
            .run(#name);
        }
    })
}
