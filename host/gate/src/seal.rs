//! Where bytes leave the process or reach a disk: a stamped message is signed and written, once.

use std::sync::Arc;

use crate::denied::NotSealed;
use crate::keys::{Keys, Signing};
use crate::mac_input::MacInput;
use crate::{Gate, Sealed, Stamped, frame};

impl Gate {
    /// Signs a stamped message, destination included, and writes its frame.
    ///
    /// Refused where the tenant has no key ([`NotSealed::NoKey`]): an unsigned message leaves nothing.
    pub fn seal(&self, stamped: &Stamped, keys: &dyn Keys) -> Result<Sealed, NotSealed> {
        let envelope = stamped.envelope();
        let Some(Signing { key, mac }) = keys.signing(&envelope.tenant, &envelope.sender) else {
            return Err(NotSealed::NoKey { tenant: envelope.tenant.clone() });
        };
        let encoding = stamped.encoding();
        let signature = mac.sign(&MacInput::encoded(envelope, key, encoding));
        let bytes = frame::write(envelope, encoding, key, &signature)?;
        Ok(Sealed::new(envelope.tenant.clone(), envelope.to.to_string(), Arc::from(bytes)))
    }
}
