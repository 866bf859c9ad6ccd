//! One `impl Actor` block for both forms of ractor's trait: with `async fn`s, or boxed.

use proc_macro2::TokenStream as Tokens;
use quote::quote;
use syn::{Expr, ImplItem, ItemImpl, Result, ReturnType, Stmt, parse_quote};

/// The block for the trait without boxes. A callback that only awaits one future returns that
/// future itself: an `async fn` around it would hold the parameters a second time.
pub(crate) fn expand(item: Tokens) -> Result<Tokens> {
    let mut block: ItemImpl = syn::parse2(item)?;
    // Only ractor's attribute leaves this in place.
    block.items.retain(
        |item| !matches!(item, ImplItem::Macro(item) if item.mac.path.is_ident("compile_error")),
    );
    for item in &mut block.items {
        let ImplItem::Fn(function) = item else {
            continue;
        };
        let ReturnType::Type(_, output) = &function.sig.output else {
            continue;
        };
        if let [Stmt::Expr(Expr::Await(awaited), None)] = &function.block.stmts[..] {
            let future = &awaited.base;
            function.block = parse_quote!({ #future });
            function.sig.output = parse_quote!(
                -> impl ::core::future::Future<Output = #output> + ::core::marker::Send
            );
            function.sig.asyncness = None;
        }
    }
    Ok(quote!(#block))
}
