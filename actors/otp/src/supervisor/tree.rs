//! A supervision tree as text.

use std::fmt;

use super::handle::SupervisorRef;
use super::info::{ChildError, ChildInfo, Description};
use super::message::SupervisorMessage;
use super::spec::ChildKind;

/// A supervisor with everything below it, as it was when asked.
///
/// Prints as a tree, without anything that differs between runs of one seed:
///
/// ```text
/// root: one_for_all, at most 5 restarts in 60s
/// ├─ ledger: permanent
/// └─ workers: simple_one_for_one, at most 1 restart in 5s, permanent
///    └─ worker: temporary
/// ```
#[derive(Clone, Debug)]
pub struct Tree {
    /// What it is called.
    pub id: String,
    /// How its supervisor sees it; none for the root.
    pub info: Option<ChildInfo>,
    /// Its strategy and limits, where it is a running supervisor.
    pub supervisor: Option<Description>,
    /// Its children in the order of starting.
    pub children: Vec<Tree>,
}

impl SupervisorRef {
    /// The whole tree below this supervisor, to print.
    ///
    /// # Errors
    /// If the supervisor is not running.
    pub async fn tree(&self) -> Result<Tree, ChildError> {
        let description = self.describe().await?;
        let id = description.name.clone();
        let id = id.unwrap_or_else(|| "supervisor".to_owned());
        Ok(Tree::below(id, None, description).await)
    }
}

impl Tree {
    /// Boxed, because trees are as deep as they are.
    fn below(
        id: String,
        info: Option<ChildInfo>,
        description: Description,
    ) -> std::pin::Pin<Box<dyn Future<Output = Self> + Send>> {
        Box::pin(async move {
            let mut children = Vec::with_capacity(description.children.len());
            for child in &description.children {
                children.push(Self::child(child.clone()).await);
            }
            Self {
                id,
                info,
                supervisor: Some(description),
                children,
            }
        })
    }

    async fn child(info: ChildInfo) -> Self {
        let below = match (&info.actor, info.kind) {
            (Some(actor), ChildKind::Supervisor)
                if actor.is_message_type_of::<SupervisorMessage>() != Some(false) =>
            {
                let supervisor = SupervisorRef::from(ractor::ActorRef::from(actor.clone()));
                // It may end while it is asked.
                supervisor.describe().await.ok()
            }
            _ => None,
        };
        let id = info.id.clone();
        match below {
            Some(description) => Self::below(id, Some(info), description).await,
            None => Self {
                id,
                info: Some(info),
                supervisor: None,
                children: Vec::new(),
            },
        }
    }

    fn draw(&self, f: &mut fmt::Formatter<'_>, indent: &str) -> fmt::Result {
        let mut traits = Vec::new();
        if let Some(supervisor) = &self.supervisor {
            let restarts = match supervisor.intensity {
                1 => "1 restart".to_owned(),
                number => format!("{number} restarts"),
            };
            traits.push(supervisor.strategy.to_string());
            traits.push(format!("at most {restarts} in {:?}", supervisor.period));
        }
        if let Some(info) = &self.info {
            traits.push(info.restart.to_string());
            if info.significant {
                traits.push("significant".to_owned());
            }
            if info.restarting {
                traits.push("restarting".to_owned());
            } else if info.actor.is_none() {
                traits.push("not running".to_owned());
            }
        }
        writeln!(f, "{}: {}", self.id, traits.join(", "))?;
        for (place, child) in self.children.iter().enumerate() {
            let is_last = place + 1 == self.children.len();
            let (branch, below) = if is_last {
                ("└─ ", "   ")
            } else {
                ("├─ ", "│  ")
            };
            write!(f, "{indent}{branch}")?;
            child.draw(f, &format!("{indent}{below}"))?;
        }
        Ok(())
    }
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.draw(f, "")
    }
}
