//! What a governor does in each state.

use ractor::ActorProcessingErr;
use retake_otp::statem::{Context, EnterContext, Next, StateMachine, Table};

use super::arguments::GovernorArguments;
use super::data::{Governor, GovernorData, answer};
use super::event::{GovernorEvent, GovernorEventKind, GovernorState};
use crate::action::ActionResult;
use crate::ledger::{LedgerRef, ReceiptKind};
use crate::part;
use crate::signal::Verdict;

impl StateMachine for Governor {
    type State = GovernorState;
    type Event = GovernorEvent;
    type Timeout = std::convert::Infallible;
    type Data = GovernorData;
    type Arguments = GovernorArguments;

    fn table() -> Table<GovernorState, GovernorEventKind> {
        use GovernorEventKind::{Act, ActionDone, ActionOverdue, Entitled, Signal};
        use GovernorState::{Boot, Intervening, Refusing, Stable, Warning};
        let table = Table::new([Boot, Intervening])
            .on(Boot, Signal, [Stable, Refusing])
            .on(Boot, Entitled, [])
            .on(Stable, Signal, [Warning, Intervening])
            .on(Stable, Entitled, [Refusing])
            .on(Warning, Signal, [Stable, Intervening])
            .on(Warning, Entitled, [Refusing])
            .on(Intervening, Act, [])
            .on(Intervening, ActionDone, [Stable])
            .on(Intervening, ActionOverdue, [Stable])
            .on(Intervening, Entitled, [])
            .postpone(Intervening, Signal)
            .on(Refusing, Signal, [])
            .on(Refusing, Entitled, [Stable]);
        // A report of an action that has ended already is late, not wrong.
        [Boot, Stable, Warning, Refusing]
            .into_iter()
            .fold(table, |table, state| table.ignore(state, ActionDone))
    }

    async fn init(
        &self,
        arguments: GovernorArguments,
        context: &mut Context<'_, Self>,
    ) -> Result<(GovernorState, GovernorData), ActorProcessingErr> {
        let ledger = LedgerRef::new(&arguments.names.of(part::LEDGER));
        // Read when this governor has its name: who changes it later finds it and tells it.
        let entitled = arguments.entitlements.is_entitled(&arguments.tenant);
        let mut data = GovernorData {
            entitled,
            ledger,
            in_flight: None,
            arguments,
        };
        // An incarnation before this one may have died with an action in flight.
        let open = data.arguments.store.open_attempt(&data.arguments.tenant);
        let Some(attempt) = open else {
            return Ok((GovernorState::Boot, data));
        };
        data.take_over(&attempt, context);
        Ok((GovernorState::Intervening, data))
    }

    async fn enter(
        &self,
        from: Option<GovernorState>,
        state: GovernorState,
        data: &mut GovernorData,
        _: &mut EnterContext<'_, Self>,
    ) -> Result<(), ActorProcessingErr> {
        if let Some(from) = from {
            let kind = ReceiptKind::Transition {
                from: from.to_string(),
                to: state.to_string(),
            };
            data.append(kind, String::new(), None).await?;
        }
        Ok(())
    }

    async fn handle(
        &self,
        state: GovernorState,
        event: GovernorEvent,
        data: &mut GovernorData,
        context: &mut Context<'_, Self>,
    ) -> Result<Next<GovernorState>, ActorProcessingErr> {
        match event {
            // Its reply port is dropped: the client has given up.
            GovernorEvent::Signal(signal, _) if signal.is_late() => Ok(Next::Keep),
            GovernorEvent::Signal(signal, reply) => {
                if let Some(earlier) = data.earlier(&signal) {
                    answer(reply, Verdict::Duplicate(earlier));
                    Ok(Next::Keep)
                } else if data.entitled {
                    data.judge(state, signal, reply, context).await
                } else {
                    data.refuse(&signal, reply).await
                }
            }
            GovernorEvent::Act(signal, reply) => data.act(&signal, reply, context).await,
            GovernorEvent::ActionDone { attempt, result } => {
                data.end_action(attempt, result, context).await
            }
            GovernorEvent::ActionOverdue(attempt) => {
                data.end_action(attempt, ActionResult::Timeout, context)
                    .await
            }
            GovernorEvent::Entitled(entitled) => {
                data.entitled = entitled;
                Ok(match (entitled, state) {
                    (false, GovernorState::Stable | GovernorState::Warning) => {
                        Next::Goto(GovernorState::Refusing)
                    }
                    (true, GovernorState::Refusing) => Next::Goto(GovernorState::Stable),
                    // An action in flight is seen through first.
                    _ => Next::Keep,
                })
            }
        }
    }
}
