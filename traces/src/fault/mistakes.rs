//! What a fault's text says by mistake, although it parses.
//!
//! A name may be nearly anything, so a word that is spelt wrong becomes a part of a name.

use retake_core::time::{Exact, nanos};

use super::kinds;
use super::words::part_words;
use super::{Fault, FaultError, Target, When};
use crate::near::did_you_mean;

impl Fault {
    /// Refuse what is certainly a mistake of a person who wrote it.
    ///
    /// # Errors
    /// If it ends before it begins, or its name ends with what is nearly a word of the
    /// grammar, as in `panic a in handel @1s`.
    pub fn check(&self) -> Result<(), FaultError> {
        let own = |problem| (problem, self.action.form());
        let problem = self.wrong_end().map(own).or_else(|| match &self.target {
            Target::Named(name) => {
                let word = wrong_word(name).map(own);
                word.or_else(|| self.wrong_verb(name))
            }
            _ => None,
        });
        problem.map_or(Ok(()), |(problem, form)| {
            Err(FaultError::new(self.to_string(), problem, Some(form)))
        })
    }

    fn wrong_end(&self) -> Option<String> {
        let (When::At(begin), Some(("until", end_ns))) = (self.when, self.action.tail().last)
        else {
            return None;
        };
        let begin_ns = nanos(begin);
        (end_ns <= begin_ns).then(|| {
            let (begin, end) = (Exact(begin_ns), Exact(end_ns));
            format!("it ends at {end}, and begins no earlier than {begin}")
        })
    }

    /// `lose packet 5%` is meant to be `lose packets 5%`. With the form of that.
    fn wrong_verb(&self, name: &str) -> Option<(String, &'static str)> {
        let one = self.action.verb();
        let (word, _) = name
            .split_once([' ', '%'])
            .filter(|(word, _)| !word.is_empty())?;
        let mut longer = kinds::grammars().filter(|(verb, _)| {
            verb.strip_prefix(one)
                .and_then(|rest| rest.strip_prefix(' '))
                .is_some_and(|second| second == word || !did_you_mean(word, [second]).is_empty())
        });
        let (verb, form) = longer.next()?;
        let problem = format!("there is no `{one} {word}`: did you mean `{verb}`?");
        Some((problem, form))
    }
}

/// A word that is nearly one of the grammar's.
fn wrong_word(name: &str) -> Option<String> {
    if let Some((_, word)) = name.rsplit_once(" in ") {
        let near = did_you_mean(word, part_words());
        if !near.is_empty() {
            return Some(format!("no callback is called `{word}`{near}"));
        }
    }
    let (_, count) = name.rsplit_once(" with ")?;
    count
        .starts_with(|it: char| it.is_ascii_digit())
        .then(|| format!("`with {count}` lacks its word: write `with 2 siblings`"))
}
