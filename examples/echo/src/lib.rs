//! Answers a request with its own body; passes any other message on to `echo.heard`. Never looks into a body, so that what is
//! measured with it is the host.

use bailiwick_sdk::{Agent, Draft, Host, Message, Outcome, export_agent};

#[derive(Default)]
struct Echo;

impl Agent for Echo {
    fn handle(&mut self, host: &impl Host, message: Message) -> Outcome {
        if message.expects_answer() {
            return Ok(Some(again(message, "echo.reply")));
        }
        host.publish("echo.heard", again(message, "echo.heard"))?;
        Ok(None)
    }
}

/// The same body and correlation id under another type.
fn again(message: Message, message_type: &str) -> Draft {
    Draft { correlation_id: message.correlation_id, ..Draft::new(message_type, message.content_type, message.payload) }
}

export_agent!(Echo);

#[cfg(test)]
mod tests {
    use bailiwick_sdk::double::{self, Double};

    use super::*;

    fn shout() -> Draft {
        Draft::text("shout", "hello").correlation_id("c-1")
    }

    #[test]
    fn a_request_is_answered_with_its_own_body() {
        let host = Double::default();
        let answer = Draft { message_type: "echo.reply".to_owned(), ..shout() };
        assert_eq!(host.deliver(&mut Echo, double::question(shout())), Ok(Some(answer)));
        assert!(host.sent().is_empty());
    }

    #[test]
    fn any_other_message_is_passed_on() {
        let host = Double::default();
        assert_eq!(host.deliver(&mut Echo, double::event("echo.in", shout())), Ok(None));
        assert_eq!(host.published("echo.heard"), [Draft { message_type: "echo.heard".to_owned(), ..shout() }]);
    }
}
