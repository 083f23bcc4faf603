//! Records of the audit, and what was used.

use host_app::{Break, Decision, Record, Summary, Used};
use host_model::TenantId;
use host_wire::{AuditBreak, AuditCheck, AuditDecision, AuditRecord, AuditSummary, Usage};

/// A record as clients see it.
pub(crate) fn audit_record_of(Record { seq, entry, hash }: Record) -> AuditRecord {
    AuditRecord {
        seq,
        at: entry.at.to_string(),
        count: entry.times(),
        tenant_id: entry.tenant.map(String::from),
        actor: entry.actor,
        action: entry.action.into_owned(),
        target: entry.target,
        decision: match entry.decision {
            Decision::Allowed => AuditDecision::Allowed,
            Decision::Denied => AuditDecision::Denied,
            Decision::Done => AuditDecision::Done,
            Decision::Failed => AuditDecision::Failed,
        },
        code: entry.code,
        limit: entry.limit,
        actual: entry.actual,
        first: entry.first.map(|first| first.to_string()),
        of: entry.of,
        detail: entry.detail,
        hash: hash.to_string(),
    }
}

/// The decision a client named.
pub(crate) fn decision_of(decision: AuditDecision) -> Decision {
    match decision {
        AuditDecision::Allowed => Decision::Allowed,
        AuditDecision::Denied => Decision::Denied,
        AuditDecision::Done => Decision::Done,
        AuditDecision::Failed => Decision::Failed,
    }
}

/// Whether the audit holds, as clients see it.
pub(crate) fn check_of(checked: Result<Summary, Break>) -> AuditCheck {
    match checked {
        Ok(summary) => AuditCheck { holds: Some(summary_of(&summary)), broken: None },
        Err(broken) => AuditCheck { holds: None, broken: Some(break_of(&broken)) },
    }
}

fn summary_of(summary: &Summary) -> AuditSummary {
    let Summary { records, files, hash, unsealed, torn_bytes } = summary;
    AuditSummary {
        records: *records,
        files: *files,
        hash: hash.to_string(),
        unsealed: *unsealed,
        torn_bytes: *torn_bytes,
    }
}

fn break_of(broken: &Break) -> AuditBreak {
    let Break { file, line, seq, .. } = broken;
    AuditBreak { file: file.clone(), line: *line, seq: *seq, message: broken.to_string() }
}

/// What a tenant used.
pub(crate) fn usage_of(tenant: &TenantId, used: &Used) -> Usage {
    Usage {
        tenant_id: tenant.to_string(),
        received: used.received,
        handled: used.handled,
        failed: used.failed,
        published: used.published,
        requested: used.requested,
        replied: used.replied,
        refused: used.refused,
        dropped: used.dropped,
        fuel: used.fuel,
        handle_micros: used.handle_micros,
    }
}
