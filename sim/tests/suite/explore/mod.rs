//! Searches: campaigns, cases, shrinking, explanations, worker processes.

mod bugs;
mod campaigns;
mod cases;
mod explained;
mod external;
mod isolated;
mod prose;
mod strangers;
