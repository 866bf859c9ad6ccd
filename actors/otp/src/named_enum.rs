//! Enums with a word for each variant.

/// Makes an enum whose variants have a word: states, kinds of events and names of timeouts of
/// a [state machine](crate::statem).
///
/// It can be copied, compared and ordered, in the order of its variants, and its `Display` is
/// the word.
///
/// ```
/// retake_otp::named_enum! {
///     /// What can be done with a door.
///     pub enum Action {
///         /// From outside.
///         Push = "push",
///         /// By itself.
///         Spring = "spring",
///     }
/// }
/// assert_eq!(Action::Push.to_string(), "push");
/// assert_eq!(Action::ALL, [Action::Push, Action::Spring]);
/// assert_eq!(Action::of_word("spring"), Some(Action::Spring));
/// assert_eq!(Action::of_word("Spring"), None);
/// ```
#[macro_export]
macro_rules! named_enum {
    (
        $(#[$attribute:meta])*
        $visibility:vis enum $name:ident {
            $($(#[$variant_attribute:meta])* $variant:ident = $word:literal),+ $(,)?
        }
    ) => {
        $(#[$attribute])*
        #[derive(
            ::core::clone::Clone,
            ::core::marker::Copy,
            ::core::fmt::Debug,
            ::core::cmp::PartialEq,
            ::core::cmp::Eq,
            ::core::cmp::PartialOrd,
            ::core::cmp::Ord,
        )]
        $visibility enum $name {
            $($(#[$variant_attribute])* $variant,)+
        }

        impl $name {
            /// All of them, in order.
            #[allow(dead_code)]
            $visibility const ALL: [Self; [$($word),+].len()] = [$(Self::$variant),+];

            /// Its word.
            #[must_use]
            $visibility const fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }

            /// The variant with this word.
            #[must_use]
            #[allow(dead_code)]
            $visibility fn of_word(word: &str) -> ::core::option::Option<Self> {
                Self::ALL.into_iter().find(|it| it.word() == word)
            }
        }

        impl ::core::fmt::Display for $name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.write_str(self.word())
            }
        }
    };
}
