//! External agents' tokens, credentials and messages.

use host_app::{AgentSubjects, AgentUser, Credentials, Minted, Post, PostTarget, TokenRecord, Transport};
use host_wire::{AgentToken, MintedCredentials, MintedToken, PostMessage, PostTo, Qos};

use super::{draft_of, sure};
use crate::problem::ApiError;

/// What an external agent means to send. What is sent again under the same key is the same message, which only what is kept can be.
pub(crate) fn post_of(message: PostMessage, key: Option<String>) -> Result<Post, ApiError> {
    let (to, content, qos) = message.into_parts().map_err(|bad| ApiError::BadBody(bad.to_string()))?;
    if key.is_some() && qos == Qos::AtMostOnce {
        return Err(ApiError::BadHeader(
            "Idempotency-Key needs qos at-least-once: leave out the one or the other".to_owned(),
        ));
    }
    let draft = sure(draft_of(content)?, qos);
    let target = match to {
        PostTo::Topic(topic) => PostTarget::Topic(topic),
        PostTo::Agent(agent) => PostTarget::Agent(agent),
    };
    Ok(Post { target, draft, key })
}

/// A token as it is told once.
pub(crate) fn minted_of(minted: Minted) -> MintedToken {
    let Minted { token, record } = minted;
    MintedToken { token, token_id: record.id().to_string(), expires_at: record.expires.to_string() }
}

/// Credentials as they are told once, and where they lead.
pub(crate) fn credentials_of(user: &AgentUser, minted: &Credentials) -> MintedCredentials {
    let AgentSubjects { ingress, deliveries, inbox } = AgentSubjects::of(&user.tenant, &user.agent);
    // A level of an MQTT topic is a token of a subject.
    let (credentials, written): (_, fn(String) -> String) = match user.transport {
        Transport::Nats => (minted.file().to_string(), |subject| subject),
        Transport::Mqtt => (minted.jwt().to_owned(), |subject| subject.replace('.', "/")),
    };
    MintedCredentials {
        credentials,
        expires_at: minted.expires().to_string(),
        publish: written(ingress),
        subscribe: written(deliveries),
        inbox_prefix: written(inbox),
    }
}

pub(crate) fn transport_of(transport: host_wire::Transport) -> Transport {
    match transport {
        host_wire::Transport::Nats => Transport::Nats,
        host_wire::Transport::Mqtt => Transport::Mqtt,
    }
}

/// What may be told of a token.
pub(crate) fn token_of(token: TokenRecord) -> AgentToken {
    AgentToken {
        token_id: token.id().to_string(),
        created_at: token.created.to_string(),
        expires_at: token.expires.to_string(),
    }
}
